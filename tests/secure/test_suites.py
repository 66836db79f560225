"""Suites: the typestate of their handshakes, and a fourth one that encchat knows nothing of."""

from __future__ import annotations

from attrs import define, frozen
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import HandshakeError, SuiteRefusedError
from encchat.secure import (
    Channel,
    ClientKeys,
    Handshake,
    Peer,
    Plaintext,
    Secured,
    ServerKeys,
    Session,
    default_suites,
)
from encchat.secure.noise import HandshakeState, NoiseProtocol
from encchat.secure.noise_suite import NoiseSession
from tests.secure.pairs import SUITES, client_keys, fixed, flights, frames, server_keys


class TypestateTests(SynchronousTestCase):
    """A handshake cannot seal; finishing it kills it; any failure kills it."""

    def initiator(self, name: str) -> Handshake:
        """The client's handshake, not begun."""
        preamble = flights(name).first[: 2 + len(frames(flights(name).first)[0])]
        return fixed(name, 4).initiate(preamble, client_keys())

    def responder(self, name: str) -> Handshake:
        """The server's handshake, not begun."""
        preamble = flights(name).first[: 2 + len(frames(flights(name).first)[0])]
        return fixed(name, 5).respond(preamble, server_keys())

    def finished(self, name: str) -> tuple[tuple[Handshake, Session], tuple[Handshake, Session]]:
        """Both sides' handshakes with the sessions they ended in."""
        client, server = self.initiator(name), self.responder(name)
        first, nothing = client.advance(None)
        self.assertIsNone(nothing)
        second, nothing = server.advance(first)
        self.assertIsNone(nothing)
        third, at_client = client.advance(second)
        silence, at_server = server.advance(third)
        self.assertIsNone(silence)
        assert at_client is not None
        assert at_server is not None
        return (client, at_client), (server, at_server)

    def test_a_handshake_cannot_seal(self) -> None:
        """There is no seal or open to call too early."""
        for name in SUITES:
            for handshake in (self.initiator(name), self.responder(name)):
                self.assertFalse(hasattr(handshake, "seal") or hasattr(handshake, "open"))

    def test_a_finished_handshake_is_dead(self) -> None:
        """After the session every call is a HandshakeError, and the session works on."""
        for name in SUITES:
            (client, at_client), (server, at_server) = self.finished(name)
            for handshake in (client, server):
                for message in (None, b"", frames(flights(name).third)[0]):
                    with self.assertRaises(HandshakeError):
                        handshake.advance(message)
            self.assertEqual(at_server.open(at_client.seal(b"hi")), b"hi")

    def test_a_failed_handshake_is_dead(self) -> None:
        """After a bad message the good one does not mend it."""
        for name in SUITES:
            _, first = frames(flights(name).first)
            server = self.responder(name)
            with self.assertRaises(HandshakeError):
                server.advance(first[:-1])
            with self.assertRaises(HandshakeError):
                server.advance(first)

    def test_out_of_order(self) -> None:
        """The client begins once, the server never begins, and nobody skips a message."""
        for name in SUITES:
            _, second = frames(flights(name).second)
            with self.assertRaises(HandshakeError):
                self.responder(name).advance(None)
            with self.assertRaises(HandshakeError):
                self.initiator(name).advance(second)
            for wrong in (None, b""):
                begun = self.initiator(name)
                begun.advance(None)
                with self.assertRaises(HandshakeError):
                    begun.advance(wrong)
                answered = self.responder(name)
                answered.advance(frames(flights(name).first)[1])
                with self.assertRaises(HandshakeError):
                    answered.advance(wrong)

    def test_both_sessions_name_the_same_channel(self) -> None:
        """The handshake hash is one for both, and another one for every handshake."""
        for name in SUITES:
            (_, at_client), (_, at_server) = self.finished(name)
            self.assertEqual(at_client.peer.handshake_hash, at_server.peer.handshake_hash)


@define
class _Knock:
    """Two messages, a key both know; the server's side finishes with the message it sends."""

    name: str
    state: HandshakeState
    initiator: bool

    def advance(self, message: bytes | None) -> tuple[bytes | None, Session | None]:
        if message is not None:
            self.state.read_message(message)
        reply = None if self.state.finished else self.state.write_message(b"")
        if not self.state.finished:
            return reply, None
        first, second = self.state.split()
        sending, receiving = (first, second) if self.initiator else (second, first)
        return reply, NoiseSession(Peer(self.name, bytes(32), None, self.state.handshake_hash), sending, receiving)


@frozen
class Knock:
    """A suite for people who share a password: Noise NNpsk0 with other functions than encchat's own suites."""

    name: str = "knock.v1"

    def initiate(self, prologue: bytes, keys: ClientKeys) -> Handshake:
        """The client's side."""
        return self._handshake(True, prologue)

    def respond(self, prologue: bytes, keys: ServerKeys) -> Handshake:
        """The server's side."""
        return self._handshake(False, prologue)

    def _handshake(self, initiator: bool, prologue: bytes) -> Handshake:
        protocol = NoiseProtocol.named("Noise_NNpsk0_448_AESGCM_BLAKE2b")
        state = HandshakeState.initialize(protocol, initiator, prologue, psks=[b"open sesame 1001 nights and days"])
        return _Knock(self.name, state, initiator)


class FourthSuiteTests(SynchronousTestCase):
    """Suites are plugins."""

    def test_a_fourth_suite_needs_no_change_of_encchat(self) -> None:
        """Put into the dict, it secures a channel beside the three, however its handshake goes."""
        suites = {**default_suites(), Knock().name: Knock()}
        client, server = Channel.initiator(Knock(), client_keys()), Channel.responder(suites, server_keys())
        (at_server,) = server.receive_data(client.data_to_send())
        client_events = client.receive_data(server.data_to_send())
        assert isinstance(at_server, Secured)
        self.assertEqual(at_server.peer.suite, "knock.v1")
        self.assertEqual(client_events, [at_server])
        self.assertEqual(client.data_to_send(), b"")
        client.send(b"hello")
        self.assertEqual(server.receive_data(client.data_to_send()), [Plaintext(b"hello")])

    def test_default_suites_is_a_new_dict_each_time(self) -> None:
        """A suite put in at one place does not appear at another."""
        default_suites()["knock.v1"] = Knock()
        self.assertEqual(tuple(default_suites()), SUITES)

    def test_a_server_without_it_says_what_it_has(self) -> None:
        """The fourth suite asked of a server with the three is refused with their names."""
        client, server = (
            Channel.initiator(Knock(), client_keys()),
            Channel.responder(default_suites(), server_keys()),
        )
        with self.assertRaises(SuiteRefusedError):
            server.receive_data(client.data_to_send())
        with self.assertRaises(SuiteRefusedError) as caught:
            client.receive_data(server.data_to_send())
        self.assertEqual(caught.exception.offered, SUITES)
