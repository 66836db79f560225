"""A backup takes the place of the store, so that nothing the store ever gave out is given out again.

Theory of operation. A backup does not know which seqs, account ids and invites were used after it was made. So the
restored store begins a new epoch, in which all seqs (and ids) are above those of every epoch before; every invite
left in the backup counts as used up. The epoch is above the backup's and above that of the store it replaces; and
because that one may be gone with its disk, and the same backup restored a second time, the epoch is also at least
the number of hours since 2026. A seq has 53 bits, of which 21 are the epoch: that is enough until 2265.

The new store is made whole under another name, then takes the old one's place in one rename; the old one stays
beside it as ``NAME.replaced-N``. A crash in between leaves the old store as it was.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final

from encchat.errors import StoreError
from encchat.server.model import AuditEntry
from encchat.server.store import accounts, database, sanctions
from encchat.server.store.messages import EPOCH_BITS

HOUR: Final = 3_600_000
YEAR_2026: Final = 1_767_225_600_000
"""2026-01-01 UTC in milliseconds."""


def restore(backup: Path, store: Path, now: int) -> Path | None:
    """Put the store in the file ``backup`` in the place of ``store``, which nobody may have open.

    Returns where the replaced store is now, or None if there was none; `StoreError` leaves all as it was.
    """
    new = database.free_name(store.with_name(f"{store.name}.restoring"))
    with ExitStack() as undo:
        undo.callback(database.remove, new)
        _check(backup)
        database.backup(backup, new)
        epoch = max(_epoch(store), (now - YEAR_2026) // HOUR)
        with database.edited(new, keep_old=False) as connection:
            epoch = max(epoch, accounts.get_number(connection, accounts.EPOCH) + 1)
            _begin_epoch(connection, epoch, now)
            entry = AuditEntry(now, accounts.ADMIN, "restore", backup.name, f"epoch {epoch}")
            sanctions.audit(connection, entry)
        old = _replace(store, new)
        undo.pop_all()
    return old


def _check(backup: Path) -> None:
    try:
        uri = f"{backup.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            if database.version_of(connection) == 0:
                raise StoreError(f"{backup} is no store of encchat: name a file that encchat-admin backup made")
            [verdict] = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise StoreError(f"the backup {backup} is damaged: {verdict}")
    except sqlite3.Error as error:
        raise StoreError(f"the backup {backup} cannot be read: {error}") from error


def _epoch(store: Path) -> int:
    """The epoch after that of ``store``; 0 if there is none that can be read."""
    if not store.exists():
        return 0
    # What cannot be read is why a backup is restored: the hours stand in for its epoch.
    with suppress(sqlite3.Error), closing(sqlite3.connect(store, isolation_level=None)) as connection:
        epoch = accounts.get_number(connection, accounts.EPOCH) + 1
        # Its -wal must not be found beside the new store; the last one to close takes it away.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return epoch
    return 0


def _begin_epoch(connection: sqlite3.Connection, epoch: int, now: int) -> None:
    first = epoch << EPOCH_BITS
    accounts.set_meta(connection, accounts.EPOCH, str(epoch))
    accounts.bump_revision(connection)
    connection.execute("UPDATE conversation SET last_seq = ?", (first,))
    connection.execute("UPDATE invite SET uses_left = 0")
    # Which one-time keys were claimed after the backup nobody knows: none is given out; clients upload others.
    connection.execute("UPDATE one_time_key SET claimed = ? WHERE claimed IS NULL", (now,))
    connection.execute("UPDATE device_keys SET inbox_seq = ?", (first,))
    # Accounts made after the backup had ids too, and are named by them in the keys of conversations.
    for table in ("account", "conversation"):
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, first))


def _replace(store: Path, new: Path) -> Path | None:
    old = None
    try:
        if os.path.lexists(store):
            old = database.free_name(store.with_name(f"{store.name}.replaced-1"))
            os.link(store, old)
            for ending in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    store.with_name(store.name + ending).replace(old.with_name(old.name + ending))
        new.replace(store)
        database.settle(store)
    except OSError as error:
        raise StoreError(f"the store {store} cannot be replaced: {error}") from error
    return old
