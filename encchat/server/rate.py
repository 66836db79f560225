"""Token buckets: one costs a subtraction while there is enough in it."""

from __future__ import annotations

from attrs import define


@define(eq=False)
class Bucket:
    """Earns ``rate`` units a second up to ``burst``; what it owes, ``units`` below 0, `wait` turns into a time."""

    rate: float
    burst: float
    _filled_at: float
    units: float

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> Bucket:
        """A bucket with everything it can hold, at ``now`` seconds."""
        return cls(rate, burst, now, burst)

    def spend(self, cost: float) -> bool:
        """Take ``cost`` units; False if `wait` must be asked how long until the debt is earned."""
        self.units -= cost
        return self.units >= 0

    def wait(self, now: float) -> float:
        """Seconds until nothing is owed, 0.0 if nothing is; ``now`` in seconds of any steady clock."""
        self._earn(now)
        return max(0.0, -self.units / self.rate)

    def is_full(self, now: float) -> bool:
        """Whether it holds its burst, so that a new one would be the same."""
        self._earn(now)
        return self.units >= self.burst

    def change(self, rate: float, burst: float, now: float) -> None:
        """Another rate and burst from ``now`` on; what was spent stays spent."""
        self._earn(now)
        self.units += burst - self.burst
        self.rate, self.burst = rate, burst

    def _earn(self, now: float) -> None:
        self.units = min(self.burst, self.units + max(0.0, now - self._filled_at) * self.rate)
        self._filled_at = now
