"""The audit trail: what was done, or refused, of everything that commands with the need ``audited`` ask."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from attrs import define, field
from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.errors import RequestError
from encchat.limits import AUDIT_REFUSALS, AUDIT_REFUSALS_RATE, MAX_AUDIT_DETAIL, MAX_THROTTLED
from encchat.server.model import AuditEntry
from encchat.server.rate import Bucket
from encchat.server.traces import trace
from encchat.wire import Request

log = Logger()


@define(eq=False)
class Trail:
    """Writes to ``store``, which provides `IStore`; ``clock`` gives seconds since 1970 UTC.

    What was refused is written for each account at a bounded rate only: who may do nothing could else fill
    the disk by asking.
    """

    _store: Any
    _clock: Callable[[], float]
    _refusals: OrderedDict[str, Bucket] = field(init=False, factory=OrderedDict)

    def done(self, actor: str, request: Request) -> Deferred[None]:
        """``actor`` did what was asked; fires when that is on disk."""
        return self._write(actor, request, "")

    def refused(self, actor: str, request: Request, error: RequestError) -> None:
        """``actor`` was told ``error`` instead."""
        if self._has_room(actor):
            self._write(actor, request, f"refused: {error.text}").addErrback(_broke)

    def _write(self, actor: str, request: Request, outcome: str) -> Deferred[None]:
        entry = _entry(int(self._clock() * 1_000), actor, request, outcome)
        written: Deferred[None] = self._store.audit(entry)
        return written

    def _has_room(self, actor: str) -> bool:
        now = self._clock()
        bucket = self._refusals.setdefault(actor, Bucket.full(AUDIT_REFUSALS_RATE, AUDIT_REFUSALS, now))
        self._refusals.move_to_end(actor)
        if len(self._refusals) > MAX_THROTTLED:
            self._refusals.popitem(last=False)
        if bucket.spend(1.0) or bucket.wait(now) == 0.0:
            return True
        bucket.spend(-1.0)
        return False


def _entry(now: int, actor: str, request: Request, outcome: str) -> AuditEntry:
    """Its target is the request's user or target; the detail is what else it says, but for a password."""
    fields = {name: str(value) for name, value in structs.asdict(request).items() if name not in ("id", "password")}
    target = fields.pop("user", "") or fields.pop("target", "")
    words = [value for value in fields.values() if value]
    detail = "; ".join(filter(None, [outcome, " ".join(words)]))
    verb = str(request.__struct_config__.tag)
    return AuditEntry(now, actor, verb, target, detail[:MAX_AUDIT_DETAIL])


def _broke(failure: Failure) -> None:
    log.error("the audit trail could not be written: {trace}", event="store_broke", trace=trace(failure))
