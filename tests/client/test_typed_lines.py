"""Typed lines for the next start: sealed, bounded, and never a secret nor anything off the record among them."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from attrs import define
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.commands import COMMANDS, is_secret
from encchat.client.ledger import Ledger
from encchat.client.settings import Settings
from encchat.client.store import MemoryStore
from encchat.client.store.keyring import NoKeyring
from encchat.client.store.sealing import Cost
from encchat.client.store.vault import Vault
from encchat.client.terminal.history import KIND, TypedLines
from encchat.errors import StoreError
from encchat.limits import MAX_HISTORY, MAX_HISTORY_LINE
from tests.client.rooms.test_known import state
from tests.client.table import Table, ready
from tests.processes import directory


def reopened(store: MemoryStore) -> list[str]:
    """What the next start finds."""
    return TypedLines(Ledger(store)).all()


class Ring(SynchronousTestCase):
    """The entries in the store."""

    def setUp(self) -> None:
        self.store = MemoryStore(durable=True)
        self.ledger = Ledger(self.store)

    def test_lines_are_there_again_in_their_order(self) -> None:
        """Those of this run behind those before; the same twice in a row once."""
        lines = TypedLines(self.ledger)
        for text in ("one", "two", "two", "one", " ", "", "several\nlines"):
            lines.add(text)
        self.ledger.commit()
        again = TypedLines(self.ledger)
        again.add("three")
        self.ledger.commit()
        self.assertEqual(reopened(self.store), ["one", "two", "one", "several\nlines", "three"])

    def test_the_oldest_makes_room(self) -> None:
        """n-1, n and n+1 of them."""
        for count in (MAX_HISTORY - 1, MAX_HISTORY, MAX_HISTORY + 1):
            store = MemoryStore(durable=True)
            ledger = Ledger(store)
            lines = TypedLines(ledger)
            for number in range(count):
                lines.add(f"line {number}")
            ledger.commit()
            kept = reopened(store)
            self.assertEqual(len(kept), min(count, MAX_HISTORY))
            self.assertEqual((kept[0], kept[-1]), (f"line {count - len(kept)}", f"line {count - 1}"))
            self.assertEqual(len(store.states(KIND)), len(kept))

    def test_the_ring_goes_on_where_it_was(self) -> None:
        """Over many starts."""
        for number in range(25):
            lines = TypedLines(self.ledger, 10)
            lines.add(f"line {number}")
            self.ledger.commit()
        self.assertEqual(TypedLines(self.ledger, 10).all(), [f"line {number}" for number in range(15, 25)])
        self.assertEqual(TypedLines(self.ledger, 4).all(), [f"line {number}" for number in range(21, 25)])

    def test_what_is_too_long_is_not_kept(self) -> None:
        """n-1 and n characters are, n+1 are not."""
        lines = TypedLines(self.ledger)
        for length in (MAX_HISTORY_LINE - 1, MAX_HISTORY_LINE, MAX_HISTORY_LINE + 1):
            lines.add("x" * length)
        self.assertEqual([len(line) for line in lines.all()], [MAX_HISTORY_LINE - 1, MAX_HISTORY_LINE])

    def test_a_line_costs_one_entry(self) -> None:
        """However many there are."""
        lines = TypedLines(self.ledger)
        for number in range(5):
            lines.add(f"line {number}")
        self.ledger.commit()
        lines.add("one more")
        self.assertEqual(len(self.ledger._changes.state), 1)

    def test_all_of_it_can_be_forgotten(self) -> None:
        """And it begins anew."""
        lines = TypedLines(self.ledger)
        lines.add("canary")
        self.ledger.commit()
        lines.forget()
        self.ledger.commit()
        self.assertEqual((lines.all(), self.store.states(KIND)), ([], {}))
        lines.add("other")
        self.ledger.commit()
        self.assertEqual(reopened(self.store), ["other"])

    def test_they_are_sealed_on_the_disk(self) -> None:
        """No word of them, nor how long they are in sum, without the key; they open with it."""
        path = directory(self) / "messages.sqlite"
        vault = Vault(path, "x", NoKeyring(), os.urandom, Cost(64, 1, 1))
        store = vault.make("a password")
        assert store is not None
        ledger = Ledger(store)
        TypedLines(ledger).add("a canary sings")
        ledger.commit()
        self.assertEqual(TypedLines(Ledger(store)).all(), ["a canary sings"])
        store.close()
        self.assertNotIn(b"canary", path.read_bytes())
        rows = sqlite3.connect(path).execute("SELECT kind, tag FROM state").fetchall()
        self.assertEqual([kind for kind, _ in rows], [KIND])


class Secrets(SynchronousTestCase):
    """What is never remembered."""

    def test_a_secret_is_known_by_its_command(self) -> None:
        """Whatever its case, in its classic form, with a letter wrong, after a blank too many."""
        for line in (
            "/admin pw",
            "/ADMIN pw",
            " /admin pw",
            "/ admin pw",
            "/admin\npw",
            "/amdin pw",
            "/adminpw",
            "-a pw",
            "/recover abandon ability",
            "/recovr abandon ability",
            "/keys export file pw",
            "/key export file pw",
            "/approve CODE",
        ):
            self.assertTrue(is_secret(line), line)

    def test_other_lines_are_none(self) -> None:
        """Commands that are near, texts about them."""
        for line in (
            "hello",
            "",
            "/",
            "//admin pw",
            "/recovery",
            "/all /admin",
            "/help admin",
            "/go bob",
            "-l",
            "/xyzzy",
        ):
            self.assertFalse(is_secret(line), line)

    def test_every_command_that_takes_a_secret_says_so(self) -> None:
        """Those whose usage names one."""
        named = {one.verb for one in COMMANDS if any(word in one.usage for word in ("PASS", "PHRASE", "CODE"))}
        self.assertEqual({one.verb for one in COMMANDS if one.secret}, named)


class OfTheClient(SynchronousTestCase):
    """What the core remembers."""

    def at_the_keys(self, **options: Any) -> tuple[Table, MemoryStore]:
        """Somebody who types at a terminal."""
        store = MemoryStore(durable=True)
        return ready(interactive=True, store=store, **options), store

    def test_lines_are_remembered_with_what_they_do(self) -> None:
        """In the transaction of the message; commands, texts, also those that went wrong."""
        table, store = self.at_the_keys()
        table.type("hello", "/go bob", "/xyzzy", "several\nlines", "/users", "/admin canary")
        self.assertEqual(table.core.typed_before(), reopened(store))
        self.assertEqual(reopened(store), ["hello", "/go bob", "/xyzzy", "several\nlines", "/users"])

    def test_nothing_is_remembered_where_nobody_types(self) -> None:
        """On a pipe, by a bot."""
        store = MemoryStore(durable=True)
        ready(store=store).type("hello")
        self.assertEqual(store.states(KIND), {})

    def test_nothing_is_remembered_by_who_does_not_want_it(self) -> None:
        """From the line on that says so, which takes what was kept before with it."""
        settings = Settings()
        table, store = self.at_the_keys(settings=settings)
        table.type("canary")
        self.assertEqual(reopened(store), ["canary"])
        table.type("/set history off")
        self.assertEqual(store.states(KIND), {})
        table.type("hello", "/set history on", "again")
        self.assertEqual(reopened(store), ["again"])

    def test_what_is_said_off_the_record_is_not_remembered(self) -> None:
        """Nothing that is typed in such a room or names it, nor what waits for the answer that leads into it."""
        table, store = self.at_the_keys()
        table.core.rooms.take(state("#parlour", id="01HZZZZZZZZZZZZZZZZZZZZZZP", ephemeral=True))
        table.core.rooms.take(state("#garden"))
        table.type("before", "/msg #parlour canary", "/go #parlour", "canary", "//canary", "/go #garden", "after")
        self.assertEqual(reopened(store), ["before", "after"])
        table.type("/join #attic", "a canary that waits")
        self.assertEqual(reopened(store), ["before", "after", "/join #attic"])

    def test_a_room_one_was_put_out_of_counts_as_off_the_record(self) -> None:
        """Nobody knows any more what it was."""
        table, store = self.at_the_keys()
        table.core.go("#gone")
        table.type("canary")
        self.assertEqual(reopened(store), [])

    def test_a_store_that_breaks_ends_the_client_and_not_the_line(self) -> None:
        """As with all that is read of it: at the next commit."""
        broken = Broken(durable=True)
        table = ready(interactive=True, store=broken)
        broken.breaks = True
        table.core.typed("hello")
        self.assertRaises(StoreError, table.core.events_to_show)


@define
class Broken(MemoryStore):
    """A store whose typed lines cannot be read, once it ``breaks``."""

    breaks: bool = False

    def states(self, kind: str) -> dict[str, bytes]:
        """Nothing of them."""
        if self.breaks and kind == KIND:
            raise StoreError("the message store is damaged")
        return super().states(kind)
