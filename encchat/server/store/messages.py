"""Conversations in SQL: appending inside one transaction, and reading."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from typing import Final

from attrs import Factory, define
from msgspec.json import encode

from encchat.limits import MAX_TAILS
from encchat.server.model import LOBBY_KEY, ConversationState, NewMessage, Stored, Tail
from encchat.server.store import rows
from encchat.server.store.accounts import EPOCH, get_number
from encchat.server.store.interface import PastMessage

DIRECT: Final = re.compile(r"direct:(\d+):(\d+)", re.ASCII)

ROOM_PREFIX: Final = "room:"

EPOCH_BITS: Final = 32
"""A seq is (restore epoch << 32) + n: a store made from a backup goes on where no number was given before."""

_SET_LAST: Final = (
    "UPDATE conversation SET last_seq = last.value FROM json_each(?) AS last"
    " WHERE conversation.id = CAST(last.key AS INTEGER)"
)


@define
class _Tail:
    id: int
    seq: int
    has_removed: bool


@define
class Appender:
    """Gives seqs and inserts rows: `begin`, appending, and `finish` within each transaction of the connection.

    The write lock is held from `begin` to the commit, so the tails known here are the truth: they are kept from one
    transaction to the next, unless another connection has written in between. After a roll back, or when something
    else on this connection has changed conversations or what was removed of them, it must `forget` them.
    """

    _connection: sqlite3.Connection
    _tails: dict[str, _Tail] = Factory(dict)
    _moved: dict[int, _Tail] = Factory(dict)
    _version: int = -1

    @property
    def known(self) -> int:
        """How many conversations it remembers."""
        return len(self._tails)

    def begin(self) -> None:
        """Know nothing that another connection may have changed."""
        [version] = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self._tails) > MAX_TAILS:
            self.forget()
        self._version = version

    def forget(self) -> None:
        """Read again what is known of conversations."""
        self._tails.clear()
        self._moved.clear()

    def append_all(self, messages: Sequence[NewMessage]) -> list[Stored]:
        """Insert messages, or find the places they were given before; as `append` if one is bad."""
        return [stored for some in rows.sliced(messages) for stored in self._together(some) or map(self.append, some)]

    def append(self, message: NewMessage) -> Stored:
        """Insert one message, or find the place it was given before; `sqlite3.Error` or ValueError if bad."""
        tail = self._tail(message.conversation)
        if before := self._first("message", tail.id, message):
            return before
        if tail.has_removed and (before := self._first("removed", tail.id, message)):
            return before
        tail.seq += 1
        self._moved[tail.id] = tail
        rows.insert(self._connection, 1, rows.values(tail.id, tail.seq, message))
        return Stored(tail.seq, message.time, duplicate=False)

    def finish(self) -> None:
        """Write the conversations' last seqs."""
        if self._moved:
            last = encode({number: tail.seq for number, tail in self._moved.items()}).decode()
            self._connection.execute(_SET_LAST, (last,))
            self._moved.clear()

    def _together(self, messages: Sequence[NewMessage]) -> list[Stored]:
        """Insert so many messages as `rows.sliced` gives, with one statement; nothing if that cannot be."""
        known = self._tails.get
        tails = [known(message.conversation) or self._load(message.conversation) for message in messages]
        if any(
            tail.has_removed and self._first("removed", tail.id, one) for one, tail in zip(messages, tails, strict=True)
        ):
            return []
        values: list[object] = []
        stored = []
        for message, tail in zip(messages, tails, strict=True):
            tail.seq += 1
            values += rows.values(tail.id, tail.seq, message)
            stored.append(Stored(tail.seq, message.time, False))
            self._moved[tail.id] = tail
        try:
            rows.insert(self._connection, len(messages), values)
        except sqlite3.IntegrityError:  # one of them was stored before, or is bad
            for tail in tails:
                tail.seq -= 1
            return []
        return stored

    def _tail(self, key: str) -> _Tail:
        return self._tails.get(key) or self._load(key)

    def _first(self, table: str, conversation_id: int, message: NewMessage) -> Stored | None:
        """The place the message has in ``table``, if it was stored before."""
        row = self._connection.execute(
            f"SELECT seq, time FROM {table} WHERE conversation_id = ? AND sender_id = ? AND ulid = ?",  # noqa: S608
            (conversation_id, message.sender_id, message.ulid),
        ).fetchone()
        return Stored(row[0], row[1], duplicate=True) if row else None

    def _load(self, key: str) -> _Tail:
        row = self._connection.execute(
            "SELECT id, last_seq, EXISTS (SELECT 1 FROM removed WHERE conversation_id = id)"
            " FROM conversation WHERE key = ?",
            (key,),
        ).fetchone()
        tail = self._tails[key] = _Tail(*row) if row else self._begin(key)
        return tail

    def _begin(self, key: str) -> _Tail:
        start = get_number(self._connection, EPOCH) << EPOCH_BITS
        conversation_id = (
            self._connection.execute(
                "INSERT INTO conversation (key, kind, last_seq) VALUES (?, ?, ?)",
                (key, _kind(key), start),
            ).lastrowid
            or 0
        )
        direct = DIRECT.fullmatch(key)
        people = {int(person) for person in direct.groups()} if direct else set()
        self._connection.executemany(
            "INSERT INTO participant (account_id, conversation_id) VALUES (?, ?)",
            [(person, conversation_id) for person in people],
        )
        return _Tail(conversation_id, start, has_removed=False)


def _kind(key: str) -> str:
    """Of a conversation, by the store's key of it."""
    if key == LOBBY_KEY:
        return "lobby"
    return "room" if key.startswith(ROOM_PREFIX) else "direct"


def contacts(connection: sqlite3.Connection, account_id: int) -> list[str]:
    """`IStore.contacts`."""
    found = connection.execute(
        "SELECT DISTINCT account.name FROM participant AS mine"
        " JOIN participant AS theirs ON theirs.conversation_id = mine.conversation_id"
        " JOIN account ON account.id = theirs.account_id"
        " WHERE mine.account_id = ?1 AND theirs.account_id != ?1 AND account.deleted IS NULL"
        " ORDER BY account.folded",
        (account_id,),
    )
    return [name for (name,) in found]


def history(connection: sqlite3.Connection, conversation: str, after_seq: int, limit: int) -> list[PastMessage]:
    """`IStore.history`."""
    found = connection.execute(
        "SELECT message.seq, message.kind, account.name, message.ulid, message.time, message.body, message.scheme"
        " FROM conversation JOIN message ON message.conversation_id = conversation.id"
        " JOIN account ON account.id = message.sender_id"
        " WHERE conversation.key = ? AND message.seq > ? ORDER BY message.seq LIMIT ?",
        (conversation, after_seq, limit),
    )
    return [PastMessage(*row) for row in found]


_OLDEST: Final = "coalesce((SELECT min(seq) FROM message WHERE conversation_id = conversation.id), 0)"


def conversation(connection: sqlite3.Connection, key: str) -> Tail | None:
    """`IStore.conversation`."""
    row = connection.execute(
        f"SELECT last_seq, {_OLDEST} FROM conversation WHERE key = ?",  # noqa: S608
        (key,),
    ).fetchone()
    return None if row is None else Tail(*row)


def conversations(connection: sqlite3.Connection, account_id: int, device_key: bytes) -> list[ConversationState]:
    """`IStore.conversations`."""
    found = connection.execute(
        "SELECT conversation.key, conversation.kind, coalesce(other.name, me.name), conversation.last_seq,"  # noqa: S608
        f" {_OLDEST}, coalesce(cursor.seq, 0)"
        " FROM conversation"
        " LEFT JOIN participant AS mine ON mine.conversation_id = conversation.id AND mine.account_id = ?1"
        " LEFT JOIN participant AS theirs ON theirs.conversation_id = mine.conversation_id"
        " AND theirs.account_id != ?1"
        " LEFT JOIN account AS me ON me.id = mine.account_id"
        " LEFT JOIN account AS other ON other.id = theirs.account_id"
        " LEFT JOIN cursor ON cursor.conversation_id = conversation.id AND cursor.device_key = ?2"
        " WHERE conversation.key = ?3 OR conversation.id IN"
        " (SELECT conversation_id FROM participant WHERE account_id = ?1)"
        " ORDER BY conversation.kind != 'lobby', conversation.id",
        (account_id, device_key, LOBBY_KEY),
    )
    return [ConversationState(*row) for row in found]
