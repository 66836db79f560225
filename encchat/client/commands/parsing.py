"""Reading a command's arguments; every refusal names what is wrong and how the command is typed."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from encchat import names
from encchat.client.commands.table import Flag
from encchat.errors import UsageError
from encchat.limits import MAX_NAME
from encchat.wire.rooms import RoomName

_SHOWN: Final = MAX_NAME
"""Characters of a wrong word that an error repeats."""


_ROOM: Final = msgspec.json.Decoder(RoomName, strict=True)


_FIRST: Final = re.compile(r"(\S*)\s?(.*)", re.DOTALL)


def first_word(text: str) -> tuple[str, str]:
    """What stands before the first blank or line break, and what behind it."""
    word, rest = _FIRST.fullmatch(text).groups()  # type: ignore[union-attr]  # it fits every text
    return word, rest


def nothing(arguments: str, usage: str) -> None:
    """Raise `UsageError` if there are arguments."""
    if arguments:
        raise UsageError(f"{arguments.split()[0][:_SHOWN]} is too much: {usage}")


def account(word: str, usage: str) -> str:
    """An account name, with or without ``@`` before it."""
    if not word:
        raise UsageError(f"NAME is missing: {usage}")
    return names.account_name(word.removeprefix("@"))


def only_account(arguments: str, usage: str) -> str:
    """The one account name that the arguments are."""
    word, _, rest = arguments.partition(" ")
    nothing(rest.strip(), usage)
    return account(word, usage)


def another(name: str, user: str, what: str) -> str:
    """``name``, unless it is this account's own; ``what`` says what to do instead."""
    if names.folded(name) == names.folded(user):
        raise UsageError(f"{name} is you: {what}")
    return name


def accounts(words: list[str], user: str, usage: str) -> list[str]:
    """Account names of others, each once."""
    found: dict[str, str] = {}
    for word in words:
        name = another(account(word, usage), user, "name others")
        found.setdefault(names.folded(name), name)
    return list(found.values())


def room(word: str, usage: str) -> str:
    """A room's name, with its ``#``."""
    try:
        return _ROOM.decode(msgspec.json.encode(word))
    except msgspec.ValidationError:
        raise UsageError(
            f"{word[:_SHOWN] or 'that'} is no room: # and 1 to {MAX_NAME} letters, digits, . _ or -,"
            f" like #garden: {usage}"
        ) from None


def room_first(arguments: str, usage: str) -> tuple[str, str]:
    """The room at the beginning of the arguments, empty if there is none, and the rest."""
    if not arguments.startswith("#"):
        return "", arguments
    word, _, rest = arguments.partition(" ")
    return room(word, usage), rest.strip()


def one_of(word: str, choices: tuple[str, ...], usage: str) -> str:
    """``word`` in lower case, if it is one of ``choices``."""
    if word.casefold() not in choices:
        wrong = f"{word[:_SHOWN]} is none of them" if word else "a word is missing"
        raise UsageError(f"{wrong}, there are {', '.join(choices)}: {usage}")
    return word.casefold()


_OPTION: Final = re.compile(r"--[a-z][a-z-]*")


def options(words: list[str], flags: tuple[Flag, ...], usage: str) -> dict[str, str]:
    """Take ``--name VALUE`` out of ``words``, as ``flags`` allow it."""
    takes = {flag.name: flag for flag in flags}
    found: dict[str, str] = {}
    rest = list(words)
    words.clear()
    while rest:
        word = rest.pop(0)
        if not _OPTION.fullmatch(word):
            words.append(word)
            continue
        if word not in takes:
            raise UsageError(f"there is no {word[:_SHOWN]}, there are {', '.join(takes)}: {usage}")
        flag = takes[word]
        if not flag.values:
            found[word] = ""
        elif not rest:
            raise UsageError(f"{word} takes {' or '.join(flag.values)}: {usage}")
        else:
            found[word] = rest.pop(0) if flag.others else one_of(rest.pop(0), flag.values, usage)
    return found
