"""Classic mode: the bare command words of older chats, put into the client's own commands."""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen
class ClassicWord:
    """A bare word that stands for ``command`` when at most ``most`` words follow it (None: any number)."""

    word: str
    command: str
    most: int | None


CLASSIC_WORDS: Final = (
    ClassicWord("-l", "/users", None),
    ClassicWord("-m", "/msg", None),
    ClassicWord("-b", "/all", None),
    ClassicWord("-a", "/admin", None),
    ClassicWord("-k", "/kick", None),
    ClassicWord("-q", "/quit", None),
    ClassicWord("online", "/users", 0),
    ClassicWord("all", "/users", 0),
    ClassicWord("status", "/users", 0),
    ClassicWord("status", "/status", 1),
    ClassicWord("connect", "/connect", 1),
    ClassicWord("goodbye", "/goodbye", 0),
    ClassicWord("close", "/quit", 0),
    ClassicWord("quit", "/quit", 0),
    ClassicWord("chat", "/chat", None),
    ClassicWord("invite", "/invite", None),
    ClassicWord("join", "/join", 1),
)
"""The first fitting row counts; a line that fits none is a message, like "all is well"."""


def from_classic(line: str) -> str:
    """``line`` with a bare command word replaced by its command; other lines as they are."""
    word, _, rest = line.partition(" ")
    count = len(rest.split())
    for row in CLASSIC_WORDS:
        if row.word == word and (row.most is None or count <= row.most):
            return f"{row.command} {rest}".rstrip()
    return line
