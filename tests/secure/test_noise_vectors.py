"""The Noise engine says byte for byte what published vectors say."""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from encchat.secure.noise import HandshakeState, KeyPair, NoiseProtocol, x448_pair, x25519_pair
from encchat.secure.noise.functions import mlkem768_pair
from encchat.secure.noise.patterns import PATTERNS
from tests.secure.pairs import vectors


def pair_of(protocol_name: str, private: str) -> KeyPair:
    """The key pair of a vector."""
    if "_448_" in protocol_name:
        return x448_pair(X448PrivateKey.from_private_bytes(bytes.fromhex(private)))
    return x25519_pair(X25519PrivateKey.from_private_bytes(bytes.fromhex(private)))


@frozen
class Vector:
    """One case of cacophony.txt."""

    case: dict[str, Any]

    @property
    def name(self) -> str:
        """The protocol's name."""
        return str(self.case["protocol_name"])

    def state(self, side: str) -> HandshakeState:
        """The handshake of ``side``, init or resp, with the vector's keys."""
        protocol = NoiseProtocol.named(self.name)
        ephemeral = self._pair(f"{side}_ephemeral")
        if ephemeral is not None:
            protocol = evolve(protocol, dh=evolve(protocol.dh, generate=lambda: ephemeral))
        remote = self.case.get(f"{side}_remote_static")
        return HandshakeState.initialize(
            protocol,
            side == "init",
            bytes.fromhex(self.case[f"{side}_prologue"]),
            self._pair(f"{side}_static"),
            bytes.fromhex(remote) if remote else None,
            [bytes.fromhex(psk) for psk in self.case.get(f"{side}_psks", ())],
        )

    def messages(self) -> list[tuple[bytes, bytes]]:
        """Payloads and what they become."""
        return [
            (bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
            for message in self.case["messages"]
        ]

    def _pair(self, field: str) -> KeyPair | None:
        return pair_of(self.name, self.case[field]) if field in self.case else None


class CacophonyTests(SynchronousTestCase):
    """cacophony.txt: 59 patterns, 25519 and 448, both ciphers, all four hashes."""

    def cases(self) -> list[Vector]:
        """All of them."""
        return [Vector(case) for case in vectors("cacophony.txt")["vectors"]]

    def check(self, vector: Vector) -> None:
        """Write every message as the side that sends it, read the published one as the other side."""
        init, resp = vector.state("init"), vector.state("resp")
        messages = vector.messages()
        pattern = NoiseProtocol.named(vector.name).pattern
        for (payload, ciphertext), message in zip(messages, pattern.messages, strict=False):
            writer, reader = (init, resp) if message.from_initiator else (resp, init)
            self.assertEqual(writer.write_message(payload).hex(), ciphertext.hex(), vector.name)
            self.assertEqual(reader.read_message(ciphertext), payload, vector.name)
        self.assertTrue(init.finished and resp.finished)
        for state in (init, resp):
            self.assertEqual(state.handshake_hash.hex(), vector.case["handshake_hash"], vector.name)
        writing, reading = init.split(), resp.split()
        done = len(pattern.messages)
        for number, (payload, ciphertext) in enumerate(messages[done:], start=done):
            direction = 0 if pattern.one_way else number % 2
            self.assertEqual(writing[direction].encrypt_with_ad(b"", payload), ciphertext, vector.name)
            self.assertEqual(reading[direction].decrypt_with_ad(b"", ciphertext), payload, vector.name)

    def test_every_case_in_both_roles(self) -> None:
        """Every published case comes out the same, written and read."""
        cases = self.cases()
        for vector in cases:
            self.check(vector)
        self.assertEqual(len(cases), 944)

    def test_every_pattern_is_covered(self) -> None:
        """The engine has no pattern that no published case has checked."""
        names = {vector.name.split("_")[1].partition("psk")[0] for vector in self.cases()}
        self.assertEqual(names, set(PATTERNS))


class HybridTests(SynchronousTestCase):
    """pqc-test-vectors.json: XXhfs with ML-KEM-768."""

    def check(self, vector: dict[str, Any], protocol_name: str) -> None:
        """Run both sides with the vector's keys and the responder's published encapsulation."""
        protocol = NoiseProtocol.named(protocol_name)
        kem_pair = mlkem768_pair(MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(vector["ephemeral_kem_i_seed"])))
        second = bytes.fromhex(vector["msg_b"])
        ciphers: list[bytes] = []

        def decapsulate(ciphertext: bytes) -> bytes:
            ciphers.append(ciphertext)
            return kem_pair.decapsulate(ciphertext)

        def side(ephemeral: str, fixed_static: str, initiator: bool) -> HandshakeState:
            pair = pair_of(protocol_name, vector[ephemeral])
            assert protocol.kem is not None
            kem = evolve(
                protocol.kem,
                generate=lambda: evolve(kem_pair, decapsulate=decapsulate),
                encapsulate=lambda _: (kem_pair.decapsulate(ciphers[0]), ciphers[0]),
            )
            fixed = evolve(protocol, dh=evolve(protocol.dh, generate=lambda: pair), kem=kem)
            return HandshakeState.initialize(fixed, initiator, b"", pair_of(protocol_name, vector[fixed_static]))

        init = side("ephemeral_dh_i_private", "static_i_private", True)
        resp = side("ephemeral_dh_r_private", "static_r_private", False)
        first = init.write_message(b"")
        self.assertEqual(len(first), vector["msg_a_bytes"])
        self.assertEqual(init.read_message(second), b"")
        self.assertEqual(resp.read_message(first), b"")
        self.assertEqual(resp.write_message(b"").hex(), vector["msg_b"])
        third = init.write_message(b"")
        self.assertEqual(third.hex(), vector["msg_c"])
        self.assertEqual(resp.read_message(third), b"")
        for state in (init, resp):
            self.assertEqual(state.handshake_hash.hex(), vector["handshake_hash"])
            keys = [cipher_state.k for cipher_state in state.split()]
            self.assertEqual(keys, [bytes.fromhex(vector["cs1_k"]), bytes.fromhex(vector["cs2_k"])])

    def test_published_handshake_in_both_roles(self) -> None:
        """XXhfs with ML-KEM-768 gives the published messages, hash and keys on both sides."""
        published = vectors("pqc-test-vectors.json")
        for vector in published["vectors"]:
            self.check(vector, published["protocol"])
        self.assertTrue(published["vectors"])
