"""What the client's store is to be told, gathered until the end of a turn: one transaction for all of it.

To end-to-end encryption it is the `encchat.e2e.interfaces.Keep`: what is put is read back at once, and is written in
the transaction of the messages it belongs to.
"""

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

    def reopen(self, message: StoredMessage) -> None:
        """It takes the place of its ciphertext."""
        self._changes.opened.append(message)

    def at(self, conversation: str, seq: int) -> StoredMessage | None:
        """The message that is kept at that place, or will be."""
        wanted = names.folded(conversation)
        for message in (*reversed(self._changes.opened), *self._changes.messages):
            if message.seq == seq and names.folded(message.conversation) == wanted:
                return message
        return self.store.at(conversation, seq)

    # As end-to-end encryption sees it -------------------------------------------------------------
    def get(self, kind: str, name: str) -> bytes | None:
        """What is remembered under that name, or will be."""
        if (kind, name) in self._changes.state:
            return self._changes.state[kind, name]
        return self.store.state(kind, name)

    def put(self, kind: str, name: str, value: bytes | None) -> None:
        """Remember it; None forgets."""
        self._changes.state[kind, name] = value

    def all(self, kind: str) -> dict[str, bytes]:
        """Everything of a kind, by its name."""
        found: dict[str, bytes | None] = {**self.store.states(kind)}
        found.update((name, value) for (its, name), value in self._changes.state.items() if its == kind)
        return {name: value for name, value in found.items() if value is not None}

    # ----------------------------------------------------------------------------------------------
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
