"""Diffie-Hellman on ffdhe2048 (RFC 7919, appendix A.1), written out with ``pow`` so that one can see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

PRIME: Final = int(
    "FFFFFFFFFFFFFFFFADF85458A2BB4A9AAFDC5620273D3CF1D8B9C583CE2D3695A9E13641146433FBCC939DCE249B3EF9"
    "7D2FE363630C75D8F681B202AEC4617AD3DF1ED5D5FD65612433F51F5F066ED0856365553DED1AF3B557135E7F57C935"
    "984F0C70E0E68B77E2A689DAF3EFE8721DF158A136ADE73530ACCA4F483A797ABC0AB182B324FB61D108A94BB2C8E3FB"
    "B96ADAB760D7F4681D4F42A3DE394DF4AE56EDE76372BB190B07A7C8EE0A6D709E02FCE1CDF7E2ECC03404CD28342F61"
    "9172FE9CE98583FF8E4F1232EEF28183C3FE3B1B4C6FAD733BB5FCBC2EC22005C58EF1837D1683B2C6F34A26C1B2EFFA"
    "886B423861285C97FFFFFFFFFFFFFFFF",
    16,
)
GENERATOR: Final = 2
LENGTH: Final = 256
"""Bytes of a public value."""
_EXPONENT: Final = 32
"""Bytes of a private one: RFC 7919 section 5.2 wants 225 bits or more for this group."""


def private(random: Callable[[int], bytes]) -> int:
    """A fresh exponent."""
    return int.from_bytes(random(_EXPONENT), "big") | 1 << (8 * _EXPONENT - 1)


def public(exponent: int) -> bytes:
    """What the other side is shown."""
    return pow(GENERATOR, exponent, PRIME).to_bytes(LENGTH, "big")


def secret(exponent: int, theirs: bytes) -> bytes | None:
    """What both sides then know; None if ``theirs`` is no public value."""
    value = int.from_bytes(theirs, "big")
    # RFC 7919 section 5.1: a peer's public value must be in 1 < y < p-1, else the secret is one anybody can guess.
    if len(theirs) != LENGTH or not 1 < value < PRIME - 1:
        return None
    return pow(value, exponent, PRIME).to_bytes(LENGTH, "big")
