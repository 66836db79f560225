"""Which face is chosen, and the two faces of lines on pipes of this process."""

import json
import os
import pty
import sys
from io import StringIO
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat.client import events
from encchat.client.faces import NoSource, Status, choose_face
from encchat.client.faces.json import encode
from encchat.client.faces.lines import LineFace
from encchat.client.faces.plain import plain_face
from encchat.errors import ConfigurationError
from encchat.limits import MAX_TYPED_LINE
from tests.client.test_text import offences

ANY_REACTOR: Any = reactor


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class ChooseFace(SynchronousTestCase):
    """`choose_face`."""

    def setUp(self) -> None:
        terminal_type = os.environ.get("TERM")
        self.addCleanup(lambda: set_terminal_type(terminal_type))
        set_terminal_type("xterm")

    def test_tty_on_a_terminal(self) -> None:
        """Without a name, a terminal gets the tty face."""
        self.assertEqual(choose_face(None, Terminal(), Terminal()), "tty")

    def test_plain_elsewhere(self) -> None:
        """If either side is a pipe, a file or closed, it is the plain face."""
        for stdin, stdout in ((StringIO(), Terminal()), (Terminal(), StringIO()), (None, Terminal()), (None, None)):
            self.assertEqual(choose_face(None, stdin, stdout), "plain")

    def test_plain_on_a_simple_terminal(self) -> None:
        """A terminal that cannot place its cursor gets the plain face."""
        for kind in ("dumb", "", None):
            set_terminal_type(kind)
            self.assertEqual(choose_face(None, Terminal(), Terminal()), "plain")

    def test_by_name(self) -> None:
        """A face that is named is taken."""
        self.assertEqual(choose_face("json", Terminal(), Terminal()), "json")
        self.assertEqual(choose_face("plain", Terminal(), Terminal()), "plain")
        self.assertEqual(choose_face("tty", Terminal(), Terminal()), "tty")

    def test_no_such_face(self) -> None:
        """An unknown name is refused and the known ones are told."""
        error = self.assertRaises(ConfigurationError, choose_face, "gui", None, None)
        self.assertIn("tty, plain, json", error.text)

    def test_tty_without_a_terminal(self) -> None:
        """The tty face on a pipe is refused with what to take instead."""
        error = self.assertRaises(ConfigurationError, choose_face, "tty", StringIO(), Terminal())
        self.assertIn("--face plain", error.text)


def set_terminal_type(kind: str | None) -> None:
    """Set TERM, or take it away."""
    if kind is None:
        os.environ.pop("TERM", None)
    else:
        os.environ["TERM"] = kind


class JsonLines(SynchronousTestCase):
    """What the json face writes."""

    def test_one_line_of_utf_8(self) -> None:
        """Text stays as it is, line ends in it are escaped."""
        line = encode(events.Notice(text="grüße\n漢\u2028"))
        self.assertEqual(json.loads(line), {"type": "notice", "event": "notice", "text": "grüße\n漢\u2028"})
        self.assertIn("grüße", line.decode())
        self.assertNotIn(b"\n", line)

    def test_lone_surrogates_become_question_marks(self) -> None:
        """An argument of the command line that was no UTF-8 does not make the output invalid."""
        line = encode(events.Error(code="usage", text="bad \udcff argument"))
        self.assertEqual(json.loads(line)["text"], "bad ? argument")


class LineFaces(TestCase):
    """`LineFace` between two pipes."""

    timeout = 20

    def setUp(self) -> None:
        self.lines: list[str] = []
        self.stdin, self.typing = os.pipe()
        self.reading, self.stdout = os.pipe()
        self.open = {self.stdin, self.typing, self.reading, self.stdout}
        self.addCleanup(lambda: [os.close(fd) for fd in self.open])
        self.ended: Deferred[None] = Deferred()

    def close(self, fd: int) -> None:
        self.open.remove(fd)
        os.close(fd)

    def face(self, **more: Any) -> LineFace:
        """A face whose notices are their text; it is stopped in the end."""
        arguments: dict[str, Any] = {"stdin": self.stdin, "stdout": self.stdout, "stop_seconds": 0.05} | more
        face = LineFace(ANY_REACTOR, lambda event: getattr(event, "text", "").encode(), **arguments)
        self.addCleanup(face.stop)
        return face

    def typed(self, line: str) -> None:
        self.lines.append(line)
        if line == "/quit":
            self.ended.callback(None)

    async def test_nothing_is_read_before_start(self) -> None:
        """What is typed early is kept for whoever starts the face."""
        face = self.face()
        os.write(self.typing, b"early\n")
        await deferLater(ANY_REACTOR, 0)
        await deferLater(ANY_REACTOR, 0)
        self.assertEqual(self.lines, [])
        self.close(self.typing)
        face.start(self.typed, lambda: self.ended.callback(None))
        await self.ended
        self.assertEqual(self.lines, ["early"])

    async def test_stop_writes_out_what_is_left(self) -> None:
        """When `stop` has fired everything shown before it can be read, and nothing after it is shown."""
        face = self.face()
        face.show(events.Notice(text="one"))
        stopped = face.stop()
        face.show(events.Notice(text="two"))
        await stopped
        await face.stop()
        self.assertEqual(os.read(self.reading, 100), b"one\n")

    async def test_stop_leaves_the_streams_blocking(self) -> None:
        """The shell's own input and output are as they were."""
        face = self.face()
        self.assertFalse(os.get_blocking(self.stdout))
        await face.stop()
        self.assertTrue(os.get_blocking(self.stdin))
        self.assertTrue(os.get_blocking(self.stdout))

    async def test_stop_does_not_wait_for_ever(self) -> None:
        """A reader that has stopped reading delays the end by a limit, not for ever."""
        face = self.face()
        face.show(events.Notice(text="x" * 1_000_000))
        await face.stop()
        self.assertEqual(len(os.read(self.reading, 100)), 100)

    async def test_unread_output_up_to_the_limit_waits(self) -> None:
        """One byte below the limit and just the limit are kept for a slow reader."""
        for size in (99, 100):
            face = self.face(max_unread=100)
            face.start(self.typed, lambda: None)
            face.show(events.Notice(text="x" * (size - 1)))
            await face.stop()
            self.assertEqual(len(os.read(self.reading, 1000)), size)
        self.assertEqual(self.lines, [])

    async def test_unread_output_over_the_limit_quits(self) -> None:
        """One byte over the limit means that nobody reads: the client is told to quit."""
        self.patch(sys, "stderr", StringIO())
        face = self.face(max_unread=100)
        face.start(self.typed, lambda: None)
        face.show(events.Notice(text="x" * 100))
        await self.ended
        self.assertIn("nobody reads the output", sys.stderr.getvalue())
        self.assertEqual(self.lines, ["/quit"])
        await face.stop()

    async def test_reader_gone(self) -> None:
        """A closed output quits, even where nothing is written."""
        face = self.face()
        face.start(self.typed, lambda: None)
        self.close(self.reading)
        await self.ended
        face.show(events.Notice(text="nobody sees it"))
        await face.stop()
        self.assertEqual(self.lines, ["/quit"])

    async def test_reader_gone_before_start(self) -> None:
        """Somebody who left early is noticed at the start."""
        face = self.face()
        self.close(self.reading)
        for _ in range(5):
            await deferLater(ANY_REACTOR, 0)
        face.start(self.typed, lambda: None)
        await self.ended

    async def test_nobody_is_asked_on_a_pipe(self) -> None:
        """A question fails at once and says what was wanted."""
        error = await self.assertFailure(self.face().ask_secret("Password: "), ConfigurationError)
        self.assertIn("Password", error.text)

    async def test_json_never_asks(self) -> None:
        """The json face has no place for a question, not even on a terminal."""
        terminal, other = pty.openpty()
        self.open |= {terminal, other}
        await self.assertFailure(self.face(stdin=other, asks=False).ask("Name: "), ConfigurationError)

    async def test_status_and_source_are_taken(self) -> None:
        """What only the tty face shows does no harm."""
        face = self.face()
        face.set_status(Status("lobby", "FREE", ""))
        face.attach(NoSource())
        await face.stop()
        self.close(self.stdout)
        self.assertEqual(os.read(self.reading, 1), b"")

    async def test_questions_on_a_terminal(self) -> None:
        """One at a time; leaving without an answer cancels; after the end none can be asked."""
        terminal, other = pty.openpty()
        self.open |= {terminal, other}
        face = self.face(stdin=other)
        first = face.ask("Name: ")
        await self.assertFailure(face.ask("Again: "), ConfigurationError)
        os.write(terminal, b"al\n")
        self.assertEqual(await first, "al")
        second = face.ask_secret("Password: ")
        await face.stop()
        await self.assertFailure(second, CancelledError)
        await self.assertFailure(face.ask("Name: "), ConfigurationError)

    async def test_ctrl_d_at_a_question_before_the_start(self) -> None:
        """Whoever ends the input instead of an answer leaves; the start then says that it has ended."""
        terminal, other = pty.openpty()
        self.open |= {terminal, other}
        face = self.face(stdin=other)
        answer = face.ask("Name: ")
        os.write(terminal, b"\x04")
        await self.assertFailure(answer, CancelledError)
        face.start(self.typed, lambda: self.ended.callback(None))
        await self.ended
        await self.assertFailure(face.ask("Name: "), ConfigurationError)

    async def test_plain_spells_out_what_the_encoding_lacks(self) -> None:
        """On an 8-bit terminal UTF-8 could carry C1 controls; there only its own letters are sent."""
        face = plain_face(ANY_REACTOR, self.stdin, self.stdout, "latin-1")
        face.show(events.Notice(text="é Û \u20ac \x9b"))
        face.show(events.Sent(ulid="", conversation="", seq=1))
        await face.stop()
        written = os.read(self.reading, 100).decode("latin-1")
        self.assertEqual(written, "* é Û \\u20ac <U+009B>\n")
        self.assertEqual(offences(written.rstrip("\n")), [])


class LineLength(TestCase):
    """`MAX_TYPED_LINE`."""

    timeout = 20

    async def test_one_below_at_and_one_above(self) -> None:
        """A line of the limit is taken, one of a byte more is refused with an error, and the next is taken."""
        stdin, typing = os.pipe()
        reading, stdout = os.pipe()
        for fd in (stdin, reading, stdout):
            self.addCleanup(os.close, fd)
        lengths: list[int] = []
        ended: Deferred[None] = Deferred()
        face = LineFace(ANY_REACTOR, lambda event: getattr(event, "code", "").encode(), stdin=stdin, stdout=stdout)
        face.start(lambda line: lengths.append(len(line)), lambda: ended.callback(None))
        os.set_blocking(typing, False)
        for length in (MAX_TYPED_LINE - 1, MAX_TYPED_LINE, MAX_TYPED_LINE + 1, 5):
            await write_all(typing, b"x" * length + b"\n")
        os.close(typing)
        await ended
        await face.stop()
        self.assertEqual(lengths, [MAX_TYPED_LINE - 1, MAX_TYPED_LINE, 5])
        self.assertEqual(os.read(reading, 100), b"line-too-long\n")


async def write_all(fd: int, data: bytes) -> None:
    """Write to a pipe that is read in this same process."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await deferLater(ANY_REACTOR, 0)
