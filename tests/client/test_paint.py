"""How events look on a terminal."""

import io
import re
import subprocess
import sys
from datetime import UTC, date
from typing import Any

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from prompt_toolkit.data_structures import Size
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.preferences import OPTIONS, Preferences
from encchat.client.render import Paragraph
from encchat.client.terminal.columns import Row, columns
from encchat.client.terminal.paint import Painter, write
from encchat.client.terminal.themes import theme
from tests.client.screen_events import FORGED, event_classes, hostile, of_type, one_of_each
from tests.client.test_columns import is_link
from tests.client.test_render import said, sealed, unreadable
from tests.client.test_text import offences

THEMES = OPTIONS["theme"].choices
OURS = re.compile(r"(?:(?:class:[a-z][a-z0-9.-]*)(?: |$))*")
"""Styles: names of classes and nothing that anybody else chose."""


def painter(environ: dict[str, str] | None = None, **chosen: Any) -> Painter:
    """A painter in UTC."""
    return Painter(Preferences(**chosen), environ or {}, UTC, lambda: 0.0)


def texts(rows: list[Row]) -> list[str]:
    """What rows say."""
    return ["".join(text for _, text in row) for row in rows]


def painted(event: events.ScreenEvent, width: int = 60, **how: bool) -> list[str]:
    """What the rows of ``event`` say."""
    return texts(painter().rows(event, width, **how))


def printed(rows: list[Row], by: Painter) -> str:
    """What goes to the terminal."""
    stream = io.StringIO()
    write(Vt100_Output(stream, lambda: Size(24, 80), term="xterm-256color"), rows, by)
    return stream.getvalue()


def offer(**more: Any) -> events.File:
    """A file of somebody."""
    fields = {"name": "photo.png", "size": 23_000, "media": "image/png", "seq": 1, "sender": "bob", "ulid": "01J"}
    how = {"encryption": "megolm", "signature": "ed25519", "signed": "valid", "trust": "pinned", "kind": "room"}
    return events.File(**(fields | how | {"conversation": "#garden", "time": "2026-11-21T12:34:56.789Z"} | more))


class Messages(SynchronousTestCase):
    """What somebody said."""

    def test_a_message_has_its_time_who_said_it_and_what(self) -> None:
        """The conversation is named only where it is another one."""
        self.assertEqual(painted(said("hello")), ["12:34 alice: hello"])
        self.assertEqual(painted(said("hello"), tagged=True), ["12:34 [lobby] alice: hello"])

    def test_times_are_written_as_chosen(self) -> None:
        """As in strftime(3)."""
        self.assertEqual(texts(painter(times="%H.%M.%S").rows(said("x"), 60)), ["12.34.56 alice: x"])

    def test_a_missed_message_elsewhere_has_its_day(self) -> None:
        """Where no line between the days says it."""
        self.assertEqual(painted(said("x", missed=True), tagged=True), ["2026-11-21 12:34 [lobby] alice: x"])
        self.assertEqual(painted(said("x", missed=True)), ["12:34 alice: x"])

    def test_rows_go_on_under_the_text(self) -> None:
        """Lines of the message and rows of a line alike."""
        self.assertEqual(
            painted(said("one two three four\n\nfive"), 28),
            ["12:34 alice: one two three", "             four", "             ", "             five"],
        )

    def test_a_long_name_leaves_room_for_the_text(self) -> None:
        """On a narrow terminal the text goes on further left, never at the edge."""
        rows = painted(said("one two three", sender="a" * 32), 24)
        self.assertTrue(all(row.startswith("      ") for row in rows[1:]), rows)
        self.assertIn("three", rows[-1])

    def test_marks_of_trust_are_words(self) -> None:
        """They are there in every theme and without colours."""
        event = sealed("x", signed="invalid", trust="changed")
        for name in THEMES:
            for colour in OPTIONS["colour"].choices:
                rows = texts(painter({"NO_COLOR": "1"}, theme=name, colour=colour).rows(event, 80))
                self.assertEqual(rows, ["12:34 alice [BAD SIGNATURE, KEY CHANGED]: x"])
        self.assertEqual(
            painted(sealed("x", encryption="server-key", signed="absent"))[0], "12:34 alice [server-key, unsigned]: x"
        )

    def test_who_is_named_sees_it(self) -> None:
        """The time of a message with one's own name stands out."""
        by = painter()
        by.user = "Carol"
        self.assertEqual(by.rows(said("ask carol!"), 60)[0][0], ("class:mention", "12:34 "))
        self.assertEqual(by.rows(said("carols"), 60)[0][0], ("class:time", "12:34 "))
        self.assertEqual(painter().rows(said("ask carol!"), 60)[0][0], ("class:time", "12:34 "))

    def test_a_mark_cannot_be_written_by_somebody_else(self) -> None:
        """Marks stand before the colon that ends the head; a text begins behind it."""
        row = painter().rows(sealed("[KEY CHANGED]: x"), 60)[0]
        self.assertNotIn("class:mark", [style for style, _ in row])

    def test_markdown_and_not(self) -> None:
        """`/set markdown off` shows what was typed."""
        self.assertEqual(painted(said("**a** `b`")), ["12:34 alice: a `b`"])
        self.assertEqual(texts(painter(markdown=False).rows(said("**a** `b`"), 60)), ["12:34 alice: **a** `b`"])

    def test_points_and_quotes_go_on_under_themselves(self) -> None:
        """A quote shows its sign in each row."""
        self.assertEqual(
            painted(said("- one two three four\n> one two three four"), 30),
            [
                "12:34 alice: \u2022 one two three",
                "               four",
                "             > one two three",
                "             > four",
            ],
        )

    def test_no_indent_leaves_no_room(self) -> None:
        """On a narrow terminal a point that is far in goes on further left."""
        for text in ("        1000) ", "> > > > ", f"```\n{' ' * 20}"):
            for width in range(8, 40):
                rows = painted(said(text + "x " * 40), width)
                self.assertTrue(all(len(row) <= width for row in rows), rows)
                self.assertEqual("".join(rows).count("x"), 40)

    def test_signs_of_keycaps_stay_whole(self) -> None:
        """What follows the star would be invisible alone."""
        self.assertEqual(painted(said("*a*\ufe0f\u20e3")), ["12:34 alice: *a*\ufe0f\u20e3"])

    def test_code_goes_on_as_far_in_as_it_began(self) -> None:
        """The space before a line is kept in all its rows."""
        self.assertEqual(
            painted(said("```\nif x:\n    one two three\n```"), 26)[1:],
            [f"{' ' * 13}if x:", f"{' ' * 17}one two", f"{' ' * 17}three", f"{' ' * 13}```"],
        )

    def test_a_link_stays_in_one_piece(self) -> None:
        """It begins in the row its name is in, or in one of its own, and no line end is put into it."""
        link = "https://example.org/" + "x" * 50
        self.assertEqual(painted(said(link), 40), [f"12:34 alice: {link}"])
        self.assertEqual(painted(said(f"see {link} now"), 40)[1], f"             {link}")

    def test_what_cannot_be_read_and_files(self) -> None:
        """They say what can be done about them."""
        self.assertEqual(
            painted(unreadable(), 100),
            ["* 12:34 a message of bob cannot be read: its key has not come here yet; /why 01J"],
        )
        self.assertIn("[#garden]", painted(unreadable(), 100, tagged=True)[0])
        self.assertEqual(painted(offer()), ["12:34 bob sends photo.png (23 KB): /accept 01J"])
        self.assertEqual(painted(offer(signed="absent"))[0][:22], "12:34 bob [unsigned] s")

    def test_a_dim_one_is_one_row(self) -> None:
        """As wide as the terminal at most, and says so when there is more."""
        self.assertEqual(painted(sealed("a\nb"), tagged=True, dim=True), ["12:34 [#garden] alice: a \u2026"])
        self.assertEqual(painted(said("a " * 50), 20, dim=True), ["12:34 alice: a a a \u2026"])
        self.assertEqual(painter().rows(said("a"), 60, dim=True), [[("class:dim", "12:34 alice: a")]])

    def test_past_messages_stand_below_their_title(self) -> None:
        """Indented, with their day; what they go on with is indented further."""
        history = events.History(conversation="lobby", messages=[said(f"one\n{FORGED}"), said("x " * 30), unreadable()])
        rows = painted(history, 60)
        self.assertEqual(
            rows[:3], ["* past messages of lobby:", "  2026-11-21 12:34 alice: one", f"{' ' * 26}{FORGED}"]
        )
        self.assertEqual(rows[3][:27], "  2026-11-21 12:34 alice: x")
        found = painted(events.Found(text="o", messages=[said("one")]))
        self.assertEqual(found, ["* past messages with o:", "  2026-11-21 12:34 [lobby] alice: one"])
        self.assertEqual(painted(events.Found(text="x", messages=[])), ["* no message kept here has x"])


class Late(SynchronousTestCase):
    """What few need is not imported before it is needed."""

    def test_neither_pygments_nor_pillow_delay_the_prompt(self) -> None:
        """They come with the first code, and the first picture."""
        code = """
import sys
from encchat.client.preferences import Preferences
from encchat.client.terminal.paint import Painter
from encchat.client.terminal.pictures import capability
painter = Painter(Preferences())
print(sorted({"pygments.lexers", "PIL"} & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "[]\n")


class Others(SynchronousTestCase):
    """What is no message."""

    def test_notices_errors_and_paragraphs(self) -> None:
        """They keep the sign they begin with, wrapped behind it."""
        self.assertEqual(painted(events.Notice(text="a\nb " + "c" * 10), 12), ["* a", "  b", "  cccccccccc"])
        self.assertEqual(painter().rows(events.Error(code="c", text="no"), 60), [[("class:error", "! no")]])
        self.assertEqual(painter().rows(Paragraph("! ", ("no",)), 60), [[("class:error", "! no")]])
        self.assertEqual(texts(painter().rows(Paragraph("* ", ("a", "b")), 60)), ["* a", "  b"])
        self.assertEqual(painted(events.Waiting(ulid="u", conversation="lobby")), [])
        self.assertEqual(painted(events.Waiting(ulid="u", conversation="lobby"), dim=True), [])

    def test_lines_between(self) -> None:
        """Headings, days, and where the new begins."""
        by = painter()
        self.assertEqual(
            texts(by.heading("#garden", "pinned", "roses\x1b", 60)), ["--- #garden (pinned): roses<U+001B> ---"]
        )
        self.assertEqual(texts(by.heading("lobby", "", "", 60)), ["--- lobby ---"])
        self.assertEqual(texts(by.day(date(2026, 11, 1), 60)), ["--- Sunday, 1 November 2026 ---"])
        self.assertEqual(texts(by.new(60)), ["--- new ---"])

    @given(hostile, hostile, hostile, st.integers(1, 100))
    def test_headings_are_safe(self, name: str, lock: str, topic: str, width: int) -> None:
        """A topic is somebody's text."""
        rows = texts(painter().heading(name, lock, topic, width))
        self.assertEqual([offence for row in rows for offence in offences(row)], [])
        self.assertTrue(all(row.startswith("  ") for row in rows[1:]), rows)


class Written(SynchronousTestCase):
    """`write`, and whether there are colours."""

    def test_rows_end_in_line_ends_and_leave_no_style(self) -> None:
        """Nothing of a row's colour is on the next."""
        out = printed([[("class:error", "a")], [("", "b")]], painter())
        self.assertRegex(out, "^\x1b\\[0;38;5;[0-9]+;1m" + re.escape("a\x1b[0m\nb\n") + "$")

    def test_no_colour_where_none_is_wanted(self) -> None:
        """NO_COLOR and `/set colour never` leave letters and shapes; what the person chose counts for more."""
        rows = painter().rows(said("**x**"), 60)
        coloured = re.compile("\x1b\\[[0-9;]*38;")
        for environ, colour, expected in (
            ({}, "auto", True),
            ({"NO_COLOR": ""}, "auto", True),
            ({"NO_COLOR": "1"}, "auto", False),
            ({"NO_COLOR": "1"}, "always", True),
            ({}, "never", False),
        ):
            by = painter(environ, colour=colour)
            self.assertEqual(coloured.search(printed(rows, by)) is not None, expected, (environ, colour))
        self.assertIn("\x1b[0;1mx", printed(rows, painter(colour="never")))
        self.assertIs(
            painter(colour="never").depth(Vt100_Output(io.StringIO(), lambda: Size(1, 1))), ColorDepth.DEPTH_1_BIT
        )

    def test_every_style_that_is_painted_is_in_every_theme(self) -> None:
        """The classes the painter names are those the themes know."""
        known = set(theme(Preferences(), {}).style())
        rows = painter().rows(said("**a** *b* ~~c~~ `d` http://e\n> f\n```py\ndef x(): # 1\n  '2'\n```"), 60)
        rows += [
            row
            for event in (sealed("x", signed="absent"), events.Error(code="", text="x"))
            for row in painter().rows(event, 60, tagged=True)
        ]
        rows += [*painter().new(60), *painter().day(date(2026, 1, 1), 60), *painter().heading("a", "b", "c", 60)]
        used = {"mention"} | {name.removeprefix("class:") for row in rows for style, _ in row for name in style.split()}
        self.assertEqual(
            {name for name in used if name not in known and not name.startswith("person-")}, {"time", "tag"} - known
        )


class HostileText(SynchronousTestCase):
    """Whatever peers or servers put into any field of any event."""

    @given(one_of_each, st.integers(1, 120), st.sampled_from(THEMES), st.booleans(), st.booleans(), st.booleans())
    @settings(max_examples=400)
    def test_nothing_a_terminal_obeys_gets_out(
        self, event: events.ScreenEvent, width: int, name: str, tagged: bool, dim: bool, markdown: bool
    ) -> None:
        """No C0, C1, bidi control, zero-width trick or escape, in no row of any event; and no style but ours."""
        by = painter(theme=name, markdown=markdown)
        rows = by.rows(event, width, tagged=tagged, dim=dim)
        for row in texts(rows):
            self.assertEqual(offences(row), [])
        for row in rows:
            self.assertTrue(all(OURS.fullmatch(style) for style, _ in row), row)
        left = re.sub("\x1b\\[[0-9;]*m", "", printed(rows, by))
        self.assertEqual(left, "".join(f"{row}\n" for row in texts(rows)))

    @given(one_of_each, st.integers(1, 120), st.booleans(), st.booleans())
    @settings(max_examples=400)
    def test_no_row_passes_for_another_events(
        self, event: events.ScreenEvent, width: int, tagged: bool, markdown: bool
    ) -> None:
        """Only an event's first row begins at the left edge."""
        for row in texts(painter(markdown=markdown).rows(event, width, tagged=tagged))[1:]:
            self.assertTrue(row.startswith("  "), row)

    @given(one_of_each, st.integers(24, 120), st.booleans(), st.booleans())
    @settings(max_examples=400)
    def test_no_terminal_breaks_a_row_but_within_a_link(
        self, event: events.ScreenEvent, width: int, dim: bool, markdown: bool
    ) -> None:
        """Where it would go on at the left edge; a link has no space, without which nothing looks like an event."""
        for row in texts(painter(markdown=markdown).rows(event, width, dim=dim)):
            if columns(row) > width:
                self.assertRegex(row, "://")
                before, _, link = row.rstrip(" ").rpartition(" ")
                self.assertTrue(is_link(link) and columns(before) < width, row)

    @given(
        st.text(st.sampled_from("ab \u6f22\u05d0e\u0301\u2764\ufe0f\U0001f468\u200d\U0001f469*`>\n"), max_size=200),
        st.integers(24, 60),
    )
    @settings(max_examples=100)
    def test_on_a_screen_only_the_first_row_begins_at_the_edge(self, text: str, width: int) -> None:
        """As a terminal draws it that knows nothing of emoji sequences."""
        screen = pyte.Screen(width, 200)
        rows = painter().rows(said(text), width)
        pyte.Stream(screen).feed(printed(rows, painter()).replace("\n", "\r\n"))
        self.assertTrue(all(line.startswith("  ") for line in screen.display[1:]))
        self.assertGreaterEqual(screen.cursor.y, len(rows))  # pyte begins a row for a mark behind a full one

    def test_every_class_of_events_is_tried(self) -> None:
        """Also those that are new."""
        self.assertGreater(len(event_classes()), 25)
        for kind in event_classes():
            self.assertIsNotNone(of_type(kind, hostile))

    @given(st.lists(of_type(events.Message, hostile), min_size=1, max_size=4), st.integers(8, 120))
    def test_no_past_message_passes_for_two(self, messages: list[events.Message], width: int) -> None:
        """In a list each begins at the same indent, and goes on further right."""
        rows = texts(painter().rows(events.History(conversation="lobby", messages=list(messages)), width))
        title = len(texts(painter().rows(Paragraph("* ", ("past messages of lobby:",)), width)))
        begun = [row for row in rows[title:] if not row.startswith("   ")]
        self.assertEqual(len(begun), len(messages), rows)
