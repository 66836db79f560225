"""What a client may ask about rooms (protocol, section "Rooms").

Each change carries a ``ulid`` of the client's choice: asked again, after a lost answer, it has been done already.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from encchat import limits
from encchat.wire.requests import Request
from encchat.wire.rooms import HistoryPolicy, RoomName, SigningPolicy, Statement
from encchat.wire.values import Name, Scheme, Ulid


class OpenRoom(Request, frozen=True, kw_only=True, tag="open_room"):
    """Open a room and be its owner; answered by `RoomState`.

    ``ephemeral``: the server stores nothing of what is said in it, so its ``history`` is ``none``.
    """

    room: RoomName
    ulid: Ulid
    scheme: Scheme = "megolm"
    policy: SigningPolicy = "signed"
    history: HistoryPolicy = "none"
    ephemeral: bool = False
    open: bool = False
    statement: Statement = ""


class Invite(Request, frozen=True, kw_only=True, tag="invite"):
    """Invite an account to a room one is in; answered by `UserStatus`, which tells whether it is here."""

    room: RoomName
    user: Name
    ulid: Ulid
    statement: Statement = ""


class Join(Request, frozen=True, kw_only=True, tag="join"):
    """Join a room that one is invited to, or that is open; answered by `RoomState`."""

    room: RoomName
    ulid: Ulid
    statement: Statement = ""


class Decline(Request, frozen=True, kw_only=True, tag="decline"):
    """Decline an invitation."""

    room: RoomName
    ulid: Ulid


class Leave(Request, frozen=True, kw_only=True, tag="leave"):
    """Leave a room; when its owner leaves, a moderator, else who has been there longest, becomes owner."""

    room: RoomName
    ulid: Ulid


class Expel(Request, frozen=True, kw_only=True, tag="expel"):
    """Remove somebody of a role below one's own in the room, or take an invitation back."""

    room: RoomName
    user: Name
    ulid: Ulid


class SetMemberRole(Request, frozen=True, kw_only=True, tag="member_role"):
    """Change what a member may do in the room; owners may."""

    room: RoomName
    user: Name
    role: Literal["moderator", "member"]
    ulid: Ulid


class SetRoomOpen(Request, frozen=True, kw_only=True, tag="room_open"):
    """Let everybody join, or only who is invited; owners may."""

    room: RoomName
    open: bool
    ulid: Ulid


class Who(Request, frozen=True, kw_only=True, tag="who"):
    """Ask for a room (one's own, inviting or open) and its members after a name; answered by `RoomState`."""

    room: RoomName
    after: Annotated[str, Meta(max_length=limits.MAX_NAME)] = ""


class Rooms(Request, frozen=True, kw_only=True, tag="rooms"):
    """List one's rooms, invitations, and the open rooms; answered by `RoomList`."""


class GetRoomKey(Request, frozen=True, kw_only=True, tag="get_room_key"):
    """Ask for the key of a ``server-key`` room one is in, the latest (0) or an earlier one; answered by `RoomKey`."""

    room: RoomName
    version: Annotated[int, Meta(ge=0, le=limits.MAX_REQUEST_ID)] = 0


ROOM_REQUESTS: tuple[type[Request], ...] = (
    OpenRoom,
    Invite,
    Join,
    Decline,
    Leave,
    Expel,
    SetMemberRole,
    SetRoomOpen,
    Who,
    Rooms,
    GetRoomKey,
)
