"""The thread that reads: what is asked together is answered together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet import defer, reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat.errors import StoreError
from encchat.server.store import SqliteStore
from encchat.server.store.reader import Question, Reader


class CountingReactor:
    """The reactor, but it counts how often another thread has something for it."""

    def __init__(self) -> None:
        self.calls = 0

    def callFromThread(self, *call: Any) -> None:
        """Counted."""
        self.calls += 1
        reactor.callFromThread(*call)

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class ReaderTests(SynchronousTestCase):
    """The reader alone."""

    def answered(self, *works: Callable[[], object]) -> list[object]:
        """What became of them, asked in one turn."""
        told: list[tuple[Callable[..., object], object]] = []
        reader = Reader(lambda tell, answers: told.append((tell, answers)))
        questions = [Question(work, defer.Deferred()) for work in works]
        outcomes: list[object] = []
        for question in questions:
            question.answer.addBoth(outcomes.append)
        reader.start()
        reader.ask(questions)
        reader.stop()
        self.assertEqual((len(told), outcomes), (1, []))
        [(tell, answers)] = told
        tell(answers)
        return outcomes

    def test_the_questions_of_a_turn_are_answered_at_once_and_in_order(self) -> None:
        """On another thread; the reactor is told once, and the askers hear of it there."""
        outcomes = self.answered(lambda: 1, threading.get_ident, lambda: 3)
        self.assertEqual((outcomes[0], outcomes[2]), (1, 3))
        self.assertNotEqual(outcomes[1], threading.get_ident())

    def test_what_a_question_raises_goes_to_its_asker_alone(self) -> None:
        """Those behind it get their answers."""

        def broken() -> None:
            raise StoreError("it broke")

        outcomes: list[Any] = self.answered(broken, lambda: 2)
        self.assertEqual((outcomes[0].value.text, outcomes[1]), ("it broke", 2))


class StoreTests(TestCase):
    """The reader of a store."""

    async def test_what_one_turn_asks_is_handed_over_and_back_once(self) -> None:
        """A crowd that logs in costs the two threads few changes of places."""
        counting: Any = CountingReactor()
        store = SqliteStore(self.mktemp(), counting)
        await store.open()
        self.addCleanup(store.close)
        before = counting.calls
        found = await defer.gatherResults([store.device(bytes([number]) * 32) for number in range(50)])
        self.assertEqual((found, counting.calls - before), ([None] * 50, 1))
