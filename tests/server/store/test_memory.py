"""The store in memory keeps the contract, and what only it can be asked."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat.server.model import Stored
from encchat.server.store import MemoryStore
from tests.server.store.contract import NOW, StoreContract, message


class MemoryContractTests(StoreContract, TestCase):
    """`StoreContract` for `MemoryStore`."""

    def make_store(self) -> MemoryStore:
        return MemoryStore(reactor)  # type: ignore[arg-type]


class TablesTests(SynchronousTestCase):
    """What outlives the store."""

    def test_what_was_not_done_when_the_process_died_is_not_there(self) -> None:
        """And what was, is: another store on the same tables goes on."""
        clock = Clock()
        first = MemoryStore(clock)
        first.open()
        made = first.create_account("alice", None, "user", NOW)
        clock.advance(0)
        sender = self.successResultOf(made).id
        answers: list[object] = []
        first.append(message(1, sender), answers.append)
        clock.advance(0)
        first.append(message(2, sender), answers.append)
        second = MemoryStore(clock := Clock(), first.tables)
        second.open()
        second.append(message(3, sender), answers.append)
        clock.advance(0)
        self.assertEqual(answers, [Stored(1, NOW + 1, duplicate=False), Stored(2, NOW + 3, duplicate=False)])
