"""Commands about messages: saying something, and finding what was said."""

from __future__ import annotations

from typing import Final

from encchat import names
from encchat.client.commands.actor import Actor
from encchat.client.commands.parsing import account, another, first_word, nothing, room
from encchat.client.commands.table import Command
from encchat.errors import UsageError
from encchat.limits import DEFAULT_PAST, MAX_NAME, MAX_PAST

_GO: Final = "/go lobby, /go @NAME or /go #ROOM"
_HISTORY: Final = f"/history [lobby, @NAME or #ROOM] [N], N from 1 to {MAX_PAST}"


def _message(actor: Actor, arguments: str) -> None:
    usage = "/msg NAME TEXT"
    word, text = first_word(arguments)
    if word.startswith("#"):
        conversation = actor.room_actions.joined(room(word, "/msg #ROOM TEXT"))
    else:
        conversation = f"@{another(account(word, usage), actor.user, 'name somebody else')}"
    if not text.strip():
        raise UsageError(f"TEXT is missing: {usage}")
    actor.say(f"/msg {conversation.removeprefix('@')}", conversation, text)


def _all(actor: Actor, arguments: str) -> None:
    if not arguments.strip():
        raise UsageError("TEXT is missing: /all TEXT")
    actor.say("/all", names.LOBBY, arguments)


def _secure(actor: Actor, arguments: str) -> None:
    if not arguments:
        raise UsageError("TEXT is missing: /secure TEXT, or secure: TEXT")
    actor.trust_actions.insist(actor.conversation)
    actor.say("/secure", actor.conversation, arguments)


def _go(actor: Actor, arguments: str) -> None:
    if not arguments:
        actor.notice(f"what you type goes to {actor.conversation}{actor.trust_actions.described(actor.conversation)}")
        return
    word, _, rest = arguments.partition(" ")
    nothing(rest.strip(), _GO)
    if word.startswith("#"):
        actor.go(actor.room_actions.joined(room(word, _GO)))
    elif names.folded(word) == names.LOBBY:
        actor.go(names.LOBBY)
    else:
        actor.go(f"@{another(account(word, _GO), actor.user, _GO)}")


def _history(actor: Actor, arguments: str) -> None:
    words = arguments.split()
    number = words.pop() if words and words[-1].isdecimal() else str(DEFAULT_PAST)
    name = _conversation(words.pop(0)) if words else actor.conversation
    nothing(" ".join(words), _HISTORY)
    if len(number) > len(str(MAX_PAST)) or not 1 <= int(number) <= MAX_PAST:
        raise UsageError(f"N is from 1 to {MAX_PAST}, not {number[:MAX_NAME]}: {_HISTORY}")
    actor.show_past(name, int(number))


def _conversation(word: str) -> str:
    if names.folded(word) == names.LOBBY:
        return names.LOBBY
    if word.startswith("#"):
        return room(word, _HISTORY)
    if not word.startswith("@"):
        raise UsageError(f"{word[:MAX_NAME]} is no conversation: {_HISTORY}")
    return f"@{account(word, _HISTORY)}"


def _search(actor: Actor, arguments: str) -> None:
    if not arguments:
        raise UsageError("TEXT is missing: /search TEXT")
    actor.find(arguments)


MESSAGES: Final = (
    Command("msg", "/msg NAME TEXT", "send TEXT to NAME (or #ROOM) alone, encrypted end to end", _message, "partner"),
    Command("all", "/all TEXT", "send TEXT to everybody, in the lobby", _all),
    Command("go", "/go [CONVERSATION]", "let bare lines go to lobby, @NAME or #ROOM", _go, "conversation"),
    Command("secure", "/secure TEXT", "send TEXT only if it is encrypted end to end; also secure: TEXT", _secure),
    Command(
        "history", "/history [CONVERSATION] [N]", "show the last N messages kept here (20)", _history, "conversation"
    ),
    Command("search", "/search TEXT", "show the messages kept here that have these words", _search),
)
