"""What the writer remembers of conversations from one transaction to the next is always true."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import StoreError
from encchat.limits import MAX_TAILS
from encchat.server.model import LOBBY_KEY, NewMessage, Stored
from encchat.server.store import accounts, retention
from encchat.server.store.database import connect, in_memory, transaction
from encchat.server.store.jobs import AppendJob, CallJob, Committer, Job
from encchat.server.store.messages import Appender
from tests.server.store.contract import NOW, message, ulid


class AppendingTestCase(SynchronousTestCase):
    """Tables with an account, and what commits to them."""

    def setUp(self) -> None:
        self.tables = in_memory()
        self.addCleanup(self.tables.close)
        self.sender = accounts.create_account(self.tables, "alice", None, "user", NOW).id
        self.committer = Committer(self.tables)

    def committed(self, *jobs: NewMessage | Job) -> list[Any]:
        """What the jobs of one transaction are answered."""
        outcomes: list[Any] = []
        batch = [AppendJob(job, outcomes.append) if isinstance(job, NewMessage) else job for job in jobs]
        for answer in self.committer.done(batch):
            answer()
        return outcomes

    def said(self, *numbers: int, conversation: str = LOBBY_KEY) -> list[int]:
        """The seqs that messages of these numbers get in one transaction."""
        rows = [message(number, self.sender, conversation) for number in numbers]
        return [outcome.seq for outcome in self.committed(*rows)]

    def call(self, work: Any, *, removes: bool = False) -> CallJob:
        """A job whose failure would fail the test."""
        answer: defer.Deferred[Any] = defer.Deferred()
        self.addCleanup(lambda: self.successResultOf(answer))
        return CallJob(work, answer, removes)

    def last(self, connection: sqlite3.Connection, conversation: str = LOBBY_KEY) -> int:
        """What the conversation's row says."""
        [last] = connection.execute("SELECT last_seq FROM conversation WHERE key = ?", (conversation,)).fetchone()
        return int(last)


class SeqTests(AppendingTestCase):
    """Seqs are without gaps, whatever shares a transaction or was before."""

    def test_batches_of_every_length_go_on_where_the_last_ended(self) -> None:
        """Each row once, whatever statement it went with."""
        first = 1
        for length in (1, 2, 3, 7, 8, 9, 127, 128, 129, 300):
            numbers = range(first, first + length)
            self.assertEqual(self.said(*numbers), list(numbers))
            first += length
        self.assertEqual(self.last(self.tables), first - 1)
        rows = self.tables.execute("SELECT seq, ulid FROM message ORDER BY seq").fetchall()
        self.assertEqual(rows, [(number, ulid(number)) for number in range(1, first)])

    def test_repeated_messages_in_a_batch_leave_no_gap(self) -> None:
        """Of before, and of the same batch; the others go on."""
        self.said(1, 2, 3)
        self.assertEqual(self.said(4, 2, 5, 5, 6, 1, 7), [4, 2, 5, 5, 6, 1, 7])
        self.assertEqual(self.said(8), [8])

    def test_a_bad_message_changes_nothing_of_what_is_remembered(self) -> None:
        """It is rolled back with all around it, which is then done again."""
        self.said(1)
        outcomes = self.committed(*[message(n, self.sender, time=2**64 if n == 5 else n) for n in range(2, 10)])
        self.assertIsInstance(outcomes.pop(3), StoreError)
        self.assertEqual([outcome.seq for outcome in outcomes], list(range(2, 9)))
        self.assertEqual(self.said(10), [9])

    def test_of_a_transaction_that_cannot_commit_nothing_is_remembered(self) -> None:
        """A conversation that was begun in it is not there; the next transaction begins it."""
        self.tables.execute("CREATE TABLE late (id REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED)")
        broken = self.call(lambda connection: connection.execute("INSERT INTO late VALUES (99)"))
        broken.answer.addErrback(lambda failure: failure.trap(StoreError))
        rows = [message(1, self.sender, "direct:1:1"), broken]
        self.assertIsInstance(self.committed(*rows)[0], StoreError)
        self.assertEqual(self.said(2, 3, conversation="direct:1:1"), [1, 2])

    def test_a_change_sees_what_was_said_before_it(self) -> None:
        """Also in the same transaction: the last seq is written down by then."""
        seen: list[int] = []
        look = self.call(lambda connection: seen.append(self.last(connection)))
        rows = [message(number, self.sender) for number in (1, 2, 3)]
        self.committed(*rows[:2], look, rows[2])
        self.assertEqual((seen, self.last(self.tables)), ([2], 3))


class MemoryTests(AppendingTestCase):
    """What is remembered ends where somebody else may have changed it, and is bounded."""

    def test_what_is_removed_in_the_same_transaction_still_has_its_place(self) -> None:
        """Retention, between a message and the same one again."""
        self.said(1, 2)
        remove = self.call(lambda connection: retention.retain(connection, "lobby", 0, None, 100), removes=True)
        rows = [message(number, self.sender) for number in (1, 2, 3, 4)]
        self.assertEqual([one.seq for one in self.committed(rows[2], remove, *rows)], [3, 1, 2, 3, 4])

    def test_what_is_remembered_is_bounded(self) -> None:
        """As many conversations as allowed; with one more it begins anew, and the seqs go on."""
        appender = Appender(self.tables)
        for number, known in ((MAX_TAILS - 1, MAX_TAILS - 1), (MAX_TAILS, MAX_TAILS), (MAX_TAILS + 1, 0)):
            with transaction(self.tables):
                appender.begin()
                self.append(appender, number - appender.known)
                appender.finish()
                appender.begin()
            self.assertEqual(appender.known, known)

    def append(self, appender: Appender, count: int) -> None:
        """One message to each of ``count`` rooms that are not known yet."""
        first = appender.known
        rows = [message(n, self.sender, f"room:{n}", kind="room") for n in range(first, first + count)]
        self.assertEqual(appender.append_all(rows), [Stored(1, one.time, duplicate=False) for one in rows])

    def test_what_another_connection_writes_is_seen(self) -> None:
        """It goes on after the other's messages, and a message the other removed has its first place."""
        path = Path(self.mktemp()).absolute()
        with closing(connect(path)) as self.tables, closing(connect(path)) as other:
            accounts.create_account(self.tables, "alice", None, "user", NOW)
            self.committer = Committer(self.tables)
            self.assertEqual(self.said(1, 2), [1, 2])
            Committer(other).done([AppendJob(message(3, self.sender), lambda _: None)])
            before = self.committer.transactions
            self.assertEqual(self.said(4), [4])
            with transaction(other):
                retention.retain(other, "lobby", 0, None, 100)
            self.assertEqual(self.said(3, 5, 1), [3, 5, 1])
            self.assertEqual(self.committer.transactions - before, 2)
