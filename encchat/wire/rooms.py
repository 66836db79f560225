"""Rooms as the server tells of them (protocol, section "Rooms")."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from encchat import limits
from encchat.wire.values import Line, Presence, Value, form

RoomName = Annotated[str, form(f"#[A-Za-z0-9][A-Za-z0-9._-]{{0,{limits.MAX_NAME - 1}}}")]
Statement = Annotated[str, Meta(max_length=limits.MAX_STATEMENT)]
"""What the acting member's client has signed of what it does, for the clients of the others; opaque to the server."""
SigningPolicy = Literal["signed", "deniable"]
HistoryPolicy = Literal["none", "since-invite", "all"]
MemberRole = Literal["owner", "moderator", "member"]
MemberState = Literal["joined", "invited"]
RoomChange = Literal["opened", "invited", "joined", "declined", "left", "expelled", "role", "open"]


class RoomEvent(Value, frozen=True, kw_only=True):
    """A change of a room, the body (JSON) of a message of scheme ``event``: in the room's log, by seq like the others.

    ``user`` is whom it concerns, ``by`` who did it; ``role`` for ``role``, ``open`` for ``open`` and ``opened``.
    """

    event: RoomChange
    user: str
    by: str
    role: MemberRole = "member"
    open: bool = False
    statement: str = ""


class Member(Value, frozen=True, kw_only=True):
    """A member or an invited account; ``since``: the seq of its joining or invitation, ``by`` who invited it.

    ``statement`` is of its invitation (of its joining, in an open room without one), for the owner that of the opening.
    """

    user: str
    role: MemberRole
    state: MemberState
    by: str = ""
    since: int = 0
    presence: Presence = "OFFLINE"
    statement: str = ""


class RoomState(Line, frozen=True, kw_only=True, tag="room_state"):
    """A room and a page of its members by name; ``id`` is the ULID of its opening.

    ``version`` is the seq of the latest change of who is in it or invited. ``more``: others come after these.
    ``ephemeral``: what is said in it is stored nowhere.
    """

    room: str
    id: str
    scheme: str
    policy: SigningPolicy
    history: HistoryPolicy
    ephemeral: bool = False
    open: bool
    owner: str
    version: int
    members: list[Member]
    more: bool = False


class RoomEntry(Value, frozen=True, kw_only=True):
    """One row of `RoomList`; ``state`` is this account's: ``open`` means it may join without invitation."""

    room: str
    id: str
    state: Literal["joined", "invited", "open"]
    scheme: str
    policy: SigningPolicy
    ephemeral: bool = False
    members: int
    by: str = ""


class RoomList(Line, frozen=True, kw_only=True, tag="rooms"):
    """This account's rooms and invitations, then the open rooms it may join, each by name."""

    rooms: list[RoomEntry]


class RoomKey(Line, frozen=True, kw_only=True, tag="room_key"):
    """The AES-256 key of a ``server-key`` room under this device's RSA key (OAEP, SHA-256), in base64.

    ``version`` counts from 1; what is sent now is encrypted under the latest one.
    """

    room: str
    version: int
    wrapped: str


class Invited(Line, frozen=True, kw_only=True, tag="invited"):
    """``by`` invites this account to a room; ``ephemeral`` as in `RoomState`."""

    room: str
    id: str
    by: str
    ephemeral: bool = False
