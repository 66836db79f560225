"""End-to-end keys in SQL, as `encchat.server.store.accounts`: identities, device keys, one-time keys.

The server checks no signature: clients do, and trust nothing else. What it sees to is that a one-time key is given
out once. A claimed key is remembered for `REMEMBER_REMOVED_DAYS` by its id and its bytes, so that an upload repeated
after a crash, or after a lost answer, does not offer it a second time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from encchat import wire
from encchat.errors import RequestError, UnknownDeviceError
from encchat.limits import MAX_ONE_TIME_KEYS, MAX_PAGE_BYTES
from encchat.names import folded
from encchat.server.store.devices import device_id, devices
from encchat.server.store.interface import Uploaded

_IDENTITY: Final = "algorithm, key, number, signature"
_PUBLISHED: Final = "SELECT generation, keys, vouch FROM device_keys WHERE device_key = ?"


# Identities ------------------------------------------------------------------------------------
def publish_identity(
    connection: sqlite3.Connection, account_id: int, identity: wire.Identity, vouches: Iterable[wire.Vouch]
) -> bool:
    """`IStore.publish_identity`."""
    known = identities(connection, account_id)
    if identity.number <= len(known):
        if identity.number < len(known) or known[-1] != identity:
            raise RequestError(
                f"the account has {len(known)} identity keys: read them (query_keys), then publish the next"
            )
    elif identity.number > len(known) + 1:
        raise RequestError(f"the account's next identity key has the number {len(known) + 1}")
    else:
        _add_identity(connection, account_id, identity)
    of_device = {device_id(device.key): device.key for device in devices(connection, account_id)}
    changed = connection.executemany(
        "UPDATE device_keys SET vouch = ?1 WHERE device_key = ?2 AND keys != '' AND vouch != ?1",
        [(one.vouch, of_device[one.device]) for one in vouches if one.device in of_device],
    ).rowcount
    return identity.number > len(known) or changed > 0


def _add_identity(connection: sqlite3.Connection, account_id: int, identity: wire.Identity) -> None:
    if (identity.number == 1) == bool(identity.signature):
        raise RequestError("the first identity key has no signature, each other one is signed by the one before")
    connection.execute(
        "INSERT INTO identity (account_id, number, algorithm, key, signature) VALUES (?, ?, ?, ?, ?)",
        (account_id, identity.number, identity.algorithm, identity.key, identity.signature),
    )
    # A vouch of the key before is none any more.
    connection.execute(
        "UPDATE device_keys SET vouch = '' WHERE device_key IN (SELECT key FROM device WHERE account_id = ?)",
        (account_id,),
    )


def identities(connection: sqlite3.Connection, account_id: int) -> list[wire.Identity]:
    """The account's identity keys, the first one first."""
    rows = connection.execute(
        f"SELECT {_IDENTITY} FROM identity WHERE account_id = ? ORDER BY number",  # noqa: S608
        (account_id,),
    )
    return [wire.Identity(algorithm=row[0], key=row[1], number=row[2], signature=row[3]) for row in rows]


# Uploading -------------------------------------------------------------------------------------
def upload_keys(connection: sqlite3.Connection, device_key: bytes, upload: wire.UploadKeys) -> Uploaded:
    """`IStore.upload_keys`."""
    if connection.execute("SELECT 1 FROM device WHERE key = ?", (device_key,)).fetchone() is None:
        raise UnknownDeviceError("this device was revoked: log in with the password")
    connection.execute(
        "INSERT OR IGNORE INTO device_keys (device_key, keys, vouch, generation) VALUES (?, '', '', 0)", (device_key,)
    )
    [before, *published] = connection.execute(_PUBLISHED, (device_key,)).fetchone()
    if upload.replace:
        _drop_keys(connection, device_key)
    if upload.keys is not None:
        _put_device_keys(connection, device_key, upload.keys)
    _put_one_time_keys(connection, device_key, upload.one_time)
    if upload.fallback is not None:
        _put_fallback(connection, device_key, upload.fallback)
    connection.execute(
        "UPDATE device_keys SET generation = max(generation, ?) WHERE device_key = ?", (upload.generation, device_key)
    )
    [_, *now_published] = connection.execute(_PUBLISHED, (device_key,)).fetchone()
    return Uploaded(_count(connection, device_key, before), now_published != published)


def _put_device_keys(connection: sqlite3.Connection, device_key: bytes, keys: wire.DeviceKeys) -> None:
    text = msgspec.json.encode(msgspec.structs.replace(keys, vouch="")).decode()
    [published] = connection.execute("SELECT keys FROM device_keys WHERE device_key = ?", (device_key,)).fetchone()
    if published and _olm_keys(published) != (keys.curve25519, keys.ed25519):
        _drop_keys(connection, device_key)  # they were signed by a key that is no more
    # The vouch is over these very keys; somebody who has no identity key repeats them without it.
    connection.execute(
        "UPDATE device_keys SET vouch = CASE WHEN ?1 != '' THEN ?1 WHEN keys = ?2 THEN vouch ELSE '' END, keys = ?2"
        " WHERE device_key = ?3",
        (keys.vouch, text, device_key),
    )


def _olm_keys(published: str) -> tuple[str, str]:
    keys = msgspec.json.decode(published, type=wire.DeviceKeys)
    return keys.curve25519, keys.ed25519


def _drop_keys(connection: sqlite3.Connection, device_key: bytes) -> None:
    """Those that nobody has; given out ones stay known, or an upload made twice would offer them again."""
    connection.execute("DELETE FROM one_time_key WHERE device_key = ? AND claimed IS NULL", (device_key,))
    connection.execute(
        "UPDATE device_keys SET fallback_id = NULL, fallback_key = NULL, fallback_signature = NULL, fallback_used = 0"
        " WHERE device_key = ?",
        (device_key,),
    )


def _put_one_time_keys(connection: sqlite3.Connection, device_key: bytes, keys: Iterable[wire.SignedKey]) -> None:
    room = MAX_ONE_TIME_KEYS - _left(connection, device_key)
    for key in keys:
        if room == 0:
            break
        room -= connection.execute(
            "INSERT INTO one_time_key (device_key, id, key, signature) VALUES (?1, ?2, ?3, ?4)"
            # Ids begin anew with a new Olm account: of a claimed one, other bytes are another key.
            " ON CONFLICT DO UPDATE SET key = ?3, signature = ?4, claimed = NULL"
            " WHERE claimed IS NOT NULL AND key != ?3",
            (device_key, key.id, key.key, key.signature),
        ).rowcount


def _put_fallback(connection: sqlite3.Connection, device_key: bytes, key: wire.SignedKey) -> None:
    connection.execute(
        "UPDATE device_keys SET fallback_used = (fallback_used AND fallback_key IS ?2),"
        " fallback_id = ?1, fallback_key = ?2, fallback_signature = ?3 WHERE device_key = ?4",
        (key.id, key.key, key.signature, device_key),
    )


def _left(connection: sqlite3.Connection, device_key: bytes) -> int:
    [count] = connection.execute(
        "SELECT count(*) FROM one_time_key WHERE device_key = ? AND claimed IS NULL", (device_key,)
    ).fetchone()
    return int(count)


def _count(connection: sqlite3.Connection, device_key: bytes, generation: int) -> wire.KeyCount:
    [used] = connection.execute("SELECT fallback_used FROM device_keys WHERE device_key = ?", (device_key,)).fetchone()
    return wire.KeyCount(one_time=_left(connection, device_key), fallback_used=bool(used), generation=generation)


# Asking ----------------------------------------------------------------------------------------
def published_keys(connection: sqlite3.Connection, names: Iterable[str]) -> wire.KeyList:
    """`IStore.published_keys`."""
    found: list[wire.UserKeys] = []
    left = MAX_PAGE_BYTES
    for account in filter(None, (_account(connection, name) for name in names)):
        keys = _user_keys(connection, *account)
        left -= len(wire.encode(keys)) + 1
        if left < 0 and found:
            return wire.KeyList(users=found, more=True)
        found.append(keys)
    return wire.KeyList(users=found)


def _account(connection: sqlite3.Connection, name: str) -> tuple[int, str] | None:
    row: tuple[int, str] | None = connection.execute(
        "SELECT id, name FROM account WHERE folded = ? AND deleted IS NULL", (folded(name),)
    ).fetchone()
    return row


def _user_keys(connection: sqlite3.Connection, account_id: int, name: str) -> wire.UserKeys:
    rows = connection.execute(
        "SELECT keys, vouch FROM device_keys JOIN device ON device.key = device_key"
        " WHERE account_id = ? AND keys != '' ORDER BY device.created, device.key",
        (account_id,),
    )
    published = [
        msgspec.structs.replace(msgspec.json.decode(keys, type=wire.DeviceKeys), vouch=vouch) for keys, vouch in rows
    ]
    return wire.UserKeys(user=name, identities=identities(connection, account_id), devices=published)


def find_device(connection: sqlite3.Connection, address: wire.DeviceAddress) -> tuple[str, bytes] | None:
    """The account's name as it was registered and the device's key, if the device has published any."""
    account = _account(connection, address.user)
    if account is None:
        return None
    rows = connection.execute(
        "SELECT device_key FROM device_keys JOIN device ON device.key = device_key WHERE account_id = ? AND keys != ''",
        (account[0],),
    )
    return next(((account[1], key) for (key,) in rows if device_id(key) == address.device), None)


def claim_keys(
    connection: sqlite3.Connection, addresses: Iterable[wire.DeviceAddress], now: int
) -> list[wire.ClaimedKey]:
    """`IStore.claim_keys`."""
    claimed = []
    for address in addresses:
        found = find_device(connection, address)
        if found is not None:
            key = _one_time_key(connection, found[1], now) or _fallback(connection, found[1])
            claimed.append(wire.ClaimedKey(user=found[0], device=address.device, key=key))
    return claimed


def _one_time_key(connection: sqlite3.Connection, device_key: bytes, now: int) -> wire.SignedKey | None:
    row = connection.execute(
        "SELECT id, key, signature FROM one_time_key WHERE device_key = ? AND claimed IS NULL LIMIT 1", (device_key,)
    ).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE one_time_key SET claimed = ? WHERE device_key = ? AND id = ?", (now, device_key, row[0]))
    return wire.SignedKey(id=row[0], key=row[1], signature=row[2])


def _fallback(connection: sqlite3.Connection, device_key: bytes) -> wire.SignedKey | None:
    row = connection.execute(
        "SELECT fallback_id, fallback_key, fallback_signature FROM device_keys"
        " WHERE device_key = ? AND fallback_key IS NOT NULL",
        (device_key,),
    ).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE device_keys SET fallback_used = 1 WHERE device_key = ?", (device_key,))
    return wire.SignedKey(id=row[0], key=row[1], signature=row[2])
