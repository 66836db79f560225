"""Which words fit at the end of a line that is being typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import frozen

from encchat import names, wire
from encchat.client.commands.table import Command


@frozen
class Suggestion:
    """A word that fits at the end of what was typed, and one line about it."""

    word: str
    help: str = ""


@frozen
class Known:
    """What there is to complete with: accounts, rooms, the command table and the server's own commands."""

    users: Iterable[str]
    rooms: Iterable[str]
    commands: Mapping[str, Command]
    server_commands: Mapping[str, wire.CommandEntry]

    def verbs(self) -> list[Suggestion]:
        """Every command word."""
        ours = [Suggestion(f"/{command.verb}", command.help) for command in self.commands.values()]
        return ours + [Suggestion(f"/{verb}", entry.help) for verb, entry in self.server_commands.items()]

    def arguments(self, command: Command, typed: str) -> list[Suggestion]:
        """What may stand where ``typed`` begins."""
        users = [Suggestion(name) for name in self.users]
        rooms = [Suggestion(name) for name in self.rooms]
        match command.completes:
            case "user" | "users":
                return rooms if typed.startswith("#") else users
            case "conversation" if typed.startswith("#"):
                return rooms
            case "conversation":
                return [Suggestion(names.LOBBY), *rooms, *(Suggestion(f"@{row.word}") for row in users)]
            case "room":
                return rooms
            case "command":
                return [Suggestion(row.word[1:], row.help) for row in self.verbs()]
            case _:
                return [Suggestion(word) for word in command.words]


def suggestions(typed: str, known: Known) -> list[Suggestion]:
    """The words that fit at the end of ``typed``, which is all that stands left of the cursor."""
    if not typed.startswith("/") or typed.startswith("//"):
        return []
    verb, space, arguments = typed[1:].partition(" ")
    if not space:
        return [row for row in known.verbs() if row.word.startswith(typed)]
    command = known.commands.get(verb.casefold())
    before, _, last = arguments.rpartition(" ")
    if command is None or (before and not _goes_on(command, before)):
        return []
    return [row for row in known.arguments(command, last) if _fits(row.word, last)]


def _goes_on(command: Command, before: str) -> bool:
    """Whether another argument after ``before`` is an account as well."""
    room_first = command.completes == "user" and before.startswith("#") and " " not in before.strip()
    return command.completes == "users" or room_first


_PREFIXES: Final = "@/#"


def _fits(word: str, typed: str) -> bool:
    return names.folded(word.lstrip(_PREFIXES)).startswith(names.folded(typed.lstrip(_PREFIXES)))
