"""What all values of the wire are made of: their bases, and the words and forms of fields that several use."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from encchat import limits


def form(pattern: str, *, max_length: int | None = None) -> Meta:
    """Of a string that is of this form from beginning to end; before ``$`` a newline could stand."""
    return Meta(pattern=rf"^{pattern}\Z", max_length=max_length)


Kind = Literal["lobby", "direct", "session", "room"]
Presence = Literal["OFFLINE", "FREE", "BUSY", "AWAY"]
Role = Literal["user", "moderator", "admin"]
Registration = Literal["open", "invite", "closed"]

Id = Annotated[int, Meta(ge=0, le=limits.MAX_REQUEST_ID)]
Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME)]
Ulid = Annotated[str, form("[0-7][0-9A-HJKMNP-TV-Z]{25}")]
Seq = Annotated[int, Meta(ge=0, le=limits.MAX_REQUEST_ID)]
ConversationName = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME + 1)]
Scheme = Annotated[str, form("[a-z][a-z0-9-]{0,31}")]


class Value(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"sender": "from", "partner": "with"}):
    """A value inside a line; fields that have their default are left out."""


class Line(Value, frozen=True, kw_only=True, tag_field="type"):
    """A line of its own, or a result, told apart by ``type``."""
