"""The scheme server-key: the server's key for the room, unwrapped by each device, bound to what is said with it."""

from __future__ import annotations

import os

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat import envelopes, limits, wire
from encchat.e2e.interfaces import Answered, Conversation
from encchat.e2e.server_key import ServerKey, device_rsa, unwrapped
from encchat.errors import NotConnectedError, NotPreparedError, UndecryptableError
from encchat.server import roomkeys
from encchat.wire import Message
from tests.e2e.hosts import Kept, TestHost, World


class RoomServer:
    """What the real server does about one room's keys."""

    def __init__(self) -> None:
        self.keys = [os.urandom(32)]
        self.asked: list[int] = []
        self.refuses: wire.Error | None = None
        self.late: list[tuple[Answered, wire.Ok | wire.Error]] = []
        self.is_slow = False

    def answer(self, host: TestHost, request: wire.Request, done: Answered) -> None:
        assert isinstance(request, wire.GetRoomKey)
        self.asked.append(request.version)
        version = request.version or len(self.keys)
        wrapped = roomkeys.wrapped(self.keys[version - 1], host.rsa)
        result = wire.RoomKey(room=request.room, version=version, wrapped=wrapped)
        answer = self.refuses or wire.Ok(id=request.id, result=result)
        if self.is_slow:
            self.late.append((done, answer))
        else:
            done(answer)

    def rotate(self) -> None:
        """Somebody has left."""
        self.keys.append(os.urandom(32))


class Case(SynchronousTestCase):
    """Alice and Bob in a room of this scheme."""

    def setUp(self) -> None:
        self.server = RoomServer()
        self.world = World(scheme="server-key", answer=self.server.answer)
        self.alice = self.world.device("alice", "PHONE", ServerKey())
        self.bob = self.world.device("bob", "DESK", ServerKey())

    def refused(self, host: TestHost, said: Message) -> UndecryptableError:
        return self.assertRaises(UndecryptableError, host.open, said)


class Keys(Case):
    """Where keys come from."""

    def test_members_read_each_other(self) -> None:
        """The key is fetched by itself, once."""
        said = self.alice.say("good evening")
        self.assertEqual(self.refused(self.bob, said).reason, "no-key")
        self.bob.scheme.work()
        self.assertEqual(self.bob.open(said), "good evening")
        self.assertEqual(self.alice.open(self.bob.say("yes")), "yes")
        self.assertEqual(self.alice.open(self.bob.say("well")), "well")
        self.assertEqual(self.server.asked, [0, 1, 0])

    def test_a_message_before_its_key_is_told_of_when_the_key_comes(self) -> None:
        """`KeyArrived` names what `UndecryptableError` named."""
        said = self.alice.say("early")
        session = self.refused(self.bob, said).session
        self.assertIn("is missing", self.bob.scheme.why(session))
        self.bob.scheme.work()
        self.assertEqual(self.bob.arrived(), [session])
        self.assertEqual(self.bob.scheme.why(session), "")

    def test_a_new_key_is_used_when_somebody_has_left(self) -> None:
        """After any change of members the key in force is asked for before the next message."""
        carol = self.world.device("carol", "TAB", ServerKey())
        first = self.alice.say("with carol")
        self.refused(carol, first)
        carol.scheme.work()
        self.assertEqual(carol.open(first), "with carol")
        self.world.members.remove("carol")
        self.server.rotate()
        self.assertRaises(NotPreparedError, self.alice.encrypt, "with the old key")
        second = self.alice.say("without carol")
        self.assertEqual(envelopes.split_server_key(second.body).version, 2)
        self.server.refuses = wire.Error(id=1, code="unknown-conversation", text="no such room")
        self.assertEqual(self.refused(carol, second).reason, "no-key")
        carol.scheme.work()
        self.assertEqual(self.refused(carol, second).reason, "no-key")

    def test_a_new_key_is_used_when_a_device_was_revoked(self) -> None:
        """The members are the same, their devices are not."""
        self.alice.say("before")
        self.world.revoked.add(self.bob.me)
        self.server.rotate()
        self.assertEqual(envelopes.split_server_key(self.alice.say("after").body).version, 2)

    def test_preparing_waits_for_the_answer(self) -> None:
        """Asked once, however often it is tried; then the machine is told to go on."""
        self.server.is_slow = True
        where = self.world.conversation()
        self.assertEqual(self.alice.scheme.prepare_step(where), "waiting")
        self.assertEqual(self.alice.scheme.prepare_step(where), "waiting")
        self.assertEqual(len(self.server.late), 1)
        done, answer = self.server.late.pop()
        done(answer)
        self.assertEqual(self.alice.resumed, [None])
        self.assertEqual(self.alice.scheme.prepare_step(where), "ready")

    def test_a_lost_connection_is_told_to_the_machine(self) -> None:
        """And the key is asked for again at the next try."""
        self.server.refuses = wire.Error(id=1, code="not-connected", text="gone")
        self.assertRaises(NotConnectedError, self.alice.prepare)
        self.assertIsInstance(self.alice.resumed[0], NotConnectedError)
        self.server.is_slow = True
        self.assertEqual(self.alice.scheme.prepare_step(self.world.conversation()), "waiting")
        done, answer = self.server.late.pop()
        done(answer)
        self.assertIsInstance(self.alice.resumed[1], NotConnectedError)
        self.server.is_slow = False
        self.server.refuses = None
        self.assertEqual(self.alice.scheme.prepare_step(self.world.conversation()), "ready")

    def test_what_the_server_says_about_a_missing_key_is_shown(self) -> None:
        """In the words of the server, and it is asked again later."""
        said = self.alice.say("x")
        session = self.refused(self.bob, said).session
        self.server.refuses = wire.Error(id=1, code="forbidden", text="that was before you came")
        self.bob.scheme.work()
        self.assertIn("that was before you came", self.bob.scheme.why(session))
        self.server.refuses = None
        self.bob.scheme.work()
        self.assertEqual(self.bob.arrived(), [])
        self.world.time += 5 * limits.REPAIR_FIRST_SECONDS
        self.bob.scheme.work()
        self.assertEqual(self.bob.arrived(), [session])

    def test_keys_outlive_the_process(self) -> None:
        """Old messages are read without asking the server."""
        said = self.alice.say("x")
        self.refused(self.bob, said)
        self.bob.scheme.work()
        self.bob.restart()
        self.server.refuses = wire.Error(id=1, code="not-connected", text="gone")
        self.assertEqual(self.bob.open(said), "x")

    def test_a_devices_rsa_key_is_made_once(self) -> None:
        """And is of a size the server takes."""
        keep = Kept()
        public = device_rsa(keep)
        self.assertEqual(device_rsa(keep), public)
        key = roomkeys.new_key(os.urandom)
        self.assertEqual(unwrapped(keep, roomkeys.wrapped(key, public)), key)

    def test_wrapped_keys_that_are_none_are_refused(self) -> None:
        """Not base64, another device's, or of another length."""
        keep, other = Kept(), Kept()
        public = device_rsa(keep)
        for wrapped in (
            "",
            "!",
            "AAAA",
            roomkeys.wrapped(bytes(32), device_rsa(other)),
            roomkeys.wrapped(bytes(31), public),
            roomkeys.wrapped(bytes(33), public),
        ):
            self.assertIsNone(unwrapped(keep, wrapped))


class Messages(Case):
    """What is bound to a message."""

    def setUp(self) -> None:
        super().setUp()
        self.said = self.alice.say("pay him")
        self.bob.prepare()

    def broken(self, said: Message) -> None:
        self.assertEqual(self.refused(self.bob, said).reason, "broken")

    def test_a_message_under_another_name_is_broken(self) -> None:
        """The sender is bound."""
        self.broken(msgspec.structs.replace(self.said, sender="carol"))

    def test_a_message_under_another_ulid_is_broken(self) -> None:
        """So is the message's own id."""
        self.broken(msgspec.structs.replace(self.said, ulid="01BX5ZZKBKACTAV9WEVGEMMVRZ"))

    def test_a_message_of_another_device_is_broken(self) -> None:
        """So is the device."""
        self.broken(msgspec.structs.replace(self.said, body=self.said.body.replace("PHONE", "OTHER")))

    def test_a_message_in_another_room_is_broken(self) -> None:
        """So is the room, were the key the same."""
        other = Conversation("#other", "room:OTHER", "room", "server-key", ("alice", "bob"))
        for name, value in self.bob.keep.all("server-key").items():
            self.bob.keep.put("server-key", name.replace(self.world.conversation().id, other.id), value)
        error = self.assertRaises(UndecryptableError, self.bob.scheme.open, other, self.said)
        self.assertEqual(error.reason, "broken")

    def test_a_message_under_another_version_is_broken(self) -> None:
        """So is the key's version, were the key the same."""
        key = self.bob.keep.all("server-key").popitem()[1]
        self.bob.keep.put("server-key", f"{self.world.conversation().id} 2", key)
        self.broken(msgspec.structs.replace(self.said, body=self.said.body.replace("PHONE.1.", "PHONE.2.")))

    def test_a_message_in_a_room_of_another_scheme_is_not_opened(self) -> None:
        """The server, which knows such keys, cannot speak for anybody in a room that it cannot read."""
        self.world.scheme = "megolm"
        self.assertEqual(self.refused(self.bob, self.said).reason, "wrong-conversation")

    def test_a_changed_or_malformed_message_is_broken(self) -> None:
        """Every part of it."""
        envelope = envelopes.split_server_key(self.said.body)
        flipped = bytes([envelope.ciphertext[0] ^ 1]) + envelope.ciphertext[1:]
        nonce = bytes(12)
        for body in (
            envelopes.ServerKeyEnvelope("PHONE", 1, envelope.nonce, flipped).body,
            envelopes.ServerKeyEnvelope("PHONE", 1, nonce, envelope.ciphertext).body,
            "",
            "PHONE.1.x.y",
        ):
            self.broken(msgspec.structs.replace(self.said, body=body))
        self.assertEqual(self.bob.open(self.said), "pay him")

    def test_the_same_text_is_never_the_same_ciphertext(self) -> None:
        """Each message has a nonce of its own."""
        bodies = {self.alice.encrypt("same").body for _ in range(10)}
        self.assertEqual(len({envelopes.split_server_key(body).nonce for body in bodies}), 10)
        self.assertEqual(len({envelopes.split_server_key(body).ciphertext for body in bodies}), 10)
