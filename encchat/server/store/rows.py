"""Rows of messages, many with one statement: what is done once for each statement costs as much as the row itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from encchat.server.model import NewMessage

_COLUMNS: Final = "conversation_id, seq, kind, sender_id, ulid, time, scheme, body"
_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?)"
_SIZES: Final = (128, 64, 32, 16, 8, 4, 2, 1)
_INSERT: Final = {
    size: f"INSERT INTO message ({_COLUMNS}) VALUES {', '.join([_ROW] * size)}"  # noqa: S608
    for size in _SIZES
}


def sliced(messages: Sequence[NewMessage]) -> Iterator[Sequence[NewMessage]]:
    """``messages`` in slices of the lengths `insert` takes; so there are few statements, and SQLite knows them all."""
    start = 0
    for size in _SIZES:
        while len(messages) - start >= size:
            yield messages[start : start + size]
            start += size


def values(conversation_id: int, seq: int, message: NewMessage) -> tuple[object, ...]:
    """Of one row, in the order of its columns."""
    return (
        conversation_id,
        seq,
        message.kind,
        message.sender_id,
        message.ulid,
        message.time,
        message.scheme,
        message.body,
    )


def insert(connection: sqlite3.Connection, count: int, values: Sequence[object]) -> None:
    """Insert ``count`` rows, all or none; `sqlite3.Error`, ValueError or OverflowError if one of them is bad."""
    connection.execute(_INSERT[count], values)
