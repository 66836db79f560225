"""Conversations in SQL: appending inside one transaction, and reading."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from attrs import Factory, define

from encchat.server.model import LOBBY_KEY, ConversationState, NewMessage, Stored, Tail
from encchat.server.store.accounts import EPOCH, get_number
from encchat.server.store.interface import PastMessage

DIRECT: Final = re.compile(r"direct:(\d+):(\d+)", re.ASCII)

ROOM_PREFIX: Final = "room:"

EPOCH_BITS: Final = 32
"""A seq is (restore epoch << 32) + n: a store made from a backup goes on where no number was given before."""


@define
class _Tail:
    id: int
    seq: int
    has_removed: bool


@define
class Appender:
    """Gives seqs and inserts rows within one transaction; `finish` before the commit.

    The write lock is held from the first read to the commit, so the tails kept here are the truth, whatever
    other processes write to the file.
    """

    _connection: sqlite3.Connection
    _tails: dict[str, _Tail] = Factory(dict)

    def append(self, message: NewMessage) -> Stored:
        """Insert one message, or find the place it was given before; `sqlite3.Error` or ValueError if bad."""
        tail = self._tails.get(message.conversation) or self._load(message.conversation)
        if tail.has_removed and (removed := self._removed(tail.id, message)):
            return removed
        inserted = self._connection.execute(
            "INSERT INTO message (conversation_id, seq, kind, sender_id, ulid, time, scheme, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (conversation_id, sender_id, ulid) DO NOTHING",
            (
                tail.id,
                tail.seq + 1,
                message.kind,
                message.sender_id,
                message.ulid,
                message.time,
                message.scheme,
                message.body,
            ),
        ).rowcount
        if not inserted:
            return self._first(tail.id, message)
        tail.seq += 1
        return Stored(tail.seq, message.time, duplicate=False)

    def finish(self) -> None:
        """Write the conversations' last seqs."""
        self._connection.executemany(
            "UPDATE conversation SET last_seq = ? WHERE id = ?", [(tail.seq, tail.id) for tail in self._tails.values()]
        )

    def _first(self, conversation_id: int, message: NewMessage) -> Stored:
        seq, time = self._connection.execute(
            "SELECT seq, time FROM message WHERE conversation_id = ? AND sender_id = ? AND ulid = ?",
            (conversation_id, message.sender_id, message.ulid),
        ).fetchone()
        return Stored(seq, time, duplicate=True)

    def _removed(self, conversation_id: int, message: NewMessage) -> Stored | None:
        row = self._connection.execute(
            "SELECT seq, time FROM removed WHERE conversation_id = ? AND sender_id = ? AND ulid = ?",
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
    rows = connection.execute(
        "SELECT DISTINCT account.name FROM participant AS mine"
        " JOIN participant AS theirs ON theirs.conversation_id = mine.conversation_id"
        " JOIN account ON account.id = theirs.account_id"
        " WHERE mine.account_id = ?1 AND theirs.account_id != ?1 AND account.deleted IS NULL"
        " ORDER BY account.folded",
        (account_id,),
    )
    return [name for (name,) in rows]


def history(connection: sqlite3.Connection, conversation: str, after_seq: int, limit: int) -> list[PastMessage]:
    """`IStore.history`."""
    rows = connection.execute(
        "SELECT message.seq, message.kind, account.name, message.ulid, message.time, message.body, message.scheme"
        " FROM conversation JOIN message ON message.conversation_id = conversation.id"
        " JOIN account ON account.id = message.sender_id"
        " WHERE conversation.key = ? AND message.seq > ? ORDER BY message.seq LIMIT ?",
        (conversation, after_seq, limit),
    )
    return [PastMessage(*row) for row in rows]


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
    rows = connection.execute(
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
    return [ConversationState(*row) for row in rows]
