"""What the client's store is to be told, gathered until the end of a turn: one transaction for all of it.

To end-to-end encryption it is the `encchat.e2e.interfaces.Keep`: what is put is read back at once, and is written in
the transaction of the messages it belongs to. What was read or written lately is remembered, as each message asks for
the same ratchets, pins and devices again; nobody else writes to an open store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import define, field

from encchat import names
from encchat.client.store.interface import Changes, Outgoing, Store, StoredMessage
from encchat.limits import MAX_KEPT_ENTRIES, MAX_KEPT_MESSAGES

K = TypeVar("K")
V = TypeVar("V")
Place = tuple[str, int]
"""A message's conversation, folded, and its seq."""


def _other(ledger: Ledger, attribute: object, store: Store) -> Store:
    """What was read of the store before says nothing of this one."""
    ledger._state.clear()
    ledger._read.clear()
    return store


@define(repr=False)  # it holds keys
class Ledger:
    """Changes that wait for `commit`, and what may only be done after it."""

    store: Store = field(on_setattr=_other)
    _changes: Changes = field(init=False, factory=Changes)
    _afterwards: list[Callable[[], None]] = field(init=False, factory=list)
    _new: dict[Place, StoredMessage] = field(init=False, factory=dict)
    """The messages among the changes, by their place."""
    _read: dict[Place, StoredMessage | None] = field(init=False, factory=dict)
    _state: dict[tuple[str, str], bytes | None] = field(init=False, factory=dict)

    def queue(self, message: Outgoing) -> None:
        """It enters the outbox."""
        self._changes.queued.append(message)

    def settle(self, ulid: str) -> None:
        """It leaves the outbox."""
        self._changes.settled.append(ulid)

    def keep(self, message: StoredMessage) -> None:
        """It is kept."""
        self._changes.messages.append(message)
        self._new.setdefault(_place(message), message)

    def reopen(self, message: StoredMessage) -> None:
        """It takes the place of its ciphertext."""
        self._changes.opened.append(message)
        self._new[_place(message)] = message

    def at(self, conversation: str, seq: int) -> StoredMessage | None:
        """The message that is kept at that place, or will be."""
        place = names.folded(conversation), seq
        if place in self._new:
            return self._new[place]
        if place not in self._read:
            _remember(self._read, place, self.store.at(conversation, seq), MAX_KEPT_MESSAGES)
        return self._read[place]

    # As end-to-end encryption sees it -------------------------------------------------------------
    def get(self, kind: str, name: str) -> bytes | None:
        """What is remembered under that name, or will be."""
        key = kind, name
        if key in self._changes.state:
            return self._changes.state[key]
        if key not in self._state:
            _remember(self._state, key, self.store.state(kind, name), MAX_KEPT_ENTRIES)
        return self._state[key]

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
        return (names.folded(conversation), seq) in self._new or self.store.holds(conversation, seq)

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call it once everything so far is committed."""
        self._afterwards.append(call)

    def commit(self) -> None:
        """Write everything; when this raises `StoreError` all still waits and nothing was called."""
        while self._changes or self._afterwards:
            if self._changes:
                self.store.apply(self._changes)
                self._written()
            calls, self._afterwards = self._afterwards, []
            for call in calls:
                call()

    def _written(self) -> None:
        for key, value in self._changes.state.items():
            _remember(self._state, key, value, MAX_KEPT_ENTRIES)
        for place in self._new:
            self._read.pop(place, None)
        self._changes, self._new = Changes(), {}


def _place(message: StoredMessage) -> Place:
    return names.folded(message.conversation), message.seq


def _remember(known: dict[K, V], key: K, value: V, most: int) -> None:
    """``most`` of them; the one that was read or written first goes."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
