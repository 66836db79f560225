"""Promises of the outbox: one write a turn, in order, bounded, obedient to a full transport."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from encchat.net.outbox import Outbox, TurnEnd
from tests.net.test_reactor import make_reactor

LIMIT = 100


class CountingTransport(StringTransport):
    """Counts writes, and can call itself full once it holds ``room`` bytes."""

    def __init__(self, room: int | None = None) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.room = room

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)
        if self.room is not None and len(self.value()) > self.room:
            self.producer.pauseProducing()

    def drain(self) -> bytes:
        """What was written since the last time, as if the kernel had taken it."""
        data = self.value()
        self.clear()
        self.producer.resumeProducing()
        return data


class OutboxCase(SynchronousTestCase):
    """An outbox, its transport and a clock for its turns."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.turn = TurnEnd(self.clock)
        self.overflows = 0
        self.connect()

    def connect(self, limit: int = LIMIT, room: int | None = None) -> None:
        self.transport = CountingTransport(room)
        self.outbox = Outbox(self.transport, self.turn, limit, self._overflow)

    def end_turn(self) -> None:
        self.clock.advance(0)

    def _overflow(self) -> None:
        self.overflows += 1


class TurnEndTests(SynchronousTestCase):
    """The end of the turn of a reactor that knows of none, where a delayed call does for it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.turn = TurnEnd(self.clock)
        self.ran: list[str] = []

    def _first(self) -> None:
        self.ran.append("first")

    def _second(self) -> None:
        self.ran.append("second")

    def _broken(self) -> None:
        raise ZeroDivisionError

    def test_each_function_runs_once_in_order_of_first_mention(self) -> None:
        """However often a function is named in a turn, it runs once at its end, after those named before it."""
        for function in (self._first, self._second, self._first):
            self.turn.call(function)
        self.assertEqual(self.ran, [])
        self.clock.advance(0)
        self.clock.advance(0)
        self.assertEqual(self.ran, ["first", "second"])

    def test_one_delayed_call_serves_the_whole_turn(self) -> None:
        """The reactor is asked once a turn, not once a connection."""
        self.turn.call(self._first)
        self.turn.call(self._second)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_what_is_asked_for_at_the_end_of_a_turn_gets_a_turn_too(self) -> None:
        """A function that asks for another one does not ask in vain."""
        self.turn.call(lambda: self.turn.call(self._first))
        self.clock.advance(0)
        self.assertEqual(self.ran, ["first"])

    def test_broken_function_does_not_cost_its_neighbours_their_turn(self) -> None:
        """When one raises, the reactor hears of it and those behind it run in the next turn."""
        for function in (self._first, self._broken, self._second):
            self.turn.call(function)
        self.assertRaises(ZeroDivisionError, self.clock.advance, 0)
        self.clock.advance(0)
        self.assertEqual(self.ran, ["first", "second"])


class TurnEndOfReactorTests(SynchronousTestCase):
    """The same with encchat's reactor, which has an end of the turn."""

    def setUp(self) -> None:
        self.reactor = make_reactor(self)
        self.turn = TurnEnd(self.reactor)
        self.ran: list[str] = []

    def _first(self) -> None:
        self.ran.append("first")

    def _second(self) -> None:
        self.ran.append("second")

    def _broken(self) -> None:
        raise ZeroDivisionError

    def test_each_function_runs_once_in_order_of_first_mention(self) -> None:
        """As with a delayed call, without one."""
        for function in (self._first, self._second, self._first):
            self.turn.call(function)
        self.assertEqual((self.ran, self.reactor.getDelayedCalls()), ([], []))
        for _ in range(2):
            self.reactor.runUntilCurrent()
        self.assertEqual(self.ran, ["first", "second"])

    def test_what_is_asked_for_at_the_end_of_a_turn_gets_a_turn_too(self) -> None:
        """At the end of the next one."""
        self.turn.call(lambda: self.turn.call(self._first))
        self.reactor.iterate()
        self.reactor.iterate()
        self.assertEqual(self.ran, ["first"])

    def test_broken_function_does_not_cost_its_neighbours_their_turn(self) -> None:
        """The reactor logs it and those behind it run in the next turn."""
        for function in (self._first, self._broken, self._second):
            self.turn.call(function)
        self.reactor.iterate()
        self.reactor.iterate()
        self.assertEqual(self.ran, ["first", "second"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class GatheringTests(OutboxCase):
    """From lines to writes."""

    def test_lines_of_one_turn_are_one_write(self) -> None:
        """All lines of a turn leave in one write, in order, each with its newline."""
        self.outbox.write_line(b"one")
        self.outbox.write_line(b"")
        self.outbox.write_line(b"three")
        self.assertEqual(self.transport.writes, [])
        self.end_turn()
        self.assertEqual(self.transport.writes, [b"one\n\nthree\n"])

    def test_quiet_turn_writes_nothing(self) -> None:
        """An outbox that has nothing leaves its transport and its reactor alone."""
        self.outbox.write_line(b"one")
        self.end_turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.outbox.flush()
        self.assertEqual(len(self.transport.writes), 1)

    def test_flush_does_not_wait_for_the_end_of_the_turn(self) -> None:
        """What must leave now can be made to."""
        self.outbox.write_line(b"one")
        self.outbox.flush()
        self.assertEqual(self.transport.value(), b"one\n")
        self.outbox.write_line(b"two")
        self.end_turn()
        self.assertEqual(self.transport.value(), b"one\ntwo\n")

    def test_much_goes_in_pieces_so_that_the_transport_can_say_stop(self) -> None:
        """A turn with megabytes in it stops at the first piece that fills the transport; the rest is still here."""
        self.connect(limit=2**23, room=0)
        lines = [b"x" * 2**16] * 64
        for line in lines:
            self.outbox.write_line(line)
        self.end_turn()
        self.assertEqual(len(self.transport.writes), 1)
        self.assertLessEqual(len(self.transport.value()), 2**18)
        received = b""
        while self.transport.value():
            received += self.transport.drain()
        self.assertEqual(received, b"".join(line + b"\n" for line in lines))
        self.assertEqual(self.outbox.waiting, 0)


class BackPressureTests(OutboxCase):
    """A transport that is full."""

    def test_lines_wait_while_the_transport_is_full(self) -> None:
        """Nothing is written to a paused transport; when it drains, everything goes at once and in order."""
        self.outbox.pauseProducing()
        self.outbox.write_line(b"one")
        self.end_turn()
        self.outbox.write_line(b"two")
        self.end_turn()
        self.assertEqual(self.transport.writes, [])
        self.outbox.resumeProducing()
        self.assertEqual(self.transport.writes, [b"one\ntwo\n"])

    def _fill(self, size: int) -> None:
        self.outbox.pauseProducing()
        self.outbox.write_line(b"x" * (size - 11))
        self.outbox.write_line(b"y" * 9)

    def test_limit_counts_lines_and_newlines(self) -> None:
        """One byte under the limit and exactly the limit may wait."""
        self._fill(LIMIT - 1)
        self.assertEqual(self.overflows, 0)
        self.connect()
        self._fill(LIMIT)
        self.assertEqual(self.overflows, 0)

    def test_one_byte_over_the_limit_overflows_once(self) -> None:
        """Over the limit the owner is told, once, and everything that waited is dropped."""
        self._fill(LIMIT + 1)
        self.outbox.write_line(b"more")
        self.assertEqual(self.overflows, 1)
        self.outbox.resumeProducing()
        self.end_turn()
        self.assertEqual(self.transport.writes, [])

    def test_lost_connection_drops_what_waited(self) -> None:
        """After the transport said it is gone, lines cost nothing and go nowhere."""
        self.outbox.write_line(b"one")
        self.outbox.stopProducing()
        self.outbox.write_line(b"two")
        self.end_turn()
        self.assertEqual(self.transport.writes, [])

    @settings(deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=30).map(lambda line: line.replace(b"\n", b".")),
                st.sampled_from(["turn", "flush", "drain", "pause"]),
            ),
            max_size=40,
        )
    )
    def test_lines_arrive_whole_and_in_order_whatever_the_transport_does(self, steps: list[bytes | str]) -> None:
        """Any mix of lines, turns, pauses and drains sends exactly the lines, in order, or overflows."""
        self.overflows = 0
        self.connect(limit=LIMIT, room=LIMIT // 2)
        sent, received = b"", b""
        for step in steps:
            match step:
                case "turn":
                    self.end_turn()
                case "flush":
                    self.outbox.flush()
                case "drain":
                    received += self.transport.drain()
                case "pause":
                    self.outbox.pauseProducing()
                case bytes() as line:
                    self.outbox.write_line(line)
                    sent += line + b"\n"
        received += self.transport.drain()
        received += self.transport.drain()
        self.end_turn()
        self.assertTrue(sent.startswith(received))
        self.assertTrue(received == sent or self.overflows == 1)


class WatchTests(OutboxCase):
    """A reader that falls behind and catches up, below the limit."""

    MARK = 40

    def connect(self, limit: int = LIMIT, room: int | None = None) -> None:
        super().connect(limit, room)
        self.told: list[str] = []
        self.outbox.watch(self.MARK, self)

    def fell_behind(self) -> None:
        self.told.append("behind")

    def took_some(self) -> None:
        self.told.append("some")

    def caught_up(self) -> None:
        self.told.append("all")

    def _wait_with(self, size: int) -> None:
        self.outbox.pauseProducing()
        self.outbox.write_line(b"x" * (size - 1))

    def test_one_under_the_mark_and_at_it_nobody_is_behind(self) -> None:
        """Up to the mark the owner is told nothing, nor when the transport drains."""
        for size in (self.MARK - 1, self.MARK):
            self.connect()
            self._wait_with(size)
            self.outbox.resumeProducing()
            self.assertEqual(self.told, [])

    def test_over_the_mark_the_owner_is_told_once_and_the_lines_stay(self) -> None:
        """Behind is a state, entered once; what was written before and after is sent."""
        self._wait_with(self.MARK + 1)
        self.outbox.write_line(b"more")
        self.assertEqual(self.told, ["behind"])
        self.outbox.resumeProducing()
        self.assertEqual(self.transport.value(), b"x" * self.MARK + b"\nmore\n")
        self.assertEqual((self.told, self.overflows), (["behind", "some", "all"], 0))

    def test_caught_up_is_told_when_everything_has_been_taken(self) -> None:
        """Not when the rest was handed to a transport that is full of it."""
        self.connect(room=0)
        self._wait_with(self.MARK + 1)
        self.outbox.resumeProducing()
        self.assertEqual((self.told, self.outbox.waiting), (["behind", "some"], 0))
        self.transport.drain()
        self.assertEqual(self.told, ["behind", "some", "some", "all"])

    def test_it_can_fall_behind_again(self) -> None:
        """Each time is told, in turn."""
        for _ in range(2):
            self._wait_with(self.MARK + 1)
            self.outbox.resumeProducing()
        self.assertEqual(self.told, ["behind", "some", "all"] * 2)

    def test_the_limit_still_holds_while_behind(self) -> None:
        """At it nothing happens, one over it overflows, and the dead are not told that they caught up."""
        self._wait_with(self.MARK + 1)
        self.outbox.write_line(b"y" * (LIMIT - self.outbox.waiting - 1))
        self.assertEqual(self.overflows, 0)
        self.outbox.write_line(b"")
        self.assertEqual(self.overflows, 1)
        self.outbox.resumeProducing()
        self.end_turn()
        self.assertNotIn("all", self.told)

    def test_a_line_over_the_limit_overflows_without_being_behind_first(self) -> None:
        """There is nobody to wait for then."""
        self._wait_with(LIMIT + 1)
        self.assertEqual((self.told, self.overflows), ([], 1))

    def test_a_burst_in_one_turn_counts_before_it_is_flushed(self) -> None:
        """With a transport that takes everything, one is behind for that turn only."""
        self.outbox.write_line(b"x" * self.MARK)
        self.assertEqual(self.told, ["behind"])
        self.end_turn()
        self.assertEqual(self.told, ["behind", "all"])

    def test_what_the_owner_writes_when_caught_up_comes_next(self) -> None:
        """A line written in `caught_up` is sent, in its turn."""
        self._wait_with(self.MARK + 1)
        self.caught_up = lambda: self.outbox.write_line(b"next")  # type: ignore[method-assign]
        self.outbox.resumeProducing()
        self.end_turn()
        self.assertTrue(self.transport.value().endswith(b"\nnext\n"))


class ClosingTests(OutboxCase):
    """Goodbye."""

    def test_close_sends_everything_first(self) -> None:
        """What was said before closing is written, then the connection is lost when it has left."""
        self.outbox.write_line(b"goodbye")
        self.outbox.close()
        self.assertEqual(self.transport.value(), b"goodbye\n")
        self.assertTrue(self.transport.disconnecting)
        self.assertIsNone(self.transport.producer)

    def test_close_hands_over_even_to_a_full_transport(self) -> None:
        """A slow reader gets its goodbye too: the transport keeps it until it is read or given up."""
        self.outbox.pauseProducing()
        self.outbox.write_line(b"goodbye")
        self.outbox.close()
        self.assertEqual(self.transport.value(), b"goodbye\n")

    def test_nothing_is_sent_after_close(self) -> None:
        """Lines behind the goodbye are dropped, and closing twice is closing."""
        self.outbox.close()
        self.outbox.write_line(b"late")
        self.outbox.close()
        self.end_turn()
        self.assertEqual(self.transport.value(), b"")
