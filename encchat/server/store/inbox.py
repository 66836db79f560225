"""Inboxes of devices in SQL, as `encchat.server.store.accounts`.

A batch of parcels is put once: its sender and ULID are remembered for `REMEMBER_REMOVED_DAYS`, so that one sent again
after a lost answer arrives once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from encchat import wire
from encchat.errors import UnavailableError
from encchat.limits import MAX_INBOX
from encchat.server.model import Device
from encchat.server.store.interface import Posted
from encchat.server.store.keys import find_device
from encchat.server.store.pages import fitting


def put_parcels(
    connection: sqlite3.Connection, sender: Device, ulid: str, parcels: Iterable[wire.Parcel], now: int
) -> list[Posted]:
    """`IStore.put_parcels`."""
    is_new = connection.execute(
        "INSERT INTO parcel_batch (sender_id, ulid, time) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (sender.account_id, ulid, now),
    ).rowcount
    if not is_new:
        return []
    [name] = connection.execute("SELECT name FROM account WHERE id = ?", (sender.account_id,)).fetchone()
    posted, full = [], ""
    for parcel in parcels:
        address = wire.DeviceAddress(user=parcel.user, device=parcel.device)
        found = find_device(connection, address)
        if found is None:
            continue  # revoked meanwhile
        if is_full(connection, found[1]):
            full = f"{found[0]}'s device {parcel.device}"
            continue
        posted.append(Posted(*found, _put(connection, found[1], sender, name, ulid, parcel.body)))
    if full and not posted:
        raise UnavailableError(f"the inbox of {full} is full: it takes no more until that device has been here")
    return posted


def is_full(connection: sqlite3.Connection, device_key: bytes) -> bool:
    """Whether `MAX_INBOX` parcels wait for the device."""
    [count] = connection.execute("SELECT inbox_waiting FROM device_keys WHERE device_key = ?", (device_key,)).fetchone()
    return int(count) >= MAX_INBOX


def _put(
    connection: sqlite3.Connection, device_key: bytes, sender: Device, name: str, ulid: str, body: str
) -> wire.InboxItem:
    [seq] = connection.execute(
        "UPDATE device_keys SET inbox_seq = inbox_seq + 1, inbox_waiting = inbox_waiting + 1 WHERE device_key = ?"
        " RETURNING inbox_seq",
        (device_key,),
    ).fetchone()
    connection.execute(
        "INSERT INTO inbox (device_key, seq, sender_id, sender_device, ulid, body) VALUES (?, ?, ?, ?, ?, ?)",
        (device_key, seq, sender.account_id, sender.id, ulid, body),
    )
    return wire.InboxItem(seq=seq, sender=name, device=sender.id, body=body)


def inbox(connection: sqlite3.Connection, device_key: bytes, after: int, limit: int) -> wire.InboxPage:
    """`IStore.inbox`."""
    rows = connection.execute(
        "SELECT seq, name, sender_device, body FROM inbox JOIN account ON account.id = sender_id"
        " WHERE device_key = ? AND seq > ? ORDER BY seq LIMIT ?",
        (device_key, after, limit + 1),
    )
    items = [wire.InboxItem(seq=seq, sender=name, device=device, body=body) for seq, name, device, body in rows]
    page = fitting(items[:limit])
    return wire.InboxPage(items=page, more=len(page) < len(items))


def ack_inbox(connection: sqlite3.Connection, device_key: bytes, seq: int) -> None:
    """`IStore.ack_inbox`."""
    taken = connection.execute("DELETE FROM inbox WHERE device_key = ? AND seq <= ?", (device_key, seq)).rowcount
    connection.execute(
        "UPDATE device_keys SET inbox_waiting = inbox_waiting - ? WHERE device_key = ?", (taken, device_key)
    )
