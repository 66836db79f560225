"""Accounts with identity keys of every algorithm, their devices, and what the tests say about them."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

from encchat import wire
from encchat.e2e.base64s import to_base64
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Content, Conversation, Device

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
OTHER_ULID = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
ALGORITHMS: tuple[wire.Algorithm, ...] = ("ed25519", "rsa", "dsa")

DIRECT = Conversation("@bob", "direct:alice:bob", "direct", "megolm", ("alice", "bob"))
ROOM = Conversation("#tea", f"room:{ULID}", "room", "megolm", ("alice", "bob", "carol"), version=7)
HELLO = Content(ULID, "hello")


def seeded(seed: object = 0) -> Callable[[int], bytes]:
    """A source of bytes that gives the same in every run."""
    return random.Random(str(seed)).randbytes  # noqa: S311


@functools.cache
def identity(owner: str, algorithm: wire.Algorithm = "ed25519", number: int = 1) -> IdentityKey:
    """The identity key of ``owner``; those that are dear to make are made once."""
    return IdentityKey.make(algorithm, seeded((owner, number)), number)


def device(user: str, name: str = "DEVICE") -> Device:
    """A device with keys that are nobody else's."""
    source = seeded((user, name))
    return Device(user, name, to_base64(source(32)), to_base64(source(32)))


def chain(user: str, *algorithms: wire.Algorithm) -> tuple[list[IdentityKey], list[wire.Identity]]:
    """Private and public parts of all keys an account has had, one for each of ``algorithms``."""
    keys = [identity(user, algorithms[0])]
    public = [keys[0].public]
    for place, algorithm in enumerate(algorithms[1:]):
        key, shown = keys[-1].successor(user, algorithm, seeded((user, "successor", place)))
        keys.append(key)
        public.append(shown)
    return keys, public


def flipped(text: str, place: int) -> str:
    """Base64 with one character changed for another that keeps it canonical where it can."""
    place %= max(1, len(text) - 1)
    return text[:place] + ("A" if text[place] != "A" else "E") + text[place + 1 :]
