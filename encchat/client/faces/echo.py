"""Whether a terminal shows what is typed at it."""

from __future__ import annotations

import termios
from typing import Any, Final

from attrs import define, field

_LOCAL_FLAGS: Final = 3
"""Place of the local flags in what `termios.tcgetattr` returns."""


@define(eq=False)
class Echo:
    """Turns the echo of the terminal at a file descriptor off, and back to what it was; line ends still show."""

    _fd: int
    _before: list[Any] | None = field(init=False, default=None)

    def off(self) -> None:
        """Stop showing what is typed."""
        self._before = termios.tcgetattr(self._fd)
        silent = list(self._before)
        silent[_LOCAL_FLAGS] = silent[_LOCAL_FLAGS] & ~termios.ECHO | termios.ECHONL
        termios.tcsetattr(self._fd, termios.TCSADRAIN, silent)

    def on(self) -> None:
        """As it was before `off`."""
        before, self._before = self._before, None
        if before is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, before)
