"""Files that a command names: read, written new, for their owner's eyes only.

What is small is read or written whole. What others send is fetched piece by piece into ``NAME.part``, which gets its
name when all of it is there and right; nothing that is there already is ever written over.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from attrs import frozen

from encchat.errors import UsageError
from encchat.limits import MAX_KEY_EXPORT, MAX_NUMBERED, MAX_PATHS

PART: Final = ".part"
"""Behind the name of a file of which not everything is there yet."""


@frozen
class Found:
    """A file to be sent: its absolute path, its name, its size in bytes."""

    path: str
    name: str
    size: int


class Files(Protocol):
    """Where commands read and write; each refusal is a `UsageError` that names the file, and no call takes long."""

    def read(self, path: str) -> bytes:
        """What the file holds."""

    def write(self, path: str, content: bytes) -> None:
        """Make the file; one that is there already is not touched."""

    # To be sent ---------------------------------------------------------------------------------
    def look(self, path: str) -> Found:
        """What is at ``path``, if it is a file that can be read."""

    def slice(self, path: str, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes of it."""

    def paths(self, typed: str) -> list[str]:
        """The paths that begin with ``typed``, folders with a slash at the end; nothing is refused."""

    # To be fetched ------------------------------------------------------------------------------
    def place(self, path: str, name: str, size: int) -> str:
        """Where a file of that name and size goes: into the folder ``path``, under a name that is free; or at ``path``.

        ``path`` ends with a slash where it is a folder in any case, which is made if need be.
        """

    def begin(self, path: str) -> None:
        """Make the part of a file that will be at ``path``."""

    def got(self, path: str) -> int | None:
        """How many bytes of it are there; None if there is no part."""

    def part(self, path: str, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes of the part."""

    def put(self, path: str, offset: int, piece: bytes) -> None:
        """Write ``piece`` into the part, which ends behind it."""

    def has(self, path: str, size: int) -> bool:
        """Whether there is a file of that size at ``path``, under its own name."""

    def finish(self, path: str) -> str:
        """Give the part its name, safely on the disk; what stands in the way, empty if nothing. May take long."""

    def drop(self, path: str) -> None:
        """Remove the part, if there is one."""


class LocalFiles:
    """The files of this machine."""

    def read(self, path: str) -> bytes:
        """What the file holds; one over `MAX_KEY_EXPORT` bytes is none of ours."""
        with _refused(path, "read"), Path(path).expanduser().open("rb") as file:
            content = file.read(MAX_KEY_EXPORT + 1)
        if len(content) > MAX_KEY_EXPORT:
            raise UsageError(f"{path} is over {MAX_KEY_EXPORT} bytes: that is no file of /keys export")
        return content

    def write(self, path: str, content: bytes) -> None:
        """Make the file with mode 0600, safely on the disk when this returns."""
        try:
            with _refused(path, "written"), os.fdopen(_new(Path(path).expanduser()), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise UsageError(f"{path} is there already: name a new file") from None

    # To be sent ---------------------------------------------------------------------------------
    def look(self, path: str) -> Found:
        with _refused(path, "read"):
            place = Path(path).expanduser().absolute()
            with _regular(place, os.O_RDONLY) as file:
                return Found(str(place), place.name, os.fstat(file).st_size)

    def slice(self, path: str, offset: int, count: int) -> bytes:
        with _refused(path, "read"), _regular(Path(path), os.O_RDONLY) as file:
            return os.pread(file, count, offset)

    def paths(self, typed: str) -> list[str]:
        folder, slash, begun = typed.rpartition("/")
        found = []
        with suppress(OSError, ValueError, RuntimeError), os.scandir(Path(folder + slash).expanduser()) as entries:
            for entry in entries:
                if entry.name.startswith(begun) and (begun or not entry.name.startswith(".")):
                    found.append(folder + slash + entry.name + ("/" if entry.is_dir() else ""))
        return sorted(found)[:MAX_PATHS]

    # To be fetched ------------------------------------------------------------------------------
    def place(self, path: str, name: str, size: int) -> str:
        with _refused(path, "written"):
            place = Path(path).expanduser().absolute()
            if path.endswith("/"):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = _free(place / name) if place.is_dir() else place
            if _taken(place):
                raise UsageError(f"{place} is there already: name another path")
            if shutil.disk_usage(place.parent).free < size:
                raise UsageError(f"{place} is not written: the disk has no room for {size} bytes")
        return str(place)

    def begin(self, path: str) -> None:
        try:
            with _refused(path, "written"):
                os.close(_new(_part(path)))
        except FileExistsError:
            raise UsageError(f"{_part(path)} is there already: name another path") from None

    def got(self, path: str) -> int | None:
        if not os.path.lexists(_part(path)):
            return None
        with _refused(path, "read"), _regular(_part(path), os.O_RDONLY | os.O_NOFOLLOW) as file:
            return os.fstat(file).st_size

    def part(self, path: str, offset: int, count: int) -> bytes:
        with _refused(path, "read"), _regular(_part(path), os.O_RDONLY | os.O_NOFOLLOW) as file:
            return os.pread(file, count, offset)

    def put(self, path: str, offset: int, piece: bytes) -> None:
        with _refused(path, "written"), _regular(_part(path), os.O_WRONLY | os.O_NOFOLLOW) as file:
            os.ftruncate(file, offset)
            if os.pwrite(file, piece, offset) != len(piece):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def has(self, path: str, size: int) -> bool:
        try:
            return self.look(path).size == size
        except UsageError:
            return False

    def finish(self, path: str) -> str:
        try:
            with _refused(path, "written"), _regular(_part(path), os.O_WRONLY | os.O_NOFOLLOW) as file:
                os.fsync(file)
                _rename(_part(path), Path(path))
        except FileExistsError:
            return f"{path} is there already; what came is in {_part(path)}"
        except UsageError as error:
            return error.text
        return ""

    def drop(self, path: str) -> None:
        with suppress(OSError):
            _part(path).unlink(missing_ok=True)


@contextmanager
def _refused(path: str, done: str) -> Iterator[None]:
    """What the system says, as our own error; but for what is there already, which says more than that."""
    try:
        yield
    except FileExistsError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path} cannot be {done}: {reason}") from None


@contextmanager
def _regular(path: Path, flags: int) -> Iterator[int]:
    """Open it, unless it is a device or a pipe, which might never end."""
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UsageError(f"{path} is no file")
        yield file
    finally:
        os.close(file)


def _new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _part(path: str) -> Path:
    return Path(path + PART)


def _taken(path: Path) -> bool:
    return os.path.lexists(path) or os.path.lexists(_part(str(path)))


def _free(path: Path) -> Path:
    """``path``, or with a number before its ending the first that is free."""
    numbered: Callable[[int], Path] = lambda number: path.with_name(f"{path.stem} ({number}){path.suffix}")  # noqa: E731
    return next(
        (place for number in range(1, MAX_NUMBERED) if not _taken(place := path if number == 1 else numbered(number))),
        path,
    )


def _rename(part: Path, path: Path) -> None:
    """Only if nothing is at ``path``: a link is made in one step or not at all."""
    try:
        os.link(part, path, follow_symlinks=False)
    except FileExistsError:
        if not os.path.samestat(os.lstat(part), os.lstat(path)):  # else it was killed between the two steps
            raise
        part.unlink()
    except OSError:  # a file system without links
        os.close(_new(path))
        part.replace(path)
    else:
        part.unlink()


class NoFiles:
    """Of a client that has no business with files."""

    def read(self, path: str) -> bytes:
        """Refused."""
        raise UsageError("this client reads no files")

    def write(self, path: str, content: bytes) -> None:
        """Refused."""
        raise UsageError("this client writes no files")

    def look(self, path: str) -> Found:
        """Refused."""
        raise UsageError("this client reads no files")

    def slice(self, path: str, offset: int, count: int) -> bytes:
        """Refused."""
        raise UsageError("this client reads no files")

    def paths(self, typed: str) -> list[str]:
        """None."""
        return []

    def place(self, path: str, name: str, size: int) -> str:
        """Refused."""
        raise UsageError("this client writes no files")

    def begin(self, path: str) -> None:
        """Refused."""
        raise UsageError("this client writes no files")

    def got(self, path: str) -> int | None:
        """Nothing."""
        return None

    def part(self, path: str, offset: int, count: int) -> bytes:
        """Refused."""
        raise UsageError("this client reads no files")

    def put(self, path: str, offset: int, piece: bytes) -> None:
        """Refused."""
        raise UsageError("this client writes no files")

    def has(self, path: str, size: int) -> bool:
        """No."""
        return False

    def finish(self, path: str) -> str:
        """Refused."""
        return "this client writes no files"

    def drop(self, path: str) -> None:
        """Nothing to do."""
