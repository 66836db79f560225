"""Typing on a real terminal while a real server delivers 300 messages a second."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.client.seats import CTRL_U, ENTER, GIVEN, Seated
from tests.client.terminal import Terminal, command, surroundings
from tests.processes import ServerProcess, directory, start_client, start_server

TALKER = "from tests.client.talker import main; main()"
RATE = 300
_LOOKS = 2_000
"""At the settings of the terminal, after each key: some milliseconds."""
THING = re.compile(rb"this is thing (\d{5}) of many")


class Flood(Seated):
    """Somebody talks without end, the person types on."""

    async def crowded(self) -> ServerProcess:
        """A server that lets one client say as much as it likes."""
        config = directory(self) / "server.toml"
        config.write_text("request_rate = 1e6\nrequest_burst = 1e6\n")
        return await start_server(self, "--registration", "open", f"--config={config}")

    @contextmanager
    def talking(self, server: ServerProcess, conversation: str, count: int) -> Iterator[None]:
        """The talker begins here, and has said all without a refusal in the end."""
        home = directory(self)
        arguments = [server.address, str(home), "talker", conversation, str(count), str(RATE)]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command(TALKER, arguments), stdin=pipe, stdout=pipe, text=True, env=surroundings(home), cwd=home
        ) as talker:
            self.addCleanup(talker.kill)
            assert talker.stdin is not None
            assert talker.stdout is not None
            self.assertEqual(talker.stdout.readline(), "ready\n")
            print("go", file=talker.stdin, flush=True)
            yield
        self.assertEqual(talker.returncode, 0)

    def numbers(self, raw: bytes) -> list[int]:
        """Of what was said, as it went to the terminal."""
        return [int(number) for number in THING.findall(raw)]

    def assert_keys_are_the_clients(self, terminal: Terminal) -> None:
        """At no moment of some milliseconds does the terminal itself show what is typed, or wait for whole lines."""
        self.assertFalse(any(terminal.echoes() for _ in range(_LOOKS)))

    def type_through(self, terminal: Terminal, begin: str, text: str) -> None:
        """Type ``text`` letter by letter; each time the line is whole, the last but one row of the screen."""
        typed = begin
        for letter in text:
            terminal.send(letter)
            typed += letter
            terminal.until(lambda lines, typed=typed: lines[-2:-1] == [typed.rstrip()])
            self.assert_keys_are_the_clients(terminal)

    async def test_the_line_stays_whole_and_nothing_is_lost(self) -> None:
        """Every letter comes to its place, every message above it, once and in order; the finished line goes out."""
        server = await self.crowded()
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=GIVEN)
        terminal = self.sit_down(server, "ann")
        text = "typing goes on, word by word, and nothing disturbs it"
        with self.talking(server, "lobby", 900):
            terminal.until_shows("of many")
            begun = len(self.numbers(terminal.raw))
            self.type_through(terminal, "lobby> ", text)
            self.assertLess(begun, 500)
            terminal.until(lambda lines: len(self.numbers(terminal.raw)) >= 900)
        self.assertEqual(self.numbers(terminal.raw), list(range(900)))
        lines = terminal.until(lambda lines: lines[-2:-1] == [f"lobby> {text}"])
        shown = [int(found[1]) for line in lines if (found := re.search(r"thing (\d{5})", line))]
        self.assertEqual(shown, list(range(900 - len(shown), 900)))
        self.assertGreaterEqual(len(shown), 20)
        terminal.send(ENTER)
        await bob.wait_for("message", from_="ann", text=text)

    async def test_keys_that_a_terminal_would_take_for_itself(self) -> None:
        """Ctrl+U, Ctrl+W and the like edit the line in the middle of it all: the terminal never gets them."""
        server = await self.crowded()
        terminal = self.sit_down(server, "ann")
        with self.talking(server, "lobby", 600):
            terminal.until_shows("of many")
            for number in range(8):
                terminal.send(f"away {number}")
                terminal.until(lambda lines, number=number: lines[-2:-1] == [f"lobby> away {number}"])
                terminal.send(CTRL_U)
                terminal.until(lambda lines: lines[-2:-1] == ["lobby>"])
                terminal.send("one two\x17three\x16")
                terminal.until(lambda lines: lines[-2:-1] == ["lobby> one three"])
                terminal.send("\x7f" * 20)
                terminal.until(lambda lines: lines[-2:-1] == ["lobby>"])
            terminal.until(lambda lines: len(self.numbers(terminal.raw)) >= 600)

    async def test_windows_of_other_sizes_in_the_middle_of_it(self) -> None:
        """Each time the line and the bar are in their places, and still not one message is missing."""
        server = await self.crowded()
        terminal = self.sit_down(server, "ann")
        sizes = ((200, 60), (60, 10), (80, 24), (132, 50), (80, 24))
        with self.talking(server, "lobby", 900):
            terminal.until_shows("of many")
            terminal.send("a draft")
            for columns, rows in sizes:
                terminal.resize(columns, rows)
                for letter in "xyz":
                    terminal.send(letter)
                terminal.until(lambda lines: lines[-2:-1] == ["lobby> a draftxyz"] and "connected" in lines[-1])
                terminal.send("\x7f\x7f\x7f")
                terminal.until(lambda lines: lines[-2:-1] == ["lobby> a draft"])
            terminal.until(lambda lines: len(self.numbers(terminal.raw)) >= 900)
        self.assertEqual(self.numbers(terminal.raw), list(range(900)))
        terminal.until(lambda lines: "thing 00899" in "".join(lines) and lines[-2:-1] == ["lobby> a draft"])
