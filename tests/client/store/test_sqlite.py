"""The sealed store: the contract, what the file shows, and what a damaged one does."""

from __future__ import annotations

import os
import shutil
import sqlite3
from importlib.resources import files
from pathlib import Path

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.store import Changes, Outgoing, StoredMessage
from encchat.client.store.sealing import Seal
from encchat.client.store.sqlite import VERSION, File, SqliteStore
from encchat.errors import StoreError
from tests.client.store.contract import ONE, StoreContract, message

KEY = bytes(range(32))


class Sealed(StoreContract, SynchronousTestCase):
    """As every store, and what only a file can do wrong."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def make(self, key: bytes = KEY) -> SqliteStore:
        return SqliteStore(File(self.path), Seal(key, os.urandom))

    def change(self, statement: str, *values: object) -> None:
        """Somebody edits the file."""
        with sqlite3.connect(self.path) as connection:
            self.assertGreater(connection.execute(statement, values).rowcount, 0)

    def test_the_file_shows_no_text_name_or_conversation(self) -> None:
        """Neither does its log, whatever is kept."""
        store = self.make()
        store.apply(
            Changes(
                queued=[Outgoing("01CANARYULID", "@canary-partner", "canary outgoing")],
                messages=[message(1, "canary text", "@canary-talk", "canary-sender")],
                cursors={"@canary-talk": 1},
                state={("pins", "canary-user"): b"canary-secret"},
            )
        )
        self.assertEqual(len(store.search("canary", 9)), 1)
        for path in self.path.parent.glob(self.path.name + "*"):
            self.assertNotIn(b"canary", path.read_bytes().lower(), str(path))
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, str(path))

    def test_the_index_of_a_search_does_not_grow_without_end(self) -> None:
        """Past twice its size it is forgotten, and made anew of the newest by the next search."""
        store = SqliteStore(File(self.path), Seal(KEY, os.urandom), searched=3)
        for seq in range(1, 9):
            self.assertEqual([one.seq for one in store.search("tea", 9)], list(range(1, seq)) if seq < 8 else [5, 6, 7])
            store.apply(Changes(messages=[message(seq, "tea")]))

    def test_the_same_text_is_never_sealed_the_same(self) -> None:
        """Nonces are random."""
        store = self.make()
        store.apply(Changes(messages=[message(1), message(2)], queued=[ONE]))
        with sqlite3.connect(self.path) as connection:
            sealed = [row for (row,) in connection.execute("SELECT sealed FROM messages")]
        self.assertEqual(len({row[:12] for row in sealed}), 2)

    def test_a_row_moved_to_another_place_does_not_open(self) -> None:
        """Somebody who can write the file cannot make one message pass for another."""
        store = self.make()
        state: dict[tuple[str, str], bytes | None] = {("pins", "a"): b"1", ("pins", "b"): b"2"}
        messages = [message(1), message(2)]
        store.apply(Changes(messages=messages, queued=[ONE], cursors={"lobby": 2, "@bob": 9}, state=state))
        self.change("UPDATE messages SET seq = 7 WHERE seq = 2")
        self.assertIn("tampered", self.assertRaises(StoreError, store.history, "lobby", 9).text)
        self.change("UPDATE outbox SET place = place + 1")
        self.assertRaises(StoreError, store.outbox)
        self.change("UPDATE cursors SET sealed = (SELECT max(sealed) FROM cursors)")
        self.assertRaises(StoreError, store.cursors)
        self.change("UPDATE state SET sealed = (SELECT max(sealed) FROM state)")
        self.assertRaises(StoreError, store.states, "pins")

    def test_a_changed_or_short_row_does_not_open(self) -> None:
        """Neither does another key."""
        store = self.make()
        store.apply(Changes(messages=[message(1)]))
        self.assertEqual(self.make(bytes(32)).history("lobby", 9), [])
        with sqlite3.connect(self.path) as connection:
            [(sealed,)] = connection.execute("SELECT sealed FROM messages")
        for damaged in (bytes([sealed[0] ^ 1]) + sealed[1:], sealed[:-1], sealed[:5], b""):
            self.change("UPDATE messages SET sealed = ?", damaged)
            self.assertRaises(StoreError, store.history, "lobby", 9)

    def test_a_transaction_that_fails_changes_nothing(self) -> None:
        """Neither in the file nor in what the store remembers of it."""
        store = self.make()
        store.apply(Changes(queued=[ONE]))
        self.change("INSERT INTO outbox VALUES (2, x'00')")
        two = Outgoing("02", "@bob", "two")
        changes = Changes([two], [ONE.ulid], [message(1)], cursors={"lobby": 1}, state={("olm", "x"): b"1"})
        self.assertRaises(StoreError, store.apply, changes)
        self.change("DELETE FROM outbox WHERE place = 2")
        self.assertEqual((store.outbox(), store.cursors(), store.holds("lobby", 1)), ([ONE], {}, False))
        self.assertEqual(store.states("olm"), {})
        store.apply(changes)
        self.assertEqual((store.outbox(), store.cursors(), store.holds("lobby", 1)), ([two], {"lobby": 1}, True))

    def test_a_file_of_a_newer_version_is_refused(self) -> None:
        """By name; it is not touched."""
        self.make().close()
        with sqlite3.connect(self.path) as connection:
            connection.execute(f"PRAGMA user_version={VERSION + 1}")
        error = self.assertRaises(StoreError, self.make)
        self.assertIn("newer encchat", error.text)

    def test_a_file_of_the_first_version_is_brought_up_to_date(self) -> None:
        """All that was kept before there was end-to-end encryption is read, as what it was."""
        schema = files("encchat.client.store").joinpath("schema/0001.sql").read_text()
        seal = Seal(KEY, os.urandom)
        tag = seal.tag("lobby")
        old = {name: getattr(message(1), name) for name in StoredMessage.__struct_fields__[:7]}
        with sqlite3.connect(self.path) as connection:
            connection.executescript(f"{schema} PRAGMA user_version=1;")
            place = b"messages/" + tag + b"/1"
            row = (tag, seal.seal(place, msgspec.msgpack.encode(old)))
            connection.execute("INSERT INTO messages(tag, seq, sealed) VALUES (?, 1, ?)", row)
        store = self.make()
        store.apply(Changes(state={("olm", "x"): b"1"}))
        self.assertEqual((store.history("lobby", 9), store.states("olm")), ([message(1)], {"x": b"1"}))

    def test_a_file_that_is_none_of_ours_is_refused(self) -> None:
        """And named."""
        self.path.write_bytes(b"something else entirely" * 100)
        self.assertIn(str(self.path), self.assertRaises(StoreError, self.make).text)
        self.path = Path(self.mktemp()) / "missing" / "store"
        self.assertIn(str(self.path), self.assertRaises(StoreError, self.make).text)

    def test_a_copy_taken_at_any_moment_is_whole(self) -> None:
        """File and log together are what a crash leaves."""
        store = self.make()
        for seq in range(1, 4):
            store.apply(Changes(messages=[message(seq)], cursors={"lobby": seq}))
            copy = Path(self.mktemp())
            for suffix in ("", "-wal"):
                shutil.copyfile(f"{self.path}{suffix}", f"{copy}{suffix}")
            again = SqliteStore(File(copy), Seal(KEY, os.urandom))
            self.assertEqual((len(again.history("lobby", 9)), again.cursors()), (seq, {"lobby": seq}))
