"""How events look on a terminal: rows of styled text, and the lines that stand between them.

A message is ``HH:MM name: text``; the rows it goes on in stand under its text, everything else that comes from others
stands behind ``*`` or ``!`` as in `encchat.client.render`. So whatever a text says, only an event's first row begins at
the left edge, and what is not in order about a message is said in letters before its text. All that others chose goes
through `encchat.client.text` first; nothing here adds a sign that a terminal obeys, but for `write`, which puts out the
theme's styles.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date, tzinfo
from typing import Final

from attrs import define, field
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import Attrs, Style

from encchat.client import events
from encchat.client.mentions import is_mention
from encchat.client.preferences import Preferences
from encchat.client.render import Paragraph, local_time, marks_text, offer_text, past_title, render, unreadable_text
from encchat.client.terminal.columns import NARROWEST, Row, clipped_row, columns, wrapped
from encchat.client.terminal.highlight import Highlighter
from encchat.client.terminal.markup import Line, links, marked_lines, plain_lines
from encchat.client.terminal.themes import Theme, is_colourful, theme
from encchat.client.text import printable, printable_lines, printable_name

_CHANGES: Final = (
    events.Connected,
    events.LoggedIn,
    events.PresenceChanged,
    events.Room,
    events.Session,
    events.Disconnected,
    events.Reconnecting,
)
"""Events that only say what has become of something."""

_DAY: Final = "%Y-%m-%d"
_LEAD: Final = "  "
"""Stands before the messages of a list."""

_AT_ONCE: Final = 4_096
"""Columns of the line that a dim row is cut from: more than any terminal has."""


@define(eq=False)
class Painter:
    """Paints as ``preferences`` say; ``zone`` is where the times are told (None: here), ``clock`` tells seconds.

    ``user`` is whose terminal it is: the times of messages that name them stand out.
    """

    preferences: Preferences
    _environ: Mapping[str, str] = field(factory=lambda: os.environ)
    _zone: tzinfo | None = None
    _clock: Callable[[], float] = time.monotonic
    user: str = field(init=False, default="")
    _highlighter: Highlighter = field(init=False)
    _brush: Brush | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._highlighter = Highlighter(self._clock)

    # Rows ---------------------------------------------------------------------------------------
    def rows(
        self, said: events.ScreenEvent | Paragraph, width: int, *, tagged: bool = False, dim: bool = False
    ) -> list[Row]:
        """The rows of ``said`` on a terminal of ``width`` columns; none where there is nothing to say.

        ``tagged``: a message is said to be of its conversation. ``dim``: one row of it only, in grey.
        """
        width = max(width, NARROWEST)
        if not dim:
            return self._rows(said, width, tagged)
        rows = self._rows(said, _AT_ONCE, tagged)
        return [_dimmed(clipped_row(_one(rows), width))] if rows else []

    def heading(self, conversation: str, lock: str, topic: str, width: int) -> list[Row]:
        """A conversation is open from here on."""
        how = f" ({printable(lock)})" if lock else ""
        what = f": {printable(topic)}" if topic else ""
        return _ruled("class:heading", f"{printable(conversation)}{how}{what}", width)

    def day(self, day: date, width: int) -> list[Row]:
        """What follows was said on ``day``."""
        return _ruled("class:day", f"{day:%A}, {day.day} {day:%B} {day.year}", width)

    def new(self, width: int) -> list[Row]:
        """What follows was not seen before."""
        return _ruled("class:new", "new", width)

    def _rows(self, said: events.ScreenEvent | Paragraph, width: int, tagged: bool) -> list[Row]:
        match said:
            case events.Message() | events.File() | events.Undecryptable():
                return self._said(said, width, tagged=tagged, dated=tagged and said.missed)
            case events.History() | events.Recovered() | events.Found() if said.messages:
                return self._past(said, width)
            case Paragraph():
                return _paragraph(said, width, "class:error" if said.head.startswith("!") else "")
        paragraph = render(said, self._zone)
        return [] if paragraph is None else _paragraph(paragraph, width, _style(said, paragraph))

    def _past(self, said: events.History | events.Recovered | events.Found, width: int) -> list[Row]:
        rows = _paragraph(Paragraph("* ", (past_title(said),)), width, "")
        various = isinstance(said, events.Found)  # the title of others says which conversation it is
        for message in said.messages:
            rows += self._said(message, width, tagged=various, dated=True, lead=_LEAD)
        return rows

    # What people say ----------------------------------------------------------------------------
    def _said(self, said: events.Said, width: int, *, tagged: bool, dated: bool, lead: str = "") -> list[Row]:
        form = f"{_DAY} {self.preferences.times}" if dated else self.preferences.times
        if isinstance(said, events.Undecryptable):
            text = unreadable_text(said, form, self._zone, tagged=tagged)
            return _paragraph(Paragraph(lead or "* ", (text,), f"{lead}  "), width, "class:change")
        named = isinstance(said, events.Message) and is_mention(said.text, self.user)
        head: Row = [("class:mention" if named else "class:time", f"{lead}{local_time(said.time, form, self._zone)} ")]
        if tagged:
            head.append(("class:tag", f"[{printable_name(said.conversation)}] "))
        head.append((self._theme().person(said.sender), printable_name(said.sender)))
        if marks := marks_text(said):
            head.append(("class:mark", marks))
        if isinstance(said, events.File):
            return _under([*head, ("", " ")], [Line([("", offer_text(said))])], width, lead)
        lines = printable_lines(said.text)
        marked = marked_lines(lines, self._highlighter.rows) if self.preferences.markdown else plain_lines(lines)
        return _under([*head, ("", ": ")], marked, width, lead)

    # Styles -------------------------------------------------------------------------------------
    def style(self) -> dict[str, str]:
        """The styles of all class names, for `prompt_toolkit.styles.Style.from_dict`."""
        return self._theme().style()

    def depth(self, output: Output) -> ColorDepth:
        """How many colours ``output`` is given; `ColorDepth.DEPTH_1_BIT` is none."""
        if not is_colourful(self.preferences, self._environ):
            return ColorDepth.DEPTH_1_BIT
        depth = output.get_default_color_depth()
        forced = self.preferences.colour == "always" and depth is ColorDepth.DEPTH_1_BIT
        return ColorDepth.DEPTH_8_BIT if forced else depth

    def brush(self) -> Brush:
        """What the styles of the theme in force come to."""
        if self._brush is None or self._brush.theme is not self._theme():
            self._brush = Brush(self._theme())
        return self._brush

    def _theme(self) -> Theme:
        return theme(self.preferences, self._environ)


@define(eq=False)
class Brush:
    """What the style strings of a theme come to."""

    theme: Theme
    _style: Style = field(init=False)
    _known: dict[str, Attrs | None] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._style = Style.from_dict(self.theme.style())

    def attributes(self, style: str) -> Attrs | None:
        """The attributes of ``style``, None if there are none; styles are ours, so they are few."""
        if style not in self._known:
            attributes = self._style.get_attrs_for_style_str(style)
            self._known[style] = attributes if any(attributes) else None
        return self._known[style]


def write(output: Output, rows: Iterable[Row], painter: Painter) -> None:
    """Print ``rows`` as ``painter`` has painted them, each with a line end, and leave no style behind."""
    brush, depth = painter.brush(), painter.depth(output)
    for row in rows:
        plain = True
        for style, text in row:
            attributes = brush.attributes(style)
            if attributes is not None:
                output.set_attributes(attributes, depth)
            elif not plain:
                output.reset_attributes()
            plain = attributes is None
            output.write(text)
        if not plain:
            output.reset_attributes()
        output.write("\n")
    output.flush()


def _style(event: events.ScreenEvent, paragraph: Paragraph) -> str:
    if isinstance(event, events.KeyChanged) and paragraph.head.startswith("!"):
        return "class:warning"
    if paragraph.head.startswith("!"):
        return "class:error"
    return "class:change" if isinstance(event, _CHANGES) else ""


def _ruled(style: str, text: str, width: int) -> list[Row]:
    return wrapped([(style, f"--- {text} ---")], max(width, NARROWEST), [], [("", "  ")])


def _paragraph(paragraph: Paragraph, width: int, style: str) -> list[Row]:
    """The rows of what is no message: ``paragraph`` in ``style``, its links underlined."""
    indent = paragraph.indent if 2 * len(paragraph.indent) <= width else _LEAD
    rest: Row = [(style, indent)]
    rows: list[Row] = []
    for line in paragraph.lines:
        if rows:
            rows += wrapped(links(line, style), width, rest, rest)
        else:
            rows += wrapped(links(f"{paragraph.head}{line}", style), width, [], rest)
    return rows


def _under(head: Row, lines: Iterable[Line], width: int, lead: str) -> list[Row]:
    """``lines`` behind ``head``, those that follow under its end; where it is too long, under its beginning."""
    begun = sum(columns(text) for _, text in head)
    indent = begun if 2 * begun <= width else min(len(lead) + 6, max(width // 4, len(lead) + 1))
    under: Row = [("", " " * indent)]
    rows: list[Row] = []
    for line in lines:
        fits = indent + sum(columns(text) for _, text in line.rest) <= width * 3 // 4
        rest = [*under, *line.rest] if fits else under
        if not rows and begun != indent:  # the head is wrapped as well
            rows += wrapped([*head, *line.first, *line.pieces], width, [], rest)
        elif fits:
            rows += wrapped(line.pieces, width, [*(under if rows else head), *line.first], rest)
        else:
            rows += wrapped([*line.first, *line.pieces], width, under if rows else head, rest)
    return rows


def _one(rows: list[Row]) -> Row:
    """The first of ``rows``, and a sign that there are others."""
    return [*rows[0], ("", " \u2026")] if len(rows) > 1 else rows[0]


def _dimmed(row: Row) -> Row:
    return [("class:dim", "".join(text for _, text in row))]
