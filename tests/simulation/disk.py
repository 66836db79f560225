"""The server's store with a disk that takes its time: what is not committed when the server dies never was.

The disk, which survives, is a `MemoryStore`. `SlowStore` is one process's way to it. It provides `IStore`: writes
gather in a batch that is committed later, all at once, and answered later still, in order; reads see what is
committed at some moment between the question and the answer. A crash drops batches and answers, wherever they are.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from attrs import define, field
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from encchat.errors import StoreError
from encchat.server.model import Fate, NewMessage, Stored
from encchat.server.store.interface import IStore
from encchat.server.store.memory import MemoryStore
from tests.simulation.tables import lose
from tests.simulation.timing import SkewedClock

_READS: Final = frozenset(
    {
        "account", "audit_log", "calls", "contacts", "conversation", "conversations", "device", "devices", "dossier",
        "get_backup", "get_meta", "history", "inbox", "invite_role", "is_new", "password_hash", "published_keys",
    }
)  # fmt: skip

LIES: Final = ("forgets-ulids", "answers-out-of-order", "skips-a-row", "answers-before-commit")
"""Ways in which a store can break its promises, for tests of the checker."""


@define(eq=False)
class _Job:
    """One write on its way: ``commit`` begins it and leaves its outcome, ``answer`` tells it."""

    commit: Callable[[_Job], None]
    answer: Callable[[Any], None]
    outcome: Any = None
    fate: Fate | None = None


@define(eq=False)
class SlowStore:
    """See the module; ``commit_seconds`` is how long a commit takes at most, ``full`` refuses all writes."""

    _disk: MemoryStore
    _clock: SkewedClock
    _random: Random
    lie: str = ""
    commit_seconds: float = 0.02
    full: bool = False
    _batch: list[_Job] = field(init=False, factory=list)
    _answer_at: float = field(init=False, default=0.0)
    _unsafe: list[tuple[float, NewMessage]] = field(init=False, factory=list)

    def __getattr__(self, name: str) -> Callable[..., Deferred[Any]]:
        """Every other method of `IStore`, from the disk's own."""
        if name not in IStore:
            raise AttributeError(name)
        method = getattr(self._disk, name)
        way = self._read if name in _READS else self._write
        return lambda *arguments, **named: way(lambda: method(*arguments, **named), name)

    def append(self, message: NewMessage, done: Callable[[Stored | StoreError], None]) -> None:
        """`IStore.append`."""
        stored = message
        if self.lie == "forgets-ulids":
            stored = replace(message, ulid=f"0{self._random.getrandbits(100):025X}"[:26])

        def commit(job: _Job) -> None:
            def keep(outcome: Stored | StoreError) -> None:
                job.outcome = outcome
                if self.lie == "answers-before-commit" and isinstance(outcome, Stored) and not outcome.duplicate:
                    self._unsafe.append((self._clock.true_seconds() + self.commit_seconds * 20, message))

            self._disk.append(stored, keep)

        self._submit(_Job(commit, done, fate=message.fate))

    def power_fails(self) -> None:
        """A disk that answers before the commit loses what it had only promised."""
        for safe_at, message in reversed(self._unsafe):
            if safe_at > self._clock.true_seconds():
                lose(self._disk.tables, message)

    # Reading -------------------------------------------------------------------------------------
    def _read(self, ask: Callable[[], Deferred[Any]], name: str) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()

        def look() -> None:
            ask().addBoth(seen)

        def seen(outcome: Any) -> None:
            if name == "history" and self.lie == "skips-a-row" and len(outcome) > 1 and self._random.random() < 0.5:
                outcome = outcome[1:]
            self._clock.callLater(self._soon(), lambda: _tell(answer, outcome))

        self._clock.callLater(self._soon(), look)
        return answer

    # Writing -------------------------------------------------------------------------------------
    def _write(self, change: Callable[[], Deferred[Any]], name: str) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()

        def commit(job: _Job) -> None:
            def keep(outcome: Any) -> None:
                job.outcome = outcome

            change().addBoth(keep)

        self._submit(_Job(commit, lambda outcome: _tell(answer, outcome)))
        return answer

    def _submit(self, job: _Job) -> None:
        if not self._batch:
            self._clock.callLater(self._random.random() * self.commit_seconds, self._commit)
        self._batch.append(job)

    def _commit(self) -> None:
        batch, self._batch = self._batch, []
        for job in batch:
            if self.full:
                job.outcome = StoreError("the disk is full")
                if job.fate is not None:
                    job.fate.refused = True
            else:
                job.commit(job)
        if self.lie == "answers-out-of-order":
            batch.reverse()
        now = self._clock.true_seconds()
        self._answer_at = max(self._answer_at, now + self._soon())
        self._clock.callLater(self._answer_at - now, lambda: _answer(batch))

    def _soon(self) -> float:
        return 0.0001 + self._random.random() * 0.005


def _answer(batch: list[_Job]) -> None:
    for job in batch:
        job.answer(job.outcome)


def _tell(answer: Deferred[Any], outcome: Any) -> None:
    if isinstance(outcome, StoreError):
        outcome = Failure(outcome)
    if isinstance(outcome, Failure):
        answer.errback(outcome)
    else:
        answer.callback(outcome)
