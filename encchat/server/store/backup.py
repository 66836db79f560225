"""Key backups in SQL, as `encchat.server.store.accounts`: values the server cannot open, by names that say nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from encchat import wire
from encchat.errors import RequestError
from encchat.limits import MAX_BACKUP
from encchat.server.store.pages import fitting


def put_backup(connection: sqlite3.Connection, account_id: int, entries: Iterable[wire.BackupEntry]) -> None:
    """`IStore.put_backup`."""
    connection.executemany(
        "INSERT INTO backup (account_id, name, sealed) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET sealed = excluded.sealed",
        [(account_id, entry.name, entry.sealed) for entry in entries],
    )
    [count] = connection.execute("SELECT count(*) FROM backup WHERE account_id = ?", (account_id,)).fetchone()
    if count > MAX_BACKUP:
        raise RequestError(f"at most {MAX_BACKUP} sealed values are kept for one account")


def get_backup(
    connection: sqlite3.Connection, account_id: int, after: str | None, name: str | None, limit: int
) -> wire.BackupPage:
    """`IStore.get_backup`."""
    rows = connection.execute(
        "SELECT name, sealed FROM backup WHERE account_id = ?1 AND name > ?2 AND (?3 IS NULL OR name = ?3)"
        " ORDER BY name LIMIT ?4",
        (account_id, after or "", name, limit + 1),
    )
    entries = [wire.BackupEntry(name=name, sealed=sealed) for name, sealed in rows]
    page = fitting(entries[:limit])
    return wire.BackupPage(entries=page, more=len(page) < len(entries))
