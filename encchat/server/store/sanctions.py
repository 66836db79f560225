"""Sanctions and the audit log in SQL, as `encchat.server.store.accounts`."""

from __future__ import annotations

import sqlite3

from attrs import astuple

from encchat.server.model import AuditEntry, Sanction, SanctionKind


def add_sanction(connection: sqlite3.Connection, sanction: Sanction) -> None:
    """`IStore.add_sanction`."""
    connection.execute(
        "INSERT OR REPLACE INTO sanction (kind, target, by, reason, since, until) VALUES (?, ?, ?, ?, ?, ?)",
        astuple(sanction),
    )


def remove_sanction(connection: sqlite3.Connection, kind: SanctionKind, target: str) -> bool:
    """`IStore.remove_sanction`."""
    return bool(
        connection.execute("DELETE FROM sanction WHERE kind = ? AND target = ?", (kind, target)).rowcount,
    )


def sanctions(connection: sqlite3.Connection, now: int) -> list[Sanction]:
    """`IStore.sanctions`."""
    connection.execute("DELETE FROM sanction WHERE until <= ?", (now,))
    rows = connection.execute("SELECT kind, target, by, reason, since, until FROM sanction ORDER BY kind, target")
    return [Sanction(*row) for row in rows]


def audit(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    """`IStore.audit`."""
    connection.execute("INSERT INTO audit (time, actor, action, target, detail) VALUES (?, ?, ?, ?, ?)", astuple(entry))


def audit_log(connection: sqlite3.Connection, limit: int) -> list[AuditEntry]:
    """`IStore.audit_log`."""
    rows = connection.execute(
        "SELECT time, actor, action, target, detail FROM audit ORDER BY id DESC LIMIT ?", (limit,)
    )
    return [AuditEntry(*row) for row in rows]
