"""Full text search over unsealed messages: an SQLite FTS5 index that never leaves the memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from attrs import define, field

from encchat.client.files.sealed import kept_name
from encchat.client.store.interface import SPOKEN, StoredMessage
from encchat.errors import StoreError

Place = tuple[str, int]
"""A conversation and a seq."""


def _connect() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.execute("CREATE VIRTUAL TABLE texts USING fts5(body, content='')")
    except sqlite3.OperationalError as error:
        raise StoreError(f"this Python's SQLite cannot search texts: {error}") from None
    return connection


@define
class Index:
    """Where each word stands; numbers of its own stand for places, in the order they were added."""

    _connection: sqlite3.Connection = field(init=False, factory=_connect)
    _places: list[Place] = field(init=False, factory=list)

    def __len__(self) -> int:
        """How many messages it has."""
        return len(self._places)

    def add(self, messages: Iterable[StoredMessage]) -> None:
        """Take messages in; only what a person has written can be found, and files by their name."""
        new, first = [message for message in messages if message.content in SPOKEN], len(self._places)
        self._connection.execute("BEGIN")
        rows = ((number, _words(message)) for number, message in enumerate(new, first))
        self._connection.executemany("INSERT INTO texts(rowid, body) VALUES (?, ?)", rows)
        self._connection.execute("COMMIT")
        self._places += [(message.conversation, message.seq) for message in new]

    def find(self, text: str, count: int) -> list[Place]:
        """The places added last whose texts have all the words, first added first."""
        wanted = " ".join(f'"{word}"*' for word in text.replace('"', " ").replace("\0", " ").split())
        if not wanted:
            return []
        query = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rowid DESC LIMIT ?"
        rows = self._connection.execute(query, (wanted, count)).fetchall()
        return [self._places[row] for (row,) in reversed(rows)]

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


def _words(message: StoredMessage) -> str:
    """Of a file its name: the key next to it is nobody's to search for."""
    return kept_name(message.body) if message.content == "file" else message.body
