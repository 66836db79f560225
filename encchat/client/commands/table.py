"""A row of the command table, and what its arguments are completed with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from attrs import frozen

from encchat.client.commands.actor import Actor

Arguments = Literal["", "user", "users", "conversation", "room", "command", "word"]
"""What the first argument is; ``users``: every argument is an account."""


@frozen
class Command:
    """``run(actor, rest of the line)``; ``completes`` says what the first argument is, ``words`` that it can be."""

    verb: str
    usage: str
    help: str
    run: Callable[[Actor, str], None]
    completes: Arguments = ""
    words: tuple[str, ...] = ()
