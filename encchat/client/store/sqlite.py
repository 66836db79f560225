"""The sealed store: one SQLite file for an account on a server."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec
from attrs import define, field

from encchat.client.store.interface import Changes, Outgoing, StoredMessage
from encchat.client.store.sealing import Seal
from encchat.client.store.search import Index
from encchat.errors import StoreError
from encchat.limits import DOUBTFUL_TRANSACTIONS, MAX_SEARCHED, STORE_BUSY_SECONDS

VERSION: Final = 2
_CHECK: Final = b"keys/check"

_encode = msgspec.msgpack.Encoder().encode
_message = msgspec.msgpack.Decoder(StoredMessage).decode
_outgoing = msgspec.msgpack.Decoder(Outgoing).decode
_cursor = msgspec.msgpack.Decoder(tuple[str, int]).decode
_entry = msgspec.msgpack.Decoder(tuple[str, bytes]).decode


@define
class File:
    """The SQLite file itself, its keys table included; errors become `StoreError` with its path."""

    path: Path
    _connection: sqlite3.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        with self.errors("opened"):
            # SQLite's files take its mode. Closing one that is open elsewhere here would drop SQLite's locks on it.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(self.path, timeout=STORE_BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except (sqlite3.Error, StoreError):
                self._connection.close()
                raise

    def _prepare(self) -> None:
        version = self.rows("PRAGMA user_version")[0][0]
        if version > VERSION:
            raise StoreError(f"{self.path} was made by a newer encchat: use that one")
        self.rows("PRAGMA journal_mode=WAL")
        self.rows("PRAGMA synchronous=FULL")  # what is acked must survive a power cut too
        for step in range(version + 1, VERSION + 1):
            schema = files("encchat.client.store").joinpath(f"schema/{step:04}.sql").read_text()
            self._connection.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version={step}; COMMIT;")

    @contextmanager
    def errors(self, done: str = "read") -> Iterator[None]:
        """What SQLite and the system say, as our own error."""
        try:
            yield
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            raise StoreError(f"{self.path} cannot be {done}: {error}") from None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing."""
        with self.errors("written"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def rows(self, query: str, *values: object) -> list[Any]:
        """What a query finds."""
        with self.errors():
            return self._connection.execute(query, values).fetchall()

    def key(self, name: str) -> bytes | None:
        """An entry of the keys table."""
        rows = self.rows("SELECT value FROM keys WHERE name = ?", name)
        return bytes(rows[0][0]) if rows else None

    def set_key(self, name: str, value: bytes) -> None:
        """Write one."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO keys VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """May be called twice."""
        self._connection.close()


def mark(file: File, seal: Seal) -> None:
    """Make ``seal`` the one of this file."""
    file.set_key("check", seal.seal(_CHECK, b""))


def fits(file: File, seal: Seal) -> bool:
    """Whether ``seal`` is the one of this file."""
    check = file.key("check")
    try:
        return check is not None and seal.open(_CHECK, check) == b""
    except StoreError:
        return False


@define
class SqliteStore:
    """`encchat.client.store.Store` in a `File` whose rows only ``seal`` opens; ``released`` is called by `close`.

    A search looks through the newest ``searched`` messages, or up to twice as many where they came after the first.
    """

    _file: File
    _seal: Seal
    _released: Callable[[], None] = lambda: None
    _searched: int = MAX_SEARCHED
    durable: bool = field(init=False, default=True)
    _places: dict[str, int] = field(init=False, factory=dict)
    _next_place: int = field(init=False, default=1)
    _age: int = field(init=False, default=0)
    _index: Index | None = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        for place, message in self._outbox_rows():
            self._places[message.ulid], self._next_place = place, place + 1
        self._age = self._file.rows("SELECT ifnull(max(age), 0) FROM doubtful")[0][0]

    def outbox(self) -> list[Outgoing]:
        return [message for _, message in self._outbox_rows()]

    def _outbox_rows(self) -> list[tuple[int, Outgoing]]:
        rows = self._file.rows("SELECT place, sealed FROM outbox ORDER BY place")
        with self._file.errors():
            return [(place, _outgoing(self._seal.open(_outbox_place(place), sealed))) for place, sealed in rows]

    def cursors(self) -> dict[str, int]:
        rows = self._file.rows("SELECT tag, sealed FROM cursors")
        with self._file.errors():
            return dict(_cursor(self._seal.open(b"cursors/" + tag, sealed)) for tag, sealed in rows)

    def apply(self, changes: Changes) -> None:
        places, next_place = dict(self._places), self._next_place
        with self._file.transaction() as connection:
            for number, message in enumerate(changes.queued, next_place):
                sealed = self._seal.seal(_outbox_place(number), _encode(message))
                connection.execute("INSERT INTO outbox VALUES (?, ?)", (number, sealed))
                places[message.ulid] = number
            leaving = [(places.pop(ulid),) for ulid in dict.fromkeys(changes.settled) if ulid in places]
            connection.executemany("DELETE FROM outbox WHERE place = ?", leaving)
            new = [message for message in changes.messages if self._keep(connection, message)]
            new += [message for message in changes.opened if self._reopen(connection, message)]
            for name, seq in changes.cursors.items():
                tag = self._seal.tag(name)
                sealed = self._seal.seal(b"cursors/" + tag, _encode((name, seq)))
                connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (tag, sealed))
            for (kind, name), value in changes.state.items():
                self._remember(connection, kind, name, value)
            self._doubt(connection, new)
        self._places, self._next_place = places, next_place + len(changes.queued)
        self._age += 1
        if self._index is not None:
            self._index.add(new)
            if len(self._index) > 2 * self._searched:  # the next search begins anew
                self._index.close()
                self._index = None

    def _keep(self, connection: sqlite3.Connection, message: StoredMessage) -> bool:
        """Add a message; whether its place was free."""
        tag = self._seal.tag(message.conversation)
        sealed = self._seal.seal(_message_place(tag, message.seq), _encode(message))
        query = "INSERT OR IGNORE INTO messages(tag, seq, sealed) VALUES (?, ?, ?)"
        return connection.execute(query, (tag, message.seq, sealed)).rowcount == 1

    def _reopen(self, connection: sqlite3.Connection, message: StoredMessage) -> bool:
        """Put a message in the place of what is kept there; whether there is anything."""
        tag = self._seal.tag(message.conversation)
        sealed = self._seal.seal(_message_place(tag, message.seq), _encode(message))
        query = "UPDATE messages SET sealed = ? WHERE (tag, seq) = (?, ?)"
        return connection.execute(query, (sealed, tag, message.seq)).rowcount == 1

    def _remember(self, connection: sqlite3.Connection, kind: str, name: str, value: bytes | None) -> None:
        tag = self._seal.exact_tag(kind, name)
        if value is None:
            connection.execute("DELETE FROM state WHERE (kind, tag) = (?, ?)", (kind, tag))
        else:
            sealed = self._seal.seal(_state_place(kind, tag), _encode((name, value)))
            connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (kind, tag, sealed))

    def _doubt(self, connection: sqlite3.Connection, new: list[StoredMessage]) -> None:
        """Nothing committed by this transaction has been shown; what the one some before did has been."""
        age = self._age + 1
        connection.execute("DELETE FROM doubtful WHERE age <= ?", (age - DOUBTFUL_TRANSACTIONS,))
        rows = [(self._seal.tag(message.conversation), message.seq, age) for message in new]
        connection.executemany("INSERT OR REPLACE INTO doubtful VALUES (?, ?, ?)", rows)

    def holds(self, conversation: str, seq: int) -> bool:
        return bool(
            self._file.rows("SELECT 1 FROM messages WHERE (tag, seq) = (?, ?)", self._seal.tag(conversation), seq)
        )

    def at(self, conversation: str, seq: int) -> StoredMessage | None:
        query = "SELECT tag, seq, sealed FROM messages WHERE (tag, seq) = (?, ?)"
        found = self._opened(self._file.rows(query, self._seal.tag(conversation), seq))
        return found[0] if found else None

    def state(self, kind: str, name: str) -> bytes | None:
        query = "SELECT tag, sealed FROM state WHERE (kind, tag) = (?, ?)"
        return self._entries(kind, self._file.rows(query, kind, self._seal.exact_tag(kind, name))).get(name)

    def states(self, kind: str) -> dict[str, bytes]:
        return self._entries(kind, self._file.rows("SELECT tag, sealed FROM state WHERE kind = ?", kind))

    def _entries(self, kind: str, rows: Any) -> dict[str, bytes]:
        with self._file.errors():
            return dict(_entry(self._seal.open(_state_place(kind, tag), sealed)) for tag, sealed in rows)

    def history(self, conversation: str, count: int) -> list[StoredMessage]:
        query = "SELECT tag, seq, sealed FROM messages WHERE tag = ? ORDER BY seq DESC LIMIT ?"
        return self._opened(reversed(self._file.rows(query, self._seal.tag(conversation), count)))

    def search(self, text: str, count: int) -> list[StoredMessage]:
        if self._index is None:
            self._index = Index()
            query = "SELECT tag, seq, sealed FROM messages ORDER BY number DESC LIMIT ?"
            self._index.add(self._opened(reversed(self._file.rows(query, self._searched))))
        found = []
        for conversation, seq in self._index.find(text, count):
            message = self.at(conversation, seq)
            found += [] if message is None else [message]
        return found

    def doubtful(self) -> list[StoredMessage]:
        query = "SELECT tag, seq, sealed FROM doubtful JOIN messages USING (tag, seq) ORDER BY age, number"
        return self._opened(self._file.rows(query))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            with self._file.transaction() as connection:
                connection.execute("DELETE FROM doubtful")
        finally:
            self._file.close()
            self._released()

    def _opened(self, rows: Any) -> list[StoredMessage]:
        with self._file.errors():
            return [_message(self._seal.open(_message_place(tag, seq), sealed)) for tag, seq, sealed in rows]


def _outbox_place(place: int) -> bytes:
    return b"outbox/%d" % place


def _message_place(tag: bytes, seq: int) -> bytes:
    return b"messages/" + tag + b"/%d" % seq


def _state_place(kind: str, tag: bytes) -> bytes:
    return b"state/" + kind.encode() + b"/" + tag
