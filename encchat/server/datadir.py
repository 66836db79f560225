"""The server's data directory: who may look into it, and that only one server at a time lives in it."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import define, field

from encchat.errors import ConfigurationError

IDENTITY: Final = "identity.pem"
STATIC: Final = "static.pem"
RSA: Final = "rsa.pem"
STORE: Final = "encchat.db"
LOCK: Final = "lock"
_OURS: Final = frozenset({IDENTITY, STATIC, RSA, LOCK})


def default_path(environ: Mapping[str, str]) -> Path:
    """Where the server keeps its data unless told otherwise (XDG Base Directory, $XDG_STATE_HOME)."""
    state = environ.get("XDG_STATE_HOME", "")
    # XDG: "If an implementation encounters a relative path ... it should ... ignore it."
    base = Path(state) if os.path.isabs(state) else Path("~/.local/state").expanduser()
    if not base.is_absolute():
        raise ConfigurationError("there is no home directory to keep data in: name a --data-dir")
    return base / "encchat-server"


def _is_ours(name: str) -> bool:
    # Beside the store stand SQLite's own files, and copies: encchat.db-wal, encchat.db.version-1.
    return name in _OURS or name.startswith(STORE)


@define
class DataDirectory:
    """One server's directory, mode 0700; open while the server runs."""

    path: Path
    _lock: int | None = field(default=None, init=False)

    @property
    def identity(self) -> Path:
        return self.path / IDENTITY

    @property
    def static(self) -> Path:
        return self.path / STATIC

    @property
    def rsa(self) -> Path:
        return self.path / RSA

    @property
    def store(self) -> Path:
        return self.path / STORE

    @property
    def lock(self) -> Path:
        return self.path / LOCK

    def open(self) -> None:
        """Make the directory if it is missing and keep other servers out; `ConfigurationError`."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._close_to_others()
            self._lock = self._locked()
        except OSError as error:
            raise ConfigurationError(
                f"the data directory {self.path} cannot be used: {error.strerror}; name another --data-dir"
            ) from None

    def close(self) -> None:
        """Let another server in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _close_to_others(self) -> None:
        mode = stat.S_IMODE(self.path.stat().st_mode)
        # A directory that holds other things (--data-dir /tmp) is not ours to close.
        if mode & 0o077 and all(map(_is_ours, os.listdir(self.path))):
            self.path.chmod(0o700)
        elif mode & 0o022:
            raise ConfigurationError(
                f"others may write to the data directory {self.path}: chmod 700 it, or name another --data-dir"
            )

    def _locked(self) -> int:
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ConfigurationError(
                f"another encchat server is running on the data directory {self.path}:"
                " stop it, or name another --data-dir"
            ) from None
        return lock
