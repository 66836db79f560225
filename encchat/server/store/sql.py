"""`IStore` in SQL: which function on a connection answers which method, whoever runs it.

A topic has a module of such functions; `SqlStore` says which of them read and which write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from encchat import wire
from encchat.limits import LOBBY_HISTORY
from encchat.server.membership import GrantedKey, Orphan, Readable, RoomChange, StoredRoom
from encchat.server.model import (
    Account,
    AuditEntry,
    CallPolicy,
    ConversationState,
    Device,
    FileTerms,
    NewFile,
    Sanction,
    SanctionKind,
    Stored,
    StoredChunk,
    Tail,
)
from encchat.server.store import (
    accounts,
    backup,
    devices,
    dossier,
    files,
    inbox,
    keys,
    messages,
    retention,
    rooms,
    sanctions,
)
from encchat.server.store.interface import PastMessage, Posted, Uploaded
from encchat.server.store.jobs import CallJob, Job
from encchat.wire import Kind, Role, RoomState

T = TypeVar("T")


class SqlStore:
    """All of `IStore` but opening, closing, appending and backups, which are a matter of threads and files."""

    def _read(self, query: Callable[..., T], *arguments: object) -> Deferred[T]:
        """Answer with ``query(connection, *arguments)``, which changes nothing."""
        raise NotImplementedError

    def _write(self, change: Callable[..., T], *arguments: object) -> Deferred[T]:
        """Answer with ``change(connection, *arguments)`` once it is committed; what it raises undoes it."""
        return self._call(CallJob(lambda connection: change(connection, *arguments), Deferred()))

    def _remove(self, change: Callable[..., T], *arguments: object) -> Deferred[T]:
        """`_write` for what takes messages away."""
        return self._call(CallJob(lambda connection: change(connection, *arguments), Deferred(), removes=True))

    def _fill(self, change: Callable[..., T], *arguments: object) -> Deferred[T]:
        """`_write` for what takes much space: `OverloadedError` while the disk has little left."""

        def filled(connection: sqlite3.Connection) -> T:
            self._check_disk()
            return change(connection, *arguments)

        return self._write(filled)

    def _check_disk(self) -> None:
        """Raise `OverloadedError` if there is less than `DISK_RESERVE` left where the store is."""

    def _call(self, job: CallJob) -> Deferred[Any]:
        self._submit(job)
        return job.answer

    def _submit(self, job: Job) -> None:
        """Have the job done in its turn."""
        raise NotImplementedError

    # Conversations
    def contacts(self, account_id: int) -> Deferred[list[str]]:
        return self._read(messages.contacts, account_id)

    def history(self, conversation: str, after_seq: int, limit: int) -> Deferred[list[PastMessage]]:
        return self._read(messages.history, conversation, after_seq, limit)

    def conversation(self, key: str) -> Deferred[Tail | None]:
        return self._read(messages.conversation, key)

    def conversations(self, account_id: int, device_key: bytes) -> Deferred[list[ConversationState]]:
        return self._read(messages.conversations, account_id, device_key)

    def retain(self, kind: Kind, keep: int | None, before: int | None, slice: int) -> Deferred[int]:
        return self._remove(retention.retain, kind, keep, before, slice)

    def forget_removed(self, now: int) -> Deferred[None]:
        return self._remove(retention.forget_removed, now)

    # Rooms
    def change_room(self, change: RoomChange) -> Deferred[tuple[Stored, ...]]:
        answer: Deferred[tuple[Stored, ...]] = Deferred()
        self._submit(rooms.RoomJob(change, answer))
        return answer

    def rooms(self, room_id: str | None = None) -> Deferred[list[StoredRoom]]:
        return self._write(rooms.rooms, room_id)  # in order, so that it has all that was handed over before

    def room_state(self, room_id: str, after: str, limit: int) -> Deferred[RoomState | None]:
        return self._read(rooms.state, room_id, after, limit)

    def room_change_done(self, account_id: int, ulid: str) -> Deferred[bool]:
        return self._read(rooms.was_done, account_id, ulid)

    def readable_room(self, account_id: int, name: str) -> Deferred[Readable | None]:
        return self._read(rooms.readable, account_id, name)

    def readable_rooms(self, account_id: int, device_key: bytes) -> Deferred[list[ConversationState]]:
        return self._read(rooms.readables, account_id, device_key)

    def room_key(self, room_id: str, account_id: int, version: int, device_key: bytes) -> Deferred[GrantedKey | None]:
        # In order: never one that a change of before has put out of force.
        return self._write(rooms.key, room_id, account_id, version, device_key)

    def rotate_room_key(self, room_id: str, key: bytes) -> Deferred[None]:
        return self._write(rooms.rotate_key, room_id, key)

    def orphans(self) -> Deferred[list[Orphan]]:
        return self._write(rooms.orphans)

    # Accounts
    def create_account(
        self, name: str, password_hash: str | None, role: Role, now: int, invite: str | None = None
    ) -> Deferred[Account]:
        return self._write(accounts.create_account, name, password_hash, role, now, invite)

    def delete_account(self, account_id: int, now: int) -> Deferred[None]:
        return self._write(accounts.delete_account, account_id, now)

    def account(self, name: str) -> Deferred[Account | None]:
        return self._read(accounts.account, name)

    def password_hash(self, account_id: int) -> Deferred[str | None]:
        return self._read(accounts.password_hash, account_id)

    def mark_seen(self, seen: Mapping[int, int], devices: Mapping[bytes, int]) -> Deferred[None]:
        return self._write(accounts.mark_seen, seen, devices)

    def set_role(self, account_id: int, role: Role) -> Deferred[None]:
        return self._write(accounts.set_role, account_id, role)

    def calls(self, account_id: int) -> Deferred[CallPolicy]:
        return self._read(accounts.calls, account_id)

    def set_calls(self, account_id: int, policy: CallPolicy) -> Deferred[None]:
        return self._write(accounts.set_calls, account_id, policy)

    # Devices
    def add_device(
        self, account_id: int, key: bytes, name: str, now: int = 0, lobby_history: int = LOBBY_HISTORY
    ) -> Deferred[Device]:
        return self._write(devices.add_device, account_id, key, name, now, lobby_history)

    def device(self, key: bytes) -> Deferred[tuple[Account, Device] | None]:
        return self._read(devices.device, key)

    def devices(self, account_id: int) -> Deferred[list[Device]]:
        return self._read(devices.devices, account_id)

    def revoke_device(self, account_id: int, device_id: str) -> Deferred[Device | None]:
        return self._write(devices.revoke_device, account_id, device_id)

    def forget_device(self, key: bytes) -> Deferred[None]:
        return self._write(devices.forget_device, key)

    def knows_device(self, key: bytes) -> Deferred[bool]:
        return self._read(devices.knows_device, key)

    def move_cursor(self, device_key: bytes, key: str, seq: int) -> Deferred[None]:
        return self._write(devices.move_cursor, device_key, key, seq)

    # End-to-end keys, inboxes, key backups
    def publish_identity(
        self, account_id: int, identity: wire.Identity, vouches: Sequence[wire.Vouch]
    ) -> Deferred[bool]:
        return self._write(keys.publish_identity, account_id, identity, vouches)

    def upload_keys(self, device_key: bytes, upload: wire.UploadKeys) -> Deferred[Uploaded]:
        return self._write(keys.upload_keys, device_key, upload)

    def published_keys(self, names: Sequence[str]) -> Deferred[wire.KeyList]:
        return self._read(keys.published_keys, names)

    def claim_keys(self, addresses: Sequence[wire.DeviceAddress], now: int) -> Deferred[list[wire.ClaimedKey]]:
        return self._write(keys.claim_keys, addresses, now)

    def put_parcels(
        self, sender: Device, ulid: str, parcels: Sequence[wire.Parcel], now: int
    ) -> Deferred[list[Posted]]:
        return self._write(inbox.put_parcels, sender, ulid, parcels, now)

    def inbox(self, device_key: bytes, after: int, limit: int) -> Deferred[wire.InboxPage]:
        return self._read(inbox.inbox, device_key, after, limit)

    def ack_inbox(self, device_key: bytes, seq: int) -> Deferred[None]:
        return self._write(inbox.ack_inbox, device_key, seq)

    def put_backup(self, account_id: int, entries: Sequence[wire.BackupEntry]) -> Deferred[None]:
        return self._write(backup.put_backup, account_id, entries)

    def get_backup(self, account_id: int, after: str | None, name: str | None, limit: int) -> Deferred[wire.BackupPage]:
        return self._read(backup.get_backup, account_id, after, name, limit)

    # Files
    def offer_file(self, new: NewFile, space: int) -> Deferred[int]:
        return self._fill(files.offer, new, space)

    def put_chunk(self, ulid: str, account_id: int, number: int, data: bytes, now: int) -> Deferred[None]:
        return self._fill(files.put_chunk, ulid, account_id, number, data, now)

    def file_chunk(self, ulid: str, number: int) -> Deferred[StoredChunk | None]:
        return self._read(files.chunk, ulid, number)

    def drop_file(self, ulid: str, account_id: int) -> Deferred[None]:
        return self._write(files.drop, ulid, account_id)

    def sweep_files(self, terms: FileTerms, slice: int) -> Deferred[int]:
        return self._write(files.sweep, terms, slice)

    # Sanctions and the audit log
    def add_sanction(self, sanction: Sanction) -> Deferred[None]:
        return self._write(sanctions.add_sanction, sanction)

    def remove_sanction(self, kind: SanctionKind, target: str) -> Deferred[bool]:
        return self._write(sanctions.remove_sanction, kind, target)

    def sanctions(self, now: int) -> Deferred[list[Sanction]]:
        return self._write(sanctions.sanctions, now)

    def audit(self, entry: AuditEntry) -> Deferred[None]:
        return self._write(sanctions.audit, entry)

    def audit_log(self, limit: int) -> Deferred[list[AuditEntry]]:
        return self._read(sanctions.audit_log, limit)

    # All of it
    def dossier(self, account_id: int) -> Deferred[dict[str, Any]]:
        return self._read(dossier.dossier, account_id)

    # Invites and values
    def add_invite(self, token: str, role: Role, uses: int, expires: int | None) -> Deferred[None]:
        return self._write(accounts.add_invite, token, role, uses, expires)

    def invite_role(self, token: str, now: int) -> Deferred[Role | None]:
        return self._read(accounts.invite_role, token, now)

    def is_new(self) -> Deferred[bool]:
        return self._read(accounts.is_new)

    def get_meta(self, key: str) -> Deferred[str | None]:
        return self._read(accounts.get_meta, key)

    def set_meta(self, key: str, value: str) -> Deferred[None]:
        return self._write(accounts.set_meta, key, value)
