"""The store of a client that keeps nothing, and the reference for the one that does."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from attrs import define, field

from encchat import names
from encchat.client.store.interface import Changes, Outgoing, StoredMessage
from encchat.client.store.search import Index
from encchat.limits import DOUBTFUL_TRANSACTIONS, MAX_REMEMBERED


@define(repr=False)  # it holds keys
class MemoryStore:
    """Keeps the newest ``remembered`` messages, or without ``durable`` nothing that counts: it dies with the process.

    ``durable`` is for tests that let a client die and give the next one the same object.
    """

    durable: bool = False
    _remembered: int = MAX_REMEMBERED
    _outbox: dict[str, Outgoing] = field(init=False, factory=dict)
    _messages: dict[tuple[str, int], StoredMessage] = field(init=False, factory=dict)
    _cursors: dict[str, tuple[str, int]] = field(init=False, factory=dict)
    _fresh: list[list[tuple[str, int]]] = field(init=False, factory=list)
    _state: dict[str, dict[str, bytes]] = field(init=False, factory=dict)

    def outbox(self) -> list[Outgoing]:
        return list(self._outbox.values())

    def cursors(self) -> dict[str, int]:
        return dict(self._cursors.values())

    def apply(self, changes: Changes) -> None:
        new = []
        for message in changes.messages:
            if self._messages.setdefault(place := _place(message.conversation, message.seq), message) is message:
                new.append(place)
        for message in changes.opened:
            if (place := _place(message.conversation, message.seq)) in self._messages:
                self._messages[place] = message
                new.append(place)
        self._outbox.update((message.ulid, message) for message in changes.queued)
        for ulid in changes.settled:
            self._outbox.pop(ulid, None)
        self._cursors.update((names.folded(name), (name, seq)) for name, seq in changes.cursors.items())
        for (kind, name), value in changes.state.items():
            self._remember(kind, name, value)
        self._fresh = [*self._fresh, new][-DOUBTFUL_TRANSACTIONS:]
        for place in list(islice(self._messages, max(0, len(self._messages) - self._remembered))):
            del self._messages[place]

    def _remember(self, kind: str, name: str, value: bytes | None) -> None:
        if value is None:
            self._state.get(kind, {}).pop(name, None)
        else:
            self._state.setdefault(kind, {})[name] = value

    def at(self, conversation: str, seq: int) -> StoredMessage | None:
        return self._messages.get(_place(conversation, seq))

    def state(self, kind: str, name: str) -> bytes | None:
        return self._state.get(kind, {}).get(name)

    def states(self, kind: str) -> dict[str, bytes]:
        return dict(self._state.get(kind, {}))

    def holds(self, conversation: str, seq: int) -> bool:
        return _place(conversation, seq) in self._messages

    def history(self, conversation: str, count: int) -> list[StoredMessage]:
        wanted = names.folded(conversation)
        found = (message for (name, _), message in self._messages.items() if name == wanted)
        return _newest(sorted(found, key=lambda message: message.seq), count)

    def search(self, text: str, count: int) -> list[StoredMessage]:
        index = Index()
        index.add(self._messages.values())
        found = [self._messages[_place(*place)] for place in index.find(text, count)]
        index.close()
        return found

    def doubtful(self) -> list[StoredMessage]:
        places = dict.fromkeys(place for places in self._fresh for place in places)
        return [self._messages[place] for place in places if place in self._messages]

    def close(self) -> None:
        self._fresh.clear()


def _place(conversation: str, seq: int) -> tuple[str, int]:
    return names.folded(conversation), seq


def _newest(messages: Iterable[StoredMessage], count: int) -> list[StoredMessage]:
    return list(messages)[-count:] if count else []
