"""What uploads and downloads have in common: where one stands, and what it gets from whoever runs it.

    LOOKING --the bytes here are read--> READY --its turn, a connection--> MOVING --all through--> ENDING --> OVER
    MOVING --connection lost--> READY, MOVING --refused for a while--> STUCK --later--> READY
    any but OVER --given up, or stopped--> OVER

LOOKING, ENDING and OVER need no connection. What a transfer needs to go on after a restart is in the client's store.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar, Final, Protocol

from attrs import define, field

from encchat import wire
from encchat.client import events
from encchat.client.files.disk import Files
from encchat.client.requests import Done
from encchat.e2e.interfaces import Aside, Keep
from encchat.errors import EncchatError, InternalError, NotConnectedError, OverloadedError, ThrottledError

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


@define(eq=False)
class Transfer:
    """A file on its way, with the steps that are the same in both directions; each has its own way."""

    direction: ClassVar[events.Direction]
    """Whence."""

    _desk: Desk
    step: Step = field(init=False, default=Step.LOOKING)
    _reason: str = field(init=False, default="")
    _flying: int = field(init=False, default=0)
    """Pieces that were asked for or sent and have no answer yet."""
    _round: int = field(init=False, default=0)
    """What was asked in an earlier one is answered for nobody."""

    @property
    def ulid(self) -> str:
        """By which it is named: that of the message about it."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        raise NotImplementedError

    def event(self) -> events.Transfer:
        """How far it is, for people."""
        raise NotImplementedError

    def go(self) -> None:
        """It is its turn, and there is a connection."""
        raise NotImplementedError

    def work(self) -> None:
        """One slice of reading or writing, a few milliseconds."""
        try:
            if self.step is Step.LOOKING:
                self._look()
            else:
                self._move()
        except EncchatError as error:
            self._fail(error.text)

    def lost(self) -> None:
        """The connection is gone; every request has been answered by that."""
        if self.step in (Step.MOVING, Step.STUCK):
            self._wait(Step.READY, NO_CONNECTION)

    def again(self) -> None:
        """What was refused for a while may be asked again."""
        if self.step is Step.STUCK:
            self.step = Step.READY

    def stop(self) -> None:
        """The person does not want it any more; once it is ENDING it is too late for that."""
        if self.step is not Step.ENDING:
            self._fail("stopped")

    def _looked(self) -> None:
        """All that is here has been read: from now on it takes its turns."""
        self.step, self._reason = Step.READY, "" if self._desk.online else NO_CONNECTION
        self._desk.moved_on()
        if self.step is Step.READY:
            self._desk.tell(self)

    def _is_late(self, asked: int) -> bool:
        """Whether an answer to what was asked in that round is for nobody."""
        return self.step is not Step.MOVING or asked != self._round

    def _refused(self, error: wire.Error) -> None:
        if error.code in PASSING:
            self._wait(Step.STUCK, error.text)
        elif error.code != NotConnectedError.code:
            self._fail(error.text)

    def _wait(self, step: Step, reason: str) -> None:
        self.step, self._reason = step, reason
        self._desk.tell(self)
        self._desk.moved_on()

    def _look(self) -> None:
        raise NotImplementedError

    def _move(self) -> None:
        raise NotImplementedError

    def _fail(self, reason: str) -> None:
        raise NotImplementedError


def shown(step: Step, reason: str) -> events.TransferState:
    """A step in the word of `encchat.client.events.Transfer`; ``reason``: why it is over, empty if it is done."""
    if step is Step.OVER:
        return "failed" if reason else "done"
    return "waiting" if step in (Step.READY, Step.STUCK) else "going"
