"""Reading what was said: `conversations`, `sync`, `ack`.

Which conversation is meant is always worked out from who asks: the lobby, the one direct conversation of the asking
account and the named one, or a room as far as the account was in it. So there is no name by which another's could be
asked for.
"""

from __future__ import annotations

from sys import intern

from attrs import frozen
from twisted.internet.defer import gatherResults

from encchat import wire
from encchat.errors import UnknownUserError
from encchat.limits import MAX_PAGE_BYTES
from encchat.names import LOBBY, direct_with, folded
from encchat.server.chat.room import no_room
from encchat.server.command import command
from encchat.server.context import Context
from encchat.server.membership import Readable
from encchat.server.model import LOBBY_KEY, ConversationState, direct_key
from encchat.server.store.interface import PastMessage


@frozen
class Log:
    """One conversation: the store's key of it, and what the asking account calls it."""

    key: str
    name: str


@command("list your conversations and how far this device has read", cost=5)
async def conversations(context: Context, request: wire.Conversations) -> wire.ConversationList:
    """Those that have messages, or had some that were removed since; rooms as far as one was in them."""
    account, device = context.account, context.device
    rooms = await context.services.store.readable_rooms(account.id, device.key)
    return wire.ConversationList(conversations=[_entry(state) for state in [*await _states(context), *rooms]])


@command("read the messages of a conversation after a number", cost=2, in_order=True)
async def sync(context: Context, request: wire.Sync) -> wire.Page:
    """In order, so that a connection has one page on its way at a time, however many it asks for."""
    if request.conversation.startswith("#"):
        return await _sync_room(context, request)
    log = await _log(context, request.conversation)
    store = context.services.store
    # The end is read before the messages: an empty page then says that nothing is kept up to that end.
    tail, past = await gatherResults(
        [store.conversation(log.key), store.history(log.key, request.after, request.limit)]
    )
    messages = _fitting([_message(log.name, one) for one in past])
    return wire.Page(conversation=log.name, messages=messages, last_seq=tail.last_seq if tail else 0)


@command("say that this device has everything of a conversation up to a number", cost=2, in_order=True)
async def ack(context: Context, request: wire.Ack) -> None:
    """A number that was not given yet counts as the last one that was: what comes next is still to come.

    In order, so that a flood has one of them at a time in the store's queue.
    """
    seq, store = request.seq, context.services.store
    if request.conversation.startswith("#"):
        room = await _room(context, request.conversation)
        key, seq = room.key, min(seq, room.last_seq)
    else:
        key = (await _log(context, request.conversation)).key
    await store.move_cursor(context.device.key, key, seq)


async def _sync_room(context: Context, request: wire.Sync) -> wire.Page:
    room = await _room(context, request.conversation)
    # The end is from the moment of which the membership is: what came after it may be of after a removal.
    after = max(request.after, room.first - 1)
    past = await context.services.store.history(room.key, after, request.limit)
    messages = _fitting([_message(room.name, one) for one in past if one.seq <= room.last_seq])
    return wire.Page(conversation=room.name, messages=messages, last_seq=room.last_seq)


async def _room(context: Context, name: str) -> Readable:
    room: Readable | None = await context.services.store.readable_room(context.account.id, folded(name))
    if room is None:
        raise no_room(name)
    return room


async def _log(context: Context, conversation: str) -> Log:
    if conversation == LOBBY:
        return Log(LOBBY_KEY, LOBBY)
    name = direct_with(conversation)
    other = context.chat.account(name) or await context.services.store.account(name)
    if other is None:
        return await _log_with_deleted(context, name)
    return Log(direct_key(context.account, other), f"@{other.name}")


async def _log_with_deleted(context: Context, name: str) -> Log:
    """What somebody said whose account is gone stays readable; the name is never anybody else's."""
    for state in await _states(context):
        if state.partner is not None and folded(state.partner) == folded(name):
            return Log(state.key, f"@{state.partner}")
    raise UnknownUserError(f"there is no user {name}")


async def _states(context: Context) -> list[ConversationState]:
    states: list[ConversationState] = await context.services.store.conversations(context.account.id, context.device.key)
    return states


def _entry(state: ConversationState) -> wire.ConversationEntry:
    return wire.ConversationEntry(
        conversation=_name(state),
        kind=state.kind,
        last_seq=state.last_seq,
        oldest=state.oldest,
        cursor=state.cursor,
    )


def _name(state: ConversationState) -> str:
    if state.partner is None:
        return LOBBY
    return state.partner if state.kind == "room" else f"@{state.partner}"


def _message(conversation: str, past: PastMessage) -> wire.Message:
    return wire.Message(
        conversation=conversation,
        kind=past.kind,
        seq=past.seq,
        sender=past.sender,
        ulid=past.ulid,
        time=past.time,
        body=past.body,
        scheme=intern(past.scheme),  # msgspec leaves a default out only if it is the same object
    )


def _fitting(messages: list[wire.Message]) -> list[wire.Message]:
    """As many as make a page of `MAX_PAGE_BYTES`, but one at least."""
    size = 0
    for count, message in enumerate(messages):
        size += len(wire.encode(message)) + 1
        if size > MAX_PAGE_BYTES and count:
            return messages[:count]
    return messages
