"""Work leaves time for whoever types."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.breather import Breather
from encchat.limits import MAX_REST_SECONDS, REST


class Breathers(SynchronousTestCase):
    """Work that takes `seconds` of a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.seconds = 0.0
        self.done: list[float] = []
        self.breather = Breather(self.clock, self.work)

    def work(self) -> None:
        self.done.append(self.clock.seconds())
        self.clock.rightNow += self.seconds

    def test_quick_work_is_done_at_once_each_time(self) -> None:
        """Nobody waits where nothing takes long."""
        for _ in range(3):
            self.breather.due()
        self.assertEqual(self.done, [0.0, 0.0, 0.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_after_slow_work_comes_a_rest_and_then_all_of_it_together(self) -> None:
        """In proportion to what it took; what comes in the rest is one piece of work."""
        self.seconds = 0.004
        self.breather.due()
        for _ in range(5):
            self.breather.due()
        self.assertEqual(self.done, [0.0])
        self.clock.advance(0.004 * REST - 0.001)
        self.assertEqual(self.done, [0.0])
        self.clock.advance(0.001)
        self.assertEqual(len(self.done), 2)

    def test_once_it_has_rested_work_is_done_at_once_again(self) -> None:
        """A rest that is over costs nobody anything."""
        self.seconds = 0.004
        self.breather.due()
        self.clock.advance(0.004 * REST)
        self.breather.due()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.done), 2)

    def test_no_rest_is_longer_than_people_notice(self) -> None:
        """A disk that hangs for a second does not stop the client for several."""
        for seconds, rest in ((MAX_REST_SECONDS / REST - 0.001, None), (1.0, MAX_REST_SECONDS)):
            self.seconds = seconds
            self.clock.advance(10)
            self.breather.due()
            self.breather.due()
            [call] = self.clock.getDelayedCalls()
            self.assertAlmostEqual(call.getTime() - self.clock.seconds(), rest or REST * seconds)
            self.clock.advance(rest or REST * seconds)

    def test_what_is_due_at_the_end_is_not_done(self) -> None:
        """A client that has gone writes nothing."""
        self.seconds = 0.004
        self.breather.due()
        self.breather.due()
        self.breather.stop()
        self.breather.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.done), 1)
