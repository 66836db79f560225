"""Text from others made safe to print: what a terminal would obey, or an eye would not see, is spelled out.

`printable` spells such a code point as ``<U+202E>``. That is every code point of the Unicode categories Cc
(C0, DEL, C1), Cf (bidi and other format controls, zero width), Cs, Co, Zl, Zp and Cn, and those that are letters, marks
or symbols by category and yet show nothing. A tab becomes spaces. Joiners and variation selectors stay only inside
an emoji; text whose script joins letters by U+200C loses a little beauty for that. So are marks that have no letter to
stand on, which would be drawn over what is ours, and those above `MAX_MARKS`, which would be over the rows around.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from encchat.limits import MAX_MARKS, MAX_SHOWN_NAME

TAB: Final = "    "

_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt) outside those categories, and U+2800, the blank
# among the Braille patterns.
_INVISIBLE: Final = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0xE0100, 0xE01EF),
)

# The blocks emoji live in: kept even where this Python's Unicode does not know the newest ones yet.
_PICTOGRAPHS: Final = (0x1F300, 0x1FAFF)

_BASE: Final = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23fa\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f004\U0001f0cf\U0001f170-\U0001f189\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f1e6-\U0001f1ff\U0001f201\U0001f202\U0001f21a\U0001f22f\U0001f232-\U0001f23a\U0001f250\U0001f251"
    "\U0001f300-\U0001faff]"
)
_ELEMENT: Final = f"{_BASE}(?:\ufe0f|[\U0001f3fb-\U0001f3ff])?"
_MAX_JOINED: Final = 5
"""Joiners of one emoji: the longest in use (a family, a kiss with skin tones) have three or four."""

_EMOJI: Final = re.compile(rf"((?:{_ELEMENT}(?:\u200d{_ELEMENT}){{0,{_MAX_JOINED}}}|[0-9#*]\ufe0f\u20e3))")


class _Spelling:
    """The table `str.translate` asks: a code point's spelling, or itself."""

    def __getitem__(self, code_point: int) -> int | str:
        return _spelled(code_point)


@lru_cache(maxsize=4096)
def _spelled(code_point: int) -> int | str:
    if code_point == 0x09:
        return TAB
    return f"<U+{code_point:04X}>" if _is_unsafe(code_point) else code_point


def _is_unsafe(code_point: int) -> bool:
    if any(first <= code_point <= last for first, last in _INVISIBLE):
        return True
    if _PICTOGRAPHS[0] <= code_point <= _PICTOGRAPHS[1]:
        return False
    return unicodedata.category(chr(code_point)) in _UNSAFE_CATEGORIES


_SPELLING: Final = _Spelling()


def printable(text: str) -> str:
    """``text`` as one line that may go to a terminal; line ends in it are spelled out as well."""
    if text.isascii():
        return text if text.isprintable() else text.translate(_SPELLING)
    pieces = _EMOJI.split(text)  # what matched stands at the odd places
    return _levelled("".join(piece if place % 2 else piece.translate(_SPELLING) for place, piece in enumerate(pieces)))


def _levelled(text: str) -> str:
    """``text`` with the marks spelled out that stand on nothing, or on top of `MAX_MARKS` others."""
    if not any(map(_is_mark, text)):
        return text
    kept, marks = [], MAX_MARKS
    for character in text:
        if not _is_mark(character):
            marks = MAX_MARKS if character == " " else 0
        elif (marks := marks + 1) > MAX_MARKS:
            character = f"<U+{ord(character):04X}>"
        kept.append(character)
    return "".join(kept)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me")


def printable_name(text: str) -> str:
    """``text`` where a name stands in the head of a row: neither does it end the head nor is it a page long.

    Accounts and rooms have no such names; a server might pretend.
    """
    if _NAME.fullmatch(text):
        return text
    long = len(text) > MAX_SHOWN_NAME
    spelled = _NO_NAME.sub(lambda found: f"<U+{ord(found[0]):04X}>", printable(text[:MAX_SHOWN_NAME]))
    return f"{spelled}..." if long else spelled


_NAME: Final = re.compile(rf"[@#]?[A-Za-z0-9._-]{{1,{MAX_SHOWN_NAME}}}")
_NO_NAME: Final = re.compile(r"[\s:\[\]]")


def printable_lines(text: str) -> list[str]:
    """The lines of ``text`` (ended by LF or CR LF), each `printable`; at least one."""
    return [printable(line) for line in text.replace("\r\n", "\n").split("\n")]
