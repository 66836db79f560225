"""A terminal for tests: runs a program in a pty and shows what a person would see."""

from __future__ import annotations

import signal
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

from tests.processes import CLIENT_CODE, environment, measured

ROOT = Path(__file__).parents[2]
DRIVER = "from tests.client.face_driver import main; main()"
CLIENT = CLIENT_CODE
LIMIT = 20.0
"""Seconds anything awaited may take on a busy machine."""


def command(code: str, arguments: Sequence[str]) -> list[str]:
    """``python -c code arguments``, measured if this process is."""
    return [sys.executable, "-c", measured(code), *arguments]


def surroundings(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child at ``home``: the encchat under test before this tree, times in UTC."""
    return environment(home, {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "TZ": "UTC", **(extra or {})})


def hear_signals() -> None:
    """A job in the background of a script ignores SIGINT and would hand that on."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


_FAINT, _NOT_FAINT, _BLINK, _NO_BLINK = 2, 22, 5, 25


class Screen(pyte.Screen):
    """A screen that answers when it is asked where its cursor is, and keeps faint text as blinking, for want of it."""

    answer: Callable[[str], object] = staticmethod(lambda data: None)

    def write_process_input(self, data: str) -> None:
        self.answer(data)

    def select_graphic_rendition(self, *attrs: int) -> None:
        if len(attrs) < 3 or attrs[0] not in (38, 48):  # in a colour these numbers mean something else
            attrs = tuple(_BLINK if one == _FAINT else one for one in attrs)
            attrs = (*attrs, _NO_BLINK) if _NOT_FAINT in attrs and _BLINK not in attrs else attrs
        super().select_graphic_rendition(*attrs)


class Terminal:
    """A child program on a terminal of ``columns`` by ``rows``."""

    def __init__(
        self,
        home: Path,
        code: str,
        *arguments: str,
        columns: int = 80,
        rows: int = 24,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        program, *rest = command(code, arguments)
        # The child hears signals as one that a shell started would.
        self.child = pexpect.spawn(
            program,
            rest,
            dimensions=(rows, columns),
            cwd=str(home),
            env=surroundings(home, environ),
            ignore_sighup=False,
            preexec_fn=hear_signals,
        )
        self.child.delaybeforesend = None
        self.raw = b""
        self.screen.answer = self.send

    def send(self, keys: str) -> None:
        """Type ``keys``."""
        self.child.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def lines(self) -> list[str]:
        """The rows on the screen, from the top, without the empty ones and without spaces at their ends."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def until(self, seen: Callable[[list[str]], bool]) -> list[str]:
        """Read what the program shows until ``seen`` says yes of the rows; fails after `LIMIT` seconds."""
        deadline = time.monotonic() + LIMIT
        while not seen(self.lines()):
            if time.monotonic() > deadline or not self._read():
                raise AssertionError("not seen; the screen is:\n" + "\n".join(self.lines()))
        return self.lines()

    def until_shows(self, text: str) -> list[str]:
        """Read until a row holds ``text``."""
        return self.until(lambda lines: any(text in line for line in lines))

    def until_quiet(self) -> list[str]:
        """Read until nothing has come for a moment."""
        before = -1
        while before != len(self.raw):
            before = len(self.raw)
            self._read()
        return self.lines()

    def until_ended(self) -> None:
        """Read to the end of the program."""
        deadline = time.monotonic() + LIMIT
        while self._read():
            if time.monotonic() > deadline:
                raise AssertionError("it does not end; the screen is:\n" + "\n".join(self.lines()))

    def exit_code(self) -> int | None:
        """Read to the end of the program; its exit code, None if a signal ended it."""
        self.until_ended()
        self.child.close()
        status: int | None = self.child.exitstatus
        return status

    def echoes(self) -> bool:
        """Whether the terminal is as a shell wants it: it shows what is typed and hands over whole lines."""
        flags = termios.tcgetattr(self.child.child_fd)[3]
        return flags & (termios.ECHO | termios.ICANON | termios.ISIG) == termios.ECHO | termios.ICANON | termios.ISIG

    def close(self) -> None:
        """End the program whatever it does."""
        self.child.close(force=True)

    def _read(self) -> bool:
        """Take what there is within a moment; whether there may be more."""
        try:
            data = self.child.read_nonblocking(65_536, timeout=0.2)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True
