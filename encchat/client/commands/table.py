"""A row of the command table: how a command is typed, what its arguments are, and what carries it out.

Parsing (`encchat.client.commands.parsing`) and completion (`encchat.client.commands.completion`) read the same row, so
that what is offered is what is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import frozen

from encchat.client.commands.actor import Actor

Arguments = Literal[
    "", "user", "users", "partner", "conversation", "room", "command", "word", "setting", "file", "offer"
]
"""What the first argument is.

``users``: every argument is an account; ``partner``: an account or a room; ``setting``: the name of an option of
`encchat.client.preferences`, then its value; ``file``: a path, which takes the rest of the line; ``offer``: the ULID of
a file that somebody has sent.
"""


@frozen
class Flag:
    """``--name`` of a command and the words that may follow it, none at all where there are no ``values``.

    ``others``: words that are not listed are taken too.
    """

    name: str
    values: tuple[str, ...] = ()
    help: str = ""
    others: bool = False


@frozen
class Command:
    """``run(actor, rest of the line)``; ``completes`` says what the first argument is, ``words`` that it can be.

    ``place``: what may be named before it, a room or any conversation, known by its sign. ``then``: the words that the
    second argument can be, the third, and so on; ``file`` is a path. ``secret``: such a line holds what must not be
    remembered.
    """

    verb: str
    usage: str
    help: str
    run: Callable[[Actor, str], None]
    completes: Arguments = ""
    words: tuple[str, ...] = ()
    place: Literal["", "room", "conversation"] = ""
    then: tuple[tuple[str, ...] | Literal["file"], ...] = ()
    flags: tuple[Flag, ...] = ()
    secret: bool = False

    @property
    def takes_text(self) -> bool:
        """Whether people are talked to, or about, in what follows."""
        return "TEXT" in self.usage
