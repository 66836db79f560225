"""What uploads and downloads have in common: where one stands, and what it gets from whoever runs it.

    LOOKING --the bytes here are read--> READY --its turn, a connection--> MOVING --all through--> ENDING --> OVER
    MOVING --connection lost--> READY, MOVING --refused for a while--> STUCK --later--> READY
    any but OVER --given up, or stopped--> OVER

LOOKING, ENDING and OVER need no connection. What a transfer needs to go on after a restart is in the client's store.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, Protocol

from encchat import wire
from encchat.client import events
from encchat.client.files.disk import Files
from encchat.client.requests import Done
from encchat.e2e.interfaces import Aside, Keep
from encchat.errors import InternalError, OverloadedError, ThrottledError

PASSING: Final = frozenset(error.code for error in (InternalError, OverloadedError, ThrottledError))
"""Refusals after which the same is tried again, a little later."""
NO_CONNECTION: Final = "no connection"


class Step(Enum):
    """Where a transfer stands; see the module's docstring."""

    LOOKING = "looking"
    READY = "ready"
    MOVING = "moving"
    STUCK = "stuck"
    ENDING = "ending"
    OVER = "over"


class Desk(Protocol):
    """What a transfer gets; `encchat.client.files.transfers.Transfers` is the one."""

    @property
    def files(self) -> Files:
        """The files of whoever sits here."""

    @property
    def keep(self) -> Keep:
        """The client's store."""

    @property
    def aside(self) -> Aside:
        """Where what takes long is done."""

    @property
    def online(self) -> bool:
        """Whether there is a connection."""

    def ask(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """Send a request that no line typed waits for."""

    def say(self, conversation: str, text: str, ulid: str, done: Done) -> None:
        """Send the message about a file; raises `EncchatError` if it cannot be."""

    def tell(self, transfer: Transfer, *, rarely: bool = False) -> None:
        """It stands elsewhere; ``rarely``: that need not be shown each time."""

    def moved_on(self) -> None:
        """A transfer leaves its turn to others."""


class Transfer(Protocol):
    """A file on its way."""

    @property
    def ulid(self) -> str:
        """By which it is named: that of the message about it."""

    @property
    def direction(self) -> events.Direction:
        """Whence."""

    @property
    def step(self) -> Step:
        """Where it stands."""

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""

    def event(self) -> events.Transfer:
        """How far it is, for people."""

    def work(self) -> None:
        """One slice, a few milliseconds."""

    def go(self) -> None:
        """It is its turn, and there is a connection."""

    def lost(self) -> None:
        """The connection is gone; every request has been answered by that."""

    def again(self) -> None:
        """What was refused for a while may be asked again."""

    def stop(self) -> None:
        """The person does not want it any more."""


def shown(step: Step, reason: str) -> events.TransferState:
    """A step in the word of `encchat.client.events.Transfer`; ``reason``: why it is over, empty if it is done."""
    if step is Step.OVER:
        return "failed" if reason else "done"
    return "waiting" if step in (Step.READY, Step.STUCK) else "going"
