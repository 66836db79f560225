"""What a client's ledger tells before and after a commit, and what it asks its store for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from encchat.client.ledger import Ledger
from encchat.client.store import MemoryStore, StoredMessage
from encchat.errors import StoreError
from encchat.limits import MAX_KEPT_ENTRIES


class CountingStore(MemoryStore):
    """Counts what it is asked, and breaks on demand."""

    def __init__(self) -> None:
        super().__init__(durable=True)
        self.asked: Counter[str] = Counter()
        self.broken = False

    def state(self, kind: str, name: str) -> bytes | None:
        self.asked[name] += 1
        return super().state(kind, name)

    def at(self, conversation: str, seq: int) -> StoredMessage | None:
        self.asked[conversation] += 1
        return super().at(conversation, seq)

    def apply(self, changes: Any) -> None:
        if self.broken:
            raise StoreError("full")
        super().apply(changes)


def message(seq: int, body: str = "hi", conversation: str = "@Bob") -> StoredMessage:
    """One of bob's."""
    return StoredMessage(conversation, "direct", seq, "bob", f"01{seq:024}", 5, body)


class Ledgers(SynchronousTestCase):
    """One ledger over one store."""

    def setUp(self) -> None:
        self.store = CountingStore()
        self.ledger = Ledger(self.store)

    def test_what_is_put_is_read_back_before_and_after_the_commit(self) -> None:
        """And is in the store after it only."""
        self.ledger.put("kind", "name", b"one")
        self.assertEqual((self.ledger.get("kind", "name"), self.store.state("kind", "name")), (b"one", None))
        self.ledger.commit()
        self.assertEqual((self.ledger.get("kind", "name"), self.store.state("kind", "name")), (b"one", b"one"))
        self.ledger.put("kind", "name", None)
        self.ledger.commit()
        self.assertEqual((self.ledger.get("kind", "name"), self.ledger.all("kind")), (None, {}))

    def test_the_store_is_asked_once_for_an_entry_also_for_one_that_is_not_there(self) -> None:
        """Each message asks for the same again."""
        self.ledger.put("kind", "there", b"one")
        self.ledger.commit()
        for _ in range(3):
            self.assertEqual(self.ledger.get("kind", "there"), b"one")
            self.assertIsNone(self.ledger.get("kind", "not there"))
        self.assertEqual(self.store.asked, {"not there": 1})

    def test_a_commit_that_fails_is_not_remembered_as_written(self) -> None:
        """All of it still waits, and is read back as waiting."""
        self.ledger.put("kind", "name", b"one")
        self.ledger.commit()
        self.store.broken = True
        self.ledger.put("kind", "name", b"two")
        with self.assertRaises(StoreError):
            self.ledger.commit()
        self.assertEqual(self.ledger.get("kind", "name"), b"two")
        self.store.broken = False
        self.ledger.commit()
        self.assertEqual(self.store.state("kind", "name"), b"two")

    def test_another_store_is_not_told_of_by_what_the_one_before_held(self) -> None:
        """A client takes its own store up after it was made."""
        self.ledger.put("kind", "name", b"one")
        self.ledger.keep(message(1))
        self.ledger.commit()
        self.ledger.at("@bob", 1)
        self.ledger.store = CountingStore()
        self.assertIsNone(self.ledger.get("kind", "name"))
        self.assertIsNone(self.ledger.at("@bob", 1))

    def test_no_more_entries_are_remembered_than_the_limit(self) -> None:
        """The first goes and is asked for again."""
        for number in range(MAX_KEPT_ENTRIES):
            self.ledger.get("kind", str(number))
        self.ledger.get("kind", "0")
        self.assertEqual(self.store.asked["0"], 1)
        self.ledger.get("kind", "one more")
        self.ledger.get("kind", "0")
        self.assertEqual((self.store.asked["0"], self.store.asked["2"]), (2, 1))

    def test_a_message_is_found_at_its_place_whatever_becomes_of_it(self) -> None:
        """Before its commit, after it, and in the form it was opened to; the name in any case."""
        self.assertIsNone(self.ledger.at("@bob", 1))
        self.ledger.keep(message(1, "sealed"))
        self.assertTrue(self.ledger.holds("@BOB", 1))
        self.assertEqual(self.ledger.at("@BOB", 1), message(1, "sealed"))
        self.ledger.commit()
        self.assertEqual(self.ledger.at("@bob", 1), message(1, "sealed"))
        self.ledger.reopen(message(1, "opened"))
        self.assertEqual(self.ledger.at("@bob", 1), message(1, "opened"))
        self.ledger.commit()
        self.assertEqual(self.ledger.at("@bob", 1), message(1, "opened"))
        self.assertTrue(self.ledger.holds("@bob", 1))

    def test_a_message_that_others_name_is_read_once(self) -> None:
        """Until it changes."""
        self.ledger.keep(message(1))
        self.ledger.commit()
        for _ in range(3):
            self.ledger.at("@bob", 1)
        self.assertEqual(self.store.asked["@bob"], 1)
