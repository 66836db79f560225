"""The SQLite store keeps the contract, and what only a store on disk can be asked."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import defer, error, reactor, utils
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from encchat.errors import StoreError
from encchat.server.model import LOBBY_KEY, Stored
from encchat.server.store import SqliteStore, accounts
from encchat.server.store.database import SCHEMA_VERSION, connect, edited, transaction
from encchat.server.store.jobs import AppendJob, CallJob
from encchat.server.store.sqlite import ROW_OVERHEAD
from encchat.server.store.writer import Writer
from tests.server.store.contract import NOW, StoreContract, appended, message, seqs

CHILD = Path(__file__).with_name("appending_child.py")
ADD_INVITE = """
import sys
from pathlib import Path
from encchat.server.store import accounts
from encchat.server.store.database import edited
with edited(Path(sys.argv[1])) as connection:
    accounts.add_invite(connection, "from-outside", "moderator", 1, None)
"""


class SqliteContractTests(StoreContract, TestCase):
    """`StoreContract` for `SqliteStore`."""

    def make_store(self) -> SqliteStore:
        return SqliteStore(self.mktemp(), reactor)


class SqliteTestCase(TestCase):
    """A store on a path of its own."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()

    async def opened(self, **options: Any) -> SqliteStore:
        """An open store that is closed after the test."""
        store = SqliteStore(self.path, reactor, **options)
        await store.open()
        self.addCleanup(store.close)
        return store

    def stored_seqs(self) -> list[int]:
        """What another connection sees of the lobby."""
        with closing(sqlite3.connect(self.path)) as other:
            return [seq for (seq,) in other.execute("SELECT seq FROM message ORDER BY seq")]


class Batches(SqliteTestCase):
    """Group commit."""

    async def test_what_gathers_while_a_commit_waits_lands_in_one_transaction(self) -> None:
        """A hundred turns' messages wait for one disk, once."""
        store = await self.opened()
        sender = (await store.create_account("alice", None, "user", NOW)).id
        before = store.transactions
        with closing(connect(self.path)) as other:
            with transaction(other):
                held = appended(store, message(0, sender))
                await self.begun(store, before + 1)
                gathered = []
                for n in range(1, 101):
                    gathered.append(appended(store, message(n, sender)))
                    await self.turns(1)
            self.assertEqual(seqs(await held), [1])
        outcomes = await defer.gatherResults(gathered)
        self.assertEqual([outcome.seq for [outcome] in outcomes], list(range(2, 102)))
        self.assertEqual(store.transactions - before, 2)

    async def begun(self, store: SqliteStore, transactions: int) -> None:
        """Wait until the writer has begun so many."""
        for _ in range(100_000):
            if store.transactions >= transactions:
                return
            await self.turns(1)
        self.fail("the writer does not begin")

    async def turns(self, count: int) -> None:
        """Let the reactor turn."""
        for _ in range(count):
            turned: defer.Deferred[None] = defer.Deferred()
            reactor.callLater(0, turned.callback, None)
            await turned

    async def test_one_turn_is_one_transaction(self) -> None:
        """A thousand messages of one turn cost one commit."""
        store = await self.opened()
        sender = (await store.create_account("alice", None, "user", NOW)).id
        before = store.transactions
        await appended(store, *[message(n, sender) for n in range(1000)])
        self.assertEqual(store.transactions - before, 1)

    async def test_a_bad_row_among_many_costs_few_transactions(self) -> None:
        """Not one for each neighbour."""
        store = await self.opened()
        sender = (await store.create_account("alice", None, "user", NOW)).id
        before = store.transactions
        rows = [message(n, sender, body="\ud800" if n == 700 else "text") for n in range(1024)]
        outcomes = await appended(store, *rows)
        self.assertEqual([type(one) for one in outcomes].count(Stored), 1023)
        self.assertIsInstance(outcomes[700], StoreError)
        self.assertLessEqual(store.transactions - before, 21)

    async def test_done_is_called_only_after_the_commit(self) -> None:
        """Another connection sees each message by the time its sender is told."""
        store = await self.opened()
        sender = (await store.create_account("alice", None, "user", NOW)).id
        missing: list[int] = []
        end: defer.Deferred[None] = defer.Deferred()

        def done(stored: Stored) -> None:
            if stored.seq not in self.stored_seqs():
                missing.append(stored.seq)
            if stored.seq == 20:
                end.callback(None)

        for n in range(20):
            store.append(message(n, sender), done)
            await self.turns(n % 3)
        await end
        self.assertEqual(missing, [])

    async def test_an_uncommitted_message_is_not_called_done(self) -> None:
        """While another process holds the file, nothing is acknowledged and nothing is visible."""
        store = await self.opened()
        sender = (await store.create_account("alice", None, "user", NOW)).id
        with closing(connect(self.path)) as other, transaction(other):
            before = store.transactions
            waiting = appended(store, message(1, sender))
            await self.begun(store, before + 1)
            await self.turns(50)
            self.assertNoResult(waiting)
            self.assertEqual(self.stored_seqs(), [])
        self.assertEqual(seqs(await waiting), [1])

    async def test_the_backlog_is_bounded(self) -> None:
        """What fits exactly is stored, one character more is refused, and room comes back."""
        for length, fits in ((99, True), (100, True), (101, False)):
            self.path = Path(self.mktemp()).absolute()
            store = await self.opened(backlog=2 * (100 + ROW_OVERHEAD))
            sender = (await store.create_account("alice", None, "user", NOW)).id
            rows = [message(n, sender, body="x" * (100 if n == 0 else length)) for n in range(2)]
            outcomes = await appended(store, *rows)
            self.assertEqual([isinstance(one, Stored) for one in outcomes], [True, fits])
            self.assertEqual(len(await appended(store, message(3, sender))), 1)
            self.assertEqual(self.stored_seqs(), [1, 2, 3] if fits else [1, 2])


class Durability(SqliteTestCase):
    """What is on disk stays, whoever else is there."""

    async def test_nothing_that_was_called_done_is_lost_to_kill_9(self) -> None:
        """A process killed mid-append leaves every acknowledged message under its seq, and no gap."""
        acknowledged = await Killed.after(300, self.path)
        with closing(connect(self.path)) as found:
            rows = dict(found.execute("SELECT ulid, seq FROM message"))
            [last] = found.execute("SELECT last_seq FROM conversation").fetchone()
        self.assertGreaterEqual(len(acknowledged), 300)
        self.assertEqual({ulid: rows.get(ulid) for ulid in acknowledged}, acknowledged)
        self.assertEqual(sorted(rows.values()), list(range(1, last + 1)))

    async def test_the_same_ulid_gets_the_same_seq_after_a_restart(self) -> None:
        """A client that never saw the answer sends again to the next server process."""
        first = await self.opened()
        sender = (await first.create_account("alice", None, "user", NOW)).id
        await appended(first, message(1, sender), message(2, sender))
        await first.close()
        second = await self.opened()
        outcomes = await appended(second, message(2, sender), message(3, sender))
        self.assertEqual([(one.seq, one.duplicate) for one in outcomes], [(2, True), (3, False)])

    async def test_another_process_that_closes_the_file_takes_nothing_away(self) -> None:
        """What is stored after `encchat-admin` was there is on disk for everybody, not in a log that was deleted."""
        store = await self.opened()
        sender = (await store.create_account("alice", None, "user", NOW)).id
        log = self.path.with_name(f"{self.path.name}-wal")
        before = log.stat().st_ino
        await utils.getProcessOutputAndValue(sys.executable, ["-c", ADD_INVITE, str(self.path)], os.environ)
        await appended(store, message(1, sender))
        self.assertEqual(log.stat().st_ino, before)
        read = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT seq FROM message').fetchall())"
        out = await utils.getProcessOutput(sys.executable, ["-c", read, str(self.path)], os.environ)
        self.assertEqual(out, b"[(1,)]\n")

    async def test_another_process_adds_an_invite_while_the_store_is_open(self) -> None:
        """`encchat-admin invite` need not stop the server."""
        store = await self.opened()
        sender = (await store.create_account("alice", None, "user", NOW)).id
        tool = utils.getProcessOutputAndValue(sys.executable, ["-c", ADD_INVITE, str(self.path)], os.environ)
        outcomes = [await appended(store, message(n, sender)) for n in range(50)]
        _, complaint, code = await tool
        self.assertEqual((complaint, code), (b"", 0))
        self.assertEqual(await store.invite_role("from-outside", NOW), "moderator")
        self.assertEqual([one.seq for [one] in outcomes], list(range(1, 51)))

    async def test_two_stores_on_one_file_share_one_row_of_seqs(self) -> None:
        """No state that only one process knows decides a seq."""
        one, other = await self.opened(), await self.opened()
        sender = (await one.create_account("alice", None, "user", NOW)).id
        waiting = [appended(store, message(n, sender)) for n, store in enumerate([one, other] * 20)]
        outcomes = await defer.gatherResults(waiting)
        self.assertEqual(sorted(outcome.seq for [outcome] in outcomes), list(range(1, 41)))

    def test_a_change_by_a_tool_that_fails_leaves_nothing(self) -> None:
        """`edited` is one transaction."""

        def fail() -> None:
            with edited(self.path) as connection:
                connection.execute("INSERT INTO meta VALUES ('a', 'b')")
                raise KeyError

        self.assertRaises(KeyError, fail)
        with edited(self.path) as connection:
            self.assertEqual(connection.execute("SELECT * FROM meta").fetchall(), [])


class Killed(ProcessProtocol):
    """Runs the appending child and kills it at its ``count``th acknowledgement."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.output = b""
        self.complaint = b""
        self.ended: defer.Deferred[dict[str, int]] = defer.Deferred()

    @classmethod
    def after(cls, count: int, path: Path) -> defer.Deferred[dict[str, int]]:
        """Fires with the ULIDs and seqs that were acknowledged."""
        protocol = cls(count)
        reactor.spawnProcess(protocol, sys.executable, [sys.executable, str(CHILD), str(path)], os.environ)
        return protocol.ended.addTimeout(60, reactor)

    def outReceived(self, data: bytes) -> None:
        self.output += data
        if self.transport is not None and self.output.count(b"\n") >= self.count:
            self.kill()

    def kill(self) -> None:
        """Once: the process may be gone already."""
        self.count = sys.maxsize
        self.transport.signalProcess("KILL")

    def errReceived(self, data: bytes) -> None:
        self.complaint += data

    def processEnded(self, reason: Failure) -> None:
        if reason.check(error.ProcessTerminated) is None or reason.value.signal != 9:
            self.ended.errback(RuntimeError(f"the child ended by itself: {self.complaint.decode()}"))
            return
        whole = self.output[: self.output.rfind(b"\n")].decode().splitlines()
        self.ended.callback({ulid: int(seq) for ulid, seq in (line.split() for line in whole)})


class Files(SqliteTestCase):
    """The file and who may read it."""

    async def test_the_files_are_for_their_owner_only(self) -> None:
        """Also the write-ahead log, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        store = await self.opened()
        await store.set_meta("a", "b")
        files = sorted(self.path.parent.glob(self.path.name + "*"))
        self.assertEqual([file.name.removeprefix(self.path.name) for file in files], ["", "-shm", "-wal"])
        self.assertEqual({stat.S_IMODE(file.stat().st_mode) for file in files}, {0o600})

    async def test_a_store_others_can_read_is_refused(self) -> None:
        """And the text says what to do."""
        self.path.touch()
        self.path.chmod(0o640)
        text = (await self.assertFailure(SqliteStore(self.path, reactor).open(), StoreError)).text
        self.assertIn(f"chmod 600 {self.path}", text)

    async def test_what_cannot_be_opened_is_refused_and_leaves_no_thread(self) -> None:
        """A directory that is not there, a file that is no store."""
        before = set(threading.enumerate())
        self.path.write_bytes(b"no database at all, but long enough to be looked at" * 10)
        self.path.chmod(0o600)
        for path in (self.path, self.path / "below", Path(self.mktemp()) / "missing"):
            text = (await self.assertFailure(SqliteStore(path, reactor).open(), StoreError)).text
            self.assertIn(str(path), text)
        self.assertEqual(set(threading.enumerate()), before)

    async def test_a_store_of_a_newer_encchat_is_refused(self) -> None:
        """It is not damaged by guessing; its own version and the next older are fine."""
        for version, fine in ((SCHEMA_VERSION, True), (SCHEMA_VERSION + 1, False)):
            with edited(self.path) as connection:
                connection.execute(f"PRAGMA user_version = {version}")
            store = SqliteStore(self.path, reactor)
            if fine:
                await store.open()
                await store.close()
            else:
                self.assertIn("newer", (await self.assertFailure(store.open(), StoreError)).text)

    async def test_an_invites_token_is_not_in_the_files(self) -> None:
        """Whoever reads the disk or a backup can register nobody."""
        store = await self.opened()
        token = "canary-of-an-invite-token"
        await store.add_invite(token, "admin", 2, None)
        await store.create_account("root", None, "user", NOW, token)
        for file in self.path.parent.glob(self.path.name + "*"):
            self.assertNotIn(token.encode(), file.read_bytes())


class Threads(SqliteTestCase):
    """Threads and the fork of twistd."""

    async def test_threads_run_only_between_open_and_close(self) -> None:
        """None before `open`, because twistd forks after the store was made; none after `close`."""
        before = set(threading.enumerate())
        store = SqliteStore(self.path, reactor)
        self.assertEqual(set(threading.enumerate()), before)
        self.assertFalse(self.path.exists())
        await store.open()
        await store.set_meta("a", "b")
        self.assertEqual(len(set(threading.enumerate()) - before), 2)
        await store.close()
        self.assertEqual(set(threading.enumerate()) - before, set())


class WriterTests(SqliteTestCase):
    """The writer alone."""

    async def test_a_transaction_that_cannot_begin_refuses_all_its_jobs_once(self) -> None:
        """They are not tried one by one against a locked file; the writer goes on afterwards."""
        with closing(connect(self.path)) as other:
            connection = connect(self.path)
            connection.execute("PRAGMA busy_timeout = 0")
            writer = Writer(connection, reactor.callFromThread)
            writer.start()
            self.addCleanup(self.close, writer)
            with transaction(other):
                outcomes = await self.submitted(writer, 8)
            self.assertEqual([type(one) for one in outcomes], [StoreError] * 9)
            self.assertEqual(writer.transactions, 1)
            self.assertEqual((await self.submitted(writer, 0))[0], "done")

    async def test_a_full_disk_refuses_what_does_not_fit_and_keeps_the_rest(self) -> None:
        """Exactly what was acknowledged is in the file, and with room again the writer goes on."""
        with edited(self.path) as connection:
            accounts.create_account(connection, "alice", None, "user", NOW)
        connection = connect(self.path)
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        writer = Writer(connection, reactor.callFromThread)
        writer.start()
        self.addCleanup(self.close, writer)
        outcomes = await self.submitted(writer, 16, body="x" * 10_000)
        stored = seqs([one for one in outcomes if isinstance(one, Stored)])
        self.assertTrue(0 < len(stored) < 16, stored)
        self.assertEqual(self.stored_seqs(), stored)
        await self.room(writer)
        again = await self.submitted(writer, 16, body="x" * 10_000)
        self.assertEqual(seqs(again[:-1])[: len(stored)], stored)
        self.assertEqual(self.stored_seqs(), list(range(1, 17)))

    def room(self, writer: Writer) -> defer.Deferred[Any]:
        """Let the file grow again."""
        answer: defer.Deferred[Any] = defer.Deferred()
        writer.submit([CallJob(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone(), answer)])
        return answer

    def submitted(self, writer: Writer, count: int, **fields: Any) -> defer.Deferred[list[Any]]:
        """What ``count`` messages and a call are answered."""
        answers = [defer.Deferred() for _ in range(count)]
        call: defer.Deferred[Any] = defer.Deferred()
        jobs = [AppendJob(message(n, 1, LOBBY_KEY, **fields), answer.callback) for n, answer in enumerate(answers)]
        writer.submit([*jobs, CallJob(lambda _: "done", call)])
        call.addErrback(lambda failure: failure.value)
        return defer.gatherResults([*answers, call])

    def close(self, writer: Writer) -> defer.Deferred[None]:
        """Fires when the writer has ended."""
        closed: defer.Deferred[None] = defer.Deferred()
        writer.close(lambda: closed.callback(None))
        return closed
