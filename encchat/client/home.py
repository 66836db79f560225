"""What the client keeps on disk: pinned servers, the last user of each, device keys; files 0600, replaced whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from attrs import frozen
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Struct, field

from encchat import names
from encchat.errors import ConfigurationError, StoreError
from encchat.links import Address, parse_address
from encchat.secure.keys import load_or_make_static

_FILE: Final = "servers.json"


class _Servers(Struct):
    """The contents of ``servers.json``: address to fingerprint, fingerprint to user name, the address used last."""

    pins: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    last: str = ""


@frozen
class Home:
    """A directory of the client's own; made when something is first kept. Raises `StoreError`."""

    path: Path

    @classmethod
    def default(cls, environment: Mapping[str, str]) -> Home:
        """``$XDG_DATA_HOME/encchat``, usually ``~/.local/share/encchat``."""
        base = environment.get("XDG_DATA_HOME", "")
        # XDG base directories: "If an implementation encounters a relative path ... it should ... ignore it."
        data = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share"
        return cls(data / "encchat")

    def pin(self, address: Address) -> str | None:
        """The fingerprint pinned for a server, None before first contact."""
        return self._read().pins.get(_key(address))

    def remember_pin(self, address: Address, fingerprint: str) -> None:
        """Pin ``fingerprint``; an older pin of the address is replaced."""
        self._change(lambda servers: servers.pins.update({_key(address): fingerprint}))

    def last_server(self) -> Address | None:
        """Where somebody logged in last; None where nobody ever did."""
        servers = self._read()
        if servers.last:
            return parse_address(servers.last)
        used = [address for address, pin in servers.pins.items() if pin in servers.users]  # as older clients left it
        return parse_address(used[-1]) if used else None

    def remember_server(self, address: Address) -> None:
        """Somebody has logged in there."""

        def change(servers: _Servers) -> None:
            servers.last = _key(address)

        if self._read().last != _key(address):
            self._change(change)

    def last_user(self, fingerprint: str) -> str | None:
        """The user who last logged in at the server with this fingerprint."""
        return self._read().users.get(fingerprint)

    def device_key(self, fingerprint: str, user: str) -> X25519PrivateKey | None:
        """The key this device logs ``user`` in by, None before the first login."""
        path = self._device_path(fingerprint, user)
        try:
            return load_or_make_static(path) if path.exists() else None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from None

    def save_device(self, fingerprint: str, user: str, key: X25519PrivateKey) -> None:
        """Keep the key that ``user`` has logged in with."""
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._replace(self._device_path(fingerprint, user), pem)
        self._change(lambda servers: servers.users.update({fingerprint: user}))

    def forget_device(self, fingerprint: str, user: str) -> None:
        """Remove the key again; nothing happens if there is none."""
        path = self._device_path(fingerprint, user)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be removed: {error.strerror}") from None
        self._change(lambda servers: servers.users.pop(fingerprint, None))

    def store_path(self, fingerprint: str, user: str) -> Path:
        """Where the messages of ``user`` at a server are kept; the folder is made."""
        path = self._path("messages", fingerprint, user, ".sqlite")
        self._make_folder(path.parent)
        return path

    def _device_path(self, fingerprint: str, user: str) -> Path:
        return self._path("devices", fingerprint, user, ".pem")

    def _path(self, folder: str, fingerprint: str, user: str, suffix: str) -> Path:
        server = hashlib.sha256(fingerprint.encode()).hexdigest()[:16]
        return self.path / folder / server / f"{names.folded(names.account_name(user))}{suffix}"

    def _read(self) -> _Servers:
        path = self.path / _FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Servers)
        except FileNotFoundError:
            return _Servers()
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} is damaged ({error}): mend it or move it away") from None

    def _change(self, change: Callable[[_Servers], object]) -> None:
        with self._locked():
            servers = self._read()
            change(servers)
            self._replace(self.path / _FILE, msgspec.json.format(msgspec.json.encode(servers)) + b"\n")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two clients on one home do not lose each other's changes."""
        self._make_folder(self.path)
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _replace(self, path: Path, data: bytes) -> None:
        """Write ``path`` whole or not at all; `tempfile.mkstemp` makes it 0600."""
        self._make_folder(path.parent)
        try:
            handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error.strerror}") from None

    def _make_folder(self, path: Path) -> None:
        """0700 for each folder that is made: `Path.mkdir` gives its mode to the last one only."""
        try:
            if not path.parent.exists():
                self._make_folder(path.parent)
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be made: {error.strerror}") from None


def read_password(path: str) -> str:
    """The first line of a password file; raise `ConfigurationError` if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            password = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"the password file {path} cannot be read: {reason}") from None
    if not password:
        raise ConfigurationError(f"the password file {path} is empty: its first line is the password")
    return password


def _key(address: Address) -> str:
    return str(address).lower()
