"""What the client's store is to be told, gathered until the end of a turn: one transaction for all of it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from encchat import names
from encchat.client.store.interface import Changes, Outgoing, Store, StoredMessage


@define
class Ledger:
    """Changes that wait for `commit`, and what may only be done after it."""

    store: Store
    _changes: Changes = field(init=False, factory=Changes)
    _afterwards: list[Callable[[], None]] = field(init=False, factory=list)

    def queue(self, message: Outgoing) -> None:
        """It enters the outbox."""
        self._changes.queued.append(message)

    def settle(self, ulid: str) -> None:
        """It leaves the outbox."""
        self._changes.settled.append(ulid)

    def keep(self, message: StoredMessage) -> None:
        """It is kept."""
        self._changes.messages.append(message)

    def move(self, conversation: str, cursor: int) -> None:
        """The conversation is complete up to ``cursor``."""
        self._changes.cursors[conversation] = cursor

    def holds(self, conversation: str, seq: int) -> bool:
        """Whether the message at that place is kept, or will be."""
        wanted = names.folded(conversation)
        new = self._changes.messages
        if any(message.seq == seq and names.folded(message.conversation) == wanted for message in new):
            return True
        return self.store.holds(conversation, seq)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call it once everything so far is committed."""
        self._afterwards.append(call)

    def commit(self) -> None:
        """Write everything; when this raises `StoreError` all still waits and nothing was called."""
        while self._changes or self._afterwards:
            if self._changes:
                self.store.apply(self._changes)
                self._changes = Changes()
            calls, self._afterwards = self._afterwards, []
            for call in calls:
                call()
