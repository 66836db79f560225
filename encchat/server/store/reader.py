"""The one thread that reads: it answers what the reactor asks for, in the order of asking.

Theory of operation. The questions of a reactor turn come together and are answered together, as what is written goes
to the writer (`encchat.server.store.writer`): a crowd that logs in has the two threads change places once for all that
is asked in a turn, and not once for each question.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from attrs import define, field, frozen
from twisted.internet import defer


@frozen
class Question:
    """``answer`` gets what ``work`` returns or raises."""

    work: Callable[[], Any]
    answer: defer.Deferred[Any]

    def answered(self) -> Callable[[], object]:
        """Work it out; what tells the asker."""
        return partial(defer.execute(self.work).chainDeferred, self.answer)


@define(eq=False)
class Reader:
    """Answers on its own thread; ``in_reactor`` is the reactor's callFromThread."""

    _in_reactor: Callable[..., object]
    _turns: SimpleQueue[Sequence[Question] | None] = field(factory=SimpleQueue, init=False)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="encchat store reader", daemon=True)
        self._thread.start()

    def ask(self, questions: Sequence[Question]) -> None:
        """Have them answered."""
        self._turns.put(questions)

    def stop(self) -> None:
        """Answer what was asked, and return when the thread has ended."""
        self._turns.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (questions := self._turns.get()) is not None:
            self._in_reactor(_tell, [question.answered() for question in questions])


def _tell(answers: Sequence[Callable[[], object]]) -> None:
    for answer in answers:
        answer()
