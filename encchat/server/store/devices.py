"""Devices and their cursors in SQL, as `encchat.server.store.accounts`."""

from __future__ import annotations

import base64
import hashlib
import sqlite3

from encchat.errors import LoginRefusedError
from encchat.limits import MAX_DEVICES
from encchat.server.model import LOBBY_KEY, Account, Device

_DEVICE = "device.key, device.account_id, device.name, device.created, device.last_seen"
_DEVICE_ID_LENGTH = 12


def add_device(
    connection: sqlite3.Connection, account_id: int, key: bytes, name: str, now: int, lobby_history: int
) -> Device:
    """`IStore.add_device`."""
    [others] = connection.execute(
        "SELECT count(*) FROM device WHERE account_id = ? AND key != ?", (account_id, key)
    ).fetchone()
    if others >= MAX_DEVICES and device(connection, key) is None:
        raise LoginRefusedError(f"the account has {MAX_DEVICES} devices: revoke one on another device (devices revoke)")
    made = connection.execute(
        "INSERT INTO device (key, account_id, name, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (key, account_id, name, now),
    ).rowcount
    if made:
        _start_in_lobby(connection, key, lobby_history)
    found = device(connection, key)
    if found is None:
        raise LoginRefusedError("the account was deleted just now")
    if found[0].id != account_id:
        raise LoginRefusedError("this device's key belongs to another account: use another --home for each")
    return found[1]


def _start_in_lobby(connection: sqlite3.Connection, key: bytes, lobby_history: int) -> None:
    # Counted in messages, not by subtraction: a restored backup leaves a gap in the seqs.
    connection.execute(
        "INSERT INTO cursor (device_key, conversation_id, seq)"
        " SELECT ?1, id, coalesce((SELECT min(seq) - 1 FROM (SELECT seq FROM message"
        " WHERE conversation_id = conversation.id ORDER BY seq DESC LIMIT ?2)), last_seq)"
        " FROM conversation WHERE key = ?3",
        (key, lobby_history, LOBBY_KEY),
    )


def device(connection: sqlite3.Connection, key: bytes) -> tuple[Account, Device] | None:
    """`IStore.device`."""
    row = connection.execute(
        "SELECT account.id, account.name, account.role, account.last_seen,"  # noqa: S608
        f" {_DEVICE} FROM device JOIN account ON account.id = device.account_id"
        " WHERE device.key = ? AND account.deleted IS NULL",
        (key,),
    ).fetchone()
    return None if row is None else (Account(*row[:4]), _device(*row[4:]))


def devices(connection: sqlite3.Connection, account_id: int) -> list[Device]:
    """`IStore.devices`."""
    rows = connection.execute(
        f"SELECT {_DEVICE} FROM device WHERE account_id = ? ORDER BY created, key",  # noqa: S608
        (account_id,),
    )
    return [_device(*row) for row in rows]


def _device(key: bytes, account_id: int, name: str, created: int, last_seen: int | None) -> Device:
    return Device(device_id(key), account_id, key, name, created, last_seen)


def device_id(key: bytes) -> str:
    """A device's public short id: 60 bits of the hash of its key, in base 32."""
    return base64.b32encode(hashlib.sha256(key).digest())[:_DEVICE_ID_LENGTH].decode("ascii").lower()


def revoke_device(connection: sqlite3.Connection, account_id: int, device_id: str) -> Device | None:
    """`IStore.revoke_device`."""
    for found in devices(connection, account_id):
        if found.id == device_id:
            forget_device(connection, found.key)
            return found
    return None


def forget_device(connection: sqlite3.Connection, key: bytes) -> None:
    """`IStore.forget_device`."""
    connection.execute("DELETE FROM device WHERE key = ?", (key,))


def knows_device(connection: sqlite3.Connection, key: bytes) -> bool:
    """`IStore.knows_device`."""
    return connection.execute("SELECT 1 FROM device WHERE key = ?", (key,)).fetchone() is not None


def move_cursor(connection: sqlite3.Connection, device_key: bytes, key: str, seq: int) -> None:
    """`IStore.move_cursor`."""
    connection.execute(
        "INSERT INTO cursor (device_key, conversation_id, seq)"
        " SELECT device.key, conversation.id, min(?3, conversation.last_seq) FROM device, conversation"
        " WHERE device.key = ?1 AND conversation.key = ?2"
        " ON CONFLICT DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq",
        (device_key, key, seq),
    )
