"""The client's command table: the one list for parsing, ``/help``, completion and docs/client.md."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from encchat import wire
from encchat.client import generic
from encchat.client.classic import from_classic
from encchat.client.commands.actor import Actor
from encchat.client.commands.admin import admin_commands
from encchat.client.commands.completion import Known, Suggestion, suggestions
from encchat.client.commands.files import FILES
from encchat.client.commands.messages import MESSAGES
from encchat.client.commands.parsing import first_word
from encchat.client.commands.rooms import ROOMS
from encchat.client.commands.sessions import SESSIONS
from encchat.client.commands.settings import SETTINGS
from encchat.client.commands.table import Arguments, Command
from encchat.client.commands.trust import TRUST
from encchat.client.commands.unread import UNREAD
from encchat.errors import UnknownCommandError
from encchat.limits import MAX_NAME

__all__ = [
    "BY_VERB",
    "COMMANDS",
    "Actor",
    "Arguments",
    "Command",
    "Known",
    "Suggestion",
    "complete",
    "help_text",
    "is_secret",
    "label_of",
    "run_command",
    "typed_commands",
]


def _help(actor: Actor, arguments: str) -> None:
    actor.notice(help_text(arguments.removeprefix("/"), actor.server_commands))


COMMANDS: Final[tuple[Command, ...]] = (
    *MESSAGES,
    *UNREAD,
    *SESSIONS,
    *ROOMS,
    *FILES,
    *TRUST,
    *SETTINGS,
    *admin_commands(_help),
)

BY_VERB: Final = {command.verb: command for command in COMMANDS}

_BY_THE_CLIENT: Final[tuple[type[wire.Request], ...]] = (
    wire.Register,
    wire.Login,
    wire.LoginDevice,
    wire.ForgetDevice,
    wire.Commands,
    wire.SetPresence,
    wire.Send,
    wire.Conversations,
    wire.Sync,
    wire.Ack,
    *wire.KEY_REQUESTS,
    *wire.ROOM_REQUESTS,
    *wire.FILE_REQUESTS,
)
_NOT_TYPED: Final = frozenset(str(kind.__struct_config__.tag) for kind in _BY_THE_CLIENT)
"""Requests the client makes by itself, or under other words."""

_BARE: Final = "goes to the current conversation; //TEXT sends a text that begins with a slash"


def run_command(actor: Actor, line: str) -> None:
    """Do what ``line``, which begins with ``/``, says; raise `encchat.errors.EncchatError` if it cannot be done."""
    verb, arguments = first_word(line[1:])
    verb = verb.casefold()
    command = BY_VERB.get(verb)
    if command is not None:
        command.run(actor, arguments.strip())
        return
    entry = actor.server_commands.get(generic.typed_verb(verb))
    if entry is None:
        raise UnknownCommandError(_unknown(verb, actor.server_commands))
    actor.ask_server(entry.verb, generic.fields(entry, arguments))


def typed_commands(entries: Iterable[wire.CommandEntry]) -> dict[str, wire.CommandEntry]:
    """The server's commands that are not in `COMMANDS`, by how they are typed."""
    known = _NOT_TYPED | BY_VERB.keys()
    return {generic.typed_verb(entry.verb): entry for entry in entries if entry.verb not in known}


def label_of(line: str) -> str:
    """The command word of a line, for its errors; never an argument, which may be a password."""
    return first_word(line)[0] if line.startswith("/") else ""


def _unknown(verb: str, server_commands: Iterable[str]) -> str:
    near = difflib.get_close_matches(verb, [*BY_VERB, *server_commands], n=1)
    begin = f"there is no command /{verb[:MAX_NAME]}"
    if near:
        return f"{begin}: did you mean /{near[0]}?"
    return f"{begin}: /help lists the commands, //text sends a text with a slash"


def help_text(verb: str, server_commands: Mapping[str, wire.CommandEntry]) -> str:
    """What ``/help`` or ``/help VERB`` shows; raise `UnknownCommandError` for a verb that is none."""
    rows = [(command.verb, command.usage, command.help) for command in COMMANDS]
    rows += [(verb, generic.usage(entry), entry.help) for verb, entry in server_commands.items()]
    if verb:
        rows = [row for row in rows if row[0] == generic.typed_verb(verb.casefold())]
        if not rows:
            raise UnknownCommandError(_unknown(verb, server_commands))
    width = min(max(len(usage) for _, usage, _ in rows), _WIDEST_USAGE)
    lines = [_help_line(usage, text, width) for _, usage, text in rows]
    return "\n".join(lines if verb else [*lines, _help_line("TEXT", _BARE, width)])


_WIDEST_USAGE: Final = 32
"""Columns of a usage; what is longer has its explanation on a line of its own."""


def _help_line(usage: str, text: str, width: int) -> str:
    if len(usage) <= width:
        return f"{usage.ljust(width)}  {text}"
    return f"{usage}\n{' ' * width}  {text}"


def is_secret(line: str) -> bool:
    """Whether ``line`` holds what must not be remembered, also where its command is one letter off or a classic one."""
    verb = _VERB.match(from_classic(line.strip()))
    if verb is None:
        return False
    word = verb[1].casefold()
    if word in BY_VERB:
        return BY_VERB[word].secret
    return bool(difflib.get_close_matches(word, _SECRETS))


_VERB: Final = re.compile(r"/\s*([^\s/]+)")
_SECRETS: Final = [command.verb for command in COMMANDS if command.secret]


def complete(typed: str, known: Known) -> list[Suggestion]:
    """The words that fit at the end of ``typed``, which is all that stands left of the cursor."""
    return suggestions(typed, known)
