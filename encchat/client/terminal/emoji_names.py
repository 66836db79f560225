"""Emoji by name, for completion behind a colon; the names are those of PyPI's ``emoji``, read when first needed."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from typing import Final

from attrs import define, field, frozen

from encchat.client.text import printable
from encchat.limits import MAX_EMOJI_OFFERED

_BEGUN: Final = re.compile(r"(?:^|(?<=[\s(\[{\"'*_~]))(:[A-Za-z+][\w+-]+):?\Z", re.ASCII)
"""A colon and two characters of a name: fewer are a face like ``:D``, and digits before it a time."""

_FULLY_QUALIFIED: Final = 2
"""As ``emoji`` numbers it: the form that keyboards make."""


@frozen
class Named:
    """An emoji and the name it is found by, without colons."""

    name: str
    emoji: str


def begun(typed: str) -> str:
    """The beginning of an emoji's name at the end of ``typed``, with its colon; empty if there is none."""
    last = typed[max(typed.rfind(" "), typed.rfind("\n")) + 1 :]
    found = _BEGUN.search(last) if ":" in last else None
    return "" if found is None else last[found.start() :]


@define(eq=False)
class EmojiNames:
    """The names, once `load` has read them, which takes some ten milliseconds."""

    _names: list[Named] = field(init=False, factory=list)
    _loading: threading.Thread | None = field(init=False, default=None)

    @property
    def loaded(self) -> bool:
        """Whether `find` has anything to look through."""
        return bool(self._names)

    def load(self) -> None:
        """Read them now."""
        if not self._names:
            self._names = _read()

    def load_aside(self) -> None:
        """Read them in a thread, so that no key waits for it."""
        if not self._names and self._loading is None:
            self._loading = threading.Thread(target=self.load, name="emoji names", daemon=True)
            self._loading.start()

    def find(self, begun: str, count: int = MAX_EMOJI_OFFERED) -> list[Named]:
        """The emoji whose name begins with ``begun`` (shortest first), then those with a word in it that does.

        Each once; ``begun`` may have its colons.
        """
        wanted = begun.strip(":").casefold().replace("-", "_")
        start = bisect_left(self._names, wanted, key=lambda one: one.name)
        stop = bisect_left(self._names, wanted + "\x7f", key=lambda one: one.name)
        first = sorted(self._names[start:stop], key=_short_first)
        inside = (one for one in self._names if f"_{wanted}" in one.name)
        found: dict[str, Named] = {}
        for one in (*first, *sorted(inside, key=_short_first)):
            found.setdefault(one.emoji, one)
        return [one for one in found.values() if printable(one.emoji) == one.emoji][:count]


def _short_first(one: Named) -> tuple[int, str]:
    return len(one.name), one.name


def _read() -> list[Named]:
    from emoji import EMOJI_DATA

    names: dict[str, str] = {}
    for emoji, about in EMOJI_DATA.items():
        if about["status"] == _FULLY_QUALIFIED:
            for name in (*about.get("alias", ()), about["en"]):
                names.setdefault(name.strip(":").casefold(), emoji)
    return [Named(name, names[name]) for name in sorted(names)]
