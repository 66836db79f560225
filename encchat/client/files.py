"""Files that a command names: read whole, written new, for their owner's eyes only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from encchat.errors import UsageError
from encchat.limits import MAX_KEY_EXPORT


class Files(Protocol):
    """Where `/keys` reads and writes; each refusal is a `UsageError` that names the file."""

    def read(self, path: str) -> bytes:
        """What the file holds."""

    def write(self, path: str, content: bytes) -> None:
        """Make the file; one that is there already is not touched."""


class LocalFiles:
    """The files of this machine."""

    def read(self, path: str) -> bytes:
        """What the file holds; one over `MAX_KEY_EXPORT` bytes is none of ours."""
        try:
            with Path(path).expanduser().open("rb") as file:
                content = file.read(MAX_KEY_EXPORT + 1)
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(f"{path} cannot be read: {_reason(error)}") from None
        if len(content) > MAX_KEY_EXPORT:
            raise UsageError(f"{path} is over {MAX_KEY_EXPORT} bytes: that is no file of /keys export")
        return content

    def write(self, path: str, content: bytes) -> None:
        """Make the file with mode 0600, safely on the disk when this returns."""
        try:
            place = Path(path).expanduser()
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise UsageError(f"{path} is there already: name a new file") from None
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(f"{path} cannot be written: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class NoFiles:
    """Of a client that has no business with files, like a bot's."""

    def read(self, path: str) -> bytes:
        """Refused."""
        raise UsageError("this client reads no files")

    def write(self, path: str, content: bytes) -> None:
        """Refused."""
        raise UsageError("this client writes no files")
