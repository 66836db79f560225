"""Retention in SQL: the oldest messages of a conversation go, a slice at a time.

Messages are removed from the front of a conversation only, so that what is left has no holes; one whose
time is in the future keeps what came after it until that time has passed.
"""

from __future__ import annotations

import sqlite3

from encchat.limits import REMEMBER_REMOVED_DAYS
from encchat.wire import Kind

DAY = 86_400_000
"""Milliseconds."""


def retain(connection: sqlite3.Connection, kind: Kind, keep: int | None, before: int | None, slice: int) -> int:
    """`IStore.retain`."""
    removed = 0
    for conversation_id, oldest, last_seq in _conversations(connection, kind):
        first_kept = _first_kept(connection, conversation_id, oldest, last_seq, keep)
        removed += _remove(connection, conversation_id, first_kept, before, slice - removed)
        if removed >= slice:
            break
    return removed


def forget_removed(connection: sqlite3.Connection, now: int) -> None:
    """`IStore.forget_removed`."""
    before = (now - REMEMBER_REMOVED_DAYS * DAY,)
    connection.execute("DELETE FROM removed WHERE time < ?", before)
    connection.execute("DELETE FROM one_time_key WHERE claimed < ?", before)
    connection.execute("DELETE FROM parcel_batch WHERE time < ?", before)


def _conversations(connection: sqlite3.Connection, kind: Kind) -> list[tuple[int, int, int]]:
    return connection.execute(
        "SELECT id, (SELECT min(seq) FROM message WHERE conversation_id = conversation.id) AS oldest, last_seq"
        " FROM conversation WHERE kind = ? AND oldest IS NOT NULL",
        (kind,),
    ).fetchall()


def _first_kept(
    connection: sqlite3.Connection, conversation_id: int, oldest: int, last_seq: int, keep: int | None
) -> int:
    """The seq from which on messages are kept for their number."""
    if keep is None or last_seq - oldest < keep:
        return oldest
    [first] = connection.execute(
        "SELECT min(seq) FROM (SELECT seq FROM message WHERE conversation_id = ? ORDER BY seq DESC LIMIT ?)",
        (conversation_id, keep),
    ).fetchone()
    return last_seq + 1 if first is None else int(first)


def _remove(
    connection: sqlite3.Connection, conversation_id: int, first_kept: int, before: int | None, slice: int
) -> int:
    oldest = connection.execute(
        "SELECT seq, time FROM message WHERE conversation_id = ? ORDER BY seq LIMIT ?", (conversation_id, slice)
    )
    last = count = 0
    for seq, time in oldest:
        if seq >= first_kept and (before is None or time >= before):
            break
        last, count = seq, count + 1
    connection.execute(
        "INSERT OR IGNORE INTO removed (conversation_id, sender_id, ulid, seq, time)"
        " SELECT conversation_id, sender_id, ulid, seq, time FROM message WHERE conversation_id = ? AND seq <= ?",
        (conversation_id, last),
    )
    connection.execute("DELETE FROM message WHERE conversation_id = ? AND seq <= ?", (conversation_id, last))
    return count
