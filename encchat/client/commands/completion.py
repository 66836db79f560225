"""Which words fit at the end of what is being typed.

Everything comes from the command table (`encchat.client.commands.table`), the settings (`encchat.client.preferences`)
and what the client knows of the world. Each suggestion replaces what follows the last blank, so that a suggestion
inside a word (a member behind a bracket, a folder with a blank in its name) repeats what stands before it there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from attrs import frozen

from encchat import names, wire
from encchat.client.commands.table import Command, Flag
from encchat.client.preferences import OPTIONS


@frozen
class Suggestion:
    """A word that fits at the end of what was typed, and one line about it."""

    word: str
    help: str = ""


def _none(_: str) -> Iterable[str]:
    return ()


@frozen
class Known:
    """What there is to complete with: accounts, rooms, the command table and the server's own commands.

    ``members(conversation)``: who can be addressed there, "" being the current one. ``paths(typed)``: the files and
    folders whose path begins so, folders with a slash at their end. ``offers``: ULIDs of files that were sent to this
    account, with their names.
    """

    users: Iterable[str]
    rooms: Iterable[str]
    commands: Mapping[str, Command]
    server_commands: Mapping[str, wire.CommandEntry]
    members: Callable[[str], Iterable[str]] = _none
    paths: Callable[[str], Iterable[str]] = _none
    offers: Callable[[], Iterable[tuple[str, str]]] = tuple

    def verbs(self) -> list[Suggestion]:
        """Every command word."""
        ours = [Suggestion(f"/{command.verb}", command.help) for command in self.commands.values()]
        return ours + [Suggestion(f"/{verb}", entry.help) for verb, entry in self.server_commands.items()]

    def conversations(self, sign: str) -> list[Suggestion]:
        """Everywhere one can go whose name begins with ``sign``."""
        everywhere = (names.LOBBY, *self.rooms, *(f"@{name}" for name in self.users))
        return [Suggestion(word) for word in everywhere if word.startswith(sign)]

    def first(self, command: Command, typed: str) -> list[Suggestion]:
        """What the first argument may be, of which ``typed`` is there."""
        match command.completes:
            case "partner" | "room" if typed.startswith("#") or command.completes == "room":
                return [Suggestion(name) for name in self.rooms]
            case "user" | "users" | "partner":
                return [] if typed.startswith("#") else [Suggestion(word) for word in (*self.users, *command.words)]
            case "conversation":
                return self.conversations(typed[:1] if typed[:1] in ("#", "@") else "")
            case "command":
                return [Suggestion(row.word[1:], row.help) for row in self.verbs()]
            case "setting":
                return [Suggestion(option.typed, option.help) for option in OPTIONS.values()]
            case "offer":
                return [Suggestion(ulid, name) for ulid, name in self.offers()]
            case _:
                return [Suggestion(word) for word in command.words]

    def before(self, command: Command, typed: str) -> list[Suggestion]:
        """What may be named before the first argument, by its sign."""
        if typed[:1] in _PLACES[command.place]:
            return self.conversations(typed[:1])
        return []


_PLACES: Final[dict[str, tuple[str, ...]]] = {"": (), "room": ("#",), "conversation": ("#", "@")}


def suggestions(typed: str, known: Known) -> list[Suggestion]:
    """The words that fit at the end of ``typed``, which is all that stands left of the cursor."""
    if not typed.startswith("/") or typed.startswith("//"):
        return _in_text(typed, "", known)
    verb, space, arguments = typed[1:].partition(" ")
    if not space:
        return [row for row in known.verbs() if row.word.startswith(typed.casefold())]
    command = known.commands.get(verb.casefold())
    return [] if command is None else _behind(command, arguments, known)


def _behind(command: Command, typed: str, known: Known) -> list[Suggestion]:
    """What fits behind ``command`` and the arguments ``typed`` so far."""
    flags = {flag.name: flag for flag in command.flags}
    *done, last = typed.split(" ")
    done = [word for word in done if word]
    if done and done[-1] in flags and (values := flags[done[-1]].values):
        return _fitting((Suggestion(value) for value in values), last)
    if last.startswith("--"):
        return _fitting((Suggestion(flag.name, flag.help) for flag in command.flags if flag.name not in done), last)
    done = _without(flags, done)
    place = done.pop(0) if done and done[0][0] in _PLACES[command.place] else ""
    if not (place or done) and (rows := _fitting(known.before(command, last), last)):
        return rows
    rows = _argument(command, done, typed.removeprefix(place).lstrip(" "), known)
    if rows or not command.takes_text:
        return rows
    return _in_text(typed, done[0] if command.completes == "partner" and done else place, known)


def _without(flags: Mapping[str, Flag], words: Iterable[str]) -> list[str]:
    """``words`` without flags and their values."""
    found, rest = [], iter(words)
    for word in rest:
        if word not in flags:
            found.append(word)
        elif flags[word].values:
            next(rest, None)
    return found


def _argument(command: Command, done: list[str], typed: str, known: Known) -> list[Suggestion]:
    """What the argument may be that follows those that are ``done``; ``typed`` is all of them."""
    last = typed.rpartition(" ")[2]
    kinds = (command.completes, *command.then)
    if "file" in kinds and len(done) >= (place := _place_of_path(command, done, known)):
        return _paths(_from_word(typed, place), last, known)
    if not done or command.completes == "users":
        rows = _fitting(known.first(command, last), last)
        return _paths(typed, last, known) if not rows and kinds == ("offer", "file") else rows
    if command.completes == "setting":
        return _fitting(_values(done), last)
    words = command.then[len(done) - 1] if len(done) <= len(command.then) else ()
    return _fitting(map(Suggestion, words), last)


def _place_of_path(command: Command, done: list[str], known: Known) -> int:
    """Behind how many words a path begins; a file that was sent may be left out."""
    if command.completes == "offer" and done and done[0] not in dict(known.offers()):
        return 0
    return (command.completes, *command.then).index("file")


def _values(done: list[str]) -> Iterable[Suggestion]:
    option = OPTIONS.get(done[0].casefold().replace("-", "_")) if len(done) == 1 else None
    if option is None:
        return ()
    default = option.shown(option.default)
    return [Suggestion(value, "as it is by default" if value == default else "") for value in option.suggested]


def _from_word(typed: str, place: int) -> str:
    """What stands behind that many words."""
    for _ in range(place):
        typed = typed.partition(" ")[2].lstrip(" ")
    return typed


def _paths(typed: str, last: str, known: Known) -> list[Suggestion]:
    """Paths that begin with ``typed``, of which ``last`` follows the last blank."""
    repeated = len(typed) - len(last)
    return [Suggestion(path[repeated:]) for path in known.paths(typed) if path.startswith(typed[:repeated])]


_ADDRESSED: Final = re.compile(r"""(?:^|(?<=[(\[{"'“„«]))@[\w.-]*\Z""")
"""The beginning of somebody's name at the end of a word of a text; not an e-mail address."""


def addresses(typed: str) -> bool:
    """Whether a text ends in the beginning of somebody's name."""
    return "@" in typed and _ADDRESSED.search(_last_word(typed)) is not None


def _last_word(typed: str) -> str:
    return typed[max(typed.rfind(" "), typed.rfind("\n")) + 1 :]


def _in_text(typed: str, addressed: str, known: Known) -> list[Suggestion]:
    """Who can be addressed where a text goes to, which is ``addressed`` or the current conversation."""
    last = _last_word(typed)
    found = _ADDRESSED.search(last)
    if found is None:
        return []
    people = _fitting(map(Suggestion, known.members(addressed)), found[0])
    return [Suggestion(f"{last[: found.start()]}@{row.word}", row.help) for row in people]


_SIGNS: Final = "@/#"


def _fitting(rows: Iterable[Suggestion], typed: str) -> list[Suggestion]:
    begun = names.folded(typed.lstrip(_SIGNS))
    return [row for row in rows if names.folded(row.word.lstrip(_SIGNS)).startswith(begun)]
