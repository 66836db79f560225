"""What an attacker saw of the server: counts by word, and how long it was endured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import define, field, frozen

HUNG_UP = "hung up"


@frozen
class Saw:
    """One attack's end: how often each thing was seen, and the shortest and longest time to a hang-up in seconds."""

    counts: Mapping[str, int]
    hang_ups: Sequence[float]

    def count(self, what: str) -> int:
        """How often ``what`` was seen."""
        return self.counts.get(what, 0)

    def text(self) -> str:
        """For a table: ``1,000 connected, 1,000 hung up after 15.0 to 15.3 s``."""
        words = [f"{count:,} {what}" for what, count in self.counts.items() if what != HUNG_UP]
        if self.counts.get(HUNG_UP):
            first, last = self.hang_ups
            words.append(f"{self.counts[HUNG_UP]:,} hung up after {first:.1f} to {last:.1f} s")
        return ", ".join(words)


@define(eq=False)
class Seen:
    """Collects it."""

    counts: Counter[str] = field(factory=Counter)
    _first: float = float("inf")
    _last: float = 0.0

    def add(self, what: str, count: int = 1) -> None:
        """It happened ``count`` times more."""
        if count:
            self.counts[what] += count

    def hung_up(self, seconds: float) -> None:
        """The server ended a connection ``seconds`` after its beginning."""
        self.add(HUNG_UP)
        self._first, self._last = min(self._first, seconds), max(self._last, seconds)

    def saw(self) -> Saw:
        """So far."""
        return Saw(dict(self.counts), (self._first, self._last) if self.counts[HUNG_UP] else ())
