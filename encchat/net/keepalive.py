"""Visits every connection of a factory now and then, so that silent ones can be probed and dead ones dropped.

One timer for all. The connections are dealt out over `SLICES` slices and each tick visits one slice, so that ten
thousand idle ones cost a few hundred short visits at a time and their probes never leave all at once. A connection is
visited `VISITS` times in a keepalive period; it counts visits instead of comparing times, so that a
machine that slept does not wake up to hang up on everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from attrs import define, field

from encchat.net.timing import Scheduler, Timer

VISITS: Final = 4
"""Visits of a connection in one keepalive period; a limit is met that much of a period late at most."""

SLICES: Final = 32
"""Slices a server's connections are dealt out over."""


class Watched(Protocol):
    """What is visited."""

    def visited(self) -> None: ...


@define(eq=False)
class Sweep:
    """The visits of one factory; ``period`` gives the keepalive seconds of the moment."""

    _reactor: Scheduler
    _period: Callable[[], float]
    _count: int = SLICES
    _slices: list[dict[Watched, None]] = field(init=False)
    _places: dict[Watched, int] = field(init=False, factory=dict)
    _dealt: int = field(init=False, default=0)
    _next: int = field(init=False, default=0)
    _timer: Timer | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._slices = [{} for _ in range(self._count)]

    def add(self, watched: Watched) -> None:
        """Visit ``watched`` from now on."""
        self._slices[self._dealt][watched] = None
        self._places[watched] = self._dealt
        self._dealt = (self._dealt + 1) % self._count
        if self._timer is None:
            self._wait()

    def remove(self, watched: Watched) -> None:
        """Never visit it again; with the last one the timer stops."""
        place = self._places.pop(watched, None)
        if place is None:
            return
        del self._slices[place][watched]
        if self._timer is not None and not self._places:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = self._reactor.callLater(self._period() / VISITS / self._count, self._tick)

    def _tick(self) -> None:
        self._wait()
        visits = list(self._slices[self._next])
        self._next = (self._next + 1) % self._count
        for watched in visits:
            watched.visited()
