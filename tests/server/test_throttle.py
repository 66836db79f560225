"""Who is wrong too often has to wait, longer each time, and memory of it is bounded."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ThrottledError
from encchat.limits import LOGIN_FREE_FAILURES, LOGIN_MAX_WAIT_SECONDS, LOGIN_WAIT_SECONDS, MAX_THROTTLED
from encchat.server.throttle import Throttle


class ThrottleTests(SynchronousTestCase):
    """A throttle and a clock that is set by hand."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.throttle = Throttle(self.clock.seconds)

    def fail_times(self, count: int, key: str = "alice") -> None:
        """That many failures at once."""
        for _ in range(count):
            self.throttle.failed(key)

    def waits(self, key: str = "alice") -> bool:
        """Whether ``key`` is refused now."""
        try:
            self.throttle.check(key)
        except ThrottledError:
            return True
        return False

    def test_the_free_failures_are_free(self) -> None:
        """One less is fine, the last of them starts the first wait, one more doubles it."""
        for count, wait in (
            (LOGIN_FREE_FAILURES - 1, 0.0),
            (LOGIN_FREE_FAILURES, LOGIN_WAIT_SECONDS),
            (LOGIN_FREE_FAILURES + 1, 2 * LOGIN_WAIT_SECONDS),
        ):
            self.throttle = Throttle(self.clock.seconds)
            self.fail_times(count)
            self.assertEqual(self.waits(), wait > 0)
            self.clock.advance(max(0.0, wait - 0.5))
            self.assertEqual(self.waits(), wait > 0)
            self.clock.advance(0.5)
            self.assertFalse(self.waits())

    def test_the_wait_doubles_up_to_the_longest(self) -> None:
        """However many failures there are."""
        for count in (20, 10_000):
            self.throttle = Throttle(self.clock.seconds)
            self.fail_times(count)
            self.clock.advance(LOGIN_MAX_WAIT_SECONDS - 0.5)
            self.assertTrue(self.waits())
            self.clock.advance(0.5)
            self.assertFalse(self.waits())

    def test_the_refusal_says_how_long_to_wait(self) -> None:
        """In whole seconds, rounded up."""
        self.fail_times(LOGIN_FREE_FAILURES)
        self.clock.advance(0.5)
        self.assertIn("wait 2 seconds", self.assertRaises(ThrottledError, self.throttle.check, "alice").text)
        self.clock.advance(1)
        self.assertIn("wait 1 second,", self.assertRaises(ThrottledError, self.throttle.check, "alice").text)

    def test_one_key_does_not_hold_up_another(self) -> None:
        """Only who was wrong waits."""
        self.fail_times(LOGIN_FREE_FAILURES, "eve")
        self.assertFalse(self.waits("alice"))

    def test_success_forgets(self) -> None:
        """All free failures are there again."""
        self.fail_times(LOGIN_FREE_FAILURES - 1)
        self.throttle.succeeded("alice")
        self.fail_times(LOGIN_FREE_FAILURES - 1)
        self.assertFalse(self.waits())

    def test_failures_are_remembered_after_the_wait_and_forgotten_in_the_end(self) -> None:
        """A patient guesser goes on where it stopped, until the longest wait has passed in quiet."""
        for rest, remembered in ((LOGIN_MAX_WAIT_SECONDS - 1, True), (LOGIN_MAX_WAIT_SECONDS, False)):
            self.throttle = Throttle(self.clock.seconds)
            self.fail_times(LOGIN_FREE_FAILURES)
            self.clock.advance(LOGIN_WAIT_SECONDS + rest)
            self.throttle.failed("alice")
            self.assertEqual(self.waits(), remembered)

    def test_a_clock_set_back_makes_nobody_wait_longer_than_the_longest_wait(self) -> None:
        """An hour back is not an hour more."""
        self.clock.advance(10_000)
        self.fail_times(LOGIN_FREE_FAILURES)
        self.clock.rightNow = 0.0
        text = self.assertRaises(ThrottledError, self.throttle.check, "alice").text
        self.assertIn(f"wait {LOGIN_MAX_WAIT_SECONDS:.0f} seconds", text)

    def test_memory_is_bounded(self) -> None:
        """The oldest is forgotten for the newest, at the limit and not before."""
        for number in range(MAX_THROTTLED - 1):
            self.throttle.failed(str(number))
        self.assertEqual(len(self.throttle), MAX_THROTTLED - 1)
        self.throttle.failed("last")
        self.throttle.failed("one more")
        self.assertEqual(len(self.throttle), MAX_THROTTLED)

    def test_what_is_old_is_forgotten(self) -> None:
        """A storm's memory is given back by the next failure after it."""
        for number in range(100):
            self.throttle.failed(str(number))
        self.clock.advance(LOGIN_MAX_WAIT_SECONDS)
        self.throttle.failed("alice")
        self.assertEqual(len(self.throttle), 1)
