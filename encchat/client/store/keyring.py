"""The operating system's keyring, through the optional package `keyring`: keeps store keys between runs."""

from __future__ import annotations

import base64
import binascii
import importlib
from contextlib import suppress
from typing import Any, Final, Protocol

from attrs import frozen

_SERVICE: Final = "encchat"


class Keyring(Protocol):
    """Keeps a key under a name; answers None or does nothing where it cannot."""

    def get(self, name: str) -> bytes | None:
        """The key kept under that name."""

    def put(self, name: str, key: bytes) -> bool:
        """Keep it; whether that worked."""

    def remove(self, name: str) -> None:
        """Forget it."""


@frozen
class NoKeyring:
    """Where there is none."""

    def get(self, name: str) -> bytes | None:
        return None

    def put(self, name: str, key: bytes) -> bool:
        return False

    def remove(self, name: str) -> None:
        pass


@frozen
class OsKeyring:
    """``backend`` is one of the package's; every call may wait for a person to unlock it."""

    _backend: Any
    _error: type[Exception]

    def get(self, name: str) -> bytes | None:
        try:
            text = self._backend.get_password(_SERVICE, name)
            return None if text is None else base64.b64decode(text, validate=True)
        except (self._error, binascii.Error):
            return None

    def put(self, name: str, key: bytes) -> bool:
        try:
            self._backend.set_password(_SERVICE, name, base64.b64encode(key).decode("ascii"))
        except self._error:
            return False
        return True

    def remove(self, name: str) -> None:
        with suppress(self._error):
            self._backend.delete_password(_SERVICE, name)


def find_keyring() -> Keyring:
    """The system's keyring if the package is installed and has a real one to offer."""
    try:
        package = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
    except ImportError:
        return NoKeyring()
    try:
        backend = package.get_keyring()
        # The package's own backends that keep nothing have a priority of 0 and less.
        usable = backend.priority > 0
    except (errors.KeyringError, RuntimeError):
        return NoKeyring()
    return OsKeyring(backend, errors.KeyringError) if usable else NoKeyring()
