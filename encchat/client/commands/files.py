"""Commands about files: sending them, fetching them, and which there are."""

from __future__ import annotations

import re
from typing import Final

from encchat.client.commands.actor import Actor
from encchat.client.commands.parsing import account, another, nothing, one_of, room
from encchat.client.commands.table import Command
from encchat.errors import UsageError

_SEND: Final = "/send [#ROOM|@NAME] FILE"
_ACCEPT: Final = "/accept [ULID]"
_SAVE: Final = "/save [ULID] [PATH]"
_FILES: Final = "/files [drop ULID]"
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}")


def _send(actor: Actor, arguments: str) -> None:
    word, _, rest = arguments.partition(" ")
    conversation, path = actor.conversation, arguments
    if word.startswith("#") and rest:
        conversation, path = actor.room_actions.joined(room(word, _SEND)), rest.strip()
    elif word.startswith("@") and rest:
        conversation, path = f"@{another(account(word, _SEND), actor.user, 'name somebody else')}", rest.strip()
    if not path:
        raise UsageError(f"FILE is missing: {_SEND}")
    actor.file_actions.send(conversation, path)


def _accept(actor: Actor, arguments: str) -> None:
    ulid, rest = _ulid_first(arguments)
    if rest:
        raise UsageError(f"{rest.split()[0][:32]} is no ULID of a file: {_ACCEPT}")
    actor.file_actions.accept(ulid)


def _save(actor: Actor, arguments: str) -> None:
    actor.file_actions.save(*_ulid_first(arguments))


def _files(actor: Actor, arguments: str) -> None:
    word, _, rest = arguments.partition(" ")
    if not word:
        actor.file_actions.list_files()
        return
    one_of(word, ("drop",), _FILES)
    ulid, more = _ulid_first(rest.strip())
    nothing(more, _FILES)
    if not ulid:
        raise UsageError(f"ULID is missing: {_FILES}")
    actor.file_actions.drop(ulid)


def _ulid_first(arguments: str) -> tuple[str, str]:
    """The ULID at the beginning of the arguments, empty if there is none, and the rest."""
    word, _, rest = arguments.partition(" ")
    return (word.upper(), rest.strip()) if _ULID.fullmatch(word) else ("", arguments)


FILES: Final = (
    Command(
        "send", _SEND, "send a file, encrypted end to end; it goes on after a cut", _send, "file", place="conversation"
    ),
    Command("accept", _ACCEPT, "fetch the file (the last one) into the folder of /set downloads", _accept, "offer"),
    Command("save", _SAVE, "fetch the file (the last one) to PATH", _save, "offer", then=("file",)),
    Command(
        "files", _FILES, "list files; drop: stop one, or take back yours from the server", _files, "word", ("drop",)
    ),
)
