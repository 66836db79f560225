"""Texts that nobody else can have written, and the search for them in whatever spelling.

A canary is two halves of random letters with characters beyond ASCII between them, so that its JSON is escaped, and a
text that has lost one end is found by the other. Each half begins with the mark of its kind, which is random as well:
memory is searched for the marks only, a few passes in all, and what follows a mark tells whose it is.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from random import SystemRandom
from typing import Final, Literal

from attrs import define, field

Kind = Literal["secret", "password", "public", "name"]
"""``secret`` is the people's; ``public`` what the server may read, ``name`` what it has to know."""

_LETTERS: Final = "bcdfghkmnpqrstvwxyz"
_MARK: Final = 7
_OWN: Final = 7
_BETWEEN: Final = "é-ж-"  # neither ASCII nor Latin-1: JSON escapes it, and Python keeps such a text as UTF-16

Spelling = str


def spellings(text: str) -> Iterator[tuple[Spelling, bytes]]:
    """How ASCII text may stand in memory or in a file; UTF-8 is also how JSON and Latin-1 have it."""
    plain = text.encode("ascii")
    yield "utf-8", plain
    for encoding in ("utf-16-le", "utf-32-le"):  # and with the last byte left away big endian as well
        yield encoding, text.encode(encoding)
    yield "hex", plain.hex().encode()
    for shift in range(3):
        # What stands before and behind the text shares bits with the characters that are left away. Letters never give
        # + nor /, so that this is the alphabet for URLs as well.
        whole = slice((8 * shift + 5) // 6, 8 * (shift + len(plain)) // 6)
        yield f"base64 at {shift}", b64encode(bytes(shift) + plain)[whole]


def places(needle: bytes, image: bytes) -> Iterator[int]:
    """Where ``needle`` is in ``image``."""
    place = image.find(needle)
    while place >= 0:
        yield place
        place = image.find(needle, place + 1)


@define
class Canaries:
    """The canaries of one run, by name."""

    texts: dict[str, str] = field(factory=dict)
    kinds: dict[str, Kind] = field(factory=dict)
    _random: SystemRandom = field(factory=SystemRandom)
    _marks: dict[Kind, str] = field(factory=dict)

    def text(self, name: str, kind: Kind = "secret") -> str:
        """A new text to say."""
        return self._keep(name, kind, _BETWEEN.join((self._half(kind), self._half(kind))))

    def word(self, name: str, kind: Kind) -> str:
        """A new text of ASCII letters: a name, a password."""
        return self._keep(name, kind, self._half(kind))

    def search(self, image: bytes, *kinds: Kind) -> set[str]:
        """The canaries of these kinds that are in ``image``, as ``NAME (SPELLING)``."""
        found = set()
        for kind in kinds:
            for spelling, mark in spellings(self._mark(kind)):
                for place in places(mark[:-1], image):
                    found.add(f"{self._whose(kind, image, place)} ({spelling})")
        return found

    def _whose(self, kind: Kind, image: bytes, place: int) -> str:
        for name, text in self.texts.items():
            if self.kinds[name] != kind:
                continue
            for half in text.split(_BETWEEN):
                if any(image.startswith(spelled[:-1], place) for _, spelled in spellings(half)):
                    return name
        return f"part of a {kind}"

    def _keep(self, name: str, kind: Kind, text: str) -> str:
        if name in self.texts:
            raise ValueError(f"there is a canary {name}")
        self.texts[name], self.kinds[name] = text, kind
        return text

    def _half(self, kind: Kind) -> str:
        return self._mark(kind) + self._letters(_OWN)

    def _mark(self, kind: Kind) -> str:
        return self._marks.setdefault(kind, self._letters(_MARK))

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(_LETTERS, k=count))
