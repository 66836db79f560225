"""What strangers can cause at will must not flood the log: the first lines are written, then one a second."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from attrs import define, field

from encchat.limits import LOG_LINES_AT_ONCE, LOG_LINES_PER_SECOND, MAX_THROTTLED

OF_MANY: Final = ", the last of {count}"
"""Ends the format of a line that stands for several events."""


@define(eq=False)
class Tally:
    """Counts the events of one kind; ``clock`` gives seconds. The last of a flood are told with the next one."""

    _clock: Callable[[], float]
    _lines: float = field(init=False, default=LOG_LINES_AT_ONCE)
    _at: float = field(init=False)
    _untold: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._at = self._clock()

    def count(self) -> int:
        """One more: how many events a line written now stands for, or 0 if none is to be written."""
        now = self._clock()
        self._lines = min(LOG_LINES_AT_ONCE, self._lines + max(0.0, now - self._at) * LOG_LINES_PER_SECOND)
        self._at = now
        self._untold += 1
        if self._lines < 1.0:
            return 0
        self._lines -= 1.0
        told, self._untold = self._untold, 0
        return told


@define(eq=False)
class Tallies:
    """A tally for each key, so that one's flood hides nothing of another's; past `MAX_THROTTLED` the oldest goes."""

    _clock: Callable[[], float]
    _tallies: OrderedDict[Hashable, Tally] = field(init=False, factory=OrderedDict)

    def count(self, key: Hashable) -> int:
        """As `Tally.count`, of ``key``."""
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(self._clock)
            if len(self._tallies) > MAX_THROTTLED:
                self._tallies.popitem(last=False)
        self._tallies.move_to_end(key)
        return tally.count()
