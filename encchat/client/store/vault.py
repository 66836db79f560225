"""The sealed store before it is open: its file, the lock beside it, and the two ways to its key."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

import msgspec
from attrs import define, field

from encchat.client.store.keyring import Keyring
from encchat.client.store.sealing import KEY_BYTES, Cost, Random, Seal, Wrapped, unwrap, wrap
from encchat.client.store.sqlite import File, SqliteStore, fits, mark
from encchat.errors import StoreError, StoreLockedError

_WRAPPED: Final = "wrapped"


@define
class Vault:
    """The store at ``path``, locked for this process until it, or the store made from it, is closed.

    ``name`` is what its key is called in the keyring. `StoreLockedError`: another process has it open.
    """

    path: Path
    name: str
    _keyring: Keyring
    _random: Random = os.urandom
    _cost: Cost = field(factory=Cost)
    _lock: int | None = field(init=False, default=None)
    _file: File = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._lock = _locked(self.path.with_suffix(".lock"))
        try:
            self._file = File(self.path)
        except StoreError:
            self._unlock()
            raise

    @property
    def new(self) -> bool:
        """Whether it has no key yet."""
        return self._file.key("check") is None

    def open_by_keyring(self) -> SqliteStore | None:
        """The store if the keyring has its key."""
        key = self._keyring.get(self.name)
        if key is None or len(key) != KEY_BYTES:
            return None
        seal = Seal(key, self._random)
        return self._store(seal) if fits(self._file, seal) else None

    def open_by_password(self, password: str) -> SqliteStore | None:
        """The store if it is this password's; the keyring, where there is one, is given its key."""
        wrapped = self._file.key(_WRAPPED)
        if wrapped is None:
            return None
        with self._file.errors():
            key = unwrap(msgspec.msgpack.decode(wrapped, type=Wrapped), password)
        if key is None or not fits(self._file, seal := Seal(key, self._random)):
            return None
        self._keyring.put(self.name, key)
        return self._store(seal)

    def make(self, password: str | None) -> SqliteStore | None:
        """A new store under ``password`` and in the keyring; None if there is neither."""
        key = self._random(KEY_BYTES)
        if not self._keyring.put(self.name, key) and not password:
            return None
        if password:
            wrapped = wrap(key, password, self._random, self._cost)
            self._file.set_key(_WRAPPED, msgspec.msgpack.encode(wrapped))
        seal = Seal(key, self._random)
        mark(self._file, seal)  # last: a file without it is new
        return self._store(seal)

    def close(self) -> None:
        """Leave it as it is."""
        self._file.close()
        self._unlock()

    def _store(self, seal: Seal) -> SqliteStore:
        return SqliteStore(self._file, seal, self._unlock)

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def _locked(path: Path) -> int:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreLockedError(f"another process has {path} locked") from None
    return lock
