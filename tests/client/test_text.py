"""Nothing that came from another person or the server reaches a terminal unescaped."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.text import printable, printable_lines, printable_name
from encchat.limits import MAX_MARKS, MAX_SHOWN_NAME

OBEYED_OR_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
INVISIBLE = set("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0") | {
    chr(point) for point in (*range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000))
}
JOINER, EMOJI_STYLE = "\u200d", "\ufe0f"

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
tricky = st.text(
    st.sampled_from(
        "a 1#*\x1b[]\x07\x9b\x9c\u202e\u2066\u200b\u200c\u200d\ufe0f\u20e3\u2764\U0001f468\U0001f3fd\U0001f1e9\ud800"
    ),
    max_size=30,
)


def is_pictograph(character: str) -> bool:
    """Whether an emoji may consist of it; skin tones are some."""
    return unicodedata.category(character) in {"So", "Sk", "Sm", "Po"} or "\U0001f300" <= character <= "\U0001faff"


def offences(line: str) -> list[str]:
    """What in ``line`` a terminal would obey or an eye would not see; joiners only count outside of emoji."""
    found = []
    padded = f" {line} "
    for before, character, after in zip(padded, padded[1:], padded[2:], strict=False):
        if character == JOINER:
            inside = (before == EMOJI_STYLE or is_pictograph(before)) and is_pictograph(after)
        elif character == EMOJI_STYLE:
            inside = is_pictograph(before) or after == "\u20e3"
        else:
            inside = unicodedata.category(character) not in OBEYED_OR_UNSEEN and character not in INVISIBLE
        if not inside:
            found.append(f"U+{ord(character):04X}")
    return found


class Printable(SynchronousTestCase):
    """`printable`."""

    @given(st.one_of(any_text, tricky))
    def test_whatever_comes_in_nothing_a_terminal_obeys_comes_out(self, text: str) -> None:
        """No C0, C1, DEL, bidi control, zero-width or other invisible code point comes out of any text."""
        self.assertEqual(offences(printable(text)), [])

    def test_every_single_code_point_alone(self) -> None:
        """The same for each of Unicode's code points by itself, surrogates and unassigned ones among them."""
        bad = [point for point in range(0x110000) if offences(printable(chr(point)))]
        self.assertEqual([f"U+{point:04X}" for point in bad], [])

    @given(st.one_of(any_text, tricky))
    def test_it_is_utf_8(self, text: str) -> None:
        """What comes out can be written, lone surrogates or not."""
        self.assertEqual(printable(text).encode().decode(), printable(text))

    @given(st.one_of(any_text, tricky))
    def test_twice_is_once(self, text: str) -> None:
        """What has been made printable stays as it is."""
        self.assertEqual(printable(printable(text)), printable(text))

    def test_escape_sequences_are_spelled_out(self) -> None:
        """The code point is named, so that one sees what was tried."""
        self.assertEqual(printable("a\x1b[2Jb\x9bK\x7f"), "a<U+001B>[2Jb<U+009B>K<U+007F>")

    def test_bidi_overrides_are_spelled_out(self) -> None:
        """A text cannot be turned round."""
        self.assertEqual(printable("\u202efdp.exe\u2069"), "<U+202E>fdp.exe<U+2069>")

    def test_hidden_text_in_tag_characters_is_spelled_out(self) -> None:
        """A flag cannot smuggle letters, nor can variation selectors."""
        self.assertEqual(printable("\U0001f3f4\U000e0067"), "\U0001f3f4<U+E0067>")
        self.assertEqual(printable("\U0001f600\U000e0101"), "\U0001f600<U+E0101>")

    def test_line_ends_are_spelled_out(self) -> None:
        """A name with a line end in it does not begin a line."""
        self.assertEqual(printable("a\nb\rc\u2028d\x85"), "a<U+000A>b<U+000D>c<U+2028>d<U+0085>")

    def test_tabs_become_spaces(self) -> None:
        """Pasted code keeps its shape."""
        self.assertEqual(printable("\tx"), "    x")

    def test_ordinary_text_stays(self) -> None:
        """Letters of all scripts, accents, symbols and spaces are left alone."""
        for text in (
            "plain ASCII ~",
            "Grüße, naïve ça",
            "漢字 かな 한글",
            "שלום مرحبا",
            "a\u0301",
            "x → y ≠ z",
            "a\u00a0b\u3000c",
        ):
            self.assertEqual(printable(text), text)

    def test_emoji_stay_whole(self) -> None:
        """Families, hearts, skin tones, keycaps and flags are drawn as one."""
        for text in (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
            "\u2764\ufe0f\u200d\U0001f525",
            "\U0001f44d\U0001f3fd",
            "1\ufe0f\u20e3",
            "\U0001f1e9\U0001f1ea",
        ):
            self.assertEqual(printable(f"so {text}!"), f"so {text}!")

    def test_joiners_outside_of_emoji_are_spelled_out(self) -> None:
        """Two names that differ by a joiner do not look alike."""
        self.assertEqual(printable("al\u200dice"), "al<U+200D>ice")
        self.assertEqual(printable("\u2764\u200d"), "\u2764<U+200D>")
        self.assertEqual(printable("a\ufe0f"), "a<U+FE0F>")

    def test_marks_stand_on_a_letter(self) -> None:
        """None is drawn over the sign before a text, which is ours."""
        self.assertEqual(printable("\u0338x"), "<U+0338>x")
        self.assertEqual(printable("a \u20e0"), "a <U+20E0>")

    def test_marks_make_no_tower(self) -> None:
        """As many as any language has stay, at the limit and around it; more would be drawn over other rows."""
        for count, spelled in ((MAX_MARKS - 1, 0), (MAX_MARKS, 0), (MAX_MARKS + 1, 1), (MAX_MARKS + 3, 3)):
            self.assertEqual(printable("e" + "\u0301" * count).count("<U+0301>"), spelled)
        self.assertEqual(printable("e\u0301" * 99), "e\u0301" * 99)


class PrintableName(SynchronousTestCase):
    """`printable_name`."""

    def test_names_stay(self) -> None:
        """Of accounts, conversations, rooms and schemes."""
        for name in ("alice", "a.b_c-9", "lobby", "@bob", "#garden", "server-key", "\u00e9t\u00e9"):
            self.assertEqual(printable_name(name), name)

    def test_no_name_ends_the_head_of_a_row(self) -> None:
        """Spaces of all kinds, colons and brackets are spelled out."""
        self.assertEqual(printable_name("a b:c\u3000[d]"), "a<U+0020>b<U+003A>c<U+3000><U+005B>d<U+005D>")

    def test_long_names_are_cut(self) -> None:
        """At the limit and around it."""
        for size, cut in ((MAX_SHOWN_NAME - 1, False), (MAX_SHOWN_NAME, False), (MAX_SHOWN_NAME + 1, True)):
            self.assertEqual(printable_name("x" * size).endswith("..."), cut)

    @given(st.one_of(any_text, tricky))
    def test_they_are_printable(self, text: str) -> None:
        """As any text."""
        self.assertEqual(offences(printable_name(text)), [])


class PrintableLines(SynchronousTestCase):
    """`printable_lines`."""

    def test_lines_end_by_lf_or_crlf(self) -> None:
        """Both are line ends; a lone CR is spelled out."""
        self.assertEqual(printable_lines("a\nb\r\nc\rd"), ["a", "b", "c<U+000D>d"])

    def test_no_text_is_one_empty_line(self) -> None:
        """There is always a line to stand behind the name."""
        self.assertEqual(printable_lines(""), [""])

    @given(any_text)
    def test_lines_hold_no_line_ends(self, text: str) -> None:
        """Whatever the text, no line breaks into two on the way to the screen."""
        for line in printable_lines(text):
            self.assertEqual(len(line.splitlines() or [""]), 1)
