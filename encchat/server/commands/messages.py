"""Saying something: `send`.

The way of a message has no Deferred where its receiver is here: the store calls back after the commit, in the
order of the appends, and only then is anybody told.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from encchat import wire
from encchat.errors import InternalError, StoreError
from encchat.limits import LONG_BODY
from encchat.names import LOBBY, direct_with
from encchat.server.chat import LOBBY_ROUTE, Route, message_deliveries
from encchat.server.command import LATER, Later, command
from encchat.server.commands.accounts import stored_account
from encchat.server.context import Context, Hold, State
from encchat.server.model import Account, NewMessage, Stored

log = Logger()


@command("send a message to a conversation", in_order=True, kind="message", voice=True)
def send(context: Context, request: wire.Send) -> Later | Coroutine[Deferred[Any], Any, Later]:
    """To the lobby, or to a user as ``@NAME``, here or not."""
    if request.conversation == LOBBY:
        return _append(context, request, LOBBY_ROUTE)
    name = direct_with(request.conversation)
    target = context.chat.account(name)
    if target is None:
        return _send_to_absent(context, request, name)
    return _append(context, request, context.chat.direct(context.account, target))


async def _send_to_absent(context: Context, request: wire.Send, name: str) -> Later:
    target = await stored_account(context, name)
    return _append(context, request, context.chat.direct(context.account, target))


def _append(context: Context, request: wire.Send, route: Route) -> Later:
    sender = context.account
    message = NewMessage(
        conversation=route.key,
        kind=route.kind,
        sender_id=sender.id,
        ulid=request.ulid,
        time=context.services.now(),
        body=request.body,
        scheme=request.scheme,
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
        context.finish(request_id, InternalError("the server could not store the message; send it again later"))
        return
    services = context.services
    echo = context.state is State.CLOSED or services.hub.has_several(sender.name)
    services.carry_out(message_deliveries(route, sender, message, outcome, echo=echo), skip=context)
    if route.to:
        context.chat.wrote(sender.name, route.to[0])
    sent = wire.Sent(ulid=message.ulid, conversation=route.ours, seq=outcome.seq, time=outcome.time)
    context.finish(request_id, sent)
