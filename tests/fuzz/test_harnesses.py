"""Every fuzz target by hypothesis, and by atheris where it is installed."""

from __future__ import annotations

import tracemalloc
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from encchat import wire
from encchat.client import events, screen
from encchat.client.store import StoredMessage
from tests.fuzz.__main__ import MISSING, available, main, run
from tests.fuzz.choices import Choices
from tests.fuzz.core import Play
from tests.fuzz.harnesses import HARNESSES, fuzz_channel, fuzz_core, fuzz_wire

LINES = st.sampled_from(
    [
        wire.encode(one)
        for one in (
            wire.Send(id=1, conversation="lobby", ulid="01ARZ3NDEKTSV4RRFFQ69G5FAV", body="x"),
            wire.Sync(id=2, conversation="@bob", after=0),
            wire.Page(conversation="lobby", messages=[], last_seq=3),
            wire.Ok(id=3, result=wire.Sent(ulid="x", conversation="lobby", seq=1, time=0)),
            wire.Behind(),
        )
    ]
)


class Always(SynchronousTestCase):
    """By hypothesis."""

    @given(st.binary(max_size=600))
    @settings(max_examples=300, deadline=None)
    def test_the_channel_hears_nobody_without_the_keys(self, data: bytes) -> None:
        """At any stage, any bytes, in any pieces: nothing, or an error of the channel's own."""
        fuzz_channel(data)

    @given(st.binary(max_size=300) | st.builds(lambda line, at, byte: line[:at] + byte + line[at:], LINES,
           st.integers(0, 80), st.binary(max_size=3)))  # fmt: skip
    @settings(max_examples=500, deadline=None)
    def test_any_line_is_a_request_an_event_or_refused(self, line: bytes) -> None:
        """And what is taken is the same after another journey."""
        fuzz_wire(line)

    @given(st.binary(max_size=800))
    @example(bytes(range(256)) * 3)
    @settings(max_examples=400, deadline=None)
    def test_no_server_makes_the_core_break_or_show_what_was_not_said(self, data: bytes) -> None:
        """Any events, answers and garbage, in any order, while a person types and the connection comes and goes."""
        fuzz_core(data)

    def test_many_random_conversations_with_the_core(self) -> None:
        """Longer ones than hypothesis makes."""
        random = Random(3)  # noqa: S311 - the same in every run
        for _ in range(400):
            fuzz_core(random.randbytes(random.randint(200, 1_500)))

    def test_the_cores_memory_does_not_grow_with_what_a_server_says(self) -> None:
        """Ten thousand events on a connection, over the same names: the second half adds next to nothing."""
        random = Random(5)  # noqa: S311 - the same in every run
        playing = Play(Choices(random.randbytes(400_000)), typed=("/users", "/status bob", ""))
        sizes = []
        tracemalloc.start()
        for _ in range(3):
            for _ in range(3_000):
                playing.step()
                playing.said.clear()
                playing.accepted.clear()
                playing.asked.clear()
                playing.forgiving = True
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        self.assertFalse(playing.core.finished or playing.choices.over)
        self.assertLess(sizes[2] - sizes[1], 100_000, sizes)

    def test_a_message_that_nobody_said_would_be_found(self) -> None:
        """The harness can fail: also for one said with another text, and for a `sent` nobody answered."""
        playing = Play(Choices(b""))
        playing.said.add(("lobby", 1, "bob", "u", "hello"))
        said = screen.message(StoredMessage("lobby", "lobby", 1, "bob", "u", 0, "hello"))
        playing.check_event(said)
        for forged in (structs.replace(said, text="other"), events.Sent(ulid="u", conversation="lobby", seq=1)):
            self.assertRaises(AssertionError, playing.check_event, forged)


class Atheris(SynchronousTestCase):
    """By coverage; `python -m tests.fuzz --atheris SECONDS` for longer."""

    def test_each_harness_holds_for_a_moment(self) -> None:
        """Two seconds each."""
        if not available():
            raise SkipTest(MISSING)
        for name in HARNESSES:
            self.assertTrue(run(name, 2), name)

    def test_a_harness_that_is_not_there_is_named(self) -> None:
        """With those that are."""
        self.assertEqual(self.assertRaises(SystemExit, main, ["--atheris", "1", "wier"]).code, 2)
