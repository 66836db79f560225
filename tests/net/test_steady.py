"""Timers go on by the monotonic clock."""

from __future__ import annotations

from twisted.internet.base import ReactorBase
from twisted.trial.unittest import SynchronousTestCase

from encchat.net.steady import keep_steady


class Reactor(ReactorBase):
    """Nothing but the timed calls of a real one."""

    def installWaker(self) -> None:
        """Nothing wakes it."""

    def wakeUp(self) -> None:
        """It does not sleep."""


class SteadyTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A reactor whose time of day is ``day``."""
        self.monotonic, self.day = 50.0, 1_000.0
        self.reactor = Reactor()
        self.reactor.seconds = lambda: self.day
        keep_steady(self.reactor, lambda: self.monotonic)
        self.called: list[int] = []

    def test_time_goes_on_from_where_it_was(self) -> None:
        """What was timed before stays where it was."""
        self.assertEqual(self.reactor.seconds(), 1_000.0)

    def test_a_delay_is_as_long_as_it_was_asked_for(self) -> None:
        """Though the time of day was set back by an hour, or forward by a year."""
        for jump in (-3_600.0, 3e7):
            self.reactor.callLater(5.0, self.called.append, 1)
            self.day += jump
            self.monotonic += 4.9
            self.reactor.runUntilCurrent()
            self.assertEqual(self.called, [])
            self.monotonic += 0.2
            self.reactor.runUntilCurrent()
            self.assertEqual(self.called.pop(), 1)
