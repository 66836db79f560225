"""What adversaries can do, said by a test so that docs/security.md does not promise more than there is."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat.e2e.memberships import verified_members
from encchat.errors import HandshakeError
from encchat.secure import Channel, Plaintext, default_suites
from tests.e2e import test_memberships as rooms
from tests.secure.pairs import client_keys, fixed, is_secured, server_keys

SECRET = b"what was said"


def recorded(name: str) -> list[bytes]:
    """All that a client sent over one connection to a server whose own randomness, if it is public, was of fives."""
    server = Channel.responder({name: fixed(name, 5)}, server_keys())
    client = Channel.initiator(default_suites()[name], client_keys())
    sent = [client.data_to_send()]
    server.receive_data(sent[0])
    client.receive_data(server.data_to_send())
    client.send(SECRET)
    sent.append(client.data_to_send())
    assert is_secured(server.receive_data(sent[1]))
    return sent


class Recorded(SynchronousTestCase):
    """A connection was recorded; later the server's private keys were stolen."""

    def test_what_was_recorded_in_a_noise_suite_is_not_read_with_the_servers_keys(self) -> None:
        """The keys of a connection are made of others too, which were forgotten with it."""
        for name in ("noise-hybrid", "noise"):
            first, second = recorded(name)
            thief = Channel.responder(default_suites(), server_keys())
            thief.receive_data(first)
            with self.assertRaises(HandshakeError):
                thief.receive_data(second)

    def test_what_was_recorded_in_the_rsa_suite_is_read_with_the_servers_key(self) -> None:
        """What else the server gives to its keys is in its answer, which was recorded too: no forward secrecy."""
        first, second = recorded("rsa-aes128gcm")
        thief = Channel.responder({"rsa-aes128gcm": fixed("rsa-aes128gcm", 5)}, server_keys())
        thief.receive_data(first)
        said = b"".join(event.data for event in thief.receive_data(second) if isinstance(event, Plaintext))
        self.assertEqual(said, SECRET)


class Together(SynchronousTestCase):
    """The server and a member who was expelled."""

    def test_an_expelled_member_and_the_server_let_somebody_in_towards_who_was_not_there(self) -> None:
        """Who saw the expulsion believes neither; who did not cannot know of it."""
        lie = rooms.room(rooms.invited("carol", "alice"), rooms.invited("bob", "alice"), rooms.invited("eve", "carol"))
        late = verified_members(lie, "bob", rooms.keys)
        self.assertIn("eve", late.confirmed)
        there = verified_members(msgspec.structs.replace(lie), "bob", rooms.keys, removed={"carol": 6})
        self.assertNotIn("eve", there.confirmed)
