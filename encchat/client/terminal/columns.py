"""Columns of a terminal: how many a text takes, and rows of styled text that stay within them.

Terminals differ in what they make of emoji sequences: some draw a family in two columns, others its members side by
side. `columns` counts the most any of them takes, because a row that is too long goes on at the left edge, where only
events begin; `width` is what a terminal of today takes and serves for tables. Text is broken at spaces and between
wide characters, where it must be between graphemes, and never within a link: such a word goes out whole and the
terminal breaks it, so that it can still be clicked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from wcwidth import iter_graphemes, wcwidth
from wcwidth import width as _graphemes_width

Row = list[tuple[str, str]]
"""Fragments as prompt_toolkit has them: style and text."""

NARROWEST: Final = 8
"""Columns a row is made for at least: nobody reads on a narrower terminal."""

_JOINER: Final = "\u200d"
_PICTOGRAPHS: Final = ("\U0001f300", "\U0001faff")
_WORD: Final = re.compile("[^ ]+")
_LINK: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}://.")


def width(text: str) -> int:
    """Columns that ``text`` (printable) takes where emoji sequences are drawn as one."""
    return len(text) if text.isascii() else int(_graphemes_width(text, control_codes="ignore"))


def columns(text: str) -> int:
    """Columns that ``text`` (printable) takes at most, whatever the terminal makes of sequences."""
    return len(text) if text.isascii() else sum(map(_most, graphemes(text)))


def graphemes(text: str) -> Iterator[str]:
    """What is drawn as one, piece by piece; nothing is parted from a joiner."""
    held = ""
    for grapheme in iter_graphemes(text):
        held += grapheme
        if not grapheme.endswith(_JOINER):
            yield held
            held = ""
    if held:
        yield held


@lru_cache(maxsize=4096)
def _most(grapheme: str) -> int:
    return max(sum(map(_alone, grapheme)), width(grapheme))


@lru_cache(maxsize=4096)
def _alone(character: str) -> int:
    """Columns of ``character`` where nothing joins it to its neighbours; new emoji are wide in any table."""
    if _PICTOGRAPHS[0] <= character <= _PICTOGRAPHS[1]:
        return 2
    least = 1 if unicodedata.category(character)[0] == "L" else 0  # vowels of Hangul stand in a syllable or do not
    return max(wcwidth(character), least)


def padded(text: str, columns_: int) -> str:
    """``text`` with spaces behind it, so that it takes ``columns_``."""
    return text + " " * (columns_ - width(text))


def clipped(text: str, columns_: int) -> str:
    """``text`` if it takes no more than ``columns_``, else its beginning and an ellipsis."""
    if columns(text) <= columns_:
        return text
    kept, left = "", columns_ - 1
    for grapheme in graphemes(text):
        if (left := left - _most(grapheme)) < 0:
            break
        kept += grapheme
    return f"{kept}\u2026" if columns_ > 0 else ""


def clipped_row(row: Row, columns_: int) -> Row:
    """``row`` made to take no more than ``columns_``."""
    kept: Row = []
    for style, text in row:
        if (taken := columns(text)) > columns_:
            return [*kept, (style, clipped(text, columns_))]
        kept.append((style, text))
        columns_ -= taken
    return kept


def wrapped(pieces: Row, width_: int, first: Row, rest: Row) -> list[Row]:
    """``pieces`` in rows of ``width_`` columns, links aside; ``first`` stands before the first, ``rest`` before others.

    Spaces at a break are left out. ``rest`` has to leave room for a few columns.
    """
    width_ = max(width_, NARROWEST)
    text = "".join(piece for _, piece in pieces)
    begun = _row_columns(first)
    if begun + columns(text) <= width_:
        return [[*first, *pieces]]
    spans = _spans(text, max(width_ - begun, 0), max(width_ - _row_columns(rest), 2))
    return [[*(rest if place else first), *row] for place, row in enumerate(_cut(pieces, spans))]


def _row_columns(row: Row) -> int:
    return sum(columns(text) for _, text in row)


def _spans(text: str, room: int, next_room: int) -> Iterator[tuple[int, int]]:
    """Where the rows of ``text`` begin and end; the first has ``room`` columns, every other ``next_room``."""
    begin = end = 0  # of the row that is being filled
    left = room
    for gap, start, word in _atoms(text):
        taken = columns(word)
        if gap + taken <= left:
            end, left = start + len(word), left - gap - taken
        elif taken <= next_room or _is_link(word):
            if end > begin or left < taken <= next_room:
                yield begin, end
                left = next_room
            begin, end, left = start, start + len(word), left - taken
        else:
            if gap >= left and end > begin:
                yield begin, end
                begin, end, left = start, start, next_room
            else:
                left -= gap
            for grapheme in graphemes(word):
                taken = _most(grapheme)
                if taken > left and (end > begin or left < next_room):
                    yield begin, end
                    begin, left = start, next_room
                start += len(grapheme)
                end, left = start, left - taken
    yield begin, end


def _atoms(text: str) -> Iterator[tuple[int, int, str]]:
    """What is kept together if it fits, with the spaces before it and its place: words, wide characters."""
    end = 0
    for found in _WORD.finditer(text):
        gap, start, word = found.start() - end, found.start(), found[0]
        end = found.end()
        for part in [word] if word.isascii() else _parts(word):
            yield gap, start, part
            gap, start = 0, start + len(part)


def _parts(word: str) -> Iterator[str]:
    """Each wide character of ``word`` by itself, and what stands between."""
    narrow = ""
    for grapheme in graphemes(word):
        if _most(grapheme) < 2:
            narrow += grapheme
            continue
        if narrow:
            yield narrow
        yield grapheme
        narrow = ""
    if narrow:
        yield narrow


def _is_link(word: str) -> bool:
    """Whether a terminal may be let break ``word``: there is nothing like a space, which all rows of events have."""
    return _LINK.search(word) is not None and all(one.isascii() or one.isalnum() for one in word)


def _cut(pieces: Row, spans: Iterable[tuple[int, int]]) -> Iterator[Row]:
    """The fragments of each span of the text of ``pieces``."""
    place = offset = 0  # of the piece looked at, and of its beginning
    for begin, end in spans:
        row: Row = []
        while place < len(pieces) and offset < end:
            style, text = pieces[place]
            if part := text[max(begin - offset, 0) : end - offset]:
                row.append((style, part))
            if offset + len(text) > end:
                break
            place, offset = place + 1, offset + len(text)
        yield row
