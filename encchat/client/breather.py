"""Work that is done as it comes in, and leaves time between for whoever types.

What the server says is committed to the disk before it is shown, and a disk may take some milliseconds for it. Were
every line a commit of its own, hundreds of them in a second would leave a key no time to come to the screen. So each
time the work is followed by a rest of `REST` times as long as it has taken: little where it is quick, and where it is
not, what comes meanwhile is done together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from encchat.limits import MAX_REST_SECONDS, REST


@define(eq=False)
class Breather:
    """``work`` is called for `due`: at once, or at the end of the rest."""

    _reactor: Any
    _work: Callable[[], None]
    _rested: float = field(init=False, default=0.0)
    """When the rest ends, in the reactor's seconds."""
    _timer: Any = field(init=False, default=None)

    def due(self) -> None:
        """There is something to do."""
        if self._timer is not None:
            return
        wait = self._rested - self._reactor.seconds()
        if wait > 0:
            self._timer = self._reactor.callLater(wait, self._do)
        else:
            self._do()

    def stop(self) -> None:
        """What is due is not done any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _do(self) -> None:
        self._timer = None
        began = self._reactor.seconds()
        self._work()
        now = self._reactor.seconds()
        self._rested = now + min(REST * (now - began), MAX_REST_SECONDS)
