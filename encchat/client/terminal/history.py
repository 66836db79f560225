"""Typed lines for the next start: sealed entries in the client's store, at most `MAX_HISTORY` of them.

Theory of operation. Each line is an entry of the store's state of its own, under the number of its place in a ring, so
that a new line is one small write in the transaction of whatever the line does, and takes the place of the oldest. They
are read once, after the login. Nothing here knows which lines are secrets: who calls `TypedLines.add` does.
"""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import define, field

from encchat.e2e.interfaces import Keep
from encchat.limits import MAX_HISTORY, MAX_HISTORY_LINE

KIND: Final = "typed"
"""The kind under which the store keeps them."""


class _Line(msgspec.Struct, frozen=True, array_like=True):
    """A typed line; of two the one with the higher number was typed later."""

    number: int
    text: str


@define(eq=False)
class TypedLines:
    """The lines that ``keep`` holds, and those of this run; ``most`` is how many there are at once."""

    _keep: Keep
    _most: int = MAX_HISTORY
    _lines: list[_Line] | None = field(init=False, default=None, repr=False)

    def all(self) -> list[str]:
        """Every line, oldest first."""
        return [line.text for line in self._read()]

    def add(self, text: str) -> None:
        """Keep ``text``; not what is too long, nor what was typed just before."""
        lines = self._read()
        if not text.strip() or len(text) > MAX_HISTORY_LINE or (lines and lines[-1].text == text):
            return
        line = _Line(lines[-1].number + 1 if lines else 0, text)
        lines.append(line)
        del lines[: -self._most]
        self._keep.put(KIND, str(line.number % self._most), msgspec.msgpack.encode(line))

    def forget(self) -> None:
        """Keep none of them any more."""
        if self._read():
            for place in self._keep.all(KIND):
                self._keep.put(KIND, place, None)
            self._lines = []

    def reread(self) -> None:
        """``keep`` is another store's from now on."""
        self._lines = None

    def _read(self) -> list[_Line]:
        if self._lines is None:
            kept = self._keep.all(KIND).values()
            lines = (msgspec.msgpack.decode(one, type=_Line) for one in kept)
            self._lines = sorted(lines, key=lambda line: line.number)[-self._most :]
        return self._lines
