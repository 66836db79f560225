"""NoiseProtocol: what a protocol name (Noise section 8) says, as functions and a pattern."""

from __future__ import annotations

from attrs import frozen

from encchat.secure.noise.functions import (
    CIPHERS,
    DIFFIE_HELLMANS,
    HASHES,
    KEMS,
    Cipher,
    DiffieHellman,
    Hash,
    Kem,
)
from encchat.secure.noise.patterns import Pattern, pattern_of


@frozen
class NoiseProtocol:
    """A protocol's name and the parts it names; ``kem`` only where the pattern has ``hfs``."""

    name: str
    pattern: Pattern
    dh: DiffieHellman
    kem: Kem | None
    cipher: Cipher
    hash: Hash

    @classmethod
    def named(cls, name: str) -> NoiseProtocol:
        """Read a name like ``Noise_XX_25519_ChaChaPoly_SHA256``; ValueError for one this engine cannot do."""
        try:
            prefix, pattern_name, dh, cipher, hash_ = name.split("_")
            curve, plus, kem = dh.partition("+")
            functions = (DIFFIE_HELLMANS[curve], KEMS[kem] if plus else None, CIPHERS[cipher], HASHES[hash_])
        except (KeyError, ValueError):
            raise ValueError(f"{name} is no Noise protocol this engine knows") from None
        if prefix != "Noise" or ("hfs" in pattern_name) != bool(plus):
            raise ValueError(f"{name} is no Noise protocol this engine knows")
        return cls(name, pattern_of(pattern_name), *functions)
