"""Commands about rooms: opening, inviting, joining, leaving, and who is in them."""

from __future__ import annotations

from typing import Final

from encchat.client.commands.actor import Actor
from encchat.client.commands.parsing import account, accounts, another, nothing, one_of, options, room_first
from encchat.client.commands.table import Command, Flag
from encchat.errors import UsageError

_CHAT: Final = (
    "/chat [#ROOM] NAME... [--ephemeral] [--deniable] [--scheme megolm|server-key] [--history none|since-invite|all]"
    " [--open]"
)
_FLAGS: Final = (
    Flag("--ephemeral", help="off the record: kept nowhere"),
    Flag("--deniable", help="nothing is signed"),
    Flag("--scheme", ("megolm", "server-key"), "how it is encrypted; megolm unless said otherwise", others=True),
    Flag("--history", ("none", "since-invite", "all"), "what new members can read of before"),
    Flag("--open", help="everybody may join"),
)
_ON: Final = ("on", "off")


def _chat(actor: Actor, arguments: str) -> None:
    room, rest = room_first(arguments, _CHAT)
    words = rest.split()
    given = options(words, _FLAGS, _CHAT)
    if "--ephemeral" in given and given.get("--history", "none") != "none":
        raise UsageError("what is said off the record is kept nowhere: with --ephemeral there is no --history to give")
    if not room and words and words[0].startswith("#"):
        room, _ = room_first(words.pop(0), _CHAT)
    users = accounts(words, actor.user, _CHAT)
    if not (users or room):
        raise UsageError(f"NAME is missing: {_CHAT}")
    actor.room_actions.chat(
        room,
        users,
        scheme=given.get("--scheme", "megolm"),
        policy="deniable" if "--deniable" in given else "signed",
        history=given.get("--history", "none"),
        ephemeral="--ephemeral" in given,
        open="--open" in given,
    )


def _invite(actor: Actor, arguments: str) -> None:
    usage = "/invite [#ROOM] NAME..."
    room, rest = room_first(arguments, usage)
    users = accounts(rest.split(), actor.user, usage)
    if not users:
        raise UsageError(f"NAME is missing: {usage}")
    actor.room_actions.invite(room, users)


def _join(actor: Actor, arguments: str) -> None:
    actor.room_actions.join(_only_room(arguments, "/join [#ROOM]"))


def _decline(actor: Actor, arguments: str) -> None:
    actor.room_actions.decline(_only_room(arguments, "/decline [#ROOM]"))


def _leave(actor: Actor, arguments: str) -> None:
    actor.room_actions.leave(_only_room(arguments, "/leave [#ROOM]"))


def _who(actor: Actor, arguments: str) -> None:
    actor.room_actions.who(_only_room(arguments, "/who [#ROOM]"))


def _rooms(actor: Actor, arguments: str) -> None:
    nothing(arguments, "/rooms")
    actor.room_actions.list_rooms()


def _topic(actor: Actor, arguments: str) -> None:
    actor.room_actions.topic(arguments)


def _expel(actor: Actor, arguments: str) -> None:
    usage = "/expel [#ROOM] NAME"
    room, rest = room_first(arguments, usage)
    word, _, more = rest.partition(" ")
    nothing(more.strip(), usage)
    actor.room_actions.expel(room, another(account(word, usage), actor.user, "/leave leaves the room"))


def _moderator(actor: Actor, arguments: str) -> None:
    usage = "/moderator [#ROOM] NAME [on|off]"
    room, rest = room_first(arguments, usage)
    word, _, on = rest.partition(" ")
    name = another(account(word, usage), actor.user, "name a member")
    role = "moderator" if one_of(on.strip() or "on", _ON, usage) == "on" else "member"
    actor.room_actions.set_role(room, name, role)


def _open(actor: Actor, arguments: str) -> None:
    usage = "/open [#ROOM] [on|off]"
    room, rest = room_first(arguments, usage)
    actor.room_actions.set_open(room, one_of(rest or "on", _ON, usage) == "on")


def _only_room(arguments: str, usage: str) -> str:
    """The room that is named, with or without ``#``; empty if none is."""
    room, rest = room_first(f"#{arguments.removeprefix('#')}" if arguments else "", usage)
    nothing(rest, usage)
    return room


ROOMS: Final = (
    Command(
        "chat",
        _CHAT,
        "open a room and invite NAME...; without #ROOM it gets a name",
        _chat,
        "users",
        place="room",
        flags=_FLAGS,
    ),
    Command(
        "invite",
        "/invite [#ROOM] NAME...",
        "invite into the room you are in; in none, open one",
        _invite,
        "users",
        place="room",
    ),
    Command("join", "/join [#ROOM]", "join a room you are invited to, or that is open", _join, "room"),
    Command("decline", "/decline [#ROOM]", "decline an invitation", _decline, "room"),
    Command("leave", "/leave [#ROOM]", "leave the room, stay connected", _leave, "room"),
    Command("who", "/who [#ROOM]", "show the room, how it is encrypted, and who is in it", _who, "room"),
    Command("rooms", "/rooms", "list your rooms, invitations, and the open rooms", _rooms),
    Command("topic", "/topic [TEXT]", "show or set what the room is about, encrypted like a message", _topic),
    Command(
        "expel",
        "/expel [#ROOM] NAME",
        "remove NAME from the room, or take an invitation back",
        _expel,
        "user",
        place="room",
    ),
    Command(
        "moderator",
        "/moderator [#ROOM] NAME [on|off]",
        "let NAME expel others, or no more",
        _moderator,
        "user",
        place="room",
        then=(_ON,),
    ),
    Command(
        "open",
        "/open [#ROOM] [on|off]",
        "let everybody join the room, or only who is invited",
        _open,
        "word",
        _ON,
        place="room",
    ),
)
