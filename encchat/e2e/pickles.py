"""How objects of vodozemac are kept: pickled under a key of their own each time.

The library's pickles have a fixed IV per key (facts.md, vodozemac 4), so a key is used once; the client's store seals
key and pickle together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import vodozemac
from msgspec import Struct

from encchat.errors import StoreError

_KEY_BYTES: Final = 32


class Pickle(Struct, frozen=True, array_like=True):
    """A pickled object and its key."""

    key: bytes
    pickled: str


def pickle(thing: vodozemac.Account | vodozemac.Session, random: Callable[[int], bytes]) -> Pickle:
    """``thing`` as it is now, under a fresh key."""
    key = random(_KEY_BYTES)
    return Pickle(key, thing.pickle(key))


def account(kept: Pickle) -> vodozemac.Account:
    """Back from `pickle`; `StoreError` if it is damaged."""
    try:
        return vodozemac.Account.from_pickle(kept.pickled, kept.key)
    except ValueError:
        raise StoreError("what is kept of this device's keys cannot be read") from None


def session(kept: Pickle) -> vodozemac.Session:
    """Back from `pickle`; `StoreError` if it is damaged."""
    try:
        return vodozemac.Session.from_pickle(kept.pickled, kept.key)
    except ValueError:
        raise StoreError("what is kept of an Olm session cannot be read") from None


def curve25519(key: str) -> vodozemac.Curve25519PublicKey | None:
    """The public key in base64; None if it is none, or one that leads to no secret."""
    try:
        return vodozemac.Curve25519PublicKey.from_base64(key)
    except ValueError:
        return None
