"""A device's storage: the client's store, at whose commits its process can die, and which can be told to lie."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from attrs import define, evolve, field

from encchat.client.store import Changes, MemoryStore, Outgoing, StoredMessage
from encchat.errors import StoreError
from tests.simulation.checker import Row
from tests.simulation.network import Crashed

LIES: Final = ("moves-the-cursor-alone", "loses-the-outbox", "forgets-cursors")
"""Ways in which a client's store can break its promises, for tests of the checker."""

_EVERYTHING: Final = 1_000_000


@define(eq=False)
class Storage:
    """`encchat.client.store.Store` on one that outlives processes."""

    _random: Random
    lie: str = ""
    durable: bool = field(init=False, default=True)
    _inner: Any = field(init=False, factory=lambda: MemoryStore(durable=True, remembered=_EVERYTHING))
    _commits_left: int = field(init=False, default=0)
    _failure_in: int = field(init=False, default=0)

    def fail_at(self, commit: int) -> None:
        """Its next commit but so many fails, as on a full disk; 0: it does not."""
        self._failure_in = commit

    def die_at(self, commit: int) -> None:
        """The process dies at its next commit but so many, before or after it; 0: it does not."""
        self._commits_left = commit

    # As the client sees it -----------------------------------------------------------------------
    def apply(self, changes: Changes) -> None:
        """All of it or nothing, and perhaps the end."""
        self._failure_in -= 1
        if self._failure_in == 0:
            raise StoreError("the disk of this device is full")
        self._commits_left -= 1
        dies = self._commits_left == 0
        if dies and self._random.random() < 0.5:
            raise Crashed
        self._inner.apply(self._falsified(changes))
        if dies:
            raise Crashed

    def _falsified(self, changes: Changes) -> Changes:
        unlucky = bool(self.lie) and self._random.random() < 0.3
        if unlucky and self.lie == "moves-the-cursor-alone":
            return evolve(changes, messages=[])
        if unlucky and self.lie == "loses-the-outbox":
            return evolve(changes, queued=[])
        if unlucky and self.lie == "forgets-cursors":
            return evolve(changes, cursors={})
        return changes

    def outbox(self) -> list[Outgoing]:
        return list(self._inner.outbox())

    def cursors(self) -> dict[str, int]:
        return dict(self._inner.cursors())

    def holds(self, conversation: str, seq: int) -> bool:
        return bool(self._inner.holds(conversation, seq))

    def at(self, conversation: str, seq: int) -> StoredMessage | None:
        found = self._inner.at(conversation, seq)
        return found if isinstance(found, StoredMessage) else None

    def state(self, kind: str, name: str) -> bytes | None:
        return self.states(kind).get(name)

    def states(self, kind: str) -> dict[str, bytes]:
        return dict(self._inner.states(kind))

    def history(self, conversation: str, count: int) -> list[StoredMessage]:
        return list(self._inner.history(conversation, count))

    def search(self, text: str, count: int) -> list[StoredMessage]:
        return list(self._inner.search(text, count))

    def doubtful(self) -> list[StoredMessage]:
        return list(self._inner.doubtful())

    def close(self) -> None:
        self._inner.close()

    # As the checker sees it ----------------------------------------------------------------------
    def rows(self) -> dict[str, list[Row]]:
        """What is kept, by conversation, in order."""
        return {
            name: [(one.seq, one.sender, one.ulid, one.body) for one in self._inner.history(name, _EVERYTHING)]
            for name in self._inner.cursors()
        }
