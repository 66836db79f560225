"""What is to be done in the store, and how a batch of it is committed.

Theory of operation. A batch of jobs is one transaction. When a row is bad the transaction is rolled back and its
halves are tried again, so that one bad row among n costs about log2(n) commits and no neighbour. A transaction that
cannot begin or commit refuses all its jobs, since none of them is to blame.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from typing import Any, Protocol, cast

from attrs import define, field, frozen
from msgspec import Struct
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


class AppendJob(Struct, frozen=True):
    """One message; a Struct for the reason in `encchat.server.model`. `appended` runs many of them together."""

    message: NewMessage
    done: Done

    def run(self, connection: sqlite3.Connection, appender: Appender) -> Answer:
        return appended([self], appender)[0]

    def verdict(self) -> Answer | None:
        """The refusal, if the message is chained to one that is refused."""
        after = self.message.after
        if after is None or not after.refused:
            return None
        return self.refusal(StoreError("the message that it is chained to was not stored"))

    def refusal(self, error: StoreError) -> Answer:
        self.message.fate.refused = True
        return partial(self.done, error)


def appended(jobs: Sequence[AppendJob], appender: Appender) -> list[Answer]:
    """Run the jobs, in order, with few statements."""
    refusals = [job.verdict() for job in jobs]
    taken = [job.message for job, refusal in zip(jobs, refusals, strict=True) if not refusal]
    stored = iter(appender.append_all(taken))
    return [refusal or partial(job.done, next(stored)) for job, refusal in zip(jobs, refusals, strict=True)]


@frozen
class CallJob:
    """A function on the connection; what it raises goes to its asker alone, and undoes only its own changes.

    ``removes``: it takes messages or conversations away, so that what the appender knows of them is not true any more.
    """

    work: Callable[[sqlite3.Connection], Any]
    answer: defer.Deferred[Any]
    removes: bool = False

    def run(self, connection: sqlite3.Connection, appender: Appender) -> Answer:
        appender.finish()
        if self.removes:
            appender.forget()
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


def _run(batch: Sequence[Job], connection: sqlite3.Connection, appender: Appender) -> list[Answer]:
    answers: list[Answer] = []
    for kind, jobs in groupby(batch, type):
        if kind is AppendJob:
            answers += appended(cast("list[AppendJob]", list(jobs)), appender)
        else:
            answers += [job.run(connection, appender) for job in jobs]
    return answers


@define(eq=False)
class Committer:
    """Runs jobs on a connection, a batch in one transaction; ``transactions`` counts those begun."""

    _connection: sqlite3.Connection
    _appender: Appender = field(init=False)
    transactions: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._appender = Appender(self._connection)

    def done(self, batch: Sequence[Job]) -> list[Answer]:
        """Do all of ``batch``, in order; what tells the askers. Nothing is raised: who is to blame is refused."""
        try:
            return self._commit(batch)
        except _BadRow as bad:
            if len(batch) == 1:
                return [batch[0].refusal(bad.error)]
            middle = len(batch) // 2
            return self.done(batch[:middle]) + self.done(batch[middle:])
        except sqlite3.Error as error:
            return [job.refusal(_store_error(error)) for job in batch]

    def _commit(self, batch: Sequence[Job]) -> list[Answer]:
        self.transactions += 1
        with ExitStack() as undo:
            undo.callback(self._appender.forget)
            with transaction(self._connection) as connection:
                answers = self._answers(batch, connection)
            undo.pop_all()
        return answers

    def _answers(self, batch: Sequence[Job], connection: sqlite3.Connection) -> list[Answer]:
        try:
            self._appender.begin()
            answers = _run(batch, connection, self._appender)
            self._appender.finish()
        except _BAD_ROW as error:
            raise _BadRow(_store_error(error)) from error
        return answers


class _BadRow(Exception):
    def __init__(self, error: StoreError) -> None:
        super().__init__(error.text)
        self.error = error
