"""Rooms: opening, inviting, joining, leaving, and what a member asks about them.

A change that was asked before under the same ULID has been done: nothing changes and its answer is given again. What
`Rooms` decides goes to the store in the same breath, with nothing waited for in between.
"""

from __future__ import annotations

from msgspec.structs import replace

from encchat import wire
from encchat.envelopes import EVENT, PLAIN, SERVER_KEY
from encchat.errors import MalformedRequestError, RequestError
from encchat.limits import MAX_PAGE
from encchat.names import folded
from encchat.server.chat.room import Room, no_room
from encchat.server.chat.rooms import Act, Change
from encchat.server.command import command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context
from encchat.server.membership import GrantedKey, RoomHead
from encchat.server.model import Account
from encchat.server.roomkeys import wrapped


@command("open a room", cost=5, in_order=True, voice=True, typed=False)
async def open_room(context: Context, request: wire.OpenRoom) -> wire.RoomState:
    """Whoever opens it owns it."""
    if not await _done(context, request.ulid):
        check_scheme(context, request.scheme)
        if request.ephemeral and request.history != "none":
            raise MalformedRequestError("of an ephemeral room nothing is stored: it has no history to give")
        head = RoomHead(
            id=request.ulid,
            name=request.room,
            scheme=request.scheme,
            policy=request.policy,
            history=request.history,
            open=request.open,
            ephemeral=request.ephemeral,
        )
        await _keep(context, context.chat.rooms.open(_act(context, request.ulid, request.statement), head))
    return await _state(context, request.room)


@command("invite a user to a room", cost=5, in_order=True, voice=True, typed=False)
async def invite(context: Context, request: wire.Invite) -> wire.UserStatus:
    """Who is OFFLINE finds the invitation among its rooms; the answer says so."""
    target = context.chat.account(request.user) or await stored_account(context, request.user)
    if not await _done(context, request.ulid):
        act = _act(context, request.ulid, request.statement)
        await _keep(context, context.chat.rooms.invite(act, request.room, target))
    return _status(context, target)


@command("join a room", cost=5, in_order=True, typed=False)
async def join(context: Context, request: wire.Join) -> wire.RoomState:
    """With an invitation, or if it is open."""
    if not await _done(context, request.ulid):
        act = _act(context, request.ulid, request.statement)
        await _keep(context, context.chat.rooms.join(act, request.room))
    return await _state(context, request.room)


@command("decline an invitation", cost=5, in_order=True, typed=False)
async def decline(context: Context, request: wire.Decline) -> None:
    """The members are told."""
    if not await _done(context, request.ulid):
        await _keep(context, context.chat.rooms.decline(_act(context, request.ulid), request.room))


@command("leave a room", cost=5, in_order=True, typed=False)
async def leave_room(context: Context, request: wire.Leave) -> None:
    """What was sent before is heard before: it is before it in the store's queue."""
    if not await _done(context, request.ulid):
        await _keep(context, context.chat.rooms.leave(_act(context, request.ulid), request.room))


@command("remove somebody from a room", cost=5, in_order=True, typed=False)
async def expel(context: Context, request: wire.Expel) -> None:
    """At once: what is said from now on the removed one neither gets nor can read."""
    if not await _done(context, request.ulid):
        act = _act(context, request.ulid)
        await _keep(context, context.chat.rooms.expel(act, request.room, request.user))


@command("make a member of a room moderator, or not", cost=5, in_order=True, typed=False)
async def member_role(context: Context, request: wire.SetMemberRole) -> None:
    """The owner's to do."""
    if not await _done(context, request.ulid):
        act = _act(context, request.ulid)
        await _keep(context, context.chat.rooms.set_role(act, request.room, request.user, request.role))


@command("let everybody join a room, or not", cost=5, in_order=True, typed=False)
async def room_open(context: Context, request: wire.SetRoomOpen) -> None:
    """The owner's to do."""
    if not await _done(context, request.ulid):
        act = _act(context, request.ulid)
        await _keep(context, context.chat.rooms.set_open(act, request.room, request.open))


@command("list who is in a room", cost=5, in_order=True, typed=False)
async def who(context: Context, request: wire.Who) -> wire.RoomState:
    """By name, a page at a time."""
    return await _state(context, request.room, request.after)


@command("list your rooms and invitations", cost=5, typed=False)
def rooms(context: Context, request: wire.Rooms) -> wire.RoomList:
    """And the open ones."""
    return wire.RoomList(rooms=context.chat.rooms.entries(context.account))


@command("ask for the key that the server made for a room", cost=5, in_order=True, typed=False)
async def get_room_key(context: Context, request: wire.GetRoomKey) -> wire.RoomKey:
    """Under this device's RSA key."""
    room = context.chat.rooms.find(request.room)
    room.seat_of(context.account)
    if room.head.scheme != SERVER_KEY:
        raise RequestError(f"{room.name} has the scheme {room.head.scheme}: the server makes no key for it")
    granted: GrantedKey | None = await context.services.store.room_key(
        room.head.id, context.account.id, request.version, context.device.key
    )
    room.seat_of(context.account)  # still
    if granted is None:
        raise RequestError(f"{room.name} has no key of version {request.version} that is yours")
    return wire.RoomKey(room=room.name, version=granted.version, wrapped=wrapped(granted.key, granted.rsa))


def check_scheme(context: Context, scheme: str) -> None:
    """`RequestError` unless this server allows it outside the lobby."""
    allowed = context.services.settings.schemes
    if scheme not in allowed or scheme in (PLAIN, EVENT):
        raise RequestError(f"this server does not allow the scheme {scheme}: it allows {', '.join(allowed)}")


def _act(context: Context, ulid: str, statement: str = "") -> Act:
    return context.services.room_keeper.act(context.account, ulid, statement)


async def _done(context: Context, ulid: str) -> bool:
    done: bool = await context.services.store.room_change_done(context.account.id, ulid)
    return done


async def _keep(context: Context, change: Change | None) -> None:
    if change is not None:
        await context.services.room_keeper.keep(change)


async def _state(context: Context, name: str, after: str = "") -> wire.RoomState:
    room: Room = context.chat.rooms.find(name)
    room.check_visible(context.account)
    state: wire.RoomState | None = await context.services.store.room_state(room.head.id, folded(after), MAX_PAGE)
    if state is None:
        raise no_room(name)
    present = [replace(one, presence=context.chat.presence(one.user)) for one in state.members]
    return replace(state, members=present)


def _status(context: Context, account: Account) -> wire.UserStatus:
    presence = context.chat.presence(account.name)
    last_seen = context.services.last_seen.of_account(account) if presence == "OFFLINE" else context.services.now()
    return wire.UserStatus(user=account.name, presence=presence, last_seen=last_seen)
