"""The one thread that writes: it commits whatever gathered while its previous commit ran.

Theory of operation. `submit` puts the jobs of a turn into the queue; the thread takes all that is there, runs it in one
transaction (`encchat.server.store.jobs`), and hands the answers to the reactor once the commit has returned. There
is no timer: an idle writer begins at once, a busy one takes more at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from attrs import define, field

from encchat.server.store.jobs import Answer, Committer, Job


@define(eq=False)
class Writer:
    """Runs jobs in order on its own thread; ``in_reactor`` is the reactor's callFromThread."""

    _connection: sqlite3.Connection
    _in_reactor: Callable[[Answer], object]
    _committer: Committer = field(init=False)
    _turns: SimpleQueue[Sequence[Job]] = field(factory=SimpleQueue, init=False)
    _answers: deque[Answer] = field(factory=deque, init=False)
    _closed: Answer | None = field(default=None, init=False)
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._committer = Committer(self._connection)

    @property
    def transactions(self) -> int:
        """How many were begun."""
        return self._committer.transactions

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="encchat store writer", daemon=True)
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have the jobs done."""
        self._turns.put(jobs)

    def close(self, closed: Answer) -> None:
        """Finish all jobs, close the connection, then call ``closed`` in the reactor."""
        self._closed = closed
        self._turns.put([])

    def _run(self) -> None:
        while not self._closed or not self._turns.empty():
            if batch := self._take():
                self._answers.extend(self._committer.done(batch))
                self._in_reactor(self._deliver)
        self._connection.close()
        self._in_reactor(self._ended)

    def _ended(self) -> None:
        self._thread.join()
        if self._closed:
            self._closed()

    def _take(self) -> list[Job]:
        batch = [*self._turns.get()]
        while not self._turns.empty():
            batch += self._turns.get()
        return batch

    def _deliver(self) -> None:
        """Give the answers; one that raises is the reactor's to log, and the rest still come, in order."""
        try:
            while self._answers:
                self._answers.popleft()()
        finally:
            if self._answers:
                self._in_reactor(self._deliver)
