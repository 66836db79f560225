"""The plain and the json face of a real process on real pipes (tests/client/face_driver.py)."""

import json
import signal
import subprocess
from threading import Timer
from typing import IO, Any

from twisted.trial.unittest import SynchronousTestCase

from encchat.limits import MAX_TYPED_LINE
from tests.client.terminal import DRIVER, LIMIT, Terminal, command, surroundings
from tests.processes import directory


def talk(
    test: SynchronousTestCase, face: str, typed: bytes | None, stdin: IO[bytes] | None = None, stdout: Any = None
) -> subprocess.CompletedProcess[bytes]:
    """The driver to its end, with ``typed`` on its standard input or with these streams."""
    home = directory(test)
    streams: dict[str, Any] = {"input": typed} if stdin is None else {"stdin": stdin}
    return subprocess.run(
        command(DRIVER, [face]),
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=home,
        env=surroundings(home),
        timeout=LIMIT,
        check=False,
        **streams,
    )


def said(text: str) -> str:
    """How the plain face shows what the driver repeats."""
    return f"12:00 [lobby] alice: {text}"


class OnPipes(SynchronousTestCase):
    """A process whose standard streams are pipes."""

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The driver, its input open."""
        home, pipe = directory(self), subprocess.PIPE
        process = subprocess.Popen(
            command(DRIVER, arguments), stdin=pipe, stdout=pipe, stderr=pipe, cwd=home, env=surroundings(home)
        )
        self.addCleanup(process.wait)
        for stream in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(lambda stream=stream: stream and stream.close())
        self.addCleanup(process.kill)
        limit = Timer(LIMIT, process.kill)  # whatever is waited for below ends with the process
        limit.start()
        self.addCleanup(limit.cancel)
        return process

    def test_plain_line_in_line_out(self) -> None:
        """Each line typed is taken, each event shown; the last line needs no line feed, a CR LF is a line end too."""
        done = talk(self, "plain", b"one\r\ntwo\nthree")
        self.assertEqual(
            done.stdout.decode().splitlines(),
            ["* ready", said("one"), said("two"), said("three"), "* input ended"],
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_plain_is_the_face_of_a_pipe(self) -> None:
        """Without a name it is chosen."""
        self.assertEqual(talk(self, "auto", b"").stdout, b"* ready\n* input ended\n")

    def test_json_one_object_a_line(self) -> None:
        """Every line of the output is one JSON object."""
        done = talk(self, "json", "grüße\u2028\n/flood 2\n".encode())
        events = [json.loads(line) for line in done.stdout.split(b"\n")[:-1]]
        self.assertEqual([event["type"] for event in events], ["notice", *["message"] * 3, "notice"])
        self.assertEqual(events[1]["text"], "grüße\u2028")

    def test_each_event_is_written_at_once(self) -> None:
        """An event can be read while the input is still open and quiet."""
        process = self.spawn("json")
        self.assertEqual(json.loads(line_of(process.stdout))["text"], "ready")
        type_in(process, b"hello\n")
        self.assertEqual(json.loads(line_of(process.stdout))["text"], "hello")
        type_in(process, b"half")
        type_in(process, b" and half\n")
        self.assertEqual(json.loads(line_of(process.stdout))["text"], "half and half")

    def test_input_closed_early(self) -> None:
        """The end of the input closes nothing else: what comes later is still shown."""
        process = self.spawn("json", "follow")
        type_in(process, b"/stream 30\n")
        assert process.stdin is not None
        process.stdin.close()
        texts = [json.loads(line_of(process.stdout))["text"] for _ in range(32)]
        self.assertEqual(sorted(texts), sorted(["ready", "input ended", *(f"stream {n}" for n in range(30))]))

    def test_no_input_at_all(self) -> None:
        """A process started without a standard input sees it as ended at once."""
        home = directory(self)
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *command(DRIVER, ["json"])],
            capture_output=True,
            cwd=home,
            env=surroundings(home),
            timeout=LIMIT,
            check=False,
        )
        self.assertEqual([json.loads(line)["text"] for line in done.stdout.splitlines()], ["ready", "input ended"])
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_regular_files(self) -> None:
        """Input from a file and output to a file work like pipes."""
        home = directory(self)
        source, target = home / "in", home / "out"
        source.write_bytes(b"line\n" * 5000)
        with source.open("rb") as stdin, target.open("wb") as stdout:
            talk(self, "plain", None, stdin, stdout)
        self.assertEqual(target.read_text().splitlines(), ["* ready", *[said("line")] * 5000, "* input ended"])

    def test_output_reader_gone(self) -> None:
        """When whoever read the output is gone the client quits; no traceback, though its input stays open."""
        for face in ("plain", "json"):
            process = self.spawn(face, "follow")
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.wait(LIMIT), 0)
            self.assertEqual(process.stderr.read(), b"")

    def test_output_reader_gone_in_a_flood(self) -> None:
        """The same while it has much to say."""
        process = self.spawn("json", "follow")
        type_in(process, b"/flood 100000\n")
        line_of(process.stdout)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        self.assertEqual(process.wait(LIMIT), 0)
        self.assertEqual(process.stderr.read(), b"")

    def test_a_flood_comes_out_whole(self) -> None:
        """More output than any pipe holds arrives complete and in order, the end of the input notwithstanding."""
        done = talk(self, "json", b"/flood 50000\n")
        texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]
        self.assertEqual(texts[1:-1], [f"flood {number} of 50000" for number in range(50_000)])

    def test_long_pasted_lines(self) -> None:
        """Lines far over a terminal's 4,096 bytes come through whole."""
        lines = [b"x" * length for length in (4095, 4096, 4097, MAX_TYPED_LINE)]
        done = talk(self, "plain", b"\n".join(lines))
        self.assertEqual(done.stdout.decode().splitlines()[1:-1], [said(line.decode()) for line in lines])

    def test_line_too_long(self) -> None:
        """A line over the limit is an error, and the next one is taken."""
        done = talk(self, "json", b"x" * (3 * MAX_TYPED_LINE) + b"\nnext\n")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([event.get("code") or event["text"] for event in events[1:3]], ["line-too-long", "next"])
        self.assertIn(str(MAX_TYPED_LINE), events[1]["text"])

    def test_invalid_utf_8(self) -> None:
        """A line that is no UTF-8 is an error that names the byte, and the next one is taken."""
        for bad in (b"ab\xff", b"ab\xed\xa0\x80", b"ab\xc0\x80", b"ab\xe2\x82"):
            done = talk(self, "json", bad + b"\nnext\n")
            events = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual([event.get("code") or event["text"] for event in events[1:3]], ["malformed", "next"])
            self.assertIn(f"byte 3 is 0x{bad[2]:02x}", events[1]["text"])

    def test_any_bytes_at_all(self) -> None:
        """Half a megabyte of noise makes errors, and the face goes on."""
        noise = bytes(range(256)) * 2000
        done = talk(self, "plain", noise + b"\nstill here\n")
        self.assertIn(said("still here"), done.stdout.decode())
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_nobody_to_ask(self) -> None:
        """On a pipe a question is an error that says what was wanted."""
        for face in ("plain", "json"):
            self.assertIn(b"Password", talk(self, face, b"/secret\n").stdout.splitlines()[1])

    def test_signals_write_out_what_is_left(self) -> None:
        """SIGTERM and SIGINT end it after the output is written."""
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.spawn("json")
            type_in(process, b"/flood 20000\n")
            line_of(process.stdout)
            process.send_signal(number)
            assert process.stdout is not None
            rest = process.stdout.read()
            self.assertTrue(rest.endswith(b"\n"))
            process.wait(LIMIT)


def type_in(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Write to its standard input."""
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def line_of(stream: IO[bytes] | None) -> bytes:
    """The next line."""
    assert stream is not None
    return stream.readline()


class PlainOnATerminal(SynchronousTestCase):
    """The plain face asked for by name on a terminal."""

    def setUp(self) -> None:
        self.terminal = Terminal(directory(self), DRIVER, "plain")
        self.addCleanup(self.terminal.close)
        self.terminal.until_shows("ready")

    def test_secret_does_not_show(self) -> None:
        """What is typed as a password is not on the screen, what is typed afterwards is."""
        terminal = self.terminal
        terminal.send("/secret\n")
        terminal.until_shows("Password:")
        terminal.send("hunter2hunter2\n")
        lines = terminal.until_shows("answer")
        self.assertIn("Password:", lines)
        self.assertEqual([line for line in lines if "hunter2" in line], ["* answer 'hunter2hunter2'"])
        terminal.send("visible")
        terminal.until_shows("visible")

    def test_ctrl_d_ends_the_input(self) -> None:
        """Ctrl+D at the beginning of a line is the end of the input."""
        self.terminal.send("\x04")
        self.terminal.until_shows("input ended")
        self.assertEqual(self.terminal.exit_code(), 0)

    def test_sigterm_while_a_secret_is_asked_gives_the_echo_back(self) -> None:
        """The terminal is left as it was found."""
        self.terminal.send("/secret\n")
        self.terminal.until_shows("Password:")
        self.assertFalse(self.terminal.echoes())
        self.terminal.child.kill(signal.SIGTERM)
        self.terminal.until_ended()
        self.assertTrue(self.terminal.echoes())
        self.assertNotIn(b"Traceback", self.terminal.raw)
