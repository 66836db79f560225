"""The store without a file or threads: SQLite in memory, for simulations and tests.

What one reactor turn asks for is done in the next one, in order and in one transaction, and answered after all of
it was done; so a process that "dies" in between leaves the tables as they were, as a file would be. The reactor may
be a `twisted.internet.task.Clock`.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet import defer
from zope.interface import implementer

from encchat.errors import StoreError
from encchat.net.timing import Scheduler
from encchat.server.model import NewMessage
from encchat.server.store import database
from encchat.server.store.interface import Done, IStore
from encchat.server.store.jobs import Answer, AppendJob, Committer, Job
from encchat.server.store.sql import SqlStore

T = TypeVar("T")


@implementer(IStore)
class MemoryStore(SqlStore):
    """`IStore` on ``tables``, a connection of `encchat.server.store.database.in_memory`, which outlives it."""

    def __init__(self, reactor: Scheduler, tables: sqlite3.Connection | None = None) -> None:
        self.tables = database.in_memory() if tables is None else tables
        self._reactor = reactor
        self._is_open = False
        self._turn: list[Job] = []
        self._answers: deque[Answer] = deque()

    def open(self) -> defer.Deferred[None]:
        self._is_open = True
        return defer.succeed(None)

    def close(self) -> defer.Deferred[None]:
        self._work()
        self._is_open = False
        return defer.succeed(None)

    def append(self, message: NewMessage, done: Done) -> None:
        self._submit(AppendJob(message, done))

    def backup(self, path: str | Path) -> defer.Deferred[None]:
        # After the transaction: SQLite copies no store that is being written to.
        return self._write(_nothing).addCallback(lambda _: database.backup_of(self.tables, Path(path)))

    # The way to the tables
    def _read(self, query: Callable[..., T], *arguments: object) -> defer.Deferred[T]:
        return self._write(query, *arguments)

    def _submit(self, job: Job) -> None:
        if not self._is_open:
            self._reactor.callLater(0, job.refusal(StoreError("the store is not open")))
            return
        if not self._turn:
            self._reactor.callLater(0, self._work)
        self._turn.append(job)

    def _work(self) -> None:
        turn, self._turn = self._turn, []
        if turn:
            self._answers.extend(Committer(self.tables).done(turn))
        self._deliver()

    def _deliver(self) -> None:
        """Give the answers; one that raises is the reactor's to log, and the rest still come, in order."""
        try:
            while self._answers:
                self._answers.popleft()()
        finally:
            if self._answers:
                self._reactor.callLater(0, self._deliver)


def _nothing(_: sqlite3.Connection) -> None:
    """What only waits for its turn."""
