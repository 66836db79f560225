"""A store of an earlier version is brought to the current one, and a copy of it is kept."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from twisted.internet import reactor, threads
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat.errors import StoreError
from encchat.server.model import LOBBY_KEY, ConversationState, Stored
from encchat.server.store import SqliteStore
from encchat.server.store.database import SCHEMA_VERSION, connect, edited
from tests.server.store.contract import NOW, appended, message, ulid

KEY = b"k" * 32


def make_version_1(path: Path) -> None:
    """A store as encchat 0.1 left it: two people, a device, what they said, an invite."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(files("encchat.server.store").joinpath("schema/0001.sql").read_text("utf-8"))
        for number, name in ((1, "Alice"), (2, "bob")):
            connection.execute(
                "INSERT INTO account (id, name, folded, skeleton, role, password_hash, created)"
                " VALUES (?, ?, ?, ?, 'user', 'hash', ?)",
                (number, name, name.lower(), f"skeleton {number}", NOW),
            )
        connection.execute("INSERT INTO device VALUES (?, 1, 'laptop')", (KEY,))
        connection.execute("INSERT INTO conversation (key, last_seq) VALUES ('direct:1:2', 1), ('lobby', 3)")
        connection.execute("INSERT INTO participant VALUES (1, 1), (2, 1)")
        for conversation, seq, kind in ((1, 1, "direct"), (2, 1, "lobby"), (2, 2, "lobby"), (2, 3, "lobby")):
            values = (conversation, seq, kind, ulid(seq), NOW + seq, f"text {seq}")
            connection.execute("INSERT INTO message VALUES (?, ?, ?, 2, ?, ?, 'none', ?)", values)
        connection.execute("INSERT INTO invite VALUES (?, 'user', 1, NULL)", (b"h" * 32,))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA user_version = 1")
    path.chmod(0o600)


class FromVersion1(TestCase):
    """The upgrade to version 2."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        make_version_1(self.path)
        self.copy = self.path.with_name(f"{self.path.name}.version-1")

    async def opened(self) -> SqliteStore:
        store = SqliteStore(self.path, reactor)
        self.addCleanup(store.close)
        await store.open()
        return store

    async def test_everything_is_still_there(self) -> None:
        """Accounts, devices, messages under their seqs; the log goes on where it was."""
        store = await self.opened()
        (alice, device) = await store.device(KEY)
        self.assertEqual((alice.name, device.name, device.created, device.last_seen), ("Alice", "laptop", 0, None))
        self.assertEqual(await store.contacts(alice.id), ["bob"])
        self.assertEqual([past.body for past in await store.history(LOBBY_KEY, 0, 9)], ["text 1", "text 2", "text 3"])
        outcomes = await appended(store, message(3, 2), message(4, 2))
        self.assertEqual([(one.seq, one.duplicate) for one in outcomes], [(3, True), (4, False)])

    async def test_devices_of_before_have_taken_the_lobby_and_nothing_else(self) -> None:
        """They saw it live; their direct messages may be what they missed."""
        store = await self.opened()
        wanted = [
            ConversationState(LOBBY_KEY, "lobby", None, 3, 1, 3),
            ConversationState("direct:1:2", "direct", "bob", 1, 1, 0),
        ]
        self.assertEqual(await store.conversations(1, KEY), wanted)

    async def test_it_is_the_same_as_a_new_store(self) -> None:
        """The same tables, columns and indexes as one that was made today."""
        await self.opened()
        new = Path(self.mktemp()).absolute()
        with closing(connect(new)) as made, closing(sqlite3.connect(self.path)) as upgraded:
            query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
            self.assertEqual(upgraded.execute(query).fetchall(), made.execute(query).fetchall())
            self.assertEqual(upgraded.execute("PRAGMA user_version").fetchone(), (SCHEMA_VERSION,))
            self.assertEqual(upgraded.execute("PRAGMA foreign_key_check").fetchall(), [])
        self.assertEqual([file.name for file in new.parent.glob(f"{new.name}.version*")], [])

    async def test_a_copy_of_the_old_store_is_put_beside_it(self) -> None:
        """Whole, of its version, for its owner alone; and made once."""
        for _ in range(2):
            await (await self.opened()).close()
        self.assertEqual(stat.S_IMODE(self.copy.stat().st_mode), 0o600)
        with closing(sqlite3.connect(self.copy)) as copy:
            self.assertEqual(copy.execute("PRAGMA user_version").fetchone(), (1,))
            self.assertEqual(copy.execute("SELECT count(*) FROM message").fetchone(), (4,))
        self.assertEqual([file.name for file in self.path.parent.glob(f"{self.path.name}.v*")], [self.copy.name])

    async def test_an_earlier_copy_is_not_written_over(self) -> None:
        """Somebody who went back to the old version and forward again has two."""
        self.copy.write_text("somebody's")
        await self.opened()
        self.assertEqual(self.copy.read_text(), "somebody's")
        with closing(sqlite3.connect(self.copy.with_name(f"{self.copy.name}.2"))) as copy:
            self.assertEqual(copy.execute("PRAGMA user_version").fetchone(), (1,))

    async def test_without_a_copy_nothing_is_upgraded(self) -> None:
        """A disk without room for it, or here a file system that takes no such name, leaves the store as it was."""
        before = self.path.read_bytes()
        self.leave_no_name()
        with self.assertRaisesRegex(StoreError, "cannot be made"), edited(self.path):
            self.fail("it was opened")
        with closing(sqlite3.connect(self.path)) as left:
            self.assertEqual(left.execute("PRAGMA user_version").fetchone(), (1,))
        self.assertEqual(self.path.read_bytes(), before)

    def leave_no_name(self) -> None:
        """Give the store a name so long that its copy can have none."""
        self.path = self.path.rename(self.path.with_name("x" * 250))

    async def test_of_many_that_open_it_at_once_one_upgrades(self) -> None:
        """A server and encchat-admin may meet an old store in the same moment."""
        opened = [await one for one in [threads.deferToThread(self.open_and_close) for _ in range(8)]]
        self.assertEqual(opened, [(SCHEMA_VERSION,)] * 8)
        self.assertEqual([file.name for file in self.path.parent.glob(f"{self.path.name}.v*")], [self.copy.name])

    def open_and_close(self) -> tuple[int]:
        with closing(connect(self.path)) as connection:
            found: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
        return found

    async def test_old_messages_can_be_sent_again(self) -> None:
        """A client that was cut off before the upgrade gets the place it had."""
        store = await self.opened()
        self.assertEqual(await appended(store, message(2, 2)), [Stored(2, NOW + 2, duplicate=True)])


class Versions(SynchronousTestCase):
    """The scripts."""

    def test_every_version_has_its_script(self) -> None:
        """From 1 to the current one, and no other."""
        names = sorted(entry.name for entry in files("encchat.server.store").joinpath("schema").iterdir())
        self.assertEqual(names, [f"{number:04d}.sql" for number in range(1, SCHEMA_VERSION + 1)])
