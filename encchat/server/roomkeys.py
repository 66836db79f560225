"""The key of a ``server-key`` room: made here, and wrapped for each member's device under its RSA key.

AES-256; RSA-OAEP with SHA-256 (RFC 8017 section 7.1). Whoever reads the server's store can read such rooms, which is
what the scheme's name says to everybody in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from encchat.envelopes import decoded, encoded
from encchat.errors import RequestError
from encchat.limits import MAX_RSA_BITS, MIN_RSA_BITS

KEY_LENGTH: Final = 32
"""Bytes of an AES-256 key."""
_NO_KEY: Final = "this device has published no RSA key that can be used: upload keys with rsa, of 2048 bits or more"


def new_key(random: Callable[[int], bytes]) -> bytes:
    """Fresh, from ``random(n)``."""
    return random(KEY_LENGTH)


def wrapped(key: bytes, rsa: str) -> str:
    """``key`` for who has the private part of ``rsa`` (base64 of DER), in base64; `RequestError` if it is none."""
    sealed = _public_key(rsa).encrypt(key, OAEP(MGF1(SHA256()), SHA256(), label=None))
    return encoded(sealed)


def _public_key(rsa: str) -> RSAPublicKey:
    try:
        key = load_der_public_key(decoded(rsa))
    except (ValueError, UnsupportedAlgorithm):
        raise RequestError(_NO_KEY) from None
    if not isinstance(key, RSAPublicKey) or not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise RequestError(_NO_KEY)
    return key
