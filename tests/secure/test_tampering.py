"""Nobody between the two can change, cut, repeat or swap anything of a handshake without ending it."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ChannelError, HandshakeError
from encchat.secure import Channel, default_suites
from tests.secure.pairs import (
    SUITES,
    before_last,
    client_keys,
    flights,
    frame,
    frames,
    initiator,
    is_secured,
    responder,
    secured,
    server_keys,
)


def flipped(data: bytes) -> Iterator[bytes]:
    """``data`` with each of its bits turned over in turn."""
    whole = int.from_bytes(data, "big")
    for bit in range(len(data) * 8):
        yield (whole ^ 1 << bit).to_bytes(len(data), "big")


def ends_secured(channel: Channel, data: bytes) -> bool:
    """Whether ``data`` finishes the handshake of ``channel``; any error but our own comes through."""
    try:
        return is_secured(channel.receive_data(data))
    except ChannelError:
        return False


class FlipTests(SynchronousTestCase):
    """Every single bit of every flight, lengths, preamble and the server's answer among them."""

    def check_first(self, name: str) -> None:
        """With a changed first flight the client never takes the server's answer."""
        for data in flipped(flights(name).first):
            server = responder(name)
            self.assertFalse(ends_secured(server, data))
            answer = server.data_to_send()
            self.assertFalse(answer and ends_secured(initiator(name), answer))

    def check_second(self, name: str) -> None:
        """With a changed second flight the client is never secured, and its message 3 never goes out."""
        for data in flipped(flights(name).second):
            client = initiator(name)
            self.assertFalse(ends_secured(client, data))
            self.assertEqual(client.data_to_send(), b"")

    def check_third(self, name: str) -> None:
        """With a changed third flight the server is never secured."""
        for data in flipped(flights(name).third):
            self.assertFalse(ends_secured(before_last(name), data))

    def test_first_flight_of_noise_hybrid(self) -> None:
        """No bit of preamble and message 1 can be flipped in noise-hybrid."""
        self.check_first("noise-hybrid")

    def test_second_flight_of_noise_hybrid(self) -> None:
        """No bit of answer and message 2 can be flipped in noise-hybrid."""
        self.check_second("noise-hybrid")

    def test_third_flight_of_noise_hybrid(self) -> None:
        """No bit of message 3 can be flipped in noise-hybrid."""
        self.check_third("noise-hybrid")

    def test_first_flight_of_noise(self) -> None:
        """No bit of preamble and message 1 can be flipped in noise."""
        self.check_first("noise")

    def test_second_flight_of_noise(self) -> None:
        """No bit of answer and message 2 can be flipped in noise."""
        self.check_second("noise")

    def test_third_flight_of_noise(self) -> None:
        """No bit of message 3 can be flipped in noise."""
        self.check_third("noise")

    def test_first_flight_of_rsa_aes128gcm(self) -> None:
        """No bit of preamble and message 1 can be flipped in rsa-aes128gcm."""
        self.check_first("rsa-aes128gcm")

    def test_second_flight_of_rsa_aes128gcm(self) -> None:
        """No bit of answer and message 2 can be flipped in rsa-aes128gcm."""
        self.check_second("rsa-aes128gcm")

    def test_third_flight_of_rsa_aes128gcm(self) -> None:
        """No bit of message 3 can be flipped in rsa-aes128gcm."""
        self.check_third("rsa-aes128gcm")

    def test_the_unchanged_flights_do_secure(self) -> None:
        """The flights these tests change are good ones."""
        for name in SUITES:
            self.assertTrue(ends_secured(initiator(name), flights(name).second), name)
            self.assertTrue(ends_secured(before_last(name), flights(name).third), name)


class MessageTests(SynchronousTestCase):
    """Whole handshake messages that are cut, lengthened, repeated, swapped, or from another handshake."""

    def receivers(self, name: str) -> list[tuple[Channel, bytes, bytes]]:
        """Channels that wait for a message, what stands before it in the flight, and the message."""
        preamble, first = frames(flights(name).first)
        _, second = frames(flights(name).second)
        (third,) = frames(flights(name).third)
        return [
            (responder(name), frame(preamble), first),
            (initiator(name), frame(b""), second),
            (before_last(name), b"", third),
        ]

    def check_each(self, name: str, number: int, bodies: list[bytes]) -> None:
        """Every one of ``bodies`` in the place of message ``number`` is refused with a HandshakeError."""
        for body in bodies:
            channel, before, _ = self.receivers(name)[number]
            with self.assertRaises(HandshakeError):
                channel.receive_data(before + frame(body))
            self.assertEqual(channel.data_to_send(), b"")

    def test_truncated(self) -> None:
        """A message that ends early is refused, wherever it is cut."""
        for name in SUITES:
            for number, (_, _, message) in enumerate(self.receivers(name)):
                cuts = {0, 1, 16, 31, 32, 33, len(message) // 2, len(message) - 17, len(message) - 1}
                shorter = [message[:cut] for cut in sorted(cuts) if cut < len(message)]
                self.check_each(name, number, shorter)

    def test_lengthened(self) -> None:
        """A message with bytes after its end is refused."""
        for name in SUITES:
            for number, (_, _, message) in enumerate(self.receivers(name)):
                self.check_each(name, number, [message + b"\0", message + bytes(64)])

    def test_replayed(self) -> None:
        """A message cannot be said twice: the second one is refused."""
        for name in SUITES:
            _, first = frames(flights(name).first)
            server = responder(name)
            server.receive_data(flights(name).first)
            with self.assertRaises(HandshakeError):
                server.receive_data(frame(first))
            client = initiator(name)
            with self.assertRaises(ChannelError):
                client.receive_data(flights(name).second + frame(frames(flights(name).second)[1]))

    def test_reordered(self) -> None:
        """A message in another one's place is refused."""
        for name in SUITES:
            _, first = frames(flights(name).first)
            _, second = frames(flights(name).second)
            (third,) = frames(flights(name).third)
            self.check_each(name, 0, [second, third])
            self.check_each(name, 1, [first, third])
            self.check_each(name, 2, [first, second])

    def test_replayed_connection(self) -> None:
        """All a client once sent, sent again to the same server, does not secure a second connection."""
        for name in SUITES:
            client = Channel.initiator(default_suites()[name], client_keys())
            server = Channel.responder(default_suites(), server_keys())
            first = client.data_to_send()
            server.receive_data(first)
            client.receive_data(server.data_to_send())
            third = client.data_to_send()
            self.assertTrue(is_secured(server.receive_data(third)))
            again = Channel.responder(default_suites(), server_keys())
            again.receive_data(first)
            with self.assertRaises(HandshakeError):
                again.receive_data(third)

    def test_handshake_messages_are_no_records(self) -> None:
        """Handshake messages sent again as records are refused."""
        for name in SUITES:
            client, server = secured(name)
            with self.assertRaises(ChannelError):
                server.receive_data(flights(name).third)
            with self.assertRaises(ChannelError):
                client.receive_data(flights(name).second)


class ForgedKeyTests(SynchronousTestCase):
    """Public keys that are chosen so that the shared secret is known."""

    SMALL_ORDER = (
        bytes(32),
        (1).to_bytes(32, "little"),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        (2**255 - 20).to_bytes(32, "little"),
        (2**255 - 19).to_bytes(32, "little"),
        (2**255 - 18).to_bytes(32, "little"),
    )

    def test_small_order_ephemeral(self) -> None:
        """A client's or a server's ephemeral key of small order ends the handshake."""
        for point in self.SMALL_ORDER:
            preamble, _ = frames(flights("noise").first)
            server = responder("noise")
            with self.assertRaisesRegex(HandshakeError, "small order"):
                server.receive_data(frame(preamble) + frame(point))
            _, second = frames(flights("noise").second)
            client = initiator("noise")
            with self.assertRaisesRegex(HandshakeError, "small order"):
                client.receive_data(frame(b"") + frame(point + second[32:]))

    def test_a_kem_key_that_is_none(self) -> None:
        """An ML-KEM public key with numbers over its modulus ends the handshake."""
        preamble, first = frames(flights("noise-hybrid").first)
        server = responder("noise-hybrid")
        with self.assertRaisesRegex(HandshakeError, "KEM"):
            server.receive_data(frame(preamble) + frame(first[:32] + b"\xff" * 1184))
