"""The channel: frames, the first flight, what is refused, what is kept, when it is dead."""

from __future__ import annotations

from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import (
    ChannelError,
    ConfigurationError,
    FrameError,
    HandshakeError,
    PinMismatchError,
    SuiteRefusedError,
)
from encchat.limits import MAX_EMPTY_RECORDS, MAX_FRAME, MAX_HANDSHAKE_MESSAGE, MAX_PREAMBLE, TAG_LENGTH
from encchat.secure import (
    DEFAULT_OFFER,
    DEFAULT_SUITE,
    Channel,
    ClientKeys,
    Peer,
    Plaintext,
    Secured,
    ServerKeys,
    default_suites,
    fingerprint,
)
from encchat.secure.noise import HandshakeState, x25519_pair
from encchat.secure.noise_suite import NoiseSuite
from tests.secure.pairs import (
    SUITES,
    before_last,
    client_keys,
    fixed,
    flights,
    frame,
    frames,
    identity,
    initiator,
    responder,
    secured,
    server_keys,
    session_and_server,
    static,
)


class HandshakeTests(SynchronousTestCase):
    """From two strangers to two who know each other."""

    def test_every_suite_secures_both_sides(self) -> None:
        """Both sides learn the suite, each other's proven keys, and the same handshake hash."""
        for name, suite in default_suites().items():
            client = Channel.initiator(suite, client_keys())
            server = Channel.responder(default_suites(), server_keys())
            self.assertEqual(server.receive_data(client.data_to_send()), [])
            (at_client,) = client.receive_data(server.data_to_send())
            self.assertTrue(client.secured)
            self.assertFalse(server.secured)
            (at_server,) = server.receive_data(client.data_to_send())
            self.assertTrue(server.secured)
            assert isinstance(at_client, Secured)
            assert isinstance(at_server, Secured)
            shared = at_client.peer.handshake_hash
            server_static = server_keys().static.public_key().public_bytes_raw()
            device = client_keys().static.public_key().public_bytes_raw()
            self.assertEqual(at_client.peer, Peer(name, server_static, identity(), shared))
            self.assertEqual(at_server.peer, Peer(name, device, None, shared))
            self.assertEqual(len(shared), 32)

    def test_two_handshakes_share_nothing(self) -> None:
        """The same keys never make the same bytes twice."""
        for suite in default_suites().values():
            first = [Channel.initiator(suite, client_keys()).data_to_send() for _ in range(2)]
            self.assertNotEqual(*first)
            hashes = set()
            for _ in range(2):
                server = Channel.responder(default_suites(), server_keys())
                server.receive_data(first[0])
                hashes.add(server.data_to_send())
            self.assertEqual(len(hashes), 2)

    def test_the_default_is_post_quantum_and_rsa_is_not_offered(self) -> None:
        """Without any option noise-hybrid is asked for, and rsa-aes128gcm is off."""
        self.assertEqual(DEFAULT_SUITE, "noise-hybrid")
        self.assertEqual(DEFAULT_OFFER, ("noise-hybrid", "noise"))
        self.assertEqual(tuple(default_suites()), SUITES)

    def test_data_may_follow_in_the_same_segment(self) -> None:
        """What the client sends right behind message 3 arrives with it, after `Secured`."""
        for name in SUITES:
            client, server = initiator(name), responder(name)
            server.receive_data(flights(name).first)
            client.receive_data(server.data_to_send())
            client.send(b"hello ")
            client.send(b"world")
            events = server.receive_data(client.data_to_send())
            self.assertIsInstance(events[0], Secured)
            self.assertEqual(events[1:], [Plaintext(b"hello world")])

    def test_bytes_may_come_one_by_one(self) -> None:
        """A handshake and records that arrive a byte at a time come out the same."""
        client, server = initiator("noise"), responder("noise")
        for byte in flights("noise").first:
            self.assertEqual(server.receive_data(bytes([byte])), [])
        for byte in server.data_to_send():
            client.receive_data(bytes([byte]))
        client.send(b"one")
        client.send(b"two")
        events = [event for byte in client.data_to_send() for event in server.receive_data(bytes([byte]))]
        self.assertEqual(events[1:], [Plaintext(b"one"), Plaintext(b"two")])


class PinTests(SynchronousTestCase):
    """The client knows whom it talks to before it says who it is."""

    def impostor(self) -> ServerKeys:
        """A server with its own identity."""
        return ServerKeys(Ed25519PrivateKey.generate(), static(9), server_keys().rsa)

    def test_a_wrong_server_never_sees_the_devices_key(self) -> None:
        """With the wrong identity the client fails, names both fingerprints, and message 3 does not exist."""
        for name in SUITES:
            keys = self.impostor()
            shown = fingerprint(keys.identity.public_key().public_bytes_raw())
            client = Channel.initiator(fixed(name, 4), client_keys())
            server = Channel.responder(default_suites(), keys)
            server.receive_data(client.data_to_send())
            with self.assertRaises(PinMismatchError) as caught:
                client.receive_data(server.data_to_send())
            self.assertEqual((caught.exception.expected, caught.exception.shown), (client_keys().pin, shown))
            self.assertEqual(client.data_to_send(), b"")

    def test_without_a_pin_any_identity_is_shown(self) -> None:
        """A client without a pin learns whom it met, to pin it."""
        for name in SUITES:
            keys = self.impostor()
            client = Channel.initiator(fixed(name, 4), evolve(client_keys(), pin=None))
            server = Channel.responder(default_suites(), keys)
            server.receive_data(client.data_to_send())
            (event,) = client.receive_data(server.data_to_send())
            assert isinstance(event, Secured)
            self.assertEqual(event.peer.identity, keys.identity.public_key().public_bytes_raw())

    def check_voucher(self, voucher: bytes, text: str) -> None:
        """A server that puts ``voucher`` into message 2 is refused, pinned or not, with ``text``."""
        suite = default_suites()["noise"]
        assert isinstance(suite, NoiseSuite)
        for pin in (client_keys().pin, None):
            client = Channel.initiator(suite, ClientKeys(static(3), pin))
            preamble, first = frames(client.data_to_send())
            server = HandshakeState.initialize(suite.protocol, False, frame(preamble), x25519_pair(static(9)))
            server.read_message(first)
            with self.assertRaisesRegex(HandshakeError, text):
                client.receive_data(frame(b"") + frame(server.write_message(voucher)))
            self.assertEqual(client.data_to_send(), b"")

    def test_an_identity_that_did_not_vouch_is_refused(self) -> None:
        """Somebody else's identity beside one's own static key is no voucher."""
        self.check_voucher(server_keys().voucher, "did not sign")
        self.check_voucher(b"\xff" * 32 + server_keys().voucher[32:], "did not sign")

    def test_a_voucher_of_the_wrong_length_is_refused(self) -> None:
        """Message 2 holds exactly an identity and a signature."""
        for voucher in (b"", server_keys().voucher[:-1], server_keys().voucher + b"\0"):
            self.check_voucher(voucher, "wrong length")

    def test_the_static_key_rotates_under_one_pin(self) -> None:
        """A new static key of the same identity needs no new pin."""
        keys = ServerKeys(server_keys().identity, static(7))
        client = Channel.initiator(default_suites()["noise"], client_keys())
        server = Channel.responder(default_suites(), keys)
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        self.assertTrue(client.secured)

    def test_a_fingerprint_looks_like_that_of_ssh(self) -> None:
        """SHA256: and 43 characters of base64 without padding."""
        self.assertEqual(fingerprint(bytes(32)), "SHA256:Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU")


class PreambleTests(SynchronousTestCase):
    """The first frame of each side."""

    def test_the_preamble_names_version_and_suite(self) -> None:
        """The first frame is readable: encchat/1 and the one suite that is wanted."""
        for name in SUITES:
            preamble, _ = frames(flights(name).first)
            self.assertEqual(preamble, b"encchat/1 " + name.encode())

    def test_an_unknown_suite_is_told_what_is_offered(self) -> None:
        """The server refuses, hands out the names it offers, and is dead; the client raises the same and is dead."""
        client = Channel.initiator(default_suites()["rsa-aes128gcm"], client_keys())
        offer = {name: suite for name, suite in default_suites().items() if name in DEFAULT_OFFER}
        server = Channel.responder(offer, server_keys())
        with self.assertRaises(SuiteRefusedError) as at_server:
            server.receive_data(client.data_to_send())
        refusal = server.data_to_send()
        self.assertEqual(refusal, frame(b"noise-hybrid,noise"))
        self.assertEqual(server.data_to_send(), b"")
        with self.assertRaises(SuiteRefusedError) as at_client:
            client.receive_data(refusal)
        for error in (at_server.exception, at_client.exception):
            self.assertEqual((error.wanted, error.offered), ("rsa-aes128gcm", DEFAULT_OFFER))
        for channel in (server, client):
            with self.assertRaises(ChannelError):
                channel.receive_data(b"")

    def test_the_client_never_falls_back(self) -> None:
        """After a refusal the client has nothing more to send."""
        client = initiator("noise-hybrid")
        with self.assertRaises(SuiteRefusedError):
            client.receive_data(frame(b"noise"))
        self.assertEqual(client.data_to_send(), b"")

    def test_a_refusal_that_is_no_list_of_suites(self) -> None:
        """Names that could play tricks on a terminal are not repeated."""
        for answer in (b"\x1b[2J", b"noise,", b",", b"a b", "noïse".encode(), b"n" * 55):
            with self.assertRaisesRegex(HandshakeError, "neither empty nor a list"):
                initiator("noise").receive_data(frame(answer))

    def test_a_stranger_is_no_client(self) -> None:
        """A first frame that is not encchat/1 and a name ends the connection without an answer."""
        for body in (b"", b"encchat/2 noise", b"encchat/1", b"encchat/1 ", b"encchat/1 a b", b"encchat/1 \xff", b"hi"):
            server = responder("noise")
            with self.assertRaisesRegex(HandshakeError, "preamble"):
                server.receive_data(frame(body))
            self.assertEqual(server.data_to_send(), b"")

    def test_other_protocols_are_sent_away_at_once(self) -> None:
        """A web browser, an ssh client and a TLS client are over the first length already."""
        for greeting in (b"GET / HTTP/1.1\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\x02\x00\x01"):
            with self.assertRaises(FrameError):
                responder("noise").receive_data(greeting)

    def test_a_suite_the_keys_cannot_do(self) -> None:
        """A server that offers rsa-aes128gcm without an RSA key says so to its log and only drops the client."""
        server = Channel.responder(default_suites(), ServerKeys(server_keys().identity, static(2)))
        with self.assertRaisesRegex(HandshakeError, "RSA key"):
            server.receive_data(flights("rsa-aes128gcm").first)
        self.assertEqual(server.data_to_send(), b"")

    def test_suites_need_names_that_fit_the_preamble(self) -> None:
        """A suite whose name is empty, too long or holds a space or comma cannot be asked for or offered."""
        suite = default_suites()["noise"]
        longest = MAX_PREAMBLE - len(b"encchat/1 ")
        for name in ("", "a b", "a,b", "ä", "n" * (longest + 1)):
            with self.assertRaises(ConfigurationError):
                Channel.initiator(evolve(suite, name=name), client_keys())  # type: ignore[misc]
            with self.assertRaises(ConfigurationError):
                Channel.responder({name: suite}, server_keys())
        with self.assertRaises(ConfigurationError):
            Channel.responder({}, server_keys())

    def test_both_sides_must_have_seen_the_same_preamble(self) -> None:
        """A suite's name that was changed on the way, to one the server also offers, breaks the handshake."""
        suite = default_suites()["noise"]
        other = evolve(suite, name="mouse")  # type: ignore[misc]
        server = Channel.responder({"mouse": other}, server_keys())
        client = Channel.initiator(suite, client_keys())
        server.receive_data(client.data_to_send().replace(b"noise", b"mouse"))
        with self.assertRaises(HandshakeError):
            client.receive_data(server.data_to_send())


class FrameLimitTests(SynchronousTestCase):
    """A length is checked the moment it is there."""

    def check(self, channel: Channel, limit: int, name: str) -> None:
        """``limit`` and one less are waited for, one more is an error from two bytes alone."""
        self.assertEqual(channel.receive_data((limit + 1).to_bytes(2, "big")[:1]), [])
        with self.assertRaisesRegex(FrameError, f"{limit + 1} bytes.*at most {limit}"):
            channel.receive_data((limit + 1).to_bytes(2, "big")[1:])

    def test_preamble(self) -> None:
        """The preamble has at most MAX_PREAMBLE bytes."""
        for length in (MAX_PREAMBLE - 1, MAX_PREAMBLE):
            server = responder("noise")
            name = "n" * (length - len(b"encchat/1 "))
            with self.assertRaises(SuiteRefusedError) as caught:
                server.receive_data(frame(b"encchat/1 " + name.encode()))
            self.assertEqual(caught.exception.wanted, name)
        self.check(responder("noise"), MAX_PREAMBLE, "preamble")

    def test_answer(self) -> None:
        """The server's answer has at most MAX_HANDSHAKE_MESSAGE bytes."""
        for length in (MAX_HANDSHAKE_MESSAGE - 1, MAX_HANDSHAKE_MESSAGE):
            answer = (b"suite," * length)[: length - 1] + b"z"
            with self.assertRaises(SuiteRefusedError):
                initiator("noise").receive_data(frame(answer))
        self.check(initiator("noise"), MAX_HANDSHAKE_MESSAGE, "answer")

    def test_handshake_message(self) -> None:
        """A handshake message has at most MAX_HANDSHAKE_MESSAGE bytes."""
        for name in SUITES:
            for length in (MAX_HANDSHAKE_MESSAGE - 1, MAX_HANDSHAKE_MESSAGE):
                with self.assertRaises(HandshakeError):
                    before_last(name).receive_data(frame(bytes(length)))
            self.check(before_last(name), MAX_HANDSHAKE_MESSAGE, "message 3")


class DeathTests(SynchronousTestCase):
    """An error is for ever."""

    def dead(self) -> Channel:
        """A channel that was secured and got a forged record."""
        _, server = secured("noise")
        server.send(b"unsent")
        with self.assertRaises(ChannelError):
            server.receive_data(frame(bytes(64)))
        return server

    def test_every_further_call_raises(self) -> None:
        """After an error nothing is taken, sent or probed any more, and why is said again."""
        server = self.dead()
        for deed in (lambda: server.receive_data(b""), lambda: server.send(b"x"), server.probe):
            with self.assertRaisesRegex(ChannelError, "has failed: record 0"):
                deed()
        self.assertFalse(server.secured)
        self.assertFalse(server.probing)

    def test_nothing_goes_outward(self) -> None:
        """What was queued is dropped; the peer is told nothing."""
        self.assertEqual(self.dead().data_to_send(), b"")

    def test_before_the_handshake_is_done_nothing_can_be_sent(self) -> None:
        """`send` and `probe` refuse until `Secured`; the channel lives on."""
        for channel in (initiator("noise"), responder("noise"), before_last("noise")):
            for deed in (lambda c=channel: c.send(b"x"), channel.probe):
                with self.assertRaisesRegex(HandshakeError, "before the handshake"):
                    deed()
            self.assertEqual(channel.receive_data(b""), [])


class ProbeTests(SynchronousTestCase):
    """Signs of life are empty records."""

    def test_a_probe_is_answered_by_itself(self) -> None:
        """The peer's answer ends probing, and neither side sees an event."""
        for name in SUITES:
            client, server = secured(name)
            client.probe()
            self.assertTrue(client.probing)
            self.assertEqual(server.receive_data(client.data_to_send()), [])
            self.assertFalse(server.probing)
            self.assertEqual(client.receive_data(server.data_to_send()), [])
            self.assertFalse(client.probing)
            self.assertEqual(client.data_to_send(), b"")

    def test_any_data_ends_probing(self) -> None:
        """Even half a frame is a sign of life; the late answer is still known as one."""
        client, server = secured("noise")
        server.send(b"busy")
        data = server.data_to_send()
        client.probe()
        client.receive_data(b"")
        self.assertTrue(client.probing)
        client.receive_data(data[:5])
        self.assertFalse(client.probing)
        self.assertEqual(client.receive_data(data[5:]), [Plaintext(b"busy")])
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
        self.assertEqual(client.data_to_send(), b"")

    def test_probing_twice_sends_once(self) -> None:
        """While an answer is out no second probe goes; once it came, one does."""
        client, server = secured("noise")
        client.probe()
        client.probe()
        self.assertEqual(len(frames(client.data_to_send())), 1)
        server.send(b"x")
        client.receive_data(server.data_to_send())
        client.probe()
        self.assertTrue(client.probing)
        self.assertEqual(client.data_to_send(), b"")

    def test_probes_that_cross_answer_each_other(self) -> None:
        """When both probe at once both are satisfied and it ends there."""
        client, server = secured("noise")
        client.probe()
        server.probe()
        to_server, to_client = client.data_to_send(), server.data_to_send()
        server.receive_data(to_server)
        client.receive_data(to_client)
        self.assertEqual((client.probing, server.probing), (False, False))
        self.assertEqual((client.data_to_send(), server.data_to_send()), (b"", b""))

    def test_a_flood_of_probes_gets_one_answer_or_the_end(self) -> None:
        """Many empty records at once are answered with one; one more than the limit ends the connection."""
        for count in (MAX_EMPTY_RECORDS - 1, MAX_EMPTY_RECORDS):
            session, server = session_and_server("noise")
            server.receive_data(b"".join(frame(session.seal(b"")) for _ in range(count)))
            self.assertEqual(len(frames(server.data_to_send())), 1)
        session, server = session_and_server("noise")
        with self.assertRaisesRegex(FrameError, "17 empty records.*at most 16"):
            server.receive_data(b"".join(frame(session.seal(b"")) for _ in range(MAX_EMPTY_RECORDS + 1)))
        self.assertEqual(server.data_to_send(), b"")

    def test_an_empty_text_is_no_probe(self) -> None:
        """Sending nothing sends nothing."""
        client, _ = secured("noise")
        client.send(b"")
        self.assertEqual(client.data_to_send(), b"")


class SplittingTests(SynchronousTestCase):
    """Long texts go as several records."""

    def test_at_the_border_of_a_record(self) -> None:
        """One byte less than a record holds, as many, and one more: one, one and two records."""
        for name, most in (("noise", MAX_FRAME - TAG_LENGTH), ("rsa-aes128gcm", MAX_FRAME - 12 - TAG_LENGTH)):
            client, server = secured(name)
            for length, records in ((most - 1, 1), (most, 1), (most + 1, 2)):
                client.send(bytes(length))
                data = client.data_to_send()
                self.assertEqual(len(frames(data)), records)
                self.assertEqual(server.receive_data(data), [Plaintext(bytes(length))])

    def test_a_megabyte_both_ways(self) -> None:
        """A text of any size arrives whole, as one event when it comes in one piece."""
        text = bytes(range(256)) * 4096
        for name in SUITES:
            client, server = secured(name)
            for sender, receiver in ((client, server), (server, client)):
                sender.send(text)
                self.assertEqual(receiver.receive_data(sender.data_to_send()), [Plaintext(text)])
