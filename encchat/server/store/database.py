"""The SQLite file: made, checked, opened, copied, and brought to the current schema.

``schema/NNNN.sql`` brings a store of version NNNN - 1 to NNNN. Before an old store is changed, a copy of it is
put beside it as ``NAME.version-N``; the copy is made while the write lock is held, so that it misses nothing.

Connections are in autocommit mode: a transaction is what stands in `transaction`. Any process may open the
file while a server runs on it; writers wait for each other up to `STORE_BUSY_SECONDS`.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.resources import files
from itertools import chain, count
from pathlib import Path
from typing import Final

from encchat.errors import StoreError
from encchat.limits import STORE_BUSY_SECONDS

SCHEMA_VERSION: Final = 6


def connect(path: Path, *, keep_old: bool = True) -> sqlite3.Connection:
    """Open the file, making it (mode 0600) and its tables if need be; `StoreError` says what is in the way.

    ``keep_old``: before an upgrade, put a copy beside it.
    """
    try:
        _secure(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        return _prepared(connection, path if keep_old else None)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the store {path} cannot be opened: {error}") from error


def in_memory() -> sqlite3.Connection:
    """A store of the current schema that has no file and is gone with its connection."""
    return _prepared(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), None)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; the write lock is taken at once, so that what is read inside stays true."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        # Still in it: something was raised. (After some errors, as a full disk, SQLite has rolled back by itself.)
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def edited(path: Path, *, keep_old: bool = True) -> Iterator[sqlite3.Connection]:
    """One transaction on the file from another process than the server's, for tools; ``keep_old`` as in `connect`."""
    with closing(connect(path, keep_old=keep_old)) as connection, transaction(connection):
        yield connection


def _secure(path: Path) -> None:
    # Never opened here if it exists: closing it again would take away the locks of every connection of this process
    # (sqlite.org/howtocorrupt.html, section 2.2), and another program would delete the -wal that they write to.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StoreError(f"others can read the store {path}: chmod 600 {path}")


def _prepared(connection: sqlite3.Connection, kept: Path | None) -> sqlite3.Connection:
    with ExitStack() as undo:
        undo.callback(connection.close)
        connection.execute(f"PRAGMA busy_timeout = {int(STORE_BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit has returned only when the disk has it (what was acknowledged is never lost).
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What undoes half a statement stays in memory: a file for it takes as many writes as the rows themselves.
        connection.execute("PRAGMA temp_store = MEMORY")
        _migrate(connection, kept)
        undo.pop_all()
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """The store's schema version, 0 if it is empty; `StoreError` if it is newer than this encchat knows."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store was made by a newer encchat (schema {version}); this one knows {SCHEMA_VERSION}: upgrade it"
        )
    return version


def _migrate(connection: sqlite3.Connection, kept: Path | None) -> None:
    if version_of(connection) == SCHEMA_VERSION:
        return
    with transaction(connection):
        version = version_of(connection)
        if kept and 0 < version < SCHEMA_VERSION:  # else another process was faster, or there is nothing to keep
            backup(kept, free_name(kept.with_name(f"{kept.name}.version-{version}")))
        for number in range(version + 1, SCHEMA_VERSION + 1):
            _upgrade(connection, number)


def _upgrade(connection: sqlite3.Connection, number: int) -> None:
    script = files("encchat.server.store").joinpath(f"schema/{number:04d}.sql").read_text("utf-8")
    statements = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    for statement in statements.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {number}")


def free_name(path: Path) -> Path:
    """``path``, or with a number behind it if there is such a file."""
    names = chain([path], (path.with_name(f"{path.name}.{number}") for number in count(2)))
    return next(name for name in names if not os.path.lexists(name))


def backup(source: Path, target: Path) -> None:
    """Write all that is committed in the store ``source`` to the new file ``target`` (mode 0600), whoever has it open.

    `StoreError` if ``target`` exists, or cannot be written whole: then it is not there.
    """
    with _new_file(target):
        reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        with closing(reading):
            reading.execute(f"PRAGMA busy_timeout = {int(STORE_BUSY_SECONDS * 1000)}")
            version_of(reading)
            _copy(reading, target)


def backup_of(connection: sqlite3.Connection, target: Path) -> None:
    """`backup` of what ``connection`` sees."""
    with _new_file(target):
        _copy(connection, target)


@contextmanager
def _new_file(target: Path) -> Iterator[None]:
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"the backup {target} cannot be made: {error.strerror}; name a new file") from error
    with ExitStack() as undo:
        undo.callback(remove, target)
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"the store cannot be copied to {target}: {error}") from error
        undo.pop_all()


def _copy(reading: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target, isolation_level=None)) as writing:
        # One step, under one read lock: what is committed meanwhile stays out and does not make it begin again.
        reading.backup(writing)
        # A single file, whole without a -wal beside it.
        writing.execute("PRAGMA journal_mode = DELETE")
    settle(target)


def settle(path: Path) -> None:
    """Have the disk take a new file and its name."""
    for place in (path, path.parent):
        number = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def remove(path: Path) -> None:
    """Take away a store's file that is not in use, and SQLite's own beside it."""
    for name in (path, *(path.with_name(path.name + ending) for ending in ("-journal", "-wal", "-shm"))):
        name.unlink(missing_ok=True)
