"""Accounts, invites and values in SQL: plain functions on a connection, for the server and for tools.

Those that change something expect to run inside a transaction, and may raise half way.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Final

from encchat.errors import NameRefusedError, RegistrationRefusedError
from encchat.names import account_name, folded, skeleton
from encchat.server.model import Account, CallPolicy
from encchat.wire import Role

ADMIN: Final = "encchat-admin"
"""Who did it, for those it was done to and for the audit log."""

EPOCH: Final = "epoch"
"""Value: how many restores (and hours) this store has behind it; the upper half of its seqs."""

REVISION: Final = "revision"
"""Value: counts the changes other programs than the server made."""

_ACCOUNT = "account.id, account.name, account.role, account.last_seen"


def create_account(
    connection: sqlite3.Connection,
    name: str,
    password_hash: str | None,
    role: Role,
    now: int,
    invite: str | None = None,
) -> Account:
    """`IStore.create_account`."""
    account_name(name)
    if invite is not None:
        role = _use_invite(connection, invite, now)
    _refuse_known(connection, name)
    cursor = connection.execute(
        "INSERT INTO account (name, folded, skeleton, role, password_hash, created) VALUES (?, ?, ?, ?, ?, ?)",
        (name, folded(name), skeleton(name), role, password_hash, now),
    )
    return Account(cursor.lastrowid or 0, name, role)


def _refuse_known(connection: sqlite3.Connection, name: str) -> None:
    row = connection.execute("SELECT name, folded FROM account WHERE skeleton = ?", (skeleton(name),)).fetchone()
    if row is None:
        return
    if row[1] == folded(name):
        raise NameRefusedError(f"the name {name} is taken: choose another")
    raise NameRefusedError(f"the name {name} looks like {row[0]}, which is taken: choose another")


def delete_account(connection: sqlite3.Connection, account_id: int, now: int) -> None:
    """`IStore.delete_account`."""
    # With a device go its cursors, keys and inbox.
    for table, column in (
        ("device", "account_id"),
        ("identity", "account_id"),
        ("backup", "account_id"),
        ("parcel_batch", "sender_id"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (account_id,))  # noqa: S608
    connection.execute(
        "DELETE FROM sanction WHERE target = (SELECT folded FROM account WHERE id = ? AND deleted IS NULL)",
        (account_id,),
    )
    connection.execute(
        "UPDATE account SET deleted = ?, password_hash = NULL, last_seen = NULL, role = 'user'"
        " WHERE id = ? AND deleted IS NULL",
        (now, account_id),
    )


def account(connection: sqlite3.Connection, name: str) -> Account | None:
    """`IStore.account`."""
    row = connection.execute(
        f"SELECT {_ACCOUNT} FROM account WHERE folded = ? AND deleted IS NULL",  # noqa: S608
        (folded(name),),
    ).fetchone()
    return None if row is None else Account(*row)


def account_id(connection: sqlite3.Connection, name: str) -> int | None:
    """Whose that name is or, if the account was deleted, was."""
    row = connection.execute("SELECT id FROM account WHERE folded = ?", (folded(name),)).fetchone()
    return None if row is None else row[0]


def password_hash(connection: sqlite3.Connection, account_id: int) -> str | None:
    """`IStore.password_hash`."""
    row = connection.execute("SELECT password_hash FROM account WHERE id = ?", (account_id,)).fetchone()
    return None if row is None else row[0]


def mark_seen(connection: sqlite3.Connection, accounts: Mapping[int, int], devices: Mapping[bytes, int]) -> None:
    """`IStore.mark_seen`."""
    connection.executemany(
        "UPDATE account SET last_seen = ?2 WHERE id = ?1 AND deleted IS NULL AND (last_seen IS NULL OR last_seen < ?2)",
        accounts.items(),
    )
    connection.executemany(
        "UPDATE device SET last_seen = max(?2, coalesce(last_seen, ?2)) WHERE key = ?1", devices.items()
    )


def set_role(connection: sqlite3.Connection, account_id: int, role: Role) -> None:
    """`IStore.set_role`."""
    connection.execute("UPDATE account SET role = ? WHERE id = ? AND deleted IS NULL", (role, account_id))


def calls(connection: sqlite3.Connection, account_id: int) -> CallPolicy:
    """`IStore.calls`."""
    row = connection.execute("SELECT calls FROM account WHERE id = ? AND deleted IS NULL", (account_id,)).fetchone()
    return row[0] if row else "never"


def set_calls(connection: sqlite3.Connection, account_id: int, policy: CallPolicy) -> None:
    """`IStore.set_calls`."""
    connection.execute("UPDATE account SET calls = ? WHERE id = ? AND deleted IS NULL", (policy, account_id))


def add_invite(connection: sqlite3.Connection, token: str, role: Role, uses: int, expires: int | None) -> None:
    """`IStore.add_invite`."""
    connection.execute(
        "INSERT INTO invite (token_hash, role, uses_left, expires) VALUES (?, ?, ?, ?)",
        (_token_hash(token), role, uses, expires),
    )


def invite_role(connection: sqlite3.Connection, token: str, now: int) -> Role | None:
    """`IStore.invite_role`."""
    row = connection.execute(
        "SELECT role FROM invite WHERE token_hash = ? AND uses_left > 0 AND (expires IS NULL OR expires > ?)",
        (_token_hash(token), now),
    ).fetchone()
    return None if row is None else row[0]


def _use_invite(connection: sqlite3.Connection, token: str, now: int) -> Role:
    role = invite_role(connection, token, now)
    if role is None:
        raise RegistrationRefusedError("the invite is unknown, used up or has expired: ask for a new one")
    connection.execute("UPDATE invite SET uses_left = uses_left - 1 WHERE token_hash = ?", (_token_hash(token),))
    return role


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_new(connection: sqlite3.Connection) -> bool:
    """`IStore.is_new`."""
    row = connection.execute("SELECT EXISTS (SELECT 1 FROM account) OR EXISTS (SELECT 1 FROM invite)").fetchone()
    return not row[0]


def get_meta(connection: sqlite3.Connection, key: str) -> str | None:
    """`IStore.get_meta`."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """`IStore.set_meta`."""
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


def get_number(connection: sqlite3.Connection, key: str) -> int:
    """A value that counts something; 0 if it was never set."""
    return int(get_meta(connection, key) or 0)


def bump_revision(connection: sqlite3.Connection) -> None:
    """Let a running server see that another program changed something (`REVISION`)."""
    set_meta(connection, REVISION, str(get_number(connection, REVISION) + 1))
