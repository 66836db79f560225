"""Values the store keeps and the chat works with."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from encchat.wire import Kind, Role

RANK: Final[dict[Role, int]] = {"user": 0, "moderator": 1, "admin": 2}
"""Roles by what they may do: a higher one may do all that a lower one may."""


@frozen
class Account:
    """A registered user; ``name`` as it was registered, ``last_seen`` in ms since 1970 UTC or None."""

    id: int
    name: str
    role: Role
    last_seen: int | None = None


@frozen
class Device:
    """One installation of the client; ``key`` is its raw X25519 transport key, ``id`` its public short id."""

    id: str
    account_id: int
    key: bytes
    name: str


@frozen
class NewMessage:
    """A message on its way into the store; ``conversation`` is the store's key of it (`conversation_key`)."""

    conversation: str
    kind: Kind
    sender_id: int
    ulid: str
    time: int
    body: str
    scheme: str


@frozen
class Stored:
    """Where a message came to rest; ``duplicate``: this ULID was stored before, under the same seq and time."""

    seq: int
    time: int
    duplicate: bool


LOBBY_KEY: Final = "lobby"


def direct_key(one: Account, other: Account) -> str:
    """The store's key of the direct conversation of two accounts, whoever writes."""
    low, high = sorted((one.id, other.id))
    return f"direct:{low}:{high}"
