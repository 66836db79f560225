"""Saying something: `send`.

The way of a message has no Deferred where its receiver is here, or a room: the store calls back after the commit,
in the order of the appends, and only then is anybody told.

Outside the lobby a body is an envelope of a scheme this server allows (protocol, section "Envelopes"): the server can
tell no text from another there, and refuses what a client has forgotten to encrypt.

A message names, inside its encryption, the one its device said before it. So that this one is always in the log, a
client that does not wait for its answer marks the next as ``chained``, and it falls with the one it follows.

What is said in an ephemeral room goes to whoever is in it and here, in the same breath, and is kept nowhere: not in the
store, and not here, so that the same ULID sent again is said again. A client does not do that.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from encchat import wire
from encchat.envelopes import PLAIN, SERVER_KEY, check, split_server_key
from encchat.errors import BrokenChainError, InternalError, MalformedRequestError, StaleKeyError, StoreError
from encchat.limits import LONG_BODY, MAX_BODY
from encchat.names import LOBBY, direct_with
from encchat.server.chat import LOBBY_ROUTE, Delivery, Route, message_deliveries
from encchat.server.chat.room import Room
from encchat.server.command import LATER, Later, command
from encchat.server.commands.accounts import stored_account
from encchat.server.commands.rooms import check_scheme
from encchat.server.context import Context, Hold, State
from encchat.server.model import Account, Fate, NewMessage, Stored

log = Logger()

_SAID: Final = Fate()
"""Of what is said in an ephemeral room, once all is checked: nothing can refuse it any more."""


@command("send a message to a conversation", in_order=True, kind="message", voice=True)
def send(context: Context, request: wire.Send) -> wire.Sent | Later | Coroutine[Deferred[Any], Any, Later]:
    """To the lobby, to a room as ``#NAME``, or to a user as ``@NAME``, here or not."""
    if request.conversation == LOBBY:
        _check_plain(request)
        return _append(context, request, LOBBY_ROUTE)
    if request.conversation.startswith("#"):
        account = context.account
        room, route = context.chat.rooms.route(account, request.conversation)
        _check_for_room(room, request)
        if room.head.ephemeral:
            return _say(context, request, route, account)
        return _append(context, request, route)
    name = direct_with(request.conversation)
    _check_envelope(context, request)
    way = context.chat.way(context.account, name)
    if way is None:
        return _send_to_absent(context, request, name)
    return _append(context, request, way)


async def _send_to_absent(context: Context, request: wire.Send, name: str) -> Later:
    target = await stored_account(context, name)
    return _append(context, request, context.chat.direct(context.account, target))


def _check_plain(request: wire.Send) -> None:
    if request.scheme != PLAIN:
        raise MalformedRequestError(f"the lobby is for everybody to read: its scheme is {PLAIN}, not {request.scheme}")
    if len(request.body) > MAX_BODY:
        raise MalformedRequestError(f"a message of the lobby has at most {MAX_BODY} characters")


def _check_envelope(context: Context, request: wire.Send) -> None:
    check(request.scheme, request.body)
    if request.scheme == SERVER_KEY:
        raise MalformedRequestError(f"the scheme {SERVER_KEY} is for rooms")
    check_scheme(context, request.scheme)


def _check_for_room(room: Room, request: wire.Send) -> None:
    check(request.scheme, request.body)
    if request.scheme != room.head.scheme:
        raise MalformedRequestError(f"the scheme of {room.name} is {room.head.scheme}, not {request.scheme}")
    if request.scheme == SERVER_KEY and split_server_key(request.body).version != room.key_version:
        raise StaleKeyError(f"{room.name} has a new key, of version {room.key_version}: ask for it and encrypt again")


def _say(context: Context, request: wire.Send, route: Route, sender: Account) -> wire.Sent:
    _follow(context, request, _SAID)
    services, ulid, room = context.services, request.ulid, route.ours
    time = services.now()
    said = wire.Message(
        conversation=room,
        kind="room",
        seq=0,
        sender=sender.name,
        ulid=ulid,
        time=time,
        body=request.body,
        scheme=request.scheme,
    )
    services.hub.deliver(Delivery(route.to, said), context)
    return wire.Sent(ulid=ulid, conversation=room, seq=0, time=time)


def _follow(context: Context, request: wire.Send, fate: Fate) -> Fate | None:
    """The fate of the message that this one, of that ``fate``, is chained to; `BrokenChainError` if it was refused."""
    after = context.chain(request.conversation, fate, chained=request.chained)
    if after is not None and after.refused:
        raise BrokenChainError("the message before this one was refused, so this one, which names it, is not taken")
    return after


def _append(context: Context, request: wire.Send, route: Route) -> Later:
    fate = Fate()
    after = _follow(context, request, fate)
    sender = context.account
    message = NewMessage(
        conversation=route.key,
        kind=route.kind,
        sender_id=sender.id,
        ulid=request.ulid,
        time=context.services.now(),
        body=request.body,
        scheme=request.scheme,
        fate=fate,
        after=after,
    )
    if len(message.body) > LONG_BODY:
        context.connection.hold(Hold.LONG)
    context.services.store.append(message, partial(_stored, context, sender, request.id, route, message))
    return LATER


def _stored(
    context: Context, sender: Account, request_id: int, route: Route, message: NewMessage, outcome: Stored | StoreError
) -> None:
    if len(message.body) > LONG_BODY:
        context.connection.release(Hold.LONG)
    if isinstance(outcome, StoreError):
        log.error("a message was not stored: {why}", event="store_broke", why=outcome.text)
        context.finish(request_id, InternalError("the server could not store the message"))
        return
    services = context.services
    echo = context.state is State.CLOSED or services.hub.has_several(sender.name)
    for delivery in message_deliveries(route, sender, message, outcome, echo=echo):
        services.hub.deliver(delivery, skip=context)
    if route.pair is not None:
        services.chat.acquaint(*route.pair)
    sent = wire.Sent(ulid=message.ulid, conversation=route.ours, seq=outcome.seq, time=outcome.time)
    context.finish(request_id, sent)
