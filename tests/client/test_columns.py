"""Columns of a terminal, and rows that stay within them."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.terminal.columns import Row, clipped, clipped_row, columns, graphemes, padded, width, wrapped
from encchat.client.text import printable
from encchat.limits import MAX_BODY
from tests.client.screen_events import hostile

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
FORGED = "12:34 bob: x"
LINK = "https://example.org/" + "x" * 60


def is_link(word: str) -> bool:
    """Whether there is a link in it, and nothing like a space."""
    return "://" in word and all(one.isascii() or one.isalnum() for one in word) and len(word.split()) == 1


def rows(text: str, columns_: int, first: str = "", rest: str = "  ") -> list[str]:
    """``text`` wrapped, as plain strings."""
    return ["".join(text for _, text in row) for row in wrapped([("", text)], columns_, [("", first)], [("", rest)])]


class Width(SynchronousTestCase):
    """`width` and `columns`."""

    def test_wide_combining_and_emoji(self) -> None:
        """Wide characters take two, marks none, a sequence of emoji as much as one of them."""
        for text, expected in (
            ("abc", 3),
            ("\u6f22\u5b57", 4),
            ("e\u0301", 1),
            ("\u05e9\u05dc\u05d5\u05dd", 4),
            (FAMILY, 2),
        ):
            self.assertEqual(width(text), expected, text)

    def test_the_most_that_any_terminal_takes(self) -> None:
        """Some draw a family one by one, and a heart with its style in two columns."""
        self.assertEqual(columns(FAMILY), 8)
        self.assertEqual(columns("\u2764\ufe0f"), 2)
        self.assertEqual(columns("\U0001fae9"), 2)

    @given(hostile)
    def test_no_terminal_takes_more(self, text: str) -> None:
        """Neither one that joins what belongs together nor one that does not."""
        text = printable(text)
        self.assertGreaterEqual(columns(text), width(text))
        self.assertGreaterEqual(columns(text), get_cwidth(text))

    def test_padded_cells_are_equally_wide(self) -> None:
        """A table of Chinese names has straight columns."""
        self.assertEqual([width(padded(cell, 6)) for cell in ("al", "\u6f22\u5b57", FAMILY, "")], [6, 6, 6, 6])

    def test_clipped_at_the_width_and_around_it(self) -> None:
        """What fits stays, what does not ends in an ellipsis and takes no more than it may."""
        self.assertEqual(
            [clipped("abcd", size) for size in (5, 4, 3, 1, 0)], ["abcd", "abcd", "ab\u2026", "\u2026", ""]
        )
        self.assertEqual(clipped("\u6f22\u5b57\u6f22", 4), "\u6f22\u2026")

    @given(hostile, st.integers(0, 40))
    def test_clipped_rows_fit(self, text: str, size: int) -> None:
        """Whatever their fragments hold."""
        row: Row = [("a", printable(text)), ("b", printable(text))]
        self.assertLessEqual(sum(columns(text) for _, text in clipped_row(row, size)), size)


class Graphemes(SynchronousTestCase):
    """`graphemes`."""

    def test_what_a_joiner_joins_stays_together(self) -> None:
        """Also where Unicode's rules would part it: a joiner alone at the end of a row would be invisible."""
        self.assertEqual(list(graphemes("a\U0001f1e9\u200d\U0001f1eab")), ["a", "\U0001f1e9\u200d\U0001f1ea", "b"])

    @given(hostile)
    def test_nothing_is_lost_and_no_joiner_is_left_alone(self, text: str) -> None:
        """All of a text in order; a piece neither begins with a joiner nor ends with one."""
        text = printable(text)
        pieces = list(graphemes(text))
        self.assertEqual("".join(pieces), text)
        for piece in pieces:
            self.assertFalse(piece.startswith("\u200d") or piece.endswith("\u200d"), piece)


class Wrapped(SynchronousTestCase):
    """`wrapped`."""

    def test_at_the_width_and_around_it(self) -> None:
        """A row of just the width is not wrapped, one more is."""
        self.assertEqual([len(rows("a " * 14 + "b" * size, 30)) for size in (1, 2, 3)], [1, 1, 2])

    def test_words_stay_whole_under_the_indent(self) -> None:
        """Spaces at a break are left out."""
        self.assertEqual(rows("one two three  four", 13, "al: ", "    "), ["al: one two", "    three", "    four"])

    def test_a_word_longer_than_a_row_is_broken_where_the_row_ends(self) -> None:
        """It begins in the row that has room for some of it."""
        self.assertEqual(rows("ab " + "x" * 20, 10), ["ab xxxxxxx", "  xxxxxxxx", "  xxxxx"])

    def test_chinese_is_broken_between_characters(self) -> None:
        """It has no spaces to be broken at; Latin words within it stay whole."""
        self.assertEqual(rows("\u6f22\u5b57 \u6f22\u5b57word\u6f22", 12), ["\u6f22\u5b57 \u6f22\u5b57", "  word\u6f22"])

    def test_emoji_sequences_stay_whole(self) -> None:
        """No family is parted by the end of a row."""
        for row in rows(FAMILY * 8, 20):
            self.assertEqual(row.strip().replace(FAMILY, ""), "")

    def test_a_link_is_never_broken(self) -> None:
        """It has a row of its own if it fits one, else it goes out whole and the terminal breaks it."""
        self.assertEqual(rows(f"see {LINK}, and more", 40), ["see", f"  {LINK},", "  and more"])
        self.assertEqual(rows(f"look: {LINK}", 84), ["look:", f"  {LINK}"])
        self.assertEqual(rows(LINK, 40, "al: "), [f"al: {LINK}"])
        russian = "https://\u0434\u043e\u043c.ru/" + "\u044f" * 40
        self.assertEqual(rows(russian, 40), [russian])

    def test_only_what_has_no_spaces_of_any_kind_passes_for_a_link(self) -> None:
        """What the terminal breaks goes on at the left edge, where it must not look like an event."""
        spaces = "https://x/" + "y" * 30 + "\u00a0bob:\u00a0" + "z" * 30
        self.assertTrue(all(len(row) <= 40 for row in rows(spaces, 40)))

    def test_leading_spaces_stay_and_too_many_are_dropped(self) -> None:
        """Code keeps its shape; a row of nothing but spaces pushes no text to the left edge."""
        self.assertEqual(rows("    x", 20), ["    x"])
        self.assertEqual(rows(" " * 99 + FORGED, 20), [FORGED])
        self.assertEqual(rows("a" + " " * 99 + FORGED, 20), ["a", f"  {FORGED}"])

    def test_styles_go_on_in_the_next_row(self) -> None:
        """And a word of two styles is one word."""
        self.assertEqual(
            wrapped([("", "one "), ("b", "two"), ("i", "three four")], 12, [], [("", "  ")]),
            [[("", "one "), ("b", "two"), ("i", "three")], [("", "  "), ("i", "four")]],
        )

    @given(hostile, st.integers(14, 60), st.integers(0, 12))
    def test_nothing_is_lost_and_nothing_is_too_wide(self, text: str, size: int, indent: int) -> None:
        """Every character but spaces comes out in order; rows fit, but for those that a link is in."""
        text = printable(text)
        got = rows(text, size + indent, "", " " * indent)
        self.assertEqual(re.sub(" ", "", "".join(got)), re.sub(" ", "", text))
        for row in got:
            word = row.rpartition(" ")[2]
            self.assertTrue(columns(row) <= size + indent or is_link(word), got)

    def test_the_time_it_takes_grows_with_the_text_only(self) -> None:
        """A message of the largest size, in the narrowest rows: one word, nothing but spaces, short words, Chinese."""
        for unit in ("x", " ", "x ", "\u6f22", "http://x ", "e\u0301"):
            begun = time.process_time()
            rows(unit * (MAX_BODY // len(unit)), 10, "", "")
            self.assertLess(time.process_time() - begun, 0.7, unit)
