"""The embedded store: one SQLite file, a thread that writes and one that reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet import defer
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from encchat.errors import StoreError
from encchat.limits import LOBBY_HISTORY, MAX_STORE_BACKLOG
from encchat.server.model import (
    Account,
    AuditEntry,
    ConversationState,
    Device,
    NewMessage,
    Sanction,
    SanctionKind,
    Tail,
)
from encchat.server.store import accounts, database, devices, dossier, messages, retention, sanctions
from encchat.server.store.database import connect
from encchat.server.store.interface import Done, IStore, PastMessage
from encchat.server.store.writer import AppendJob, CallJob, Job, Writer, named
from encchat.wire import Kind, Role

T = TypeVar("T")
ROW_OVERHEAD: Final = 500
"""What a message that waits costs besides its body, in the characters the backlog is counted in."""


class IReactor(IReactorThreads, IReactorTime):
    """What the store needs of a reactor."""


@implementer(IStore)
class SqliteStore:
    """`IStore` on the file at ``path``.

    What one reactor turn asks for goes to the writer together at its end. `append` is bounded: beyond
    ``backlog`` characters that are not stored yet, messages are refused.
    """

    def __init__(self, path: str | Path, reactor: IReactor, backlog: int = MAX_STORE_BACKLOG) -> None:
        self._path = Path(path)
        self._reactor: Any = reactor
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._pool = ThreadPool(1, 1, name="encchat store reader")
        self._copier = ThreadPool(0, 1, name="encchat store copier")
        self._turn: list[Job] = []
        self._free = backlog

    # Opening and closing
    def open(self) -> defer.Deferred[None]:
        return defer.Deferred.fromCoroutine(self._open())

    async def _open(self) -> None:
        self._pool.start()
        self._copier.start()
        try:
            writing, self._reader = await self._in_pool(lambda: (connect(self._path), connect(self._path)))
        except StoreError:
            self._copier.stop()
            self._pool.stop()
            raise
        self._writer = Writer(writing, self._reactor.callFromThread)
        self._writer.start()

    @property
    def transactions(self) -> int:
        """How many transactions the open store has begun."""
        return self._writer.transactions if self._writer else 0

    def close(self) -> defer.Deferred[None]:
        return defer.Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        writer, reader = self._writer, self._reader
        if writer is None or reader is None:
            return
        self._hand_over()
        self._writer = self._reader = None
        closed: defer.Deferred[None] = defer.Deferred()
        writer.close(lambda: closed.callback(None))
        await closed
        await self._in_pool(reader.close)
        self._copier.stop()
        self._pool.stop()

    # Ways to the threads
    def _in_pool(self, work: Callable[[], T]) -> defer.Deferred[T]:
        return deferToThreadPool(self._reactor, self._pool, work)

    def _read(self, query: Callable[..., T], *arguments: object) -> defer.Deferred[T]:
        reader = self._reader
        if reader is None:
            return defer.fail(self._not_open())
        return self._in_pool(lambda: query(reader, *arguments)).addErrback(named)

    def _write(self, change: Callable[..., T], *arguments: object) -> defer.Deferred[T]:
        answer: defer.Deferred[T] = defer.Deferred()
        self._submit(CallJob(lambda connection: change(connection, *arguments), answer))
        return answer

    def _submit(self, job: Job) -> None:
        if self._writer is None:
            self._soon(job.refusal(self._not_open()))
            return
        if not self._turn:
            self._soon(self._hand_over)
        self._turn.append(job)

    def _hand_over(self) -> None:
        jobs, self._turn = self._turn, []
        if self._writer is not None and jobs:
            self._writer.submit(jobs)

    def _soon(self, call: Callable[[], None]) -> None:
        self._reactor.callLater(0, call)

    def _not_open(self) -> StoreError:
        return StoreError(f"the store {self._path} is not open")

    # Messages
    def append(self, message: NewMessage, done: Done) -> None:
        size = len(message.body) + ROW_OVERHEAD
        if size > self._free:
            self._soon(lambda: done(StoreError("the store is behind: try again")))
            return
        self._free -= size

        def settled(outcome: Any) -> None:
            self._free += size
            done(outcome)

        self._submit(AppendJob(message, settled))

    def contacts(self, account_id: int) -> defer.Deferred[list[str]]:
        return self._read(messages.contacts, account_id)

    def history(self, conversation: str, after_seq: int, limit: int) -> defer.Deferred[list[PastMessage]]:
        return self._read(messages.history, conversation, after_seq, limit)

    def conversation(self, key: str) -> defer.Deferred[Tail | None]:
        return self._read(messages.conversation, key)

    def conversations(self, account_id: int, device_key: bytes) -> defer.Deferred[list[ConversationState]]:
        return self._read(messages.conversations, account_id, device_key)

    def retain(self, kind: Kind, keep: int | None, before: int | None, slice: int) -> defer.Deferred[int]:
        return self._write(retention.retain, kind, keep, before, slice)

    def forget_removed(self, now: int) -> defer.Deferred[None]:
        return self._write(retention.forget_removed, now)

    # Accounts
    def create_account(
        self, name: str, password_hash: str | None, role: Role, now: int, invite: str | None = None
    ) -> defer.Deferred[Account]:
        return self._write(accounts.create_account, name, password_hash, role, now, invite)

    def delete_account(self, account_id: int, now: int) -> defer.Deferred[None]:
        return self._write(accounts.delete_account, account_id, now)

    def account(self, name: str) -> defer.Deferred[Account | None]:
        return self._read(accounts.account, name)

    def password_hash(self, account_id: int) -> defer.Deferred[str | None]:
        return self._read(accounts.password_hash, account_id)

    def mark_seen(self, account_id: int, now: int) -> defer.Deferred[None]:
        return self._write(accounts.mark_seen, account_id, now)

    def set_role(self, account_id: int, role: Role) -> defer.Deferred[None]:
        return self._write(accounts.set_role, account_id, role)

    # Devices
    def add_device(
        self, account_id: int, key: bytes, name: str, now: int = 0, lobby_history: int = LOBBY_HISTORY
    ) -> defer.Deferred[Device]:
        return self._write(devices.add_device, account_id, key, name, now, lobby_history)

    def device(self, key: bytes) -> defer.Deferred[tuple[Account, Device] | None]:
        return self._read(devices.device, key)

    def devices(self, account_id: int) -> defer.Deferred[list[Device]]:
        return self._read(devices.devices, account_id)

    def revoke_device(self, account_id: int, device_id: str) -> defer.Deferred[Device | None]:
        return self._write(devices.revoke_device, account_id, device_id)

    def forget_device(self, key: bytes) -> defer.Deferred[None]:
        return self._write(devices.forget_device, key)

    def mark_device_seen(self, key: bytes, now: int) -> defer.Deferred[bool]:
        return self._write(devices.mark_device_seen, key, now)

    def move_cursor(self, device_key: bytes, key: str, seq: int) -> defer.Deferred[None]:
        return self._write(devices.move_cursor, device_key, key, seq)

    # Sanctions and the audit log
    def add_sanction(self, sanction: Sanction) -> defer.Deferred[None]:
        return self._write(sanctions.add_sanction, sanction)

    def remove_sanction(self, kind: SanctionKind, target: str) -> defer.Deferred[bool]:
        return self._write(sanctions.remove_sanction, kind, target)

    def sanctions(self, now: int) -> defer.Deferred[list[Sanction]]:
        return self._write(sanctions.sanctions, now)

    def audit(self, entry: AuditEntry) -> defer.Deferred[None]:
        return self._write(sanctions.audit, entry)

    def audit_log(self, limit: int) -> defer.Deferred[list[AuditEntry]]:
        return self._read(sanctions.audit_log, limit)

    # All of it
    def dossier(self, account_id: int) -> defer.Deferred[dict[str, Any]]:
        return self._read(dossier.dossier, account_id)

    def backup(self, path: str | Path) -> defer.Deferred[None]:
        if self._writer is None:
            return defer.fail(self._not_open())
        # On a thread of its own: nobody's reading waits for a copy of everything.
        return deferToThreadPool(self._reactor, self._copier, database.backup, self._path, Path(path))

    # Invites and values
    def add_invite(self, token: str, role: Role, uses: int, expires: int | None) -> defer.Deferred[None]:
        return self._write(accounts.add_invite, token, role, uses, expires)

    def invite_role(self, token: str, now: int) -> defer.Deferred[Role | None]:
        return self._read(accounts.invite_role, token, now)

    def is_new(self) -> defer.Deferred[bool]:
        return self._read(accounts.is_new)

    def get_meta(self, key: str) -> defer.Deferred[str | None]:
        return self._read(accounts.get_meta, key)

    def set_meta(self, key: str, value: str) -> defer.Deferred[None]:
        return self._write(accounts.set_meta, key, value)
