"""What people write in messages: the basics of Markdown, as styled lines.

Only what is plain to see is taken for markup: a sign that opens stands before a word and not within one, one that
closes stands behind a word. Signs stay where nothing else would say what they say on a terminal without colours or
strokes: those of code, and those of what is struck out. Text of a link is shown with its URL, so that nobody is led
elsewhere. Lines of fenced code stay as they are. The time this takes grows with the length of the text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import field, frozen

from encchat.client.terminal.columns import Row

Highlight = Callable[[Sequence[str], str], list[Row]]
"""Lines of code and the name of their language; the same lines, styled."""

_MAX_LEAD: Final = 8
"""Spaces before a list's or a quote's sign that are kept when the line goes on in the next row."""

_MAX_CODE_LEAD: Final = 20
"""Spaces of the same kind before a line of code."""

_FENCE: Final = re.compile(r" {0,3}(```++|~~~++) *+([A-Za-z0-9_+#.-]{0,20})[^`]*")
_QUOTE: Final = re.compile(r"((?:> ?){1,4})(?! *$)")
_ITEM: Final = re.compile(r"( *)([-*+]|[0-9]{1,4}[.)])( +)(?=[^ ])")

# The sign of a keycap emoji (it goes on with U+FE0F) is no markup.
_SIGN: Final = re.compile(
    r"(?P<code>`[^`]+`)"
    r"|(?P<named>\[(?P<name>[^\[\]]{1,200})\]\((?P<target>[A-Za-z][A-Za-z0-9+.-]{1,15}://[!-'*-;=?-~]+)\))"
    r"|(?P<link>\b[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s<>\"`]+)"
    r"|(?P<sign>(?:(?<!\*)\*{1,3}(?!\*)|(?<!_)_(?!_)|(?<!~)~~(?!~))(?!\ufe0f))"
)
_MAYBE: Final = re.compile("[`*_]|~~|://")
_BEHIND_LINK: Final = ".,;:!?'*_~"
_STYLES: Final = {
    "*": "class:italic",
    "_": "class:italic",
    "**": "class:bold",
    "***": "class:bold class:italic",
    "~~": "class:strike",
}
_WIDE: Final = "\u2e80"
"""From here on words are written without spaces between them."""


@frozen
class Line:
    """One line of a message; ``first`` stands before its first row, ``rest`` before the rows it goes on in."""

    pieces: Row
    first: Row = field(factory=list)
    rest: Row = field(factory=list)


def plain_lines(lines: Sequence[str]) -> list[Line]:
    """Printable ``lines`` with nothing but their links styled."""
    return [Line(links(line, "")) for line in lines]


def marked_lines(lines: Sequence[str], highlight: Highlight) -> list[Line]:
    """Printable ``lines`` as their markup says."""
    marked: list[Line] = []
    place = 0
    while place < len(lines):
        fence = _FENCE.fullmatch(lines[place]) if "```" in lines[place] or "~~~" in lines[place] else None
        if fence is None:
            marked.append(_marked(lines[place]))
            place += 1
            continue
        end = _fence_end(lines, place + 1, fence[1])
        code = lines[place + 1 : end]
        marked.append(_fence(lines[place]))
        marked += [Line(row, rest=_lead(line)) for line, row in zip(code, highlight(code, fence[2]), strict=True)]
        marked += map(_fence, lines[end : end + 1])
        place = end + 1
    return marked


def _fence(line: str) -> Line:
    return Line([("class:fence", line)])


def _lead(line: str) -> Row:
    """What stands before the rows that a line of code goes on in: as much space as before its first."""
    return [("", " " * min(len(line) - len(line.lstrip(" ")), _MAX_CODE_LEAD))]


def _fence_end(lines: Sequence[str], begin: int, fence: str) -> int:
    """Where the code ends that begins at ``begin``: at a fence as long, else with the message."""
    for place in range(begin, len(lines)):
        line = lines[place].strip(" ")
        if len(line) >= len(fence) and line == fence[0] * len(line):
            return place
    return len(lines)


def _marked(line: str) -> Line:
    if quote := _QUOTE.match(line):
        sign: Row = [("class:quote", quote[1])]
        return Line(_inline(line[quote.end() :], "class:quote"), sign, sign)
    if item := _ITEM.match(line):
        dot = item[2] if item[2][0].isdigit() else "\u2022"
        first = f"{item[1][:_MAX_LEAD]}{dot} "
        return Line(_inline(line[item.end() :], ""), [("", first)], [("", " " * len(first))])
    return Line(_inline(line, ""))


def links(line: str, style: str) -> Row:
    """``line`` in ``style`` with its links underlined."""
    row: Row = []
    begin = 0
    for found in _signs(line) if "://" in line else ():
        if found["link"]:
            row += [(style, line[begin : found.start()]), (_joined(style, "class:link"), _link(found))]
            begin = found.start() + len(_link(found))
    return [*row, (style, line[begin:])]


def _inline(line: str, style: str) -> Row:
    """``line`` in ``style``, and what its signs add to it."""
    if _MAYBE.search(line) is None:
        return [(style, line)]
    pieces: Row = []
    signs: list[_Sign] = []
    begin = 0
    for found in _signs(line):
        pieces.append((style, line[begin : found.start()]))
        begin = found.end()
        if found["code"]:
            pieces.append((_joined(style, "class:code"), found["code"]))
        elif found["named"]:
            pieces += _named(found["name"], found["target"], style)
        elif found["link"]:
            pieces.append((_joined(style, "class:link"), _link(found)))
            begin = found.start() + len(_link(found))
        else:
            before, after = line[found.start() - 1 : found.start()], line[begin : begin + 1]
            signs.append(_Sign(len(pieces), found["sign"], *_sides(before, after)))
            pieces.append((style, found["sign"]))
    pieces.append((style, line[begin:]))
    return _emphasized(pieces, signs)


def _signs(line: str) -> Iterator[re.Match[str]]:
    """All that may be markup; what follows a link's end is looked at again."""
    place = 0
    while found := _SIGN.search(line, place):
        yield found
        place = found.start() + len(_link(found)) if found["link"] else found.end()


def _link(found: re.Match[str]) -> str:
    """The link without what ends the sentence, or the bracket, that it stands in."""
    link = found["link"]
    while True:
        shorter = link.rstrip(_BEHIND_LINK)
        if shorter.endswith(")") and shorter.count("(") < shorter.count(")"):
            shorter = shorter[:-1]
        if shorter == link:
            return link
        link = shorter


def _named(name: str, target: str, style: str) -> Row:
    link = (_joined(style, "class:link"), target)
    return [link] if name == target else [(style, f"{name} <"), link, (style, ">")]


@frozen
class _Sign:
    """A sign of emphasis: which piece it is, and whether it may open or close."""

    piece: int
    text: str
    opens: bool
    closes: bool


def _sides(before: str, after: str) -> tuple[bool, bool]:
    """Whether a sign between these characters (empty: the line's end) opens, and whether it closes."""
    return not _is_blank(after) and not _is_of_word(before), not _is_blank(before) and not _is_of_word(after)


def _is_blank(character: str) -> bool:
    return not character or character.isspace()


def _is_of_word(character: str) -> bool:
    return character.isalnum() and character < _WIDE


def _emphasized(pieces: Row, signs: Sequence[_Sign]) -> Row:
    """``pieces`` with the styles of the signs that match, without those signs."""
    styles: list[list[str]] = [[style] for style, _ in pieces]
    gone: set[int] = set()
    opened: list[_Sign] = []  # at most one of each text, so all of this is done in time that is linear
    for sign in signs:
        match = next((one for one in opened if sign.closes and one.text == sign.text), None)
        if match is not None:
            del opened[opened.index(match) :]
            stays = sign.text == "~~"  # few terminals can strike text out
            gone |= set() if stays else {match.piece, sign.piece}
            for place in range(match.piece + 1, sign.piece):
                styles[place].append(_STYLES[sign.text])
        elif sign.opens:
            opened = [*(one for one in opened if one.text != sign.text), sign]
    return [
        (_joined(*styles[place]), text) for place, (_, text) in enumerate(pieces) if text and place not in gone
    ] or [("", "")]


def _joined(*styles: str) -> str:
    return " ".join(filter(None, styles))
