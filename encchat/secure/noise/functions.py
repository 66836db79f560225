"""The crypto functions of Noise section 12 as values: Diffie-Hellman, ciphers and hashes, and ML-KEM for hfs.

Each is a frozen value holding callables, so that a test can put a fixed key in the place of a random one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, Protocol

from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, BLAKE2b, BLAKE2s, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_LENGTH: Final = 32


@frozen
class KeyPair:
    """A Diffie-Hellman key pair: its raw public key, and DH(key_pair, public_key) as a function of the latter.

    ``agree`` raises ValueError for a public key of the wrong length or of small order.
    """

    public: bytes
    agree: Callable[[bytes], bytes]


@frozen
class DiffieHellman:
    """A DH function: ``length`` is DHLEN in bytes, ``generate`` is GENERATE_KEYPAIR."""

    length: int
    generate: Callable[[], KeyPair]


@frozen
class KemPair:
    """A KEM key pair: its raw public key, and the shared secret as a function of a ciphertext (or ValueError)."""

    public: bytes
    decapsulate: Callable[[bytes], bytes]


@frozen
class Kem:
    """A key encapsulation mechanism; ``encapsulate`` takes a raw public key, gives (shared secret, ciphertext).

    Lengths are in bytes; ``encapsulate`` raises ValueError for bytes that are no public key.
    """

    public_length: int
    ciphertext_length: int
    generate: Callable[[], KemPair]
    encapsulate: Callable[[bytes], tuple[bytes, bytes]]


class Aead(Protocol):
    """What `cryptography` gives for one key; ``decrypt`` raises `cryptography.exceptions.InvalidTag`."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


@frozen
class Cipher:
    """A cipher function: an AEAD for a key of 32 bytes, and the encoding of the nonce n as 12 bytes."""

    under: Callable[[bytes], Aead]
    nonce: Callable[[int], bytes]


@frozen
class Hash:
    """A hash function as `hashlib` and `cryptography` have it; ``length`` is HASHLEN in bytes."""

    make: Callable[[bytes], Any]
    algorithm: HashAlgorithm
    length: int

    def digest(self, data: bytes) -> bytes:
        """HASH."""
        digest: bytes = self.make(data).digest()
        return digest

    def hkdf(self, chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
        """HKDF of section 4.3: ``outputs`` blocks of HASHLEN bytes."""
        # Which is that of RFC 5869 with the chaining key as salt and nothing as info.
        length = self.length
        made = HKDF(self.algorithm, outputs * length, chaining_key, b"").derive(material)
        return [made[place : place + length] for place in range(0, len(made), length)]


def x25519_pair(private: X25519PrivateKey) -> KeyPair:
    """``private`` as the DH function ``25519`` uses it."""

    def agree(public: bytes) -> bytes:
        return private.exchange(X25519PublicKey.from_public_bytes(public))

    return KeyPair(private.public_key().public_bytes_raw(), agree)


def x448_pair(private: X448PrivateKey) -> KeyPair:
    """``private`` as the DH function ``448`` uses it."""

    def agree(public: bytes) -> bytes:
        return private.exchange(X448PublicKey.from_public_bytes(public))

    return KeyPair(private.public_key().public_bytes_raw(), agree)


def mlkem768_pair(private: MLKEM768PrivateKey) -> KemPair:
    """``private`` as the KEM ``MLKEM768`` uses it."""
    return KemPair(private.public_key().public_bytes_raw(), private.decapsulate)


def _encapsulate(public: bytes) -> tuple[bytes, bytes]:
    return MLKEM768PublicKey.from_public_bytes(public).encapsulate()


DIFFIE_HELLMANS: Final = {
    "25519": DiffieHellman(32, lambda: x25519_pair(X25519PrivateKey.generate())),
    "448": DiffieHellman(56, lambda: x448_pair(X448PrivateKey.generate())),
}

KEMS: Final = {
    "MLKEM768": Kem(1184, 1088, lambda: mlkem768_pair(MLKEM768PrivateKey.generate()), _encapsulate),
}

# Section 12.3: 32 bits of zeros, then n little-endian; section 12.4: the same big-endian.
CIPHERS: Final = {
    "ChaChaPoly": Cipher(ChaCha20Poly1305, Struct("<4xQ").pack),
    "AESGCM": Cipher(AESGCM, Struct(">4xQ").pack),
}

HASHES: Final = {
    "SHA256": Hash(hashlib.sha256, SHA256(), 32),
    "SHA512": Hash(hashlib.sha512, SHA512(), 64),
    "BLAKE2s": Hash(hashlib.blake2s, BLAKE2s(32), 32),
    "BLAKE2b": Hash(hashlib.blake2b, BLAKE2b(64), 64),
}
