"""The way of a message: into which log, to whom, and what each side calls the conversation."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from encchat.names import LOBBY, folded
from encchat.server.chat.delivery import Delivery
from encchat.server.model import LOBBY_KEY, Account, NewMessage, Stored, direct_key
from encchat.wire import Kind, Message


class Route(Struct, frozen=True, kw_only=True):
    """One conversation, seen from one sender.

    ``key`` is the store's name of it, ``to`` the accounts that receive (None: everybody; of a room those that are
    in it when the message is stored, the sender's among them), ``theirs`` and ``ours`` what the receivers and the
    sender's own devices call it. ``pair``: the two of a direct conversation, folded, if they are two.
    """

    key: str
    kind: Kind
    to: Collection[str] | None
    theirs: str
    ours: str
    pair: tuple[str, str] | None = None


LOBBY_ROUTE = Route(key=LOBBY_KEY, kind="lobby", to=None, theirs=LOBBY, ours=LOBBY)


def direct_route(sender: Account, target: Account, *, in_session: bool) -> Route:
    """The way from ``sender`` to ``target``; a note to oneself goes to one's own other devices only."""
    to_self = sender.id == target.id
    return Route(
        key=direct_key(sender, target),
        kind="session" if in_session else "direct",
        to=() if to_self else (target.name,),
        theirs=f"@{sender.name}",
        ours=f"@{target.name}",
        pair=None if to_self else (folded(sender.name), folded(target.name)),
    )


def message_deliveries(
    route: Route, sender: Account, message: NewMessage, stored: Stored, *, echo: bool
) -> tuple[Delivery, ...]:
    """What a stored message makes the server say; nothing if it had been stored (and said) before.

    ``echo``: the sender has other devices, which call a direct conversation by another name than the receiver.
    """
    if stored.duplicate:
        return ()
    delivery = Delivery(route.to, _event(route.theirs, sender, message, stored))
    if not echo or route.to is None or route.kind == "room":
        return (delivery,)
    return (delivery, Delivery((sender.name,), _event(route.ours, sender, message, stored)))


def _event(conversation: str, sender: Account, message: NewMessage, stored: Stored) -> Message:
    return Message(
        conversation=conversation,
        kind=message.kind,
        seq=stored.seq,
        sender=sender.name,
        ulid=message.ulid,
        time=stored.time,
        body=message.body,
        scheme=message.scheme,
    )
