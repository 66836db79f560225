"""The SQLite file: made, checked, opened, and brought to the current schema.

Connections are in autocommit mode: a transaction is what stands in `transaction`. Any process may open the
file while a server runs on it; writers wait for each other up to `STORE_BUSY_SECONDS`.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

from encchat.errors import StoreError
from encchat.limits import STORE_BUSY_SECONDS

SCHEMA_VERSION: Final = 1


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, making it (mode 0600) and its tables if need be; `StoreError` says what is in the way."""
    try:
        _secure(path)
        return _prepared(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the store {path} cannot be opened: {error}") from error


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
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction on the file from another process than the server's, for tools."""
    with closing(connect(path)) as connection, transaction(connection):
        yield connection


def _secure(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StoreError(f"others can read the store {path}: chmod 600 {path}")


def _prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    with ExitStack() as undo:
        undo.callback(connection.close)
        connection.execute(f"PRAGMA busy_timeout = {int(STORE_BUSY_SECONDS * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit has returned only when the disk has it (what was acknowledged is never lost).
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection)
        undo.pop_all()
    return connection


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"the store was made by a newer encchat (schema {version}); this one knows {SCHEMA_VERSION}: upgrade it"
        )
    return version


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == SCHEMA_VERSION:
        return
    with transaction(connection):
        if _version(connection) == SCHEMA_VERSION:  # another process was faster
            return
        schema = files("encchat.server.store").joinpath("schema.sql").read_text("utf-8")
        for statement in schema.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
