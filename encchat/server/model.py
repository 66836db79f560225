"""Values the store keeps and the chat works with. Times are milliseconds since 1970 UTC.

What is made for every message is a `msgspec.Struct`: making one costs a fifth of what a frozen attrs class costs, and
none can be part of a cycle, so the garbage collector need not look at them.
"""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen
from msgspec import Struct, field

from encchat.errors import UnknownFileError
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
    """One installation of the client; ``key`` is its raw X25519 transport key, ``id`` its public short id.

    ``created`` is 0 if it is from before such things were written down, ``last_seen`` None if it never was.
    """

    id: str
    account_id: int
    key: bytes
    name: str
    created: int = 0
    last_seen: int | None = None


class Fate(Struct, gc=False):
    """Whether a message was refused: known before those that are chained to it are looked at, in whatever thread."""

    refused: bool = False


class NewMessage(Struct, frozen=True, gc=False):
    """A message on its way into the store; ``conversation`` is the store's key of it (`conversation_key`).

    ``fate`` becomes its own; it is not taken if ``after``, that of the message it is chained to, is a refusal.
    """

    conversation: str
    kind: Kind
    sender_id: int
    ulid: str
    time: int
    body: str
    scheme: str
    fate: Fate = field(default_factory=Fate)
    after: Fate | None = None


class Stored(Struct, frozen=True, gc=False):
    """Where a message came to rest; ``duplicate``: this ULID was stored before, under the same seq and time."""

    seq: int
    time: int
    duplicate: bool


LOBBY_KEY: Final = "lobby"


def direct_people(key: str) -> frozenset[int]:
    """The ids of the two whose direct conversation has that `direct_key`; nobody's for another key."""
    kind, *ids = key.split(":")
    return frozenset(map(int, ids)) if kind == "direct" else frozenset()


def direct_key(one: Account, other: Account) -> str:
    """The store's key of the direct conversation of two accounts, whoever writes."""
    if one.id < other.id:
        return f"direct:{one.id}:{other.id}"
    return f"direct:{other.id}:{one.id}"


@frozen
class Tail:
    """Where a conversation ends: its last seq, and the oldest message that is kept (0: none is)."""

    last_seq: int
    oldest: int


@frozen
class ConversationState:
    """A conversation as one device of one account has it.

    ``partner`` is the name of the other side of a direct one (one's own for notes to oneself), or of the room, None
    for the lobby; ``cursor`` is what the device has acknowledged.
    """

    key: str
    kind: Kind
    partner: str | None
    last_seq: int
    oldest: int
    cursor: int


CallPolicy = Literal["auto", "ask", "never"]
"""What becomes of calls: a session at once, a question first, none ever."""

SanctionKind = Literal["ban", "mute"]


@frozen
class Sanction:
    """Who is kept out or silent; ``target`` is a folded account name or a network's text, ``until`` None for ever."""

    kind: SanctionKind
    target: str
    by: str
    reason: str
    since: int
    until: int | None


@frozen
class AuditEntry:
    """Who did what to whom; ``actor`` is an account name, or ``encchat-admin``."""

    time: int
    actor: str
    action: str
    target: str
    detail: str


@frozen
class NewFile:
    """A file that is offered; ``conversation`` is the store's key of it, ``size`` in bytes before it is sealed."""

    ulid: str
    account_id: int
    conversation: str
    size: int
    chunks: int
    time: int


@frozen
class StoredChunk:
    """A chunk of a file of ``chunks`` for that conversation; ``data`` is None if there is none of that number."""

    conversation: str
    chunks: int
    data: bytes | None


@frozen
class FileTerms:
    """Files go whose last chunk came before these times, by what they are; None: they stay."""

    unfinished: int
    direct: int | None
    room: int | None


def no_file(ulid: str) -> UnknownFileError:
    """The same whether there is none, it is not whole, or it is not the asker's: files do not show by a refusal."""
    return UnknownFileError(f"there is no file {ulid} for you here; it may not be there yet, or be gone")
