"""The one clock of a world, driven from event to event, and views of it that are set wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.task import Clock

START = 1_800_000_000.0
"""When every world begins, in seconds since 1970."""


class WorldClock(Clock):
    """Time that goes from one call to the next; ``steps`` counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.rightNow = START
        self.steps = 0

    def run_until(self, end: float) -> None:
        """Make every call that is due by ``end``, each at its own time."""
        calls = self.calls
        while calls and (due := calls[0].getTime()) <= end:
            self.rightNow = max(self.rightNow, due)
            self.steps += 1
            self.advance(0)
        self.rightNow = max(self.rightNow, end)


@define(eq=False)
class SkewedClock:
    """What a process reads: the world's time and an error that jumps; a process that died makes no calls."""

    _clock: WorldClock
    error: float = 0.0
    _dead: bool = field(init=False, default=False)

    def seconds(self) -> float:
        """The wrong time."""
        return self._clock.seconds() + self.error

    def true_seconds(self) -> float:
        """The world's time."""
        return self._clock.seconds()

    def callLater(self, delay: float, function: Callable[..., object], *args: object, **kw: object) -> Any:
        """Delays are right, whatever the time of day is said to be."""

        def call() -> None:
            if not self._dead:
                function(*args, **kw)

        return self._clock.callLater(delay, call)

    def die(self) -> None:
        """Nothing that was to happen will."""
        self._dead = True
