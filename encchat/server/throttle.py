"""How often a name or an address may be wrong before it has to wait, and how long.

`LOGIN_FREE_FAILURES` are free; each one after that doubles the wait. A failure is forgotten
`LOGIN_MAX_WAIT_SECONDS` after the wait it caused is over. Memory is bounded by `MAX_THROTTLED`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from attrs import define, field, frozen

from encchat.errors import ThrottledError
from encchat.limits import LOGIN_FREE_FAILURES, LOGIN_MAX_WAIT_SECONDS, LOGIN_WAIT_SECONDS, MAX_THROTTLED

_MAX_DOUBLINGS: Final = math.ceil(math.log2(LOGIN_MAX_WAIT_SECONDS / LOGIN_WAIT_SECONDS))


@frozen
class _Record:
    failures: int
    until: float


@define(eq=False)
class Throttle:
    """Counts by key; ``clock`` gives seconds from any start."""

    _clock: Callable[[], float]
    _records: OrderedDict[str, _Record] = field(factory=OrderedDict, init=False)

    def check(self, key: str) -> None:
        """Raise `ThrottledError`, which says how long to wait, if ``key`` has to."""
        record = self._records.get(key)
        # A clock that was set back must not make anybody wait longer than the longest wait.
        wait = min(record.until - self._clock(), LOGIN_MAX_WAIT_SECONDS) if record else 0.0
        if wait > 0:
            seconds = math.ceil(wait)
            raise ThrottledError(f"too many wrong tries: wait {seconds} second{'s' * (seconds > 1)}, then try again")

    def failed(self, key: str) -> None:
        """Count one more failure of ``key``."""
        now = self._clock()
        self._forget_old(now)
        record = self._records.pop(key, None)
        failures = 1 if record is None or self._is_old(record, now) else record.failures + 1
        self._records[key] = _Record(failures, now + _wait_after(failures))
        if len(self._records) > MAX_THROTTLED:
            self._records.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of ``key``."""
        self._records.pop(key, None)

    def __len__(self) -> int:
        return len(self._records)

    def _forget_old(self, now: float) -> None:
        while self._records:
            oldest = next(iter(self._records.values()))
            if not self._is_old(oldest, now):
                return
            self._records.popitem(last=False)

    def _is_old(self, record: _Record, now: float) -> bool:
        return now >= record.until + LOGIN_MAX_WAIT_SECONDS


def _wait_after(failures: int) -> float:
    beyond = failures - LOGIN_FREE_FAILURES
    if beyond < 0:
        return 0.0
    return min(LOGIN_WAIT_SECONDS * 2.0 ** min(beyond, _MAX_DOUBLINGS), LOGIN_MAX_WAIT_SECONDS)
