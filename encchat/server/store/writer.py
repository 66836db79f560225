"""The one thread that writes: it commits whatever gathered while its previous commit ran.

Theory of operation. `submit` puts a job in the list; the thread takes the whole list, runs it in one
transaction, and hands the answers to the reactor once the commit has returned. There is no timer: an idle
writer begins at once, a busy one takes more at a time. When a row is bad the transaction is rolled back
and its halves are tried again, so that one bad row among n costs about log2(n) commits and no neighbour.
A transaction that cannot begin or commit refuses all its jobs, since none of them is to blame.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet import defer
from twisted.python.failure import Failure

from encchat.errors import StoreError
from encchat.server.model import NewMessage
from encchat.server.store.database import transaction
from encchat.server.store.interface import Done
from encchat.server.store.messages import Appender

_BAD_ROW = (sqlite3.Error, ValueError, OverflowError)
"""What a row's values can cause: constraints, text that is no UTF-8, numbers over 64 bits."""

Answer = Callable[[], None]


class Job(Protocol):
    """A piece of a transaction; it may be run again after a roll back."""

    def run(self, connection: sqlite3.Connection, appender: Appender) -> Answer:
        """Do it; return what tells the asker, to be called after the commit."""

    def refusal(self, error: StoreError) -> Answer:
        """What tells the asker that it was not done."""


@frozen
class AppendJob:
    """One message."""

    message: NewMessage
    done: Done

    def run(self, connection: sqlite3.Connection, appender: Appender) -> Answer:
        done, stored = self.done, appender.append(self.message)
        return lambda: done(stored)

    def refusal(self, error: StoreError) -> Answer:
        return lambda: self.done(error)


@frozen
class CallJob:
    """A function on the connection; what it raises goes to its asker alone, and undoes only its own changes."""

    work: Callable[[sqlite3.Connection], Any]
    answer: defer.Deferred[Any]

    def run(self, connection: sqlite3.Connection, appender: Appender) -> Answer:
        connection.execute("SAVEPOINT call")
        outcome: list[Any] = []
        defer.execute(self.work, connection).addBoth(outcome.append)
        if isinstance(outcome[0], Failure):
            connection.execute("ROLLBACK TO call")
        connection.execute("RELEASE call")
        return lambda: self.answer.callback(named(outcome[0]))

    def refusal(self, error: StoreError) -> Answer:
        return lambda: self.answer.errback(error)


def named(outcome: Any) -> Any:
    """``outcome`` itself, but a Failure by SQLite as one by `StoreError`."""
    if isinstance(outcome, Failure) and isinstance(outcome.value, _BAD_ROW):
        return Failure(_store_error(outcome.value))
    return outcome


def _store_error(error: BaseException) -> StoreError:
    return StoreError(f"the store could not do it: {error}")


@define(eq=False)
class Writer:
    """Runs jobs in order on its own thread; ``in_reactor`` is the reactor's callFromThread."""

    _connection: sqlite3.Connection
    _in_reactor: Callable[[Answer], object]
    transactions: int = field(default=0, init=False)
    _jobs: list[Job] = field(factory=list, init=False)
    _answers: deque[Answer] = field(factory=deque, init=False)
    _ready: threading.Condition = field(factory=threading.Condition, init=False)
    _closed: Answer | None = field(default=None, init=False)
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, name="encchat store writer", daemon=True)
        self._thread.start()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have the jobs done."""
        with self._ready:
            self._jobs.extend(jobs)
            self._ready.notify()

    def close(self, closed: Answer) -> None:
        """Finish all jobs, close the connection, then call ``closed`` in the reactor."""
        with self._ready:
            self._closed = closed
            self._ready.notify()

    def _run(self) -> None:
        while batch := self._take():
            self._answers.extend(self._done(batch))
            self._in_reactor(self._deliver)
        self._connection.close()
        self._in_reactor(self._ended)

    def _ended(self) -> None:
        self._thread.join()
        if self._closed:
            self._closed()

    def _take(self) -> list[Job]:
        with self._ready:
            self._ready.wait_for(lambda: self._jobs or self._closed)
            batch, self._jobs = self._jobs, []
        return batch

    def _done(self, batch: Sequence[Job]) -> list[Answer]:
        try:
            return self._commit(batch)
        except _BadRow as bad:
            if len(batch) == 1:
                return [batch[0].refusal(bad.error)]
            middle = len(batch) // 2
            return self._done(batch[:middle]) + self._done(batch[middle:])
        except sqlite3.Error as error:
            return [job.refusal(_store_error(error)) for job in batch]

    def _commit(self, batch: Sequence[Job]) -> list[Answer]:
        self.transactions += 1
        with transaction(self._connection) as connection:
            try:
                appender = Appender(connection)
                answers = [job.run(connection, appender) for job in batch]
                appender.finish()
            except _BAD_ROW as error:
                raise _BadRow(_store_error(error)) from error
        return answers

    def _deliver(self) -> None:
        """Give the answers; one that raises is the reactor's to log, and the rest still come, in order."""
        try:
            while self._answers:
                self._answers.popleft()()
        finally:
            if self._answers:
                self._in_reactor(self._deliver)


class _BadRow(Exception):
    def __init__(self, error: StoreError) -> None:
        super().__init__(error.text)
        self.error = error
