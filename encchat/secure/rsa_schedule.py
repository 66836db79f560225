"""What the suite `rsa-aes128gcm` computes from its handshake: the running transcript, keys, the device's proof."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from attrs import define
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from encchat.errors import HandshakeError

AES_KEY_LENGTH: Final = 16
PROOF_LENGTH: Final = 32

_LABEL: Final = b"encchat rsa-aes128gcm v1 "


@define
class Transcript:
    """SHA-256 of the hash so far and the added parts, each with its length (8 bytes, big endian) before it."""

    hash: bytes = b""

    def add(self, *parts: bytes) -> bytes:
        """Take ``parts`` in; the new hash, 32 bytes."""
        prefixed = (len(part).to_bytes(8, "big") + part for part in parts)
        self.hash = hashlib.sha256(self.hash + b"".join(prefixed)).digest()
        return self.hash


def derived(secret: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    """``length`` bytes for one ``purpose`` by HKDF-SHA256 (RFC 5869)."""
    return HKDF(SHA256(), length, salt, _LABEL + purpose).derive(secret)


def record_keys(seed: bytes, transcript: bytes) -> tuple[bytes, bytes]:
    """The AES keys of what the client sends, and of what the server sends."""
    both = derived(seed, transcript, b"records", 2 * AES_KEY_LENGTH)
    return both[:AES_KEY_LENGTH], both[AES_KEY_LENGTH:]


def proof(ours: X25519PrivateKey, theirs: bytes, device: bytes, transcript: bytes) -> bytes:
    """HMAC-SHA256 over ``transcript`` and the ``device`` key, under what only the two X25519 keys' owners know."""
    try:
        shared = ours.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        raise HandshakeError("the peer's X25519 key has small order") from None
    return hmac.digest(derived(shared, transcript, b"proof", PROOF_LENGTH), transcript + device, "sha256")
