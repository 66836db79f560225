"""The store in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from encchat.client.store import Changes, MemoryStore
from tests.client.store.contract import StoreContract, message


class Memory(StoreContract, SynchronousTestCase):
    """As every store."""

    def setUp(self) -> None:
        self.store = MemoryStore(durable=True)

    def make(self) -> MemoryStore:
        return self.store

    def test_it_remembers_so_many_messages(self) -> None:
        """n-1, n, n+1: the first one kept goes."""
        for count, first in ((2, 1), (3, 1), (4, 2)):
            store = MemoryStore(remembered=3)
            store.apply(Changes(messages=[message(seq) for seq in range(1, count + 1)]))
            self.assertEqual(store.history("lobby", 9)[0].seq, first)

    def test_it_does_not_outlive_its_process(self) -> None:
        """So nothing may be acknowledged from it."""
        self.assertFalse(MemoryStore().durable)
