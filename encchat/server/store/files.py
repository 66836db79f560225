"""Files in SQL, as `encchat.server.store.accounts`: sealed chunks, and whose they are for which conversation.

Theory of operation. A file is offered, then filled chunk by chunk in order, and can be fetched when it is whole. What
is to go is only marked, or is so by its age, its sender's account or its room; `sweep` erases it a slice at a time, so
that nobody's message waits for the removal of a large file. Until it is erased it counts as its sender's.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from attrs import frozen

from encchat.errors import FileNotTakenError
from encchat.limits import MAX_FILES
from encchat.server.model import FileTerms, NewFile, StoredChunk, no_file
from encchat.wire import sealed_length

_GONE: Final = (
    "SELECT file.id FROM file JOIN account ON account.id = file.account_id"
    " LEFT JOIN room ON room.id = substr(file.conversation, length('room:') + 1)"
    " WHERE file.dropped OR account.deleted IS NOT NULL OR (room.id IS NOT NULL AND room.folded IS NULL)"
    " OR file.time < CASE WHEN received < chunks THEN ?1 WHEN room.id IS NULL THEN ?2 ELSE ?3 END"
    " ORDER BY file.id LIMIT ?4"
)


@frozen
class _Row:
    id: int
    account_id: int
    conversation: str
    size: int
    chunks: int
    received: int
    dropped: int


def _find(connection: sqlite3.Connection, ulid: str) -> _Row | None:
    row = connection.execute(
        "SELECT id, account_id, conversation, size, chunks, received, dropped FROM file WHERE ulid = ?", (ulid,)
    ).fetchone()
    return None if row is None else _Row(*row)


# Uploading -------------------------------------------------------------------------------------
def offer(connection: sqlite3.Connection, new: NewFile, space: int) -> int:
    """`IStore.offer_file`."""
    known = _find(connection, new.ulid)
    if known is None:
        _check_space(connection, new, space)
        connection.execute(
            "INSERT INTO file (ulid, account_id, conversation, size, chunks, time) VALUES (?, ?, ?, ?, ?, ?)",
            (new.ulid, new.account_id, new.conversation, new.size, new.chunks, new.time),
        )
        return 0
    _check_again(known, new)
    if known.received < known.chunks:
        connection.execute("UPDATE file SET time = max(time, ?) WHERE id = ?", (new.time, known.id))
    return known.received


def _check_space(connection: sqlite3.Connection, new: NewFile, space: int) -> None:
    [count, size] = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM file WHERE account_id = ?", (new.account_id,)
    ).fetchone()
    if count >= MAX_FILES:
        raise FileNotTakenError(f"you have {count} files here, which is as many as there can be: drop some, or wait")
    if size + new.size > space:
        raise FileNotTakenError(
            f"your files here have {size} bytes; with this one they would be over {space}: drop some, or wait"
        )


def _check_again(known: _Row, new: NewFile) -> None:
    if known.account_id != new.account_id:
        raise no_file(new.ulid)
    if known.dropped:
        raise FileNotTakenError(f"the file {new.ulid} was dropped: offer it anew, under another ULID")
    if (known.conversation, known.size, known.chunks) != (new.conversation, new.size, new.chunks):
        raise FileNotTakenError(f"the file {new.ulid} was offered before, for another conversation or of another size")


def put_chunk(connection: sqlite3.Connection, ulid: str, account_id: int, number: int, data: bytes, now: int) -> None:
    """`IStore.put_chunk`."""
    known = _find(connection, ulid)
    if known is None or known.account_id != account_id or known.dropped:
        raise no_file(ulid)
    _check_chunk(known, number, data)
    if number < known.received:
        return
    connection.execute("INSERT INTO file_chunk (file_id, number, data) VALUES (?, ?, ?)", (known.id, number, data))
    connection.execute("UPDATE file SET received = received + 1, time = max(time, ?) WHERE id = ?", (now, known.id))


def _check_chunk(known: _Row, number: int, data: bytes) -> None:
    if number >= known.chunks:
        raise FileNotTakenError(f"a file of {known.size} bytes has {known.chunks} chunks, from 0: there is no {number}")
    if number > known.received:
        raise FileNotTakenError(f"chunk {number} is not next: the next one is {known.received}")
    length = sealed_length(known.size, number)
    if len(data) != length:
        raise FileNotTakenError(f"chunk {number} has {len(data)} bytes; sealed it has {length}")


# Fetching --------------------------------------------------------------------------------------
def chunk(connection: sqlite3.Connection, ulid: str, number: int) -> StoredChunk | None:
    """`IStore.file_chunk`."""
    row = connection.execute(
        "SELECT file.conversation, file.chunks, file_chunk.data FROM file"
        " JOIN account ON account.id = file.account_id"
        " LEFT JOIN file_chunk ON file_chunk.file_id = file.id AND file_chunk.number = ?2"
        " WHERE file.ulid = ?1 AND file.received = file.chunks AND NOT file.dropped AND account.deleted IS NULL",
        (ulid, number),
    ).fetchone()
    return None if row is None else StoredChunk(*row)


# Going -----------------------------------------------------------------------------------------
def drop(connection: sqlite3.Connection, ulid: str, account_id: int) -> None:
    """`IStore.drop_file`."""
    done = connection.execute(
        "UPDATE file SET dropped = 1 WHERE ulid = ? AND account_id = ? AND NOT dropped", (ulid, account_id)
    ).rowcount
    if not done:
        raise no_file(ulid)


def sweep(connection: sqlite3.Connection, terms: FileTerms, slice: int) -> int:
    """`IStore.sweep_files`."""
    gone = connection.execute(_GONE, (terms.unfinished, terms.direct, terms.room, slice)).fetchall()
    erased = 0
    for (file_id,) in gone:
        if erased >= slice:
            break
        erased += _erase(connection, file_id, slice - erased)
    return erased


def _erase(connection: sqlite3.Connection, file_id: int, most: int) -> int:
    """So many of its chunks, the last ones first, and the file itself when none is left."""
    connection.execute("UPDATE file SET dropped = 1 WHERE id = ?", (file_id,))
    erased = connection.execute(
        "DELETE FROM file_chunk WHERE rowid IN"
        " (SELECT rowid FROM file_chunk WHERE file_id = ? ORDER BY number DESC LIMIT ?)",
        (file_id, most),
    ).rowcount
    if erased == most:
        return erased
    connection.execute("DELETE FROM file WHERE id = ?", (file_id,))
    return erased + 1
