"""What stands in the tables of the server's disk, past all processes, as the checker sees it; and what a lie does."""

from __future__ import annotations

import sqlite3

from encchat.server.model import NewMessage
from tests.simulation.checker import Row


def cursor(tables: sqlite3.Connection, device_key: bytes, key: str) -> int:
    """What the device has acknowledged of the conversation."""
    row = tables.execute(
        "SELECT cursor.seq FROM cursor JOIN conversation ON conversation.id = conversation_id"
        " WHERE device_key = ? AND conversation.key = ?",
        (device_key, key),
    ).fetchone()
    return row[0] if row else 0


def ends(tables: sqlite3.Connection) -> dict[str, int]:
    """The last seq of every conversation."""
    return dict(tables.execute("SELECT key, last_seq FROM conversation ORDER BY id"))


def kept(tables: sqlite3.Connection) -> dict[str, list[Row]]:
    """The messages of every conversation."""
    logs: dict[str, list[Row]] = {key: [] for key in ends(tables)}
    rows = tables.execute(
        "SELECT conversation.key, message.seq, account.name, message.ulid, message.body FROM message"
        " JOIN conversation ON conversation.id = conversation_id JOIN account ON account.id = sender_id"
        " ORDER BY message.seq"
    )
    for key, *row in rows:
        logs[key].append((row[0], row[1], row[2], row[3]))
    return logs


def lose(tables: sqlite3.Connection, message: NewMessage) -> None:
    """Take ``message`` away, if it is the last of its conversation, as if it had never been."""
    lost = tables.execute(
        "DELETE FROM message WHERE ulid = ? AND sender_id = ? AND (conversation_id, seq) ="
        " (SELECT id, last_seq FROM conversation WHERE key = ?)",
        (message.ulid, message.sender_id, message.conversation),
    ).rowcount
    if lost:
        tables.execute("UPDATE conversation SET last_seq = last_seq - 1 WHERE key = ?", (message.conversation,))
