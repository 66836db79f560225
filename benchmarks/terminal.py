"""A program on a pseudo terminal, and when what it writes has come."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

_SECONDS: Final = 60.0
"""After which something is not waited for any more."""
_READ: Final = 65_536
_WHERE: Final = b"\x1b[6n"
"""Asks a terminal where its cursor is (ECMA-48, DSR)."""


class Terminal:
    """``command`` on a terminal of ``columns`` by ``rows``, that says when asked that its cursor is in the last row.

    It is, once as much has been printed as fits.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], columns: int, rows: int) -> None:
        self.written = bytearray()
        """All that came since `forget`."""
        self._place = b"\x1b[%d;1R" % rows
        self._process, self._fd = pty.fork()
        if self._process == 0:
            with suppress(OSError):
                termios.tcsetwinsize(0, (rows, columns))
                os.execve(command[0], list(command), dict(environ))  # noqa: S606 - this program
            os._exit(127)

    def press(self, keys: bytes) -> float:
        """Press them; the time of it."""
        now = time.perf_counter()
        os.write(self._fd, keys)
        return now

    def forget(self) -> None:
        """What came until now does not count."""
        self.written.clear()

    def until(self, wanted: bytes) -> float:
        """Read until it has come; the time of that."""
        begin, deadline = 0, time.perf_counter() + _SECONDS
        while self.written.find(wanted, begin) < 0:
            begin = max(0, len(self.written) - len(wanted))
            if not self._read(deadline):
                raise RuntimeError(f"{wanted!r} has not come; the last were {bytes(self.written[-500:])!r}")
        return time.perf_counter()

    def rest(self, seconds: float) -> None:
        """Read for so long."""
        deadline = time.perf_counter() + seconds
        while self._read(deadline):
            pass

    def end(self) -> None:
        """End it, whatever it does."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._fd)

    def _read(self, deadline: float) -> bool:
        """Take what there is before ``deadline``; whether anything came."""
        left = deadline - time.perf_counter()
        if left <= 0 or not select.select([self._fd], [], [], left)[0]:
            return False
        try:
            data = os.read(self._fd, _READ)
        except OSError:  # Linux: nobody has the other side open any more
            return False
        for _ in range(data.count(_WHERE)):
            os.write(self._fd, self._place)
        self.written += data
        return bool(data)
