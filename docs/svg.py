"""A terminal's screen as an SVG picture: what stands there in its colours, in a frame, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

import pyte
from attrs import frozen
from pyte.screens import Char

CELL, ROW, MARGIN, BAR = 8.4, 19, 12, 26
"""Pixels: a cell's width, a row's height, the frame's inner margin, and its title."""
PAPER, INK = "#1b1e27", "#d6d9e0"

_COLOURS: Final = {
    "black": "#2b303b",
    "red": "#d5656f",
    "green": "#8fb573",
    "brown": "#d8a657",
    "blue": "#6f9fd8",
    "magenta": "#b48ead",
    "cyan": "#6fb3b8",
    "white": "#c0c5ce",
    "brightblack": "#7c8494",
    "brightred": "#f28b94",
    "brightgreen": "#b5d99c",
    "brightbrown": "#f0c674",
    "brightblue": "#9cc4f5",
    "brightmagenta": "#d7b3d8",
    "brightcyan": "#9bdde0",
    "brightwhite": "#f5f7fa",
}
_STYLE: Final = (
    "text{font:14px 'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace;white-space:pre}"
    ".b{font-weight:bold}.i{font-style:italic}.u{text-decoration:underline}.s{text-decoration:line-through}.f{opacity:.6}"
)


@frozen
class Look:
    """How cells look that are drawn together."""

    ink: str
    paper: str
    classes: str


def picture(screen: pyte.Screen, title: str) -> str:
    """The whole screen with its cursor."""
    width = round(screen.columns * CELL + 2 * MARGIN)
    height = screen.lines * ROW + BAR + 2 * MARGIN
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve"'
        f' width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img"><title>{escape(title)}</title><style>{_STYLE}</style>',
        f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>',
        f'<rect width="{width}" height="{BAR}" rx="8" fill="#2d323f"/>',
        f'<text x="{MARGIN}" y="18" fill="#9aa1b0">{escape(title)}</text>',
        *_cursor(screen),
    ]
    for number in range(screen.lines):
        parts += _row(screen, number)
    return "\n".join([*parts, "</svg>\n"])


def _cursor(screen: pyte.Screen) -> Iterator[str]:
    if not screen.cursor.hidden:
        x, y = _at(screen.cursor.x, screen.cursor.y)
        yield f'<rect x="{x:g}" y="{y}" width="{CELL}" height="{ROW}" fill="none" stroke="{INK}"/>'


def _at(column: int, row: int) -> tuple[float, int]:
    """The upper left corner of a cell."""
    return round(MARGIN + column * CELL, 1), BAR + MARGIN + row * ROW


def _row(screen: pyte.Screen, number: int) -> Iterator[str]:
    cells = screen.buffer[number]
    for look, columns in groupby(range(screen.columns), lambda column: _look(cells[column])):
        # The right half of a wide character is an empty cell.
        yield from _run(look, number, [(column, cells[column].data) for column in columns])


def _run(look: Look, row: int, cells: list[tuple[int, str]]) -> Iterator[str]:
    """Cells of one look; what is not ASCII takes its place alone, as fonts differ about its width."""
    x, y = _at(cells[0][0], row)
    if look.paper != PAPER:
        width = round(len(cells) * CELL, 1)
        yield f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{ROW}" fill="{look.paper}"/>'
    written = [cell for cell in cells if cell[1]]
    for alone, together in groupby(written, lambda cell: "" if cell[1].isascii() else cell[0]):
        group = list(together)
        text = "".join(data for _, data in group)
        if text.strip() or "u" in look.classes:
            yield _text(look, row, group[0][0], text, alone == "")


def _text(look: Look, row: int, column: int, text: str, stretched: bool) -> str:
    kept = text.rstrip() if "u" not in look.classes else text
    begin = len(kept) - len(kept.lstrip()) if "u" not in look.classes else 0
    x, y = _at(column + begin, row)
    kept = kept[begin:]
    size = f' textLength="{len(kept) * CELL:g}" lengthAdjust="spacingAndGlyphs"' if stretched else ""
    classes = f' class="{look.classes}"' if look.classes else ""
    return f'<text x="{x:g}" y="{y + 14}" fill="{look.ink}"{classes}{size}>{escape(kept)}</text>'


def _look(cell: Char) -> Look:
    ink, paper = _colour(cell.fg, INK), _colour(cell.bg, PAPER)
    if cell.reverse:
        ink, paper = paper, ink
    flags = (
        ("b", cell.bold),
        ("i", cell.italics),
        ("u", cell.underscore),
        ("s", cell.strikethrough),
        ("f", cell.blink),
    )
    return Look(ink, paper, " ".join(name for name, on in flags if on))


def _colour(name: str, usual: str) -> str:
    if name == "default":
        return usual
    return _COLOURS.get(name) or f"#{name}"
