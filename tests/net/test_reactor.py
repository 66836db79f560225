"""Promises of encchat's reactor: an end of the turn, nothing lost to what one handler raises, and no lost wake."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from encchat.net.reactor import EncchatReactor
from encchat.net.timing import TurnScheduler

SECONDS = 10.0
"""How long a test waits for a thread."""


def make_reactor(test: SynchronousTestCase) -> EncchatReactor:
    """One of the test's own beside the process's; it is not installed and has no signal handlers."""
    reactor = EncchatReactor()

    def close() -> None:
        reactor.waker.connectionLost(None)
        reactor._poller.close()

    test.addCleanup(close)
    return reactor


class Descriptor(FileDescriptor):
    """One end of a pair of sockets; ``read`` is called when the other end has said something."""

    def __init__(
        self, reactor: EncchatReactor, read: Callable[[], Any], lost: Callable[[], Any] = lambda: None
    ) -> None:
        super().__init__(reactor)
        self.near, self.far = socket.socketpair()
        self.fileno = self.near.fileno
        self.doRead, self._lost = read, lost
        self.startReading()
        self.far.send(b"x")

    def connectionLost(self, reason: Failure) -> None:
        self.near.close()
        self.far.close()
        self._lost()


class ReactorCase(SynchronousTestCase):
    def setUp(self) -> None:
        """A reactor, and a list of what was done."""
        self.reactor = make_reactor(self)
        self.done: list[str] = []

    def descriptor(self, read: Callable[[], Any], lost: Callable[[], Any] = lambda: None) -> Descriptor:
        """One that has something to read."""
        descriptor = Descriptor(self.reactor, read, lost)
        self.addCleanup(descriptor.near.close)
        self.addCleanup(descriptor.far.close)
        return descriptor

    def ask(self) -> None:
        """Read, and ask for something at the end of the turn."""
        self.done.append("read")
        self.reactor.call_at_turn_end(lambda: self.done.append("end"))

    def broken(self) -> None:
        raise ZeroDivisionError


class TurnTests(ReactorCase):
    """What comes when."""

    def test_the_end_comes_when_all_has_been_read(self) -> None:
        """Whatever is ready in a turn is read before its end."""
        for _ in range(3):
            self.descriptor(self.ask)
        self.reactor.iterate()
        self.reactor.runUntilCurrent()
        self.assertEqual(self.done, ["read"] * 3 + ["end"] * 3)

    def test_the_end_comes_after_threads_and_timers(self) -> None:
        """What they say is gathered too."""
        self.reactor.callFromThread(self.ask)
        self.reactor.callLater(0, self.ask)
        self.reactor.runUntilCurrent()
        self.assertEqual(self.done, ["read", "read", "end", "end"])

    def test_nothing_is_waited_for_before_the_end(self) -> None:
        """A reactor that has nothing else to do ends its turn at once."""
        self.assertIsNone(self.reactor.timeout())
        self.ask()
        self.assertEqual(self.reactor.timeout(), 0)

    def test_what_is_asked_for_at_an_end_comes_at_the_next(self) -> None:
        """So who asks again and again does not keep the others from being read."""
        self.reactor.call_at_turn_end(self.ask)
        self.reactor.runUntilCurrent()
        self.assertEqual((self.done, self.reactor.timeout()), (["read"], 0))
        self.reactor.runUntilCurrent()
        self.assertEqual(self.done, ["read", "end"])

    def test_a_broken_end_is_logged_and_the_others_come(self) -> None:
        """As a broken timer's would be."""
        self.reactor.call_at_turn_end(self.broken)
        self.ask()
        self.reactor.runUntilCurrent()
        self.assertEqual(self.done, ["read", "end"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_turn_in_which_it_stops_has_an_end_too(self) -> None:
        """What was said before the stop is sent before connections are closed."""
        reactor = self.reactor
        reactor.addSystemEventTrigger("during", "shutdown", self.done.append, "closing")
        reactor.callWhenRunning(lambda: (self.ask(), reactor.stop()))
        reactor.run(installSignalHandlers=False)
        self.assertEqual(self.done, ["read", "end", "closing"])

    def test_only_this_reactor_has_an_end_of_the_turn(self) -> None:
        """So `TurnEnd` knows where to ask for one."""
        self.assertIsInstance(self.reactor, TurnScheduler)
        self.assertNotIsInstance(Clock(), TurnScheduler)


class BrokenDescriptorTests(ReactorCase):
    """What a handler raises is logged and costs its own connection only."""

    def test_one_that_raises_is_logged_and_lost(self) -> None:
        """As with Twisted's reactors."""
        self.descriptor(self.broken, lambda: self.done.append("lost"))
        self.reactor.iterate()
        self.assertEqual(self.done, ["lost"])
        self.assertEqual(self.reactor.getReaders(), [self.reactor.waker])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_the_others_of_the_turn_are_read_though_losing_it_raises(self) -> None:
        """Whichever comes first."""
        for broken in (True, False, True, False):
            self.descriptor(self.broken if broken else self.ask, self.broken)
        self.reactor.iterate()
        self.assertEqual(self.done, ["read", "read"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)

    def test_one_that_another_closed_is_not_read(self) -> None:
        """Though it was ready in the same turn."""
        both: list[Descriptor] = []

        def close_other(number: int) -> None:
            self.done.append("read")
            self.reactor.removeReader(both[1 - number])

        both += [self.descriptor(lambda: close_other(0)), self.descriptor(lambda: close_other(1))]
        self.reactor.iterate()
        self.assertEqual(self.done, ["read"])


class WakeTests(ReactorCase):
    """Threads are heard at once."""

    def test_no_wake_is_lost(self) -> None:
        """A thread and the reactor hand a thing to and fro many times, each asleep or about to be."""
        answered, rounds = threading.Semaphore(0), 5_000

        def play() -> None:
            for _ in range(rounds):
                self.reactor.callFromThread(answered.release)
                if not answered.acquire(timeout=SECONDS):
                    self.done.append("a wake was lost")
                    break
            self.reactor.callFromThread(self.reactor.stop)

        thread = threading.Thread(target=play)
        self.reactor.callWhenRunning(thread.start)
        self.reactor.callLater(2 * SECONDS, self.reactor.crash)  # where not even the stop is heard
        self.reactor.run(installSignalHandlers=False)
        thread.join()
        self.assertEqual(self.done, [])

    def test_who_is_awake_is_not_woken(self) -> None:
        """Nothing is written to the pipe, and yet the next wait ends at once."""
        self.reactor.wakeUp()
        self.reactor.doPoll(SECONDS)
        self.descriptor(self.ask)
        self.reactor.doPoll(SECONDS)
        self.assertEqual(self.done, ["read"])

    def test_a_call_made_by_a_call_comes_without_delay(self) -> None:
        """As when a thread's answer asks for something else."""
        self.reactor.callFromThread(lambda: self.reactor.callFromThread(self.done.append, "second"))
        self.reactor.iterate(SECONDS)
        self.reactor.runUntilCurrent()
        self.assertEqual(self.done, ["second"])
