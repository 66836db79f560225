"""Bytes as a row of decisions, so that one fuzz target serves hypothesis and atheris."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from attrs import define

T = TypeVar("T")


@define
class Choices:
    """Every decision takes a byte or two; past the end all are the first of what can be chosen."""

    _data: bytes
    _place: int = 0

    @property
    def over(self) -> bool:
        """Whether all bytes are used."""
        return self._place >= len(self._data)

    def number(self, most: int) -> int:
        """From 0 to ``most``, which is below 256."""
        value = 0 if self.over else self._data[self._place]
        self._place += 1
        return value % (most + 1)

    def pick(self, things: Sequence[T]) -> T:
        """One of them."""
        return things[self.number(len(things) - 1)]

    def take(self, most: int) -> bytes:
        """At most so many bytes as they are."""
        size = self.number(most)
        taken = self._data[self._place : self._place + size]
        self._place += size
        return taken
