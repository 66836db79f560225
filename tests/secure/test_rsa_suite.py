"""The suite rsa-aes128gcm: whose RSA key it is, whose device, and what the key must be."""

from __future__ import annotations

from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ConfigurationError, HandshakeError
from encchat.limits import MAX_RSA_BITS, MIN_RSA_BITS
from encchat.secure import Channel, ClientKeys, ServerKeys, default_suites
from encchat.secure.rsa_schedule import Transcript, derived, proof
from encchat.secure.rsa_suite import OAEP_SHA256, RSA_SIGNATURE_DOMAIN
from tests.secure.pairs import (
    client_keys,
    fixed,
    flights,
    frame,
    frames,
    identity,
    initiator,
    responder,
    rsa_key,
    server_keys,
    static,
)

NAME = "rsa-aes128gcm"
PREAMBLE = frame(b"encchat/1 rsa-aes128gcm")


def hello(der: bytes, static_key: bytes, first: bytes) -> bytes:
    """Message 2 with these keys in it, signed by the server's identity as it should be."""
    signed = bytes(32) + static_key + identity() + len(der).to_bytes(2, "big") + der
    transcript = Transcript()
    transcript.add(PREAMBLE)
    transcript.add(first)
    return signed + server_keys().identity.sign(RSA_SIGNATURE_DOMAIN + transcript.add(signed))


def der_of(bits: int) -> bytes:
    """A public RSA key of ``bits`` that nobody has the private key of."""
    numbers = RSAPublicNumbers(65_537, (1 << bits) - 1)
    return numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class ServerKeyTests(SynchronousTestCase):
    """The RSA key the server shows."""

    def answer(self, der: bytes, static_key: bytes = static(2).public_key().public_bytes_raw()) -> Channel:
        """The client after a message 2 with ``der`` in it."""
        client = initiator(NAME)
        client.receive_data(frame(b"") + frame(hello(der, static_key, frames(flights(NAME).first)[1])))
        return client

    def test_its_length_in_bits(self) -> None:
        """2,048 to 8,192 bits are taken, one bit more or less is refused, and nothing is sent under it."""
        for bits in (MIN_RSA_BITS, MIN_RSA_BITS + 1, MAX_RSA_BITS - 1, MAX_RSA_BITS):
            self.assertTrue(self.answer(der_of(bits)).secured)
        for bits in (MIN_RSA_BITS - 1, MAX_RSA_BITS + 1):
            with self.assertRaisesRegex(HandshakeError, "no RSA key of 2048 to 8192 bits"):
                self.answer(der_of(bits))

    def test_the_longest_fits_a_handshake_message(self) -> None:
        """Both messages of a key of MAX_RSA_BITS pass as frames."""
        (third,) = frames(self.answer(der_of(MAX_RSA_BITS)).data_to_send())
        self.assertLess(len(third), 4096)

    def test_another_kind_of_key(self) -> None:
        """An elliptic curve key, or no key at all, is refused, though the identity signed it."""
        curve = generate_ec(SECP256R1()).public_key()
        with self.assertRaisesRegex(HandshakeError, "no RSA key"):
            self.answer(curve.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        for der in (b"", b"not a key", bytes(300)):
            with self.assertRaisesRegex(HandshakeError, "cannot be read"):
                self.answer(der)

    def test_a_static_key_of_small_order(self) -> None:
        """A static key that makes the device's proof guessable is refused."""
        with self.assertRaisesRegex(HandshakeError, "small order"):
            self.answer(der_of(2048), bytes(32))

    def test_the_pinned_key(self) -> None:
        """With an RSA key pinned, it alone is taken, even if the identity vouches for another."""
        mine = evolve(client_keys(), rsa_pin=rsa_key().public_key())
        client = Channel.initiator(fixed(NAME, 4), mine)
        client.data_to_send()
        client.receive_data(flights(NAME).second)
        self.assertTrue(client.secured)
        other = evolve(client_keys(), rsa_pin=generate_private_key(65_537, 2048).public_key())
        client = Channel.initiator(fixed(NAME, 4), other)
        client.data_to_send()
        with self.assertRaisesRegex(HandshakeError, "not the pinned one"):
            client.receive_data(flights(NAME).second)
        self.assertEqual(client.data_to_send(), b"")

    def test_a_short_key_is_refused_at_the_server(self) -> None:
        """A server cannot be given a key under 2,048 bits."""
        short = generate_private_key(65_537, 1024)  # noqa: S505 (refused here)
        with self.assertRaisesRegex(ConfigurationError, "1024 bits; it needs 2048"):
            ServerKeys(server_keys().identity, static(2), short)

    def test_without_a_key_the_suite_does_not_respond(self) -> None:
        """The suite says which option gives it its key."""
        with self.assertRaisesRegex(ConfigurationError, "--rsa-key"):
            default_suites()[NAME].respond(PREAMBLE, ServerKeys(server_keys().identity, static(2)))


class DeviceProofTests(SynchronousTestCase):
    """Who may say a device's key is his."""

    def message_3(self, first: bytes, second: bytes, device: bytes, shown: bytes | None, seed: bytes) -> bytes:
        """Message 3 by hand, claiming ``device`` with the proof ``shown`` (None: made with another device's key)."""
        transcript = Transcript()
        transcript.add(PREAMBLE)
        transcript.add(first)
        transcript.add(second[:-64])
        transcript.add(second[-64:])
        wrapped = rsa_key().public_key().encrypt(seed, OAEP_SHA256)
        bound = transcript.add(wrapped)
        if shown is None:
            shown = proof(static(9), second[32:64], device, bound)
        key = AESGCM(derived(seed.ljust(32, b"\0"), bound, b"message 3", 16))
        return wrapped + key.encrypt(bytes(12), device + shown, bound)

    def check(self, device: bytes, shown: bytes | None, seed: bytes, text: str | None) -> None:
        """The server refuses that claim with ``text``, or takes it when that is None."""
        server = responder(NAME)
        server.receive_data(flights(NAME).first)
        _, second = frames(server.data_to_send())
        third = self.message_3(frames(flights(NAME).first)[1], second, device, shown, seed)
        if text is None:
            server.receive_data(frame(third))
            self.assertTrue(server.secured)
            return
        with self.assertRaisesRegex(HandshakeError, text):
            server.receive_data(frame(third))

    def test_ones_own_device(self) -> None:
        """The owner of a device key proves it."""
        self.check(static(9).public_key().public_bytes_raw(), None, bytes(32), None)

    def test_somebody_elses_device(self) -> None:
        """A device key that one only knows the public part of cannot be claimed."""
        victim = static(3).public_key().public_bytes_raw()
        for shown in (None, bytes(32)):
            self.check(victim, shown, bytes(32), "does not own the device key")

    def test_a_device_key_of_small_order(self) -> None:
        """A key whose shared secret everybody knows is nobody's device."""
        self.check(bytes(32), bytes(32), bytes(32), "small order")

    def test_a_seed_of_another_length(self) -> None:
        """The seed has exactly 32 bytes."""
        for length in (0, 31, 33):
            self.check(static(9).public_key().public_bytes_raw(), None, bytes(length), "no seed")

    def test_a_seed_under_another_key(self) -> None:
        """A seed for another server's RSA key is refused."""
        server = responder(NAME)
        server.receive_data(flights(NAME).first)
        other = generate_private_key(65_537, 2048).public_key().encrypt(bytes(32), OAEP_SHA256)
        with self.assertRaisesRegex(HandshakeError, "no seed"):
            server.receive_data(frame(other + bytes(80)))


class SecrecyTests(SynchronousTestCase):
    """What the network sees."""

    def test_the_devices_key_is_not_in_clear(self) -> None:
        """No flight of any suite holds the device's public key as such."""
        device = client_keys().static.public_key().public_bytes_raw()
        for name in default_suites():
            seen = flights(name)
            self.assertNotIn(device, seen.first + seen.second + seen.third)

    def test_the_seed_is_fresh_for_every_connection(self) -> None:
        """The same client seals its first record differently each time, also without any randomness of the server's."""
        records = set()
        for _ in range(3):
            client = Channel.initiator(default_suites()[NAME], ClientKeys(static(3)))
            server = responder(NAME)
            server.receive_data(client.data_to_send())
            client.receive_data(server.data_to_send())
            client.data_to_send()
            client.send(b"hello")
            records.add(client.data_to_send()[-21:])
        self.assertEqual(len(records), 3)
