"""Backups of a store that is in use are whole, and a restored store gives nothing out a second time."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from encchat.errors import StoreError
from encchat.server.model import LOBBY_KEY, AuditEntry, direct_key
from encchat.server.store import SqliteStore
from encchat.server.store.database import backup, connect
from encchat.server.store.restore import HOUR, YEAR_2026, restore
from tests.server.store.contract import appended, message, seqs
from tests.server.store.test_upgrade import make_version_1

NOW = YEAR_2026 + 5 * HOUR
"""Hour 5 of the epochs."""


class Copies(TestCase):
    """A store, and a place for its backup."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.path, self.saved = self.home / "encchat.db", self.home / "backup"

    async def opened(self) -> SqliteStore:
        """The store; open it again after it was replaced."""
        store = SqliteStore(self.path, reactor)
        await store.open()
        self.addCleanup(store.close)
        return store

    async def said(self, store: SqliteStore, *numbers: int, conversation: str = LOBBY_KEY) -> list[int]:
        """The seqs of new messages."""
        return seqs(await appended(store, *[message(n, 1, conversation) for n in numbers]))

    def names(self) -> list[str]:
        """The files there are."""
        return sorted(file.name for file in self.home.iterdir())


class Backups(Copies):
    """`IStore.backup` on SQLite."""

    async def test_a_backup_made_while_messages_are_stored_is_whole(self) -> None:
        """Every one holds all that was acknowledged before it, without a gap, and its tables agree."""
        store = await self.opened()
        await store.create_account("alice", None, "user", NOW)
        acknowledged: list[int] = []

        def turn(number: int) -> None:
            for n in range(number * 20, number * 20 + 20):
                store.append(message(n, 1, body="x" * 500), lambda stored: acknowledged.append(stored.seq))

        for number in range(12):
            for step in range(5):
                turn(number * 5 + step)
            before = len(acknowledged)
            made = store.backup(self.home / f"backup-{number}")
            turn(1000 + number)
            await made
            self.check(self.home / f"backup-{number}", before)
        await store.close()
        self.assertEqual(len(acknowledged), 12 * 120)

    def check(self, path: Path, at_least: int) -> None:
        """The copy is a sound store with all messages from 1 to its last."""
        with closing(sqlite3.connect(path)) as copy:
            self.assertEqual(copy.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(copy.execute("PRAGMA foreign_key_check").fetchall(), [])
            last = copy.execute("SELECT last_seq FROM conversation").fetchone() or (0,)
            found = [seq for (seq,) in copy.execute("SELECT seq FROM message ORDER BY seq")]
        self.assertEqual(found, list(range(1, last[0] + 1)))
        self.assertGreaterEqual(len(found), at_least)

    async def test_a_backup_is_one_file(self) -> None:
        """Nothing beside it is needed to read it, nor left there."""
        store = await self.opened()
        await store.set_meta("written", "just now")
        await store.backup(self.saved)
        self.assertEqual(stat.S_IMODE(self.saved.stat().st_mode), 0o600)
        self.assertEqual([name for name in self.names() if name.startswith("backup")], ["backup"])
        with closing(sqlite3.connect(f"{self.saved.as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
            self.assertEqual(copy.execute("SELECT value FROM meta").fetchall(), [("just now",)])

    async def test_a_backup_that_fails_leaves_no_file(self) -> None:
        """Half a backup would be found on the day it is needed."""
        broken = self.home / "broken"
        broken.write_bytes(b"no store at all, but long enough to be looked at" * 100)
        with self.assertRaisesRegex(StoreError, "cannot be copied"):
            backup(broken, self.saved)
        self.assertEqual(self.names(), ["broken"])

    async def test_closing_waits_for_a_backup(self) -> None:
        """What was asked for is done."""
        store = await self.opened()
        made = store.backup(self.saved)
        await store.close()
        await made
        self.assertTrue(self.saved.exists())


class Restores(Copies):
    """`restore`."""

    async def prepared(self) -> SqliteStore:
        """An open store that has a backup in which 5 things were said."""
        store = await self.opened()
        await store.create_account("alice", "hash", "user", NOW)
        await self.said(store, *range(5))
        await store.add_invite("token", "admin", 3, None)
        await store.backup(self.saved)
        return store

    async def restored(self, store: SqliteStore, now: int = NOW) -> SqliteStore:
        """Close the store, restore the backup, open it again."""
        await store.close()
        restore(self.saved, self.path, now)
        return await self.opened()

    async def test_a_restored_store_never_gives_a_seq_twice(self) -> None:
        """All seqs are above every one given before, also those given after the backup, however often."""
        store = await self.prepared()
        given = await self.said(store, *range(5, 50))
        for number in range(3):
            store = await self.restored(store)
            new = await self.said(store, *range(100 * number + 100, 100 * number + 110))
            self.assertGreater(min(new), max(given))
            self.assertEqual(new, list(range(new[0], new[0] + 10)))
            given += new

    async def test_the_same_backup_restored_on_a_new_disk_twice_gives_no_seq_twice(self) -> None:
        """Nothing is left to tell of the first time but the clock."""
        store = await self.prepared()
        first = await self.said(await self.restored(store), 1000)
        await store.close()
        self.path = self.home / "another disk"
        restore(self.saved, self.path, NOW + HOUR)
        self.assertGreater((await self.said(await self.opened(), 1001))[0], first[0])

    async def test_a_clock_that_went_back_gives_no_seq_twice(self) -> None:
        """The epoch is above that of the backup and of the store that is replaced, whatever the time."""
        store = await self.prepared()
        given = []
        for now in (NOW + 10 * HOUR, NOW, 0):
            store = await self.restored(store, now)
            given += await self.said(store, *range(1000, 1003))
        self.assertEqual(given, sorted(set(given)))

    async def test_a_conversation_begun_after_the_backup_begins_above_its_old_seqs(self) -> None:
        """The backup does not know it, the clients do."""
        store = await self.prepared()
        alice = await store.account("alice")
        direct = direct_key(alice, alice)
        given = await self.said(store, *range(9), conversation=direct)
        store = await self.restored(store)
        self.assertGreater((await self.said(store, 100, conversation=direct))[0], max(given))

    async def test_an_account_made_after_a_restore_has_no_id_of_before(self) -> None:
        """Else somebody new would find the conversations of somebody who was made after the backup."""
        store = await self.prepared()
        lost = await store.create_account("lost", None, "user", NOW)
        store = await self.restored(store)
        self.assertGreater((await store.create_account("new", None, "user", NOW)).id, lost.id)

    async def test_what_the_backup_holds_is_there_under_its_seqs(self) -> None:
        """History does not change, and what was sent before is known."""
        store = await self.prepared()
        await self.said(store, 5, 6)
        store = await self.restored(store)
        self.assertEqual([past.seq for past in await store.history(LOBBY_KEY, 0, 99)], [1, 2, 3, 4, 5])
        again, lost = await appended(store, message(4, 1), message(6, 1))
        self.assertEqual((again.seq, again.duplicate, lost.duplicate), (5, True, False))

    async def test_a_cursor_of_before_sees_what_is_said_afterwards(self) -> None:
        """A device that had taken more than the backup holds, and one of the backup."""
        store = await self.prepared()
        await store.add_device(1, b"k" * 32, "", NOW)
        await store.move_cursor(b"k" * 32, LOBBY_KEY, 5)
        self.saved.unlink()
        await store.backup(self.saved)
        ahead = max(await self.said(store, *range(5, 50)))
        store = await self.restored(store)
        new = await self.said(store, 100)
        self.assertEqual([past.seq for past in await store.history(LOBBY_KEY, ahead, 99)], new)
        [lobby] = await store.conversations(1, b"k" * 32)
        self.assertEqual((lobby.cursor, lobby.last_seq), (5, new[0]))

    async def test_a_new_device_after_a_restore_is_given_the_last_of_the_lobby(self) -> None:
        """The gap between the epochs holds no messages that would count."""
        store = await self.restored(await self.prepared())
        await self.said(store, 100)
        await store.add_device(1, b"k" * 32, "", NOW, 3)
        [lobby] = await store.conversations(1, b"k" * 32)
        self.assertEqual([past.seq for past in await store.history(LOBBY_KEY, lobby.cursor, 99)][:2], [4, 5])

    async def test_invites_of_the_backup_are_used_up(self) -> None:
        """They may have been used after it was made; and the store is not new, so no admin link is printed."""
        store = await self.restored(await self.prepared())
        self.assertIsNone(await store.invite_role("token", NOW))
        self.assertFalse(await store.is_new())

    async def test_the_audit_log_tells_of_it(self) -> None:
        """With the epoch that began."""
        store = await self.restored(await self.prepared())
        wanted = AuditEntry(NOW, "encchat-admin", "restore", "backup", "epoch 5")
        self.assertEqual(await store.audit_log(1), [wanted])

    async def test_what_is_replaced_stays_beside_it(self) -> None:
        """With all that was in it; the next time it does not make way either."""
        store = await self.prepared()
        await self.said(store, 77)
        await store.close()
        old = [restore(self.saved, self.path, NOW) for _ in range(2)]
        self.assertEqual(old, [self.home / "encchat.db.replaced-1", self.home / "encchat.db.replaced-1.2"])
        with closing(sqlite3.connect(self.home / "encchat.db.replaced-1")) as replaced:
            self.assertEqual(replaced.execute("SELECT count(*) FROM message").fetchone(), (6,))

    async def test_the_log_of_a_store_that_was_killed_is_not_mixed_into_the_new_one(self) -> None:
        """Its -wal goes with it, also if the store itself can be read no more."""
        store = await self.prepared()
        await store.close()
        with closing(connect(self.path)) as busy:
            busy.execute("UPDATE account SET role = 'admin'")
            wal = (self.home / "encchat.db-wal").read_bytes()
        (self.home / "encchat.db-wal").write_bytes(wal)
        self.path.write_bytes(b"\0" * 10_000)
        restore(self.saved, self.path, NOW)
        store = await self.opened()
        self.assertEqual((await store.account("alice")).role, "user")
        self.assertEqual((self.home / "encchat.db.replaced-1").read_bytes(), b"\0" * 10_000)
        self.assertEqual((self.home / "encchat.db.replaced-1-wal").read_bytes(), wal)

    async def test_a_backup_of_an_earlier_version_is_upgraded(self) -> None:
        """The backup itself stays as it is, and no copy of it is left about."""
        make_version_1(self.saved)
        self.assertIsNone(restore(self.saved, self.path, NOW))
        store = await self.opened()
        self.assertEqual(len(await store.history(LOBBY_KEY, 0, 9)), 3)
        self.assertEqual(
            [name for name in self.names() if not name.startswith("encchat.db-")], ["backup", "encchat.db"]
        )
        with closing(sqlite3.connect(self.saved)) as saved:
            self.assertEqual(saved.execute("PRAGMA user_version").fetchone(), (1,))

    async def test_what_is_no_backup_is_refused_and_changes_nothing(self) -> None:
        """Nothing there, a text, an empty file, another database, a damaged one, one of a newer encchat."""
        await (await self.prepared()).close()
        before = self.path.read_bytes()
        damaged = bytearray(self.saved.read_bytes())
        damaged[8_192:8_400] = b"\xff" * 208
        for wrong in (self.missing, self.text, self.empty, self.other, self.newer, lambda at: at.write_bytes(damaged)):
            bad = self.home / "bad"
            wrong(bad)
            with self.assertRaises(StoreError) as caught:
                restore(bad, self.path, NOW)
            self.assertTrue(str(bad) in caught.exception.text or "newer" in caught.exception.text)
            bad.unlink(missing_ok=True)
            self.assertEqual(self.path.read_bytes(), before)
            self.assertEqual(self.names(), ["backup", "encchat.db"])

    def missing(self, path: Path) -> None:
        """Leave it out."""

    def text(self, path: Path) -> None:
        path.write_bytes(b"no store at all, but long enough to be looked at" * 100)

    def empty(self, path: Path) -> None:
        path.touch()

    def other(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as made:
            made.execute("CREATE TABLE recipes (name TEXT)")
            made.commit()

    def newer(self, path: Path) -> None:
        backup(self.saved, path)
        with closing(sqlite3.connect(path)) as made:
            made.execute("PRAGMA user_version = 99")
