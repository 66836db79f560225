"""What this package needs of a reactor: the time and delayed calls; `twisted.internet.task.Clock` has both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable


class Timer(Protocol):
    """A call that has not happened yet (Twisted's IDelayedCall)."""

    def cancel(self) -> None: ...

    def active(self) -> bool: ...


class Scheduler(Protocol):
    """The part of IReactorTime that is used here; times in seconds."""

    def seconds(self) -> float: ...

    def callLater(self, delay: float, function: Callable[[], object], /) -> Timer: ...


@runtime_checkable
class TurnScheduler(Protocol):
    """What `encchat.net.reactor` has beside that, and other reactors have not."""

    def call_at_turn_end(self, function: Callable[[], object], /) -> None: ...
