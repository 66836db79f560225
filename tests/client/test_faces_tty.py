"""The tty face of a real process on a terminal (tests/client/face_driver.py), as a person sees it."""

import re
import signal
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from encchat.limits import MAX_PRINTED
from tests.client.terminal import DRIVER, Terminal
from tests.processes import directory

TOOLBAR = "lobby   FREE   connected"
CTRL_C, CTRL_D, CTRL_U, TAB, ENTER, LEFT, UP = "\x03", "\x04", "\x15", "\t", "\r", "\x1b[D", "\x1b[A"
ALT_1, ALT_LEFT, ALT_RIGHT = "\x1b1", "\x1b[1;3D", "\x1b[1;3C"


class OnATerminal(SynchronousTestCase):
    """The driver on a terminal; `terminal` is ready for a line."""

    def start(self, columns: int = 80, rows: int = 24, mode: str = "") -> Terminal:
        self.home = directory(self)
        terminal = Terminal(self.home, DRIVER, "auto", mode, columns=columns, rows=rows)
        self.addCleanup(terminal.close)
        terminal.until_shows("Password:" if mode == "password" else TOOLBAR)
        return terminal


class Typing(OnATerminal):
    """The line being typed."""

    def test_a_terminal_gets_the_prompt_and_the_bar(self) -> None:
        """The prompt stands below what was shown, the bar at the bottom, and no empty rows in between."""
        terminal = self.start()
        terminal.until(lambda lines: lines == ["--- lobby ---", "* ready", "lobby>", f" {TOOLBAR}"])
        self.assertTrue(terminal.screen.display[2].startswith("lobby>"))
        self.assertTrue(terminal.screen.display[-1].startswith(f" {TOOLBAR}"))

    def test_a_line_goes_out_and_stays_on_the_screen(self) -> None:
        """What was entered can be read again above."""
        terminal = self.start()
        terminal.send("hello" + ENTER)
        lines = terminal.until_shows("alice: hello")
        self.assertIn("lobby> hello", lines)

    def test_messages_scroll_above_the_line_being_typed(self) -> None:
        """While 300 messages a second arrive, what is being typed stays whole and at the bottom."""
        terminal = self.start()
        terminal.send("/stream 600" + ENTER)
        typed = "lobby>"
        for word in ("typing", "goes", "on", "meanwhile"):
            terminal.send(word + " ")
            typed += f" {word}"
            terminal.until(lambda lines, typed=typed: lines[-2:] == [typed, f" {TOOLBAR}"])
        lines = terminal.until(lambda lines: lines[-3:] == ["12:00 alice: stream 599", typed, f" {TOOLBAR}"])
        numbers = [int(line.rsplit(" ", 1)[1]) for line in lines if "stream " in line and "lobby>" not in line]
        self.assertEqual(numbers, list(range(600 - len(numbers), 600)))
        self.assertGreater(len(numbers), 20)
        asked = terminal.raw.count(b"\x1b[6n")  # where the cursor is: until it is answered there is no bar
        self.assertLess(asked, 10)

    def test_more_at_once_than_one_print(self) -> None:
        """All of it comes, in order, however much there is."""
        for count in (MAX_PRINTED - 1, MAX_PRINTED, MAX_PRINTED + 1):
            terminal = self.start()
            terminal.send(f"/flood {count}{ENTER}draft")
            last = f"12:00 alice: flood {count - 1} of {count}"
            terminal.until(lambda lines, last=last: lines[-3:] == [last, "lobby> draft", f" {TOOLBAR}"])
            shown = [int(number) for number in re.findall(rb"flood (\d+) of", terminal.raw)]
            self.assertEqual(shown, list(range(count)))

    def test_resize(self) -> None:
        """The line and the bar come to their places in a window of another size."""
        terminal = self.start()
        terminal.send("a draft")
        terminal.until_shows("a draft")
        for columns, rows in ((50, 12), (200, 60)):
            terminal.resize(columns, rows)
            terminal.until(lambda lines: lines[-2:] == ["lobby> a draft", f" {TOOLBAR}"])

    def test_completion_of_commands(self) -> None:
        """A slash shows what fits with its help, Tab completes it."""
        terminal = self.start()
        terminal.send("/f")
        terminal.until_shows("many messages")
        terminal.send(TAB)
        terminal.until(lambda lines: "lobby> /flood" in lines)
        terminal.send("1" + ENTER)
        terminal.until_shows("flood 0 of 1")

    def test_completion_of_names(self) -> None:
        """Tab completes the word under the cursor, and a space follows it."""
        terminal = self.start()
        terminal.send("hello bob" + TAB + "!")
        terminal.until_shows("lobby> hello bob !")

    def test_completion_typed_at_once(self) -> None:
        """Tab counts however fast it follows, menu or no menu."""
        terminal = self.start()
        terminal.send("/flood al" + TAB + "x")
        terminal.until_shows("lobby> /flood alice x")

    def test_completion_of_one_of_many(self) -> None:
        """Tab adds what all have in common, then goes through them."""
        terminal = self.start()
        terminal.send("b" + TAB)
        terminal.until_shows("lobby> bo")
        terminal.send(TAB)
        terminal.until_shows("boris")
        terminal.send(TAB)
        terminal.until_shows("lobby> bob")
        terminal.send(TAB + "!")
        terminal.until_shows("lobby> boris!")

    def test_history(self) -> None:
        """The arrow up brings back what was entered, but never a line that held a password."""
        terminal = self.start()
        terminal.send("first" + ENTER)
        terminal.until_shows("alice: first")
        terminal.send("/admin hunter2" + ENTER)
        terminal.until_shows("alice: /admin hunter2")
        terminal.send(UP)
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> first"])

    def test_pasted_lines_are_one_message(self) -> None:
        """A paste of several lines waits for Enter and goes as one."""
        terminal = self.start()
        terminal.send("\x1b[200~one\r\ntwo\x1b[201~")
        terminal.until_shows("two")
        self.assertNotIn("alice", "".join(terminal.lines()))
        terminal.send(ENTER)
        lines = terminal.until_shows("alice: one")
        self.assertIn("             two", lines)  # under the text, not under the name

    def test_long_messages_are_wrapped_behind_their_mark(self) -> None:
        """Spaces up to the edge do not make the rest of a message look like another's."""
        terminal = self.start(columns=60)
        text = "a" + " " * 42 + "12:00 bob: forged"
        terminal.send(text + ENTER)
        lines = terminal.until(lambda lines: any("forged" in line for line in lines[2:-2]))
        self.assertFalse([line for line in lines if line.startswith("12:00 bob")], lines)

    def test_status(self) -> None:
        """The bar and the prompt follow the conversation, presence and connection."""
        terminal = self.start()
        terminal.send("/status BUSY" + ENTER)
        terminal.until(lambda lines: lines[-2:] == ["@bob>", " @bob   BUSY   reconnecting   1:lobby"])

    def test_a_draft_belongs_to_its_conversation(self) -> None:
        """It goes with it, and comes back with it."""
        terminal = self.start()
        terminal.send("/go @bob" + ENTER)
        terminal.until(lambda lines: lines[-2:-1] == ["@bob>"])
        terminal.send("for bob alone" + ALT_1)
        terminal.until(lambda lines: lines[-2:] == ["lobby>", f" {TOOLBAR}   2:@bob"])
        terminal.send("for all" + ALT_RIGHT)
        terminal.until(lambda lines: lines[-2:-1] == ["@bob> for bob alone"])
        terminal.send(ALT_LEFT)
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> for all"])

    def test_what_is_typed_at_once_behind_the_key_goes_there(self) -> None:
        """However fast it follows: nothing meant for one reaches the other."""
        terminal = self.start()
        terminal.send("/go @bob" + ENTER)
        terminal.until(lambda lines: lines[-2:-1] == ["@bob>"])
        terminal.send("secret" + ALT_1 + "hello")
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> hello"])
        terminal.send(ALT_RIGHT + ALT_LEFT + ALT_RIGHT)
        terminal.until(lambda lines: lines[-2:-1] == ["@bob> secret"])

    def test_a_line_begun_behind_a_command_comes_along(self) -> None:
        """Who types on while a room is being opened types for the room."""
        terminal = self.start()
        terminal.send("/chat #garden" + ENTER + "welcome")
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> welcome"])
        terminal.until(lambda lines: lines[-2:-1] == ["#garden> welcome"])

    def test_bytes_that_are_no_utf_8(self) -> None:
        """They make an error, and the next line is taken."""
        terminal = self.start()
        terminal.child.send(b"a\xff\xfeb" + ENTER.encode())
        terminal.until_shows("! a line that is not UTF-8 was left out")
        terminal.send("next" + ENTER)
        terminal.until_shows("alice: next")

    def test_stray_output_comes_above_the_prompt(self) -> None:
        """What a library prints does not break the line being typed, nor does it control the terminal."""
        terminal = self.start()
        terminal.send("/print stray" + ENTER + "draft")
        terminal.until(lambda lines: "stray" in lines and lines[-2:-1] == ["lobby> draft"])


class Alarms(OnATerminal):
    """What is for this person in particular."""

    def test_the_bell_rings_and_a_command_is_run(self) -> None:
        """For a direct message; the command gets a title and a text, and its output does not reach the terminal."""
        terminal = self.start(mode="notify")
        self.assertNotIn(b"\x07", terminal.raw)
        notified = self.home / "notified"
        terminal.send("/direct psst; touch x" + ENTER)
        terminal.until_shows("12:00 [@bob] bob: psst; touch x")
        terminal.until(lambda _: notified.exists() and notified.read_text().endswith("]\n"))
        self.assertIn(b"\x07", terminal.raw)
        self.assertEqual(notified.read_text(), "['encchat: bob sends you a message', 'psst; touch x']\n")
        self.assertFalse((self.home / "x").exists())

    def test_a_command_that_cannot_be_run(self) -> None:
        """The person is told how to name another; a bell that is not wanted does not ring."""
        terminal = self.start(mode="bad-notify")
        terminal.send("/direct psst" + ENTER)
        terminal.until_shows("! no notification: /nowhere/notify: No such file or directory; /set notify")
        terminal.until(lambda lines: lines[-1] == " lobby   FREE   connected   2:@bob 1")
        self.assertNotIn(b"\x07", terminal.raw)


class Pictures(OnATerminal):
    """Files that have come."""

    def picture(self) -> str:
        """The path of one."""
        try:
            from PIL import Image
        except ImportError:
            raise SkipTest("pictures need the extra `images`") from None
        path = directory(self) / "photo.png"
        Image.new("RGB", (40, 40), "red").save(path)
        return str(path)

    def test_a_picture_is_shown_where_the_terminal_can(self) -> None:
        """Above the line, made anew, and the line goes on."""
        terminal = self.start(mode="kitty")
        terminal.send(f"/picture {self.picture()}{ENTER}")
        terminal.until(lambda _: b"\x1b_Ga=T" in terminal.raw)
        terminal.send("next" + ENTER)
        terminal.until_shows("alice: next")

    def test_elsewhere_a_line_says_it(self) -> None:
        """And what is no picture, or gone, is none."""
        terminal = self.start()
        terminal.send(f"/picture {self.picture()}{ENTER}")
        terminal.until_shows("photo.png")
        self.assertNotIn(b"\x1b_G", terminal.raw)
        other = self.start(mode="kitty")
        other.send(f"/picture /nowhere/photo.png{ENTER}next{ENTER}")
        other.until_shows("alice: next")
        self.assertNotIn(b"\x1b_G", other.raw)


class HostileText(OnATerminal):
    """What others send."""

    def test_escape_sequences_do_not_reach_the_terminal(self) -> None:
        """A message with control sequences, bidi controls and C1 is shown spelled out, and the bytes are not sent."""
        terminal = self.start()
        terminal.send("\x1b[200~\x9b2J\u202e\x9d0;owned\x9c\u200b end\x1b[201~" + ENTER)
        lines = terminal.until(lambda lines: any("alice:" in line and "end" in line for line in lines))
        self.assertIn("12:00 alice: <U+009B>2J<U+202E><U+009D>0;owned<U+009C><U+200B> end", lines)
        for sequence in ("\x9b", "\x9d", "\u202e", "\u200b"):
            self.assertNotIn(sequence.encode(), terminal.raw)


class Questions(OnATerminal):
    """Passwords and other questions."""

    def test_a_password_before_the_start(self) -> None:
        """It is asked for without an echo, not even of its length; then comes the prompt."""
        terminal = self.start(mode="password")
        terminal.send("hunter2")
        terminal.send(ENTER)
        lines = terminal.until_shows(TOOLBAR)
        self.assertEqual([line for line in lines if line.startswith("Password:")], ["Password:"])
        self.assertNotIn("*******", "\n".join(lines))
        terminal.until_shows("answer 'hunter2'")

    def test_a_question_while_typing_gives_the_line_back(self) -> None:
        """A question takes the place of the line; afterwards the line is as it was, cursor and all."""
        terminal = self.start()
        terminal.send("/later" + ENTER + "a drft" + LEFT + LEFT)
        terminal.until_shows("Password:")
        terminal.send("hunter2" + ENTER)
        terminal.until(lambda lines: "* answer 'hunter2'" in lines and lines[-2:-1] == ["lobby> a drft"])
        self.assertEqual(terminal.lines().count("lobby> a drft"), 1)
        terminal.send("a")
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> a draft"])

    def test_questions_wait_for_each_other(self) -> None:
        """Two that come together are asked one after the other."""
        terminal = self.start()
        terminal.send("/twice" + ENTER)
        terminal.until_shows("Name:")
        terminal.send("al" + ENTER)
        terminal.until_shows("Password:")
        terminal.send("pw" + ENTER)
        lines = terminal.until_shows("answer 'pw'")
        self.assertIn("* answer 'al'", lines)

    def test_questions_taken_back(self) -> None:
        """A question nobody waits for any more goes from the screen, or never comes there."""
        terminal = self.start()
        terminal.send("/withdraw" + ENTER)
        lines = terminal.until(lambda lines: lines.count("! left") == 2 and lines[-2:-1] == ["lobby>"])
        self.assertNotIn("Name:", lines)
        self.assertNotIn(b"Town:", terminal.raw)

    def test_ctrl_c_leaves_a_question_only(self) -> None:
        """Whoever does not want to answer goes back to the line."""
        terminal = self.start()
        terminal.send("/question" + ENTER)
        terminal.until_shows("Name:")
        terminal.send("al" + CTRL_C)
        terminal.until(lambda lines: "! left" in lines and lines[-2:-1] == ["lobby>"])


class Ending(OnATerminal):
    """However it ends, the terminal is given back."""

    def assert_ended(self, terminal: Terminal) -> None:
        """The program ended well; the terminal echoes and waits for lines, cursor at the begin of a row."""
        terminal.until_ended()
        self.assertTrue(terminal.echoes())
        self.assertEqual(terminal.screen.cursor.x, 0)
        self.assertFalse(terminal.screen.cursor.hidden)
        self.assertNotIn(b"Traceback", terminal.raw)
        self.assertNotIn(TOOLBAR, "\n".join(terminal.lines()))
        self.assertEqual(terminal.exit_code(), 0)

    def test_quit(self) -> None:
        """A quit."""
        terminal = self.start()
        terminal.send("/quit" + ENTER)
        self.assert_ended(terminal)
        self.assertIn("* quitting", terminal.lines())

    def test_ctrl_c_ends_like_quit(self) -> None:
        """Ctrl+C, whatever is being typed."""
        terminal = self.start()
        terminal.send("a draft" + CTRL_C)
        self.assert_ended(terminal)
        self.assertIn("* quitting", terminal.lines())

    def test_ctrl_d_ends_like_quit(self) -> None:
        """Ctrl+D on an empty line."""
        terminal = self.start()
        terminal.send(CTRL_D)
        self.assert_ended(terminal)
        self.assertIn("* quitting", terminal.lines())

    def test_sigterm(self) -> None:
        """SIGTERM, with a half typed line."""
        terminal = self.start()
        terminal.send("a draft")
        terminal.until_shows("a draft")
        self.assertFalse(terminal.echoes())
        terminal.child.kill(signal.SIGTERM)
        self.assert_ended(terminal)

    def test_sigint_from_elsewhere(self) -> None:
        """SIGINT by another program."""
        terminal = self.start()
        terminal.child.kill(signal.SIGINT)
        self.assert_ended(terminal)

    def test_sigterm_at_a_question(self) -> None:
        """SIGTERM while a password is being typed."""
        terminal = self.start(mode="password")
        terminal.send("hunter2")
        terminal.child.kill(signal.SIGTERM)
        self.assert_ended(terminal)
        self.assertNotIn(b"hunter2", terminal.raw)

    def test_sighup_ends_like_quit(self) -> None:
        """SIGHUP: the terminal's window was closed."""
        terminal = self.start()
        terminal.child.kill(signal.SIGHUP)
        self.assert_ended(terminal)

    def test_an_error_in_the_client_leaves_the_prompt_alone(self) -> None:
        """What goes wrong with one line does not end the prompt."""
        terminal = self.start()
        terminal.send("/crash" + ENTER + "still here" + ENTER)
        terminal.until_shows("alice: still here")

    def test_terminal_gone(self) -> None:
        """When the terminal itself is gone, the process ends."""
        terminal = self.start()
        terminal.child.close(force=False)
        self.assertFalse(terminal.child.isalive())
