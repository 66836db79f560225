"""Twisted's epoll reactor with less work for each turn, and with an end of the turn.

Theory of operation. A turn of any Twisted reactor is: what other threads asked for, timers that are due, then the
descriptors that are ready, each read or written. Three things differ here, nothing else does.

- Functions given to `EncchatReactor.call_at_turn_end` run when threads and timers had theirs, before anything is waited
  for. `callLater(0, ...)` comes to the same on any reactor but makes a timer for it (see `encchat.net.outbox.TurnEnd`).
- A ready descriptor is read without a log context of its own, which costs more than the reading. What it raises is
  logged and costs its connection as ever, but old-style log lines of the moment are not marked with its name.
- A thread that has something for the reactor wakes it by a byte in a pipe only if it sleeps, and once.

It is optional: the server takes it where no other was chosen (``twistd --reactor=epoll encchat`` is Twisted's own), and
nothing in encchat needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger

_log = Logger()
_end_of_turn = _log.failureHandler("at the end of a turn")
_descriptor = _log.failureHandler("while a descriptor was read or written")

MOST_EVENTS: Final = 1024
"""Descriptors taken up in one turn: the room for them is made anew each turn, however many connections are idle."""


class EncchatReactor(EPollReactor):
    """The server's reactor; all of Twisted's interfaces are those of `EPollReactor`."""

    def __init__(self) -> None:
        self._turn_ends: list[Callable[[], object]] = []
        self._asleep = False
        self._woken = False
        super().__init__()
        self.addSystemEventTrigger("before", "shutdown", self._end_turn)  # what was said before the stop is still sent

    def call_at_turn_end(self, function: Callable[[], object]) -> None:
        """Call ``function`` at the end of this turn; from the end of a turn, at that of the next, without delay."""
        self._turn_ends.append(function)

    def runUntilCurrent(self) -> None:
        super().runUntilCurrent()
        if self._turn_ends:
            self._end_turn()

    def timeout(self) -> float | None:
        if self._turn_ends:
            return 0
        found: float | None = super().timeout()
        return found

    def doPoll(self, timeout: float | None) -> None:
        """Wait for descriptors, then read and write those that are ready."""
        ready = self._wait(timeout)
        while length_hint(ready):
            with _descriptor:  # logs what a connectionLost raised; the others, behind it, still get their turn
                self._read_and_write(ready)

    doIteration = doPoll

    def wakeUp(self) -> None:
        """Have the reactor begin another turn at once; called from any thread, and by signal handlers.

        Either this sees that it sleeps, or it sees `_woken` before it does: each writes its flag before it reads the
        other's.
        """
        if not self._woken:
            self._woken = True
            if self._asleep:
                super().wakeUp()

    def _wait(self, timeout: float | None) -> Iterator[tuple[int, int]]:
        self._asleep = True
        if self._woken:
            timeout = 0
        most = min(len(self._selectables), MOST_EVENTS)
        found = self._poller.poll(-1 if timeout is None else timeout, most)
        self._asleep = self._woken = False
        return iter(found)

    def _read_and_write(self, ready: Iterator[tuple[int, int]]) -> None:
        selectables: dict[int, Any] = self._selectables
        handle = self._doReadOrWrite
        for fd, event in ready:
            selectable = selectables.get(fd)
            if selectable is not None:  # another one's handler may have closed it
                handle(selectable, fd, event)

    def _end_turn(self) -> None:
        functions, self._turn_ends = self._turn_ends, []
        for function in functions:
            with _end_of_turn:
                function()


def install() -> None:
    """Make it the process's reactor, before anything has imported `twisted.internet.reactor`."""
    installReactor(EncchatReactor())
