"""The embedded store: one SQLite file, a thread that writes and one that reads."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from twisted.internet import defer
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from encchat.errors import OverloadedError, StoreError
from encchat.limits import DISK_RESERVE, MAX_STORE_BACKLOG
from encchat.net.outbox import TurnEnd
from encchat.net.timing import Scheduler
from encchat.server.model import NewMessage, Stored
from encchat.server.store import database
from encchat.server.store.database import connect
from encchat.server.store.interface import Done, IStore
from encchat.server.store.jobs import AppendJob, Job, named
from encchat.server.store.reader import Question, Reader
from encchat.server.store.sql import SqlStore
from encchat.server.store.writer import Writer

T = TypeVar("T")
ROW_OVERHEAD: Final = 500
"""What a message that waits costs besides its body, in the characters the backlog is counted in."""


class IReactor(IReactorThreads, IReactorTime):
    """What the store needs of a reactor."""


def free_bytes(path: Path) -> int:
    """How many bytes there are left for a user on the disk that has ``path``."""
    return shutil.disk_usage(path).free


@implementer(IStore)
class SqliteStore(SqlStore):
    """`IStore` on the file at ``path``.

    What one reactor turn asks for goes to the writer together at its end. `append` is bounded: beyond
    ``backlog`` characters that are not stored yet, messages are refused. ``free`` tells how many bytes the disk has
    left where that path is.
    """

    def __init__(
        self,
        path: str | Path,
        reactor: IReactor,
        backlog: int = MAX_STORE_BACKLOG,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._left = free
        self._path = Path(path)
        self._reactor: Any = reactor
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._copier = ThreadPool(0, 1, name="encchat store copier")
        self._turn = TurnEnd(cast("Scheduler", reactor))
        self._jobs: list[Job] = []
        self._questions: list[Question] = []
        self._free = backlog

    # Opening and closing
    def open(self) -> defer.Deferred[None]:
        return defer.Deferred.fromCoroutine(self._open())

    async def _open(self) -> None:
        self._reading = Reader(self._reactor.callFromThread)
        self._reading.start()
        self._copier.start()
        try:
            writing, self._reader = await self._aside(lambda: (connect(self._path), connect(self._path)))
        except StoreError:
            self._copier.stop()
            self._reading.stop()
            raise
        self._writer = Writer(writing, self._reactor.callFromThread)
        self._writer.start()

    @property
    def transactions(self) -> int:
        """How many transactions the open store has begun."""
        return self._writer.transactions if self._writer else 0

    def close(self) -> defer.Deferred[None]:
        return defer.Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        writer, reader = self._writer, self._reader
        if writer is None or reader is None:
            return
        self._hand_over()
        self._writer = self._reader = None
        closed: defer.Deferred[None] = defer.Deferred()
        writer.close(lambda: closed.callback(None))
        await closed
        await self._aside(reader.close)
        self._copier.stop()
        self._reading.stop()

    # Ways to the threads
    def _aside(self, work: Callable[[], T]) -> defer.Deferred[T]:
        """Have the reading thread do it, behind what it was asked before."""
        answer: defer.Deferred[T] = defer.Deferred()
        self._questions.append(Question(work, answer))
        self._turn.call(self._hand_over)
        return answer

    def _read(self, query: Callable[..., T], *arguments: object) -> defer.Deferred[T]:
        reader = self._reader
        if reader is None:
            return defer.fail(self._not_open())
        return self._aside(partial(query, reader, *arguments)).addErrback(named)

    def _submit(self, job: Job) -> None:
        if self._writer is None:
            self._soon(job.refusal(self._not_open()))
            return
        if not self._jobs:
            self._turn.call(self._hand_over)
        self._jobs.append(job)

    def _hand_over(self) -> None:
        jobs, self._jobs = self._jobs, []
        if self._writer is not None and jobs:
            self._writer.submit(jobs)
        questions, self._questions = self._questions, []
        if questions:
            self._reading.ask(questions)

    def _soon(self, call: Callable[[], None]) -> None:
        self._reactor.callLater(0, call)

    def _not_open(self) -> StoreError:
        return StoreError(f"the store {self._path} is not open")

    # Files
    def _check_disk(self) -> None:
        if self._left(self._path) < DISK_RESERVE:
            raise OverloadedError("the disk of the server is nearly full: it takes no files until there is more room")

    # Messages
    def append(self, message: NewMessage, done: Done) -> None:
        size = len(message.body) + ROW_OVERHEAD
        if size > self._free:
            self._soon(AppendJob(message, done).refusal(StoreError("the store is behind: try again")))
            return
        self._free -= size
        self._submit(AppendJob(message, partial(self._settled, size, done)))

    def _settled(self, size: int, done: Done, outcome: Stored | StoreError) -> None:
        self._free += size
        done(outcome)

    # All of it
    def backup(self, path: str | Path) -> defer.Deferred[None]:
        if self._writer is None:
            return defer.fail(self._not_open())
        # On a thread of its own: nobody's reading waits for a copy of everything.
        return deferToThreadPool(self._reactor, self._copier, database.backup, self._path, Path(path))
