"""encchat and PyPI's noiseprotocol, which nobody here wrote, understand each other, whoever begins."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from encchat.secure import Channel, Plaintext, Secured, default_suites
from encchat.secure.noise import HandshakeState, NoiseProtocol, x25519_pair
from tests.secure.pairs import client_keys, frame, frames, identity, server_keys, static

try:
    from noise.connection import Keypair, NoiseConnection  # type: ignore[import-untyped]
except ImportError:
    NoiseConnection = None

PREAMBLE = frame(b"encchat/1 noise")
NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"


def stranger(name: bytes, initiator: bool, prologue: bytes, key: int, remote: bytes | None = None) -> Any:
    """The other implementation with the static key made of ``key``, its handshake begun."""
    if NoiseConnection is None:
        raise SkipTest("noiseprotocol is not installed")
    connection = NoiseConnection.from_name(name)
    if initiator:
        connection.set_as_initiator()
    else:
        connection.set_as_responder()
    connection.set_prologue(prologue)
    private = static(key).private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    connection.set_keypair_from_private_bytes(Keypair.STATIC, private)
    if remote is not None:
        connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
    connection.start_handshake()
    return connection


def public(key: int) -> bytes:
    """The raw public key of `static`."""
    return static(key).public_key().public_bytes_raw()


class ChannelTests(SynchronousTestCase):
    """The suite noise, spoken by the other implementation by hand."""

    def check_records(self, channel: Channel, theirs: Any) -> None:
        """Texts go both ways, several times."""
        for text in (b"hello", b"", b"x" * 60_000):
            channel.send(text)
            for record in frames(channel.data_to_send()):
                self.assertEqual(theirs.decrypt(record), text)
            if text:
                self.assertEqual(channel.receive_data(frame(theirs.encrypt(text))), [Plaintext(text)])

    def test_their_client_our_server(self) -> None:
        """noiseprotocol as the client logs in to our channel as the server."""
        theirs = stranger(NAME, True, PREAMBLE, 3)
        server = Channel.responder(default_suites(), server_keys())
        server.receive_data(PREAMBLE + frame(bytes(theirs.write_message())))
        accepted, second = frames(server.data_to_send())
        self.assertEqual(accepted, b"")
        self.assertEqual(bytes(theirs.read_message(second)), server_keys().voucher)
        (event,) = server.receive_data(frame(bytes(theirs.write_message())))
        assert isinstance(event, Secured)
        self.assertEqual(event.peer.static, public(3))
        self.assertEqual(event.peer.handshake_hash, theirs.get_handshake_hash())
        self.check_records(server, theirs)

    def test_our_client_their_server(self) -> None:
        """Our channel as the client connects to noiseprotocol as the server."""
        theirs = stranger(NAME, False, PREAMBLE, 2)
        client = Channel.initiator(default_suites()["noise"], client_keys())
        preamble, first = frames(client.data_to_send())
        self.assertEqual(frame(preamble), PREAMBLE)
        theirs.read_message(first)
        second = bytes(theirs.write_message(server_keys().voucher))
        (event,) = client.receive_data(frame(b"") + frame(second))
        assert isinstance(event, Secured)
        self.assertEqual(event.peer.identity, identity())
        (third,) = frames(client.data_to_send())
        self.assertEqual(bytes(theirs.read_message(third)), b"")
        self.assertEqual(event.peer.handshake_hash, theirs.get_handshake_hash())
        self.check_records(client, theirs)


class EngineTests(SynchronousTestCase):
    """The engine under other patterns, ciphers and hashes, live."""

    def check(self, pattern: str, functions: str, ours_begins: bool) -> None:
        """A whole handshake with payloads, then a text each way, then one after Rekey()."""
        name = f"Noise_{pattern}_25519_{functions}"
        their_key, our_key = 6, 7
        theirs = stranger(name.encode(), not ours_begins, b"p", their_key, public(our_key))
        ours = HandshakeState.initialize(
            NoiseProtocol.named(name), ours_begins, b"p", x25519_pair(static(our_key)), public(their_key)
        )
        our_turn = ours_begins
        while not ours.finished:
            if our_turn:
                self.assertEqual(bytes(theirs.read_message(ours.write_message(b"ours"))), b"ours")
            else:
                self.assertEqual(ours.read_message(bytes(theirs.write_message(b"theirs"))), b"theirs")
            our_turn = not our_turn
        first, second = ours.split()
        sending, receiving = (first, second) if ours_begins else (second, first)
        for text in (b"before", b"after"):
            self.assertEqual(theirs.decrypt(sending.encrypt_with_ad(b"", text)), text)
            self.assertEqual(receiving.decrypt_with_ad(b"", theirs.encrypt(text)), text)
            sending.rekey()
            receiving.rekey()
            theirs.rekey_inbound_cipher()
            theirs.rekey_outbound_cipher()

    def test_patterns_where_we_begin(self) -> None:
        """KK and IK as the initiator, with every cipher and some hashes, through a rekey."""
        for pattern in ("KK", "IK"):
            for functions in ("ChaChaPoly_BLAKE2s", "AESGCM_SHA512", "AESGCM_BLAKE2b"):
                self.check(pattern, functions, True)

    def test_patterns_where_they_begin(self) -> None:
        """KK and IK as the responder, with every cipher and some hashes, through a rekey."""
        for pattern in ("KK", "IK"):
            for functions in ("ChaChaPoly_BLAKE2s", "AESGCM_SHA512", "AESGCM_BLAKE2b"):
                self.check(pattern, functions, False)
