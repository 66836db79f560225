"""The basics of Markdown, as styled lines."""

import time
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.terminal.columns import Row
from encchat.client.terminal.markup import Line, links, marked_lines, plain_lines
from encchat.client.text import printable_lines
from encchat.limits import MAX_BODY
from tests.client.screen_events import hostile

BOLD, ITALIC, CODE, STRIKE, LINK = "class:bold", "class:italic", "class:code", "class:strike", "class:link"


def as_code(lines: Sequence[str], language: str) -> list[Row]:
    """Code in a style that names its language."""
    return [[(f"code {language}", line)] for line in lines]


def marked(text: str) -> list[Line]:
    """``text`` with code left to `as_code`."""
    return marked_lines(text.split("\n"), as_code)


def pieces(text: str) -> Row:
    """The pieces of a text of one line that are not empty."""
    (line,) = marked(text)
    return [piece for piece in line.pieces if piece[1]]


class Inline(SynchronousTestCase):
    """Within a line."""

    def test_emphasis(self) -> None:
        """Stars and underscores around words; the signs go."""
        for text, style in (
            ("*x y*", ITALIC),
            ("_x y_", ITALIC),
            ("**x y**", BOLD),
            ("***x y***", f"{BOLD} {ITALIC}"),
        ):
            self.assertEqual(pieces(f"a {text}, b"), [("", "a "), (style, "x y"), ("", ", b")], text)

    def test_signs_of_what_needs_them_stay(self) -> None:
        """Backticks and tildes: without colours, or where text cannot be struck out, nothing else would say it."""
        self.assertEqual(pieces("a `x y`, b"), [("", "a "), (CODE, "`x y`"), ("", ", b")])
        self.assertEqual(pieces("~~not~~ now"), [("", "~~"), (STRIKE, "not"), ("", "~~"), ("", " now")])

    def test_emphasis_within_emphasis(self) -> None:
        """Each in its own style and those around it."""
        self.assertEqual(
            pieces("**a *b* ~~c~~**"),
            [
                (BOLD, "a "),
                (f"{ITALIC} {BOLD}", "b"),
                (BOLD, " "),
                (BOLD, "~~"),
                (f"{STRIKE} {BOLD}", "c"),
                (BOLD, "~~"),
            ],
        )

    def test_what_is_no_markup_stays(self) -> None:
        """Products, names of programs and files, arguments, lone signs."""
        for text in (
            "2*3*4",
            "2 * 3 * 4",
            "snake_case_name",
            "__init__.py",
            "f(*args, **kwargs)",
            "a ~ b ~~ c",
            "**",
            "****",
            "**a",
            "a**",
            "`a",
            "[a](b)",
            "-",
            "5. ",
            "*\ufe0f\u20e3 and *\ufe0f\u20e3",
        ):
            self.assertEqual("".join(piece for _, piece in pieces(text)), text)
            self.assertEqual({style for style, _ in pieces(text)}, {""}, text)

    def test_signs_in_code_and_links_are_theirs(self) -> None:
        """No URL is taken apart."""
        self.assertEqual(pieces("`a*b*`"), [(CODE, "`a*b*`")])
        self.assertEqual(
            pieces("*see https://x.org/a_b_*c*"), [(ITALIC, "see "), (f"{LINK} {ITALIC}", "https://x.org/a_b_*c")]
        )

    def test_a_link_ends_before_what_ends_the_sentence(self) -> None:
        """Or the brackets it stands in; brackets of its own stay."""
        for text, link in (
            ("https://x.org/a.", "https://x.org/a"),
            ("(https://x.org/a)", "https://x.org/a"),
            ("https://x.org/a_(b)", "https://x.org/a_(b)"),
            ("**https://x.org/a**", "https://x.org/a"),
        ):
            self.assertIn(link, [piece for style, piece in pieces(text) if LINK in style], text)

    def test_a_link_with_a_name_shows_where_it_leads(self) -> None:
        """A name that looks like another address cannot hide it."""
        self.assertEqual(
            pieces("[https://bank.example](https://evil.example/a)"),
            [("", "https://bank.example <"), (LINK, "https://evil.example/a"), ("", ">")],
        )
        self.assertEqual(pieces("[https://x.org](https://x.org)"), [(LINK, "https://x.org")])

    @given(hostile)
    def test_links_alone_change_no_text(self, text: str) -> None:
        """Without Markdown every character stays."""
        for line, given_line in zip(plain_lines(printable_lines(text)), printable_lines(text), strict=True):
            self.assertEqual("".join(piece for _, piece in line.pieces), given_line)
        self.assertEqual(links("see http://x.org.", "s")[1], ("s class:link", "http://x.org"))

    def test_the_time_it_takes_grows_with_the_text_only(self) -> None:
        """Signs that open and never close, in a message of the largest size."""
        signs = (
            "**a ",
            "*a ",
            "_a ",
            "~~a ",
            "`",
            "[a](",
            "[",
            "a://",
            "> ",
            "- ",
            "```a\n",
            "*a **b _c ~~d ",
            " ",
            "~",
        )
        for text in (
            *(sign * (MAX_BODY // len(sign)) for sign in signs),
            f"```{' ' * MAX_BODY}`",
            "`" * MAX_BODY + "a`",
        ):
            begun = time.process_time()
            marked(text)
            self.assertLess(time.process_time() - begun, 0.7, text[:9])


class Blocks(SynchronousTestCase):
    """Whole lines."""

    def test_items_go_on_under_their_text(self) -> None:
        """Points get a dot, numbers stay."""
        line = marked("  - a *b*")[0]
        self.assertEqual((line.first, line.rest), ([("", "  \u2022 ")], [("", "    ")]))
        line = marked("12. a")[0]
        self.assertEqual((line.first, line.rest), ([("", "12. ")], [("", "    ")]))

    def test_quotes_keep_their_sign_in_every_row(self) -> None:
        """Also twofold; so they can be told without colours."""
        line = marked(">> a **b**")[0]
        self.assertEqual((line.first, line.rest), ([("class:quote", ">> ")], [("class:quote", ">> ")]))
        self.assertEqual(line.pieces[0], ("class:quote", "a "))

    def test_fenced_code_stays_as_it_is(self) -> None:
        """With the fences, which say what it is where there are no colours; it ends with the message at last."""
        lines = marked("so:\n```py\n*a*\n  - b\n```\n*c*")
        self.assertEqual(
            [line.pieces for line in lines],
            [
                [("", "so:")],
                [("class:fence", "```py")],
                [("code py", "*a*")],
                [("code py", "  - b")],
                [("class:fence", "```")],
                [(ITALIC, "c")],
            ],
        )
        self.assertEqual([line.pieces for line in marked("~~~~\na\n~~~")][1:], [[("code ", "a")], [("code ", "~~~")]])

    @given(hostile, st.booleans())
    def test_only_signs_are_left_out(self, text: str, fenced: bool) -> None:
        """Whatever the text, its letters come out in their order."""
        text = f"```\n{text}" if fenced else text
        got = "".join(
            piece for line in marked_lines(printable_lines(text), as_code) for _, piece in [*line.first, *line.pieces]
        )
        signs = "*_~`[]()<>+-\u2022 "
        clean = str.maketrans("", "", signs)
        self.assertEqual(got.translate(clean), "".join(printable_lines(text)).translate(clean))
