"""Password hashing: argon2id in a small pool of threads with a bounded queue.

Passwords are bytes here, made once by `password_bytes`.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, Final, TypeVar

from attrs import frozen
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from twisted.internet import defer
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from encchat.errors import OverloadedError
from encchat.limits import PASSWORD_QUEUE, PASSWORD_THREADS

T = TypeVar("T")
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_NICE: Final = 10
"""Of the threads that hash, if the server's is not greater; with more a busy machine would let nobody log in."""


def _threads() -> int:
    """`PASSWORD_THREADS`, fewer on few cores: one that holds the interpreter's lock must not wait for another one.

    For on the core where the reactor is, it would wait there behind it, and the reactor behind both.
    """
    return max(1, min(PASSWORD_THREADS, len(os.sched_getaffinity(0)) - 1))


@frozen
class Cost:
    """Argon2id's parameters: KiB of memory, passes, lanes (defaults: OWASP's first choice, RFC 9106 names)."""

    memory: int = 19_456
    passes: int = 2
    lanes: int = 1


def password_bytes(password: str) -> bytes:
    """The bytes that are hashed: NFC, so that a password typed on another system is the same; UTF-8."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


class PasswordHasher:
    """Hashes and verifies, so many at once as `threads` says.

    `derivations` counts the argon2id computations done, whatever their outcome.
    """

    def __init__(self, reactor: Any, cost: Cost | None = None, random: Callable[[int], bytes] = os.urandom) -> None:
        self._reactor = reactor
        self._cost = cost or Cost()
        self._random = random
        self._pool: ThreadPool | None = None
        self.threads = _threads()
        self._outstanding = 0
        self._counting = Lock()
        self.derivations = 0

    def start(self) -> None:
        """Start the threads."""
        self._pool = ThreadPool(1, self.threads, name="encchat passwords")
        self._pool.start()

    def stop(self) -> None:
        """Refuse what waits, finish what runs, end the threads."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()

    def hash(self, password: bytes) -> defer.Deferred[str]:
        """The password's encoded hash (PHC string), under a fresh salt."""
        return self._in_pool(lambda: self._derive(password))

    def verify(self, encoded: str | None, password: bytes) -> defer.Deferred[bool]:
        """Whether the password is the one of ``encoded``; None costs the same work and is never right."""
        return self._in_pool(lambda: self._matches(encoded, password))

    def _matches(self, encoded: str | None, password: bytes) -> bool:
        if encoded is None:
            self._derive(password)
            return False
        self._count()
        try:
            Argon2id.verify_phc_encoded(password, encoded)
        except InvalidKey:
            return False
        return True

    def _derive(self, password: bytes) -> str:
        self._count()
        return Argon2id(
            salt=self._random(_SALT_BYTES),
            length=_HASH_BYTES,
            iterations=self._cost.passes,
            lanes=self._cost.lanes,
            memory_cost=self._cost.memory,
        ).derive_phc_encoded(password)

    def _count(self) -> None:
        with self._counting:
            self.derivations += 1

    def _in_pool(self, work: Callable[[], T]) -> defer.Deferred[T]:
        pool = self._pool
        if pool is None:
            return defer.fail(_stopping())
        if self._outstanding >= self.threads + PASSWORD_QUEUE:
            return defer.fail(OverloadedError("too many people are logging in right now: try again in a few seconds"))
        self._outstanding += 1

        def run() -> T:
            if self._pool is not pool:
                raise _stopping()
            _give_way()
            return work()

        def finished(result: T) -> T:
            self._outstanding -= 1
            return result

        return deferToThreadPool(self._reactor, pool, run).addBoth(finished)


def _give_way() -> None:
    """Whoever chats goes before those who log in: the kernel gives this thread a tenth of what it gives the others."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with suppress(PermissionError):  # under a filter of system calls it may be forbidden: then all have the same
            os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def _stopping() -> OverloadedError:
    return OverloadedError("the server is stopping")
