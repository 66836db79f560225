"""How long the turns of a reactor take, so that it can be said for how long a client answers nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import define, field


@define(eq=False)
class Turns:
    """Watches a reactor from `watch` on. CPU time of this thread: waiting for the disk or the network is not in it."""

    longest: float = 0.0
    """Seconds of CPU time the longest turn since `begin` has taken."""
    _began: float = field(init=False, default=0.0)

    def begin(self) -> None:
        """Forget what was."""
        self.longest = 0.0

    def watch(self, reactor: Any) -> None:
        """To be called once, before it runs: a turn is its timed calls and what the sockets have brought."""
        reactor.runUntilCurrent = self._wrapped(reactor.runUntilCurrent, first=True)
        reactor.doIteration = self._wrapped(reactor.doIteration, first=False)

    def _wrapped(self, call: Callable[..., None], *, first: bool) -> Callable[..., None]:
        def timed(*arguments: Any) -> None:
            if first:
                self._began = time.thread_time()
            call(*arguments)
            self.longest = max(self.longest, time.thread_time() - self._began)

        return timed
