"""Promises of the sweep: everybody is visited evenly, by one timer, and nobody after leaving."""

from __future__ import annotations

from itertools import pairwise

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from encchat.net.keepalive import SLICES, VISITS, Sweep

PERIOD = 32.0
TICK = PERIOD / VISITS / SLICES


class Visited:
    """Notes when it was visited."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.times: list[float] = []

    def visited(self) -> None:
        self.times.append(self.clock.seconds())


class SweepTests(SynchronousTestCase):
    """One sweep on a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.period = PERIOD
        self.sweep = Sweep(self.clock, lambda: self.period)

    def add(self, count: int) -> list[Visited]:
        added = [Visited(self.clock) for _ in range(count)]
        for watched in added:
            self.sweep.add(watched)
        return added

    def wait(self, seconds: float) -> None:
        self.clock.pump([TICK] * round(seconds / TICK))

    def test_each_is_visited_at_even_intervals(self) -> None:
        """Everybody is visited `VISITS` times a period, the same time apart."""
        everybody = self.add(3 * SLICES + 1)
        self.wait(2 * PERIOD)
        for watched in everybody:
            self.assertEqual(len(watched.times), 2 * VISITS)
            apart = [after - before for before, after in pairwise(watched.times)]
            self.assertEqual(apart, [PERIOD / VISITS] * (2 * VISITS - 1))

    def test_visits_are_spread_over_the_interval(self) -> None:
        """No tick visits more than its share, however many arrived at once."""
        everybody = self.add(4 * SLICES)
        self.clock.advance(TICK)
        self.assertEqual(sum(len(watched.times) for watched in everybody), 4)

    def test_one_timer_serves_all_and_none_when_there_is_nobody(self) -> None:
        """The reactor holds one delayed call for any number, and none when the last has gone."""
        everybody = self.add(100)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for watched in everybody:
            self.sweep.remove(watched)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_left_is_not_visited(self) -> None:
        """Leaving ends the visits, leaving twice does no harm, and coming back begins them again."""
        first, second = self.add(2)
        self.sweep.remove(first)
        self.sweep.remove(first)
        self.wait(PERIOD)
        self.assertEqual((len(first.times), len(second.times)), (0, VISITS))
        self.sweep.add(first)
        self.wait(PERIOD)
        self.assertEqual(len(first.times), VISITS)

    def test_leaving_during_a_visit_is_no_surprise(self) -> None:
        """A visit may end the connection that is visited, as it does to a dead peer."""
        (watched,) = self.add(1)
        watched.visited = lambda: self.sweep.remove(watched)  # type: ignore[method-assign]
        self.wait(PERIOD)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_new_period_holds_from_the_next_tick(self) -> None:
        """A period that was changed while running is followed without a restart."""
        (watched,) = self.add(1)
        self.wait(PERIOD)
        self.period = 2 * PERIOD
        self.wait(4 * PERIOD)
        self.assertAlmostEqual(len(watched.times), VISITS + 2 * VISITS, delta=1)
