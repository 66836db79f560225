"""What becomes of a paste, without a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.terminal.paste import Paste, answer_pasted, asked, dropped, pasted
from encchat.limits import MAX_BODY, MAX_PASTE
from tests.client.table import ready


class Pasted(SynchronousTestCase):
    """What goes into the line."""

    def test_one_line_is_as_if_typed(self) -> None:
        """Whatever it begins with, and without the line end that came along."""
        for text in ("hello", "/quit", "//x", "", " "):
            for end in ("", "\n", "\r", "\r\n", "\n\n"):
                self.assertEqual(pasted(text + end, ""), Paste(text))

    def test_lines_are_ended_as_the_wire_ends_them(self) -> None:
        """However the terminal does it."""
        self.assertEqual(pasted("a\r\nb\rc\nd\r\n", "").text, "a\nb\nc\nd")
        self.assertEqual(pasted("a\r\nb\rc\nd\r\n", "").lines, 4)

    def test_several_lines_are_no_command(self) -> None:
        """At the beginning of the line they get a slash more; behind a command that was typed they are its text."""
        self.assertEqual(pasted("/quit\n/kick bob", ""), Paste("//quit\n/kick bob", escaped=True))
        self.assertEqual(pasted("// a comment\nx", ""), Paste("/// a comment\nx", escaped=True))
        self.assertEqual(pasted("/etc\n/usr", "/msg bob "), Paste("/etc\n/usr"))
        self.assertEqual(pasted("x\n/quit", ""), Paste("x\n/quit"))

    @given(st.text("/ab \n\r", min_size=1))
    def test_what_is_pasted_in_several_lines_is_said_as_it_is(self, text: str) -> None:
        """In one message, by the client's core, which takes none of it for a command."""
        taken = pasted(text, "")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
        if taken.lines > 1:
            table = ready()
            table.type(taken.text)
            self.assertEqual([request["body"] for request in table.sent], [lines] if lines.strip() else [])

    def test_a_paste_has_its_limit(self) -> None:
        """n-1 and n characters, not n+1: then nothing of it is taken."""
        for length in (MAX_PASTE - 1, MAX_PASTE):
            self.assertEqual(len(pasted("x" * length, "").text), length)
        refused = pasted("x" * (MAX_PASTE + 1), "")
        self.assertEqual(refused.text, "")
        self.assertIn("65,537 characters were pasted, 16,384 can be sent", refused.refusal)

    def test_an_answer_is_one_line(self) -> None:
        """A link with its line end, a phrase that was broken."""
        self.assertEqual(answer_pasted("encchat://x\r\n"), "encchat://x")
        self.assertEqual(answer_pasted("abandon ability\r\nable about\n"), "abandon ability able about")


class Asked(SynchronousTestCase):
    """The question above the line."""

    def test_it_says_how_many_lines_and_what_enter_does(self) -> None:
        """And that they are no command, where they look like one."""
        self.assertEqual(
            asked("a\nb\nc", escaped=False), "3 lines pasted: Enter sends them as one message, Ctrl+C drops them"
        )
        self.assertIn(
            "2 lines pasted: Enter sends them as one message, a text and no command", asked("/\nb", escaped=True)
        )

    def test_what_is_too_long_to_be_sent_is_said_before(self) -> None:
        """n-1 and n characters can be sent, n+1 cannot."""
        for length in (MAX_BODY - 1, MAX_BODY):
            self.assertIn("Enter sends", asked("\n" * length, escaped=False))
        self.assertIn("16,385 characters, and 16,384 can be sent", asked("\n" * (MAX_BODY + 1), escaped=False))

    def test_a_paste_can_be_taken_out_again(self) -> None:
        """What was typed around it stays; one that was changed goes with everything."""
        self.assertEqual(dropped("see: a\nb end", Paste("a\nb")), "see:  end")
        self.assertEqual(dropped("see: a\nB end", Paste("a\nb")), "")
