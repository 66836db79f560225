"""What devices tell each other about Megolm keys, each inside an Olm message from a vouched device.

``megolm.key``: the sender's own new session; ``megolm.request``: the asker cannot open messages of a session;
``megolm.answer``: the key, or why there is none; ``megolm.history``: keys of a room's past for a new member;
``room.known``: members of a room whom a new member has no other way to know.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from encchat import limits
from encchat.wire.keys import DeviceId
from encchat.wire.values import Name

KEY: Final = "megolm.key"
REQUEST: Final = "megolm.request"
ANSWER: Final = "megolm.answer"
HISTORY: Final = "megolm.history"
KNOWN: Final = "room.known"

SessionId = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{43}$")]
MegolmKey = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]+$", max_length=512)]
Index = Annotated[int, Meta(ge=0, lt=limits.MAX_SESSION_INDEX)]


class Key(Struct, frozen=True):
    """A session of the device that sends this, from its present index on; ``key`` is Megolm's session key."""

    session: SessionId
    key: MegolmKey


class Request(Struct, frozen=True):
    """Messages of ``session``, of ``device`` of ``user``, from ``first`` on cannot be opened."""

    user: Name
    device: DeviceId
    session: SessionId
    first: Index = 0


class Held(Struct, frozen=True):
    """A session of ``device`` of ``user`` as an exported key, which opens what comes at or after its index."""

    user: Name
    device: DeviceId
    session: SessionId
    key: MegolmKey


class Answer(Struct, frozen=True, omit_defaults=True):
    """To a `Request`: the key, or a word that says why not (``not-a-member``, ``not-for-you``, ``gone``)."""

    session: SessionId
    held: Held | None = None
    refused: Annotated[str, Meta(max_length=32)] = ""


class History(Struct, frozen=True):
    """Keys of a room's past; ``signature`` by the identity key of who hands them over (`statements.handover`)."""

    held: Annotated[list[Held], Meta(max_length=limits.HANDOVER_SLICE)]
    signature: Annotated[str, Meta(max_length=limits.MAX_KEY_FIELD)]


class Known(Struct, frozen=True):
    """Members of a room, in folded names; ``signature`` by who has invited the reader (`statements.introduction`)."""

    names: Annotated[list[Name], Meta(max_length=limits.NAMES_SLICE)]
    signature: Annotated[str, Meta(max_length=limits.MAX_KEY_FIELD)]


_Letter = TypeVar("_Letter", Key, Request, Answer, History, Known)


def read(kind: type[_Letter], payload: bytes) -> _Letter | None:
    """The letter, None if it is none of that kind."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def written(letter: Struct) -> bytes:
    """Its bytes, for `read`."""
    return msgspec.json.encode(letter)
