"""Everything the store knows about one account, for the person it is about."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from encchat.server.store.devices import device_id


def dossier(connection: sqlite3.Connection, account_id: int) -> dict[str, Any]:
    """`IStore.dossier`."""
    found = _rows(
        connection,
        "SELECT id, name, folded, skeleton, role, password_hash IS NOT NULL AS has_password,"
        " created, last_seen, deleted, calls FROM account WHERE id = ?",
        account_id,
    )
    if not found:
        return {}
    account = found[0] | {"has_password": bool(found[0]["has_password"])}
    return {
        "account": account,
        "devices": [_with_id(row) for row in _rows(connection, _DEVICES, account_id)],
        "cursors": [_with_id(row) for row in _rows(connection, _CURSORS, account_id)],
        "conversations": _rows(connection, _CONVERSATIONS, account_id),
        "sanctions": _rows(connection, "SELECT * FROM sanction WHERE target = ?1 OR by = ?2", *_names(account)),
        "audit": _rows(
            connection,
            "SELECT time, actor, action, target, detail FROM audit WHERE lower(target) = ?1 OR actor = ?2",
            *_names(account),
        ),
        "messages": _rows(connection, _MESSAGES, account_id),
        "removed_messages": _rows(connection, _REMOVED, account_id),
        "identity_keys": _rows(connection, _IDENTITIES, account_id),
        "device_keys": [_with_id(row) for row in _rows(connection, _DEVICE_KEYS, account_id)],
        "inbox": [_with_id(row) for row in _rows(connection, _INBOX, account_id)],
        "parcels_waiting_for_others": _rows(connection, _PARCELS, account_id),
        "files": _rows(connection, _FILES, account_id),
        "key_backup": _rows(
            connection, "SELECT name, sealed FROM backup WHERE account_id = ? ORDER BY name", account_id
        ),
    }


_DEVICES = "SELECT key, name, created, last_seen FROM device WHERE account_id = ? ORDER BY created"
_CURSORS = (
    "SELECT cursor.device_key AS key, conversation.key AS conversation, cursor.seq FROM cursor"
    " JOIN device ON device.key = cursor.device_key JOIN conversation ON conversation.id = cursor.conversation_id"
    " WHERE device.account_id = ? ORDER BY device.created, conversation.id"
)
_CONVERSATIONS = (
    "SELECT conversation.key, (SELECT account.name FROM participant AS theirs"
    " JOIN account ON account.id = theirs.account_id"
    " WHERE theirs.conversation_id = conversation.id AND theirs.account_id != ?1) AS partner"
    " FROM participant JOIN conversation ON conversation.id = participant.conversation_id"
    " WHERE participant.account_id = ?1 ORDER BY conversation.id"
)
_MESSAGES = (
    "SELECT conversation.key AS conversation, message.seq, message.kind, message.ulid, message.time, message.scheme,"
    " message.body FROM message JOIN conversation ON conversation.id = message.conversation_id"
    " WHERE message.sender_id = ? ORDER BY conversation.id, message.seq"
)
_REMOVED = (
    "SELECT conversation.key AS conversation, removed.seq, removed.ulid, removed.time FROM removed"
    " JOIN conversation ON conversation.id = removed.conversation_id WHERE removed.sender_id = ?"
    " ORDER BY conversation.id, removed.seq"
)

_IDENTITIES = "SELECT number, algorithm, key, signature FROM identity WHERE account_id = ? ORDER BY number"
_DEVICE_KEYS = (
    "SELECT device_key AS key, keys, vouch, generation, fallback_key, (SELECT count(*) FROM one_time_key"
    " WHERE one_time_key.device_key = device.key AND claimed IS NULL) AS one_time_keys"
    " FROM device_keys JOIN device ON device.key = device_key WHERE device.account_id = ? ORDER BY device.created"
)
_INBOX = (
    "SELECT device_key AS key, seq, account.name AS sender, sender_device, body FROM inbox"
    " JOIN device ON device.key = device_key JOIN account ON account.id = sender_id"
    " WHERE device.account_id = ? ORDER BY device.created, seq"
)
_PARCELS = (
    "SELECT account.name AS receiver, sender_device, inbox.ulid, body FROM inbox"
    " JOIN device ON device.key = device_key JOIN account ON account.id = device.account_id"
    " WHERE sender_id = ? ORDER BY inbox.ulid"
)
_FILES = "SELECT ulid, conversation, size, chunks, received, time, dropped FROM file WHERE account_id = ? ORDER BY id"


def _rows(connection: sqlite3.Connection, query: str, *arguments: object) -> list[dict[str, Any]]:
    cursor = connection.execute(query, arguments)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _names(account: dict[str, Any]) -> Iterable[str]:
    return (account["folded"], account["name"])


def _with_id(row: dict[str, Any]) -> dict[str, Any]:
    return {"device": device_id(row["key"]), **row, "key": row["key"].hex()}
