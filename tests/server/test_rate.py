"""The token bucket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from encchat.server.rate import Bucket


class Spending(SynchronousTestCase):
    """Units come and go."""

    def test_the_burst_can_be_spent_at_once_and_not_a_unit_more(self) -> None:
        """Exactly all of it leaves no debt; one more does."""
        bucket = Bucket.full(rate=10.0, burst=5.0, now=0.0)
        self.assertEqual([bucket.spend(1.0) for _ in range(6)], [True] * 5 + [False])

    def test_a_debt_is_waited_for_at_the_rate(self) -> None:
        """One unit owed at ten a second is a tenth of a second."""
        bucket = Bucket.full(rate=10.0, burst=5.0, now=0.0)
        bucket.spend(6.0)
        self.assertAlmostEqual(bucket.wait(0.0), 0.1)
        self.assertAlmostEqual(bucket.wait(0.05), 0.05)
        self.assertEqual(bucket.wait(0.2), 0.0)

    def test_what_was_earned_meanwhile_counts(self) -> None:
        """Only who spends faster than that waits."""
        bucket = Bucket.full(rate=10.0, burst=5.0, now=0.0)
        for second in range(100):
            self.assertTrue(bucket.spend(5.0) or bucket.wait(float(second)) == 0.0)

    def test_no_more_than_the_burst_is_saved(self) -> None:
        """A week of silence buys no flood."""
        bucket = Bucket.full(rate=10.0, burst=5.0, now=0.0)
        bucket.spend(6.0)
        bucket.wait(604_800.0)
        self.assertTrue(bucket.spend(5.0))
        self.assertFalse(bucket.spend(1.0))

    def test_a_clock_that_goes_back_earns_nothing(self) -> None:
        """Nor does it cost anything."""
        bucket = Bucket.full(rate=10.0, burst=5.0, now=100.0)
        bucket.spend(6.0)
        self.assertAlmostEqual(bucket.wait(50.0), 0.1)
