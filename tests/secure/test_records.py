"""Records: each is opened once, in its order, or the connection ends."""

from __future__ import annotations

from attrs import define
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import CounterExhaustedError, FrameError, RecordError
from encchat.limits import MAX_FRAME, REKEY_AFTER_RECORDS, TAG_LENGTH
from encchat.secure import (
    Channel,
    ClientKeys,
    Handshake,
    Peer,
    Plaintext,
    Secured,
    ServerKeys,
    Session,
)
from encchat.secure.noise import CipherState
from encchat.secure.noise.functions import CIPHERS
from encchat.secure.noise_suite import NoiseSession
from encchat.secure.rsa_session import Direction, RsaSession
from tests.secure.pairs import SUITES, client_keys, frame, frames, secured, server_keys, session_and_server

PEER = Peer("test", bytes(32), None, bytes(32))
LAST = 2**64 - 2
"""The last number a record may have."""


def cipher_states(n: int = 0) -> tuple[CipherState, CipherState]:
    """The same cipher state twice, at ``n``."""
    states = CipherState(CIPHERS["ChaChaPoly"], bytes(32)), CipherState(CIPHERS["ChaChaPoly"], bytes(32))
    for state in states:
        state.set_nonce(n)
    return states


def noise_sessions(n: int = 0) -> tuple[NoiseSession, NoiseSession]:
    """Two ends of one session whose next record has number ``n`` both ways."""
    there, back = cipher_states(n), cipher_states(n)
    return NoiseSession(PEER, there[0], back[0]), NoiseSession(PEER, back[1], there[1])


def rsa_sessions(n: int = 0) -> tuple[RsaSession, RsaSession]:
    """The same for rsa-aes128gcm; its IVs are all zero here."""
    there, back = [[Direction(bytes([key]) * 16, n) for _ in range(2)] for key in (1, 2)]
    return RsaSession(PEER, bytes, there[0], back[0]), RsaSession(PEER, bytes, back[1], there[1])


class TamperedRecordTests(SynchronousTestCase):
    """What somebody on the way can do to records."""

    def three(self, name: str) -> tuple[Channel, list[bytes]]:
        """A server's channel and three records for it."""
        client, server = secured(name)
        for text in (b"one", b"two", b"three"):
            client.send(text)
        return server, frames(client.data_to_send())

    def check_refused(self, name: str, order: list[int], good: int) -> None:
        """The records in ``order``: the first ``good`` are opened, the next one ends the connection."""
        server, records = self.three(name)
        for number in order[:good]:
            server.receive_data(frame(records[number]))
        with self.assertRaises(RecordError):
            server.receive_data(frame(records[order[good]]))

    def test_every_flipped_bit(self) -> None:
        """No bit of a record, its IV and tag among them, can be flipped."""
        for near, far in (noise_sessions(), rsa_sessions()):
            record = near.seal(b"attack at dawn")
            whole = int.from_bytes(record, "big")
            for bit in range(len(record) * 8):
                with self.assertRaises(RecordError):
                    far.open((whole ^ 1 << bit).to_bytes(len(record), "big"))
            self.assertEqual(far.open(record), b"attack at dawn")

    def test_every_flipped_bit_of_a_frame(self) -> None:
        """In a channel the same ends the connection; a flipped bit of the length delivers nothing either."""
        for name in SUITES:
            for bit in range(0, 8 * len(frame(session_and_server(name)[0].seal(b"hi"))), 5):
                session, server = session_and_server(name)
                data = frame(session.seal(b"hi"))
                flipped = (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")
                try:
                    self.assertEqual(server.receive_data(flipped), [])
                except RecordError:
                    self.assertFalse(server.secured)
                else:
                    self.assertGreater(flipped[:2], data[:2])

    def test_truncated(self) -> None:
        """A record that ends early is refused, and so is one that is not even a tag."""
        for name in SUITES:
            _, records = self.three(name)
            for length in range(len(records[0])):
                server, records = self.three(name)
                with self.assertRaises(RecordError):
                    server.receive_data(frame(records[0][:length]))

    def test_lengthened(self) -> None:
        """A record with a byte more is refused."""
        for name in SUITES:
            server, records = self.three(name)
            with self.assertRaises(RecordError):
                server.receive_data(frame(records[0] + b"\0"))

    def test_oversized(self) -> None:
        """The longest frame two bytes can announce is waited for, and refused as a forgery, not more."""
        for name in SUITES:
            server, _ = self.three(name)
            self.assertEqual(server.receive_data(b"\xff\xff" + bytes(MAX_FRAME - 1)), [])
            with self.assertRaises(RecordError):
                server.receive_data(b"\0")

    def test_replayed(self) -> None:
        """A record that comes twice ends the connection."""
        for name in SUITES:
            self.check_refused(name, [0, 0], 1)
            self.check_refused(name, [0, 1, 0], 2)

    def test_dropped(self) -> None:
        """A record that is left out ends the connection at the next one."""
        for name in SUITES:
            self.check_refused(name, [1], 0)
            self.check_refused(name, [0, 2], 1)

    def test_reordered(self) -> None:
        """Two records in the wrong order end the connection."""
        for name in SUITES:
            self.check_refused(name, [0, 2, 1], 1)

    def test_reflected(self) -> None:
        """What a side sent is not taken back by it as if the peer had said it."""
        for name in SUITES:
            client, _ = secured(name)
            client.send(b"mine")
            with self.assertRaises(RecordError):
                client.receive_data(client.data_to_send())

    def test_of_another_connection(self) -> None:
        """A record of one connection means nothing on another one of the same two."""
        for name in SUITES:
            for stranger, _ in (noise_sessions(), rsa_sessions()):
                client, _ = secured(name)
                with self.assertRaises(RecordError):
                    client.receive_data(frame(stranger.seal(b"hello")))

    def test_the_error_wins(self) -> None:
        """Nothing of the bytes that brought a bad record is delivered, not even the good records before it."""
        for name in SUITES:
            server, records = self.three(name)
            with self.assertRaises(RecordError):
                server.receive_data(frame(records[0]) + frame(records[1]) + frame(records[1]))
            self.assertFalse(server.secured)

    def test_the_same_text_never_looks_the_same(self) -> None:
        """Sending a text twice gives two different records."""
        for name in SUITES:
            client, _ = secured(name)
            client.send(b"same")
            client.send(b"same")
            first, second = frames(client.data_to_send())
            self.assertNotEqual(first[-20:], second[-20:])


class SessionTests(SynchronousTestCase):
    """What both kinds of session promise."""

    def test_a_text_over_the_limit_is_our_own_error(self) -> None:
        """A session seals max_plaintext bytes and one less, and refuses one more."""
        for near, far in (noise_sessions(), rsa_sessions()):
            for length in (near.max_plaintext - 1, near.max_plaintext):
                record = near.seal(bytes(length))
                self.assertLessEqual(len(record), MAX_FRAME)
                self.assertEqual(far.open(record), bytes(length))
            with self.assertRaises(FrameError):
                near.seal(bytes(near.max_plaintext + 1))
            self.assertEqual(far.open(near.seal(b"still in step")), b"still in step")

    def test_a_refused_record_changes_nothing(self) -> None:
        """After a forgery the genuine record would still open; it is the channel that ends it."""
        for near, far in (noise_sessions(), rsa_sessions()):
            record = near.seal(b"genuine")
            for forgery in (b"", bytes(len(record)), record[:-1], record + b"\0"):
                with self.assertRaises(RecordError):
                    far.open(forgery)
            self.assertEqual(far.open(record), b"genuine")

    def test_the_counter_ends(self) -> None:
        """Number 2^64-2 is the last; 2^64-1 is never sealed or opened."""
        for near, far in (noise_sessions(LAST - 1), rsa_sessions(LAST - 1)):
            for text in (b"last but one", b"last"):
                self.assertEqual(far.open(near.seal(text)), text)
            with self.assertRaises(CounterExhaustedError):
                near.seal(b"one too many")
            with self.assertRaises(CounterExhaustedError):
                far.open(bytes(64))

    def test_both_sides_rekey_together(self) -> None:
        """Records before, at and after REKEY_AFTER_RECORDS open, and the key is another one afterwards."""
        for near, far in (noise_sessions(), rsa_sessions()):
            for _ in range(REKEY_AFTER_RECORDS + 2):
                far.open(near.seal(b""))
            self.assertEqual(far.open(near.seal(b"on")), b"on")

    def test_noise_rekeys_after_the_count(self) -> None:
        """Noise's key is the first one up to the count, and Rekey() of it from there on."""
        sending, expected = cipher_states(REKEY_AFTER_RECORDS - 2)
        session = NoiseSession(PEER, sending, cipher_states()[0])
        session.seal(b"n-1")
        self.assertEqual((sending.n, sending.k), (REKEY_AFTER_RECORDS - 1, bytes(32)))
        session.seal(b"n")
        expected.rekey()
        self.assertEqual((sending.n, sending.k), (REKEY_AFTER_RECORDS, expected.k))
        session.seal(b"n+1")
        self.assertEqual((sending.n, sending.k), (REKEY_AFTER_RECORDS + 1, expected.k))
        self.assertNotEqual(expected.k, bytes(32))

    def test_rsa_rekeys_after_the_count(self) -> None:
        """The records of rsa-aes128gcm are under the first key up to the count and not from there on."""
        direction, key = Direction(bytes(16), REKEY_AFTER_RECORDS - 2), AESGCM(bytes(16))
        for number in (REKEY_AFTER_RECORDS - 2, REKEY_AFTER_RECORDS - 1):
            record = direction.seal(bytes(12), b"x")
            self.assertEqual(key.decrypt(record[:12], record[12:], number.to_bytes(8, "big")), b"x")
        record = direction.seal(bytes(12), b"x")
        with self.assertRaises(InvalidTag):
            key.decrypt(record[:12], record[12:], REKEY_AFTER_RECORDS.to_bytes(8, "big"))

    def test_rsa_records_have_a_fresh_random_iv(self) -> None:
        """The first 12 bytes of each record come from the random source, asked for each record anew."""
        asked: list[int] = []

        def random(length: int) -> bytes:
            asked.append(length)
            return bytes([len(asked)]) * length

        session = RsaSession(PEER, random, Direction(bytes(16)), Direction(bytes(16)))
        records = [session.seal(b"same") for _ in range(3)]
        self.assertEqual(asked, [12, 12, 12])
        self.assertEqual([record[:12] for record in records], [bytes([number]) * 12 for number in (1, 2, 3)])

    def test_sessions_do_not_show_their_keys(self) -> None:
        """The repr of a session, which may end up in a traceback, holds no key."""
        secret = bytes(range(32))
        shown = repr(NoiseSession(PEER, CipherState(CIPHERS["AESGCM"], secret), cipher_states()[0]))
        shown += repr(Direction(secret[:16]))
        self.assertNotIn(repr(secret[:16])[2:-1], shown)


@define
class _Near:
    """A handshake of one message that ends in a session near its counter's end."""

    session: Session

    def advance(self, message: bytes | None) -> tuple[bytes | None, Session | None]:
        return (b"hello", None) if message is None else (None, self.session)


@define
class _NearTheEnd:
    """A suite whose sessions have one record left each way."""

    name: str = "near-the-end"

    def initiate(self, prologue: bytes, keys: ClientKeys) -> Handshake:
        return _Near(noise_sessions(LAST)[0])

    def respond(self, prologue: bytes, keys: ServerKeys) -> Handshake:
        return _Near(noise_sessions(LAST)[1])


class CounterEndTests(SynchronousTestCase):
    """A channel at its counter's end."""

    def server(self) -> Channel:
        """A server's channel with one record left each way."""
        suite = _NearTheEnd()
        server = Channel.responder({suite.name: suite}, server_keys())
        client = Channel.initiator(suite, client_keys())
        self.assertEqual(server.receive_data(client.data_to_send()), [Secured(PEER)])
        server.data_to_send()
        return server

    def test_sending_past_the_end(self) -> None:
        """The record after the last ends the channel with `CounterExhaustedError` and is not sent."""
        server = self.server()
        server.send(b"last")
        self.assertEqual(len(frames(server.data_to_send())), 1)
        with self.assertRaises(CounterExhaustedError):
            server.send(b"one too many")
        self.assertFalse(server.secured)
        self.assertEqual(server.data_to_send(), b"")

    def test_receiving_past_the_end(self) -> None:
        """A record after the last ends the channel with `CounterExhaustedError`."""
        server = self.server()
        near, _ = noise_sessions(LAST)
        self.assertEqual(server.receive_data(frame(near.seal(b"last"))), [Plaintext(b"last")])
        with self.assertRaises(CounterExhaustedError):
            server.receive_data(frame(bytes(TAG_LENGTH)))

    def test_answering_a_probe_past_the_end(self) -> None:
        """When not even the answer to a probe can be sealed, the channel ends."""
        server = self.server()
        server.send(b"last")
        near, _ = noise_sessions(LAST)
        with self.assertRaises(CounterExhaustedError):
            server.receive_data(frame(near.seal(b"")))
        self.assertEqual(server.data_to_send(), b"")
