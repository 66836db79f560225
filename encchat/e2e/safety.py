"""Safety numbers: 60 digits over two identity keys that two people read to each other.

Computed as Signal's numeric fingerprints are (libsignal, "fingerprint": 5,200 rounds of SHA-512, version 0, 30 digits
for each side), over algorithm and key instead of a Curve25519 key and over the account's name. Both sides see the
same number, whoever is first.
"""

from __future__ import annotations

from hashlib import sha512
from typing import Final

from encchat import wire
from encchat.e2e import statements
from encchat.names import folded

_ROUNDS: Final = 5_200
_VERSION: Final = b"\0\0"
_GROUP_BYTES: Final = 5
_GROUPS: Final = 6
_GROUP: Final = 100_000


def half(key: bytes, name: bytes) -> str:
    """The 30 digits of one side; 5,200 rounds make searching for a key with the same digits so much dearer."""
    digest = _VERSION + key + name
    for _ in range(_ROUNDS):
        digest = sha512(digest + key).digest()
    chunks = (digest[start : start + _GROUP_BYTES] for start in range(0, _GROUPS * _GROUP_BYTES, _GROUP_BYTES))
    return "".join(f"{int.from_bytes(chunk) % _GROUP:05}" for chunk in chunks)


def safety_number(user: str, identity: wire.Identity, other: str, other_identity: wire.Identity) -> str:
    """Twelve groups of five digits; the same for both sides."""
    sides = sorted((_side(user, identity), _side(other, other_identity)))
    digits = "".join(sides)
    return " ".join(digits[start : start + 5] for start in range(0, len(digits), 5))


def _side(user: str, identity: wire.Identity) -> str:
    return half(statements.joined((identity.algorithm, identity.key)), folded(user).encode("utf-8", "surrogatepass"))
