"""Fenced code in colours."""

import time
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.terminal import highlight
from encchat.client.terminal.highlight import Highlighter
from encchat.client.text import printable_lines
from encchat.limits import HIGHLIGHT_RATE, MAX_HIGHLIGHTED
from tests.client.screen_events import hostile

LANGUAGES = sorted(highlight._LANGUAGES)
UGLY = ("(", "{", "<", '"', "\\", "/*", "${", "a ", "a.", "1e", "-", "@", " ", '"\\', "r#", "a:")


def filled(with_: str, size: int, length: int = 99) -> list[str]:
    """Lines of ``size`` characters in all, line ends included, none longer than ``length``."""
    text = (with_ * size)[:size]
    return "".join("\n" if place % (length + 1) == length else one for place, one in enumerate(text)).split("\n")


class Highlight(SynchronousTestCase):
    """`Highlighter.rows`."""

    def test_code_is_styled_by_what_it_means(self) -> None:
        """Keywords, strings, comments, numbers."""
        (row,) = Highlighter(lambda: 0.0).rows(["def f(): return 'a' + 1  # why"], "Python")
        styles = {text: style for style, text in row}
        self.assertEqual(styles["def"], "class:code.keyword")
        self.assertEqual(styles["f"], "class:code.name")
        self.assertEqual(styles["1"], "class:code.number")
        self.assertEqual(styles["# why"], "class:code.comment")

    def test_of_an_unknown_language_it_is_in_one_colour(self) -> None:
        """Guessing takes long and is wrong."""
        self.assertEqual(Highlighter(lambda: 0.0).rows(["def"], "brainfuck"), [[("class:code", "def")]])

    def test_no_more_of_it_than_affordable(self) -> None:
        """At the limit and around it; what was used comes back with time."""
        for size, styled in ((MAX_HIGHLIGHTED - 1, True), (MAX_HIGHLIGHTED, True), (MAX_HIGHLIGHTED + 1, False)):
            rows = Highlighter(lambda: 0.0).rows(filled("#", size), "python")
            self.assertEqual(rows[0][0][0] == "class:code.comment", styled, size)
        clock = Clock()
        some = Highlighter(clock.seconds)
        some.rows(filled("#", MAX_HIGHLIGHTED), "python")
        self.assertEqual(some.rows(["# x"], "python"), [[("class:code", "# x")]])
        clock.advance(3 / HIGHLIGHT_RATE)
        self.assertEqual(some.rows(["# x"], "python"), [[("class:code.comment", "# x")]])

    def test_no_longer_line_than_people_write(self) -> None:
        """At the limit and around it."""
        for size, styled in ((399, True), (400, True), (401, False)):
            rows = Highlighter(lambda: 0.0).rows(["x", "#" * size], "python")
            self.assertEqual(rows[1][0][0] == "class:code.comment", styled, size)

    @given(hostile, st.sampled_from(LANGUAGES))
    def test_code_stays_as_it_is(self, text: str, language: str) -> None:
        """Every character of every line, whatever the lexer makes of it."""
        lines = printable_lines(text)
        rows = Highlighter(lambda: 0.0).rows(lines, language)
        self.assertEqual(["".join(text for _, text in row) for row in rows], lines)

    def test_ugly_code_takes_no_longer_than_other(self) -> None:
        """Of each language, as much as is highlighted at once, in long lines."""
        slow = []
        for language, ugly in product(sorted(set(highlight._LANGUAGES.values())), UGLY):
            begun = time.process_time()
            Highlighter(lambda: 0.0).rows(printable_lines("\n".join(filled(ugly, MAX_HIGHLIGHTED, 390))), language)
            if (taken := time.process_time() - begun) > 0.3:
                slow.append(f"{language} {ugly!r} {taken:.2f} s")
        self.assertEqual(slow, [])
