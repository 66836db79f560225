"""A store in memory: the reference for `IStore`, and what simulations run on.

What one reactor turn asks for is done in the next one, in order, and answered after all of it was done; so a
process that "dies" in between leaves `Tables` as they were, as a file would be. It knows no threads, and the
reactor may be a `twisted.internet.task.Clock`.
"""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet import defer
from zope.interface import implementer

from encchat.errors import StoreError
from encchat.limits import LOBBY_HISTORY
from encchat.net.timing import Scheduler
from encchat.server.model import (
    Account,
    AuditEntry,
    ConversationState,
    Device,
    NewMessage,
    Sanction,
    SanctionKind,
    Stored,
    Tail,
)
from encchat.server.store.interface import Done, IStore, PastMessage
from encchat.server.store.tables import Tables
from encchat.wire import Kind, Role

T = TypeVar("T")
Answer = Callable[[], None]


@implementer(IStore)
class MemoryStore:
    """`IStore` on ``tables``, which outlive it."""

    def __init__(self, reactor: Scheduler, tables: Tables | None = None) -> None:
        self.tables = Tables() if tables is None else tables
        self._reactor = reactor
        self._is_open = False
        self._turn: list[Callable[[], Answer]] = []
        self._answers: deque[Answer] = deque()

    def open(self) -> defer.Deferred[None]:
        self._is_open = True
        return defer.succeed(None)

    def close(self) -> defer.Deferred[None]:
        self._work()
        self._is_open = False
        return defer.succeed(None)

    # The way to the tables
    def _do(self, operation: Callable[..., T], *arguments: object) -> defer.Deferred[T]:
        answer: defer.Deferred[T] = defer.Deferred()

        def work() -> Answer:
            outcome: list[Any] = []
            defer.execute(operation, *arguments).addBoth(outcome.append)
            return lambda: answer.callback(outcome[0])

        self._submit(work, answer.errback)
        return answer

    def append(self, message: NewMessage, done: Done) -> None:
        def work() -> Answer:
            stored = self._stored(message)
            return lambda: done(stored)

        self._submit(work, done)

    def _stored(self, message: NewMessage) -> Stored | StoreError:
        try:
            return self.tables.append(message)
        except StoreError as error:
            return error

    def _submit(self, work: Callable[[], Answer], refuse: Callable[[StoreError], None]) -> None:
        if not self._is_open:
            self._reactor.callLater(0, lambda: refuse(StoreError("the store is not open")))
            return
        if not self._turn:
            self._reactor.callLater(0, self._work)
        self._turn.append(work)

    def _work(self) -> None:
        turn, self._turn = self._turn, []
        self._answers.extend([work() for work in turn])
        self._deliver()

    def _deliver(self) -> None:
        """Give the answers; one that raises is the reactor's to log, and the rest still come, in order."""
        try:
            while self._answers:
                self._answers.popleft()()
        finally:
            if self._answers:
                self._reactor.callLater(0, self._deliver)

    # Accounts
    def create_account(
        self, name: str, password_hash: str | None, role: Role, now: int, invite: str | None = None
    ) -> defer.Deferred[Account]:
        return self._do(self.tables.create_account, name, password_hash, role, now, invite)

    def delete_account(self, account_id: int, now: int) -> defer.Deferred[None]:
        return self._do(self.tables.delete_account, account_id, now)

    def account(self, name: str) -> defer.Deferred[Account | None]:
        return self._do(self.tables.account, name)

    def password_hash(self, account_id: int) -> defer.Deferred[str | None]:
        return self._do(self.tables.password_hash, account_id)

    def mark_seen(self, account_id: int, now: int) -> defer.Deferred[None]:
        return self._do(self.tables.mark_seen, account_id, now)

    def set_role(self, account_id: int, role: Role) -> defer.Deferred[None]:
        return self._do(self.tables.set_role, account_id, role)

    # Devices
    def add_device(
        self, account_id: int, key: bytes, name: str, now: int = 0, lobby_history: int = LOBBY_HISTORY
    ) -> defer.Deferred[Device]:
        return self._do(self.tables.add_device, account_id, key, name, now, lobby_history)

    def device(self, key: bytes) -> defer.Deferred[tuple[Account, Device] | None]:
        return self._do(self.tables.device, key)

    def devices(self, account_id: int) -> defer.Deferred[list[Device]]:
        return self._do(self.tables.devices_of, account_id)

    def revoke_device(self, account_id: int, device_id: str) -> defer.Deferred[Device | None]:
        return self._do(self.tables.revoke_device, account_id, device_id)

    def forget_device(self, key: bytes) -> defer.Deferred[None]:
        return self._do(self.tables.forget_device, key)

    def mark_device_seen(self, key: bytes, now: int) -> defer.Deferred[bool]:
        return self._do(self.tables.mark_device_seen, key, now)

    def move_cursor(self, device_key: bytes, key: str, seq: int) -> defer.Deferred[None]:
        return self._do(self.tables.move_cursor, device_key, key, seq)

    # Sanctions and the audit log
    def add_sanction(self, sanction: Sanction) -> defer.Deferred[None]:
        return self._do(self.tables.add_sanction, sanction)

    def remove_sanction(self, kind: SanctionKind, target: str) -> defer.Deferred[bool]:
        return self._do(self.tables.remove_sanction, kind, target)

    def sanctions(self, now: int) -> defer.Deferred[list[Sanction]]:
        return self._do(self.tables.sanctions, now)

    def audit(self, entry: AuditEntry) -> defer.Deferred[None]:
        return self._do(self.tables.entries.append, entry)

    def audit_log(self, limit: int) -> defer.Deferred[list[AuditEntry]]:
        return self._do(self.tables.audit_log, limit)

    # Invites and values
    def add_invite(self, token: str, role: Role, uses: int, expires: int | None) -> defer.Deferred[None]:
        return self._do(self.tables.add_invite, token, role, uses, expires)

    def invite_role(self, token: str, now: int) -> defer.Deferred[Role | None]:
        return self._do(self.tables.invite_role, token, now)

    def is_new(self) -> defer.Deferred[bool]:
        return self._do(self.tables.is_new)

    def get_meta(self, key: str) -> defer.Deferred[str | None]:
        return self._do(self.tables.meta.get, key)

    def set_meta(self, key: str, value: str) -> defer.Deferred[None]:
        return self._do(self.tables.set_meta, key, value)

    # Conversations
    def contacts(self, account_id: int) -> defer.Deferred[list[str]]:
        return self._do(self.tables.contacts, account_id)

    def history(self, conversation: str, after_seq: int, limit: int) -> defer.Deferred[list[PastMessage]]:
        return self._do(self.tables.history, conversation, after_seq, limit)

    def conversation(self, key: str) -> defer.Deferred[Tail | None]:
        return self._do(self.tables.conversation, key)

    def conversations(self, account_id: int, device_key: bytes) -> defer.Deferred[list[ConversationState]]:
        return self._do(self.tables.conversations, account_id, device_key)

    def retain(self, kind: Kind, keep: int | None, before: int | None, slice: int) -> defer.Deferred[int]:
        return self._do(self.tables.retain, kind, keep, before, slice)

    def forget_removed(self, now: int) -> defer.Deferred[None]:
        return self._do(self.tables.forget_removed, now)

    # All of it
    def dossier(self, account_id: int) -> defer.Deferred[dict[str, Any]]:
        return self._do(self.tables.dossier, account_id)

    def backup(self, path: str | Path) -> defer.Deferred[None]:
        """A pickle of the `Tables`; it is for tests alone to read it again."""
        return self._do(self._save, Path(path))

    def _save(self, path: Path) -> None:
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                pickle.dump(self.tables, file)
        except OSError as error:
            raise StoreError(f"the backup {path} cannot be made: {error.strerror}; name a new file") from error
