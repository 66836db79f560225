"""``encchat-client --demo``: on a terminal within ten seconds, gone without a trace however it ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import SkipTest

from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat.client.demo import open_place
from encchat.client.demo.bots import perform
from encchat.client.demo.script import ADA, BOB, ROOM
from encchat.errors import CannotConnectError
from tests.client.terminal import CLIENT, LIMIT, Terminal
from tests.processes import CLIENT_CODE, JsonProcess, directory, spawn, start_client, start_server

ENTER, CTRL_C = "\r", "\x03"
PROCESSES = Path("/proc")
SOON = 10.0
"""Seconds a newcomer waits for a sign of life, on a machine that has nothing else to do."""


class Traces(TestCase):
    """Base of those below: a folder for temporary files, and who works in it."""

    timeout = 120

    def setUp(self) -> None:
        if not PROCESSES.is_dir():
            raise SkipTest("there is no /proc to look for processes in")
        self.home = directory(self)
        self.folder = self.home / "tmp"
        self.folder.mkdir()
        self.environ = {"TMPDIR": str(self.folder)}

    def processes(self) -> list[int]:
        """Everybody who was started with this folder for temporary files."""
        mark, found = f"TMPDIR={self.folder}".encode(), []
        for entry in PROCESSES.iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # it is gone, or another user's
                continue
        return found

    def places(self) -> list[Path]:
        """What demos have made."""
        return list(self.folder.iterdir())

    def assert_no_trace(self, limit: float = LIMIT) -> None:
        """No process and no file is left, or not for long."""
        deadline = time.monotonic() + limit
        while (left := (self.processes(), self.places())) != ([], []):
            self.assertLess(time.monotonic(), deadline, f"left: {left}")
            time.sleep(0.05)


class OnATerminal(Traces):
    """What a newcomer sees, and what stays."""

    def open(self, *arguments: str) -> Terminal:
        """A demo on a terminal."""
        terminal = Terminal(self.home, CLIENT, "--demo", *arguments, columns=100, rows=30, environ=self.environ)
        self.addCleanup(terminal.close)
        return terminal

    def test_a_bot_speaks_within_ten_seconds_and_all_is_gone_after_leaving(self) -> None:
        """Nothing is asked; the client waits until its traces are removed, and the home is as it was."""
        before = time.monotonic()
        terminal = self.open()
        terminal.until_shows("hello guest, welcome!")
        others = os.getloadavg()[0] / (os.cpu_count() or 1)
        self.assertLess(time.monotonic() - before, SOON * max(1, others))
        self.assertEqual(len(self.places()), 1)
        self.assertGreaterEqual(len(self.processes()), 4)
        terminal.send("hello" + ENTER)
        terminal.until_shows("hello guest, I read you")
        terminal.send("/quit" + ENTER)
        terminal.until_ended()
        self.assertTrue(terminal.echoes())
        self.assertEqual(terminal.exit_code(), 0)
        self.assert_no_trace(0.5)
        self.assertEqual(list(self.home.iterdir()), [self.folder])

    def check_end(self, end: Callable[[Terminal], object], shown: str = "hello guest") -> None:
        """Whatever ``end`` does once ``shown`` is on the screen, nothing stays."""
        terminal = self.open()
        terminal.until_shows(shown)
        end(terminal)
        self.assert_no_trace()

    def test_a_client_that_is_told_to_end_leaves_no_trace(self) -> None:
        """By SIGTERM."""
        self.check_end(lambda terminal: terminal.child.kill(signal.SIGTERM))

    def test_a_client_that_is_killed_leaves_no_trace(self) -> None:
        """By SIGKILL, which it does not hear."""
        self.check_end(lambda terminal: terminal.child.kill(signal.SIGKILL))

    def test_a_closed_window_leaves_no_trace(self) -> None:
        """SIGHUP."""
        self.check_end(lambda terminal: terminal.close())

    def test_leaving_while_it_starts_leaves_no_trace(self) -> None:
        """By Ctrl+C, by SIGTERM, by SIGKILL."""
        self.check_end(lambda terminal: terminal.send(CTRL_C), "starting a server")
        self.check_end(lambda terminal: terminal.child.kill(signal.SIGTERM), "starting a server")
        self.check_end(lambda terminal: terminal.child.kill(signal.SIGKILL), "starting a server")

    def test_a_killed_keeper_takes_the_others_along(self) -> None:
        """Server and bots end with it; the client says that the connection is lost."""
        terminal = self.open()
        terminal.until_shows("hello guest")
        (keeper,) = [
            pid for pid in self.processes() if b"demo.keeper" in (PROCESSES / str(pid) / "cmdline").read_bytes()
        ]
        os.kill(keeper, signal.SIGKILL)
        terminal.until_shows("reconnecting")
        self.assertEqual(self.processes(), [terminal.child.pid])


class NoDemo(SynchronousTestCase):
    """`encchat.client.demo.open_place` where nothing can be started."""

    def test_why_it_cannot_be_started_is_said(self) -> None:
        """In the keeper's words, or that it has none; nobody waits for long."""
        for code, reason in (
            ('print(\'{"failed": "the disk is full"}\')', "the disk is full"),
            ("print('what?')", "its keeper ended"),
            ("pass", "its keeper ended"),
        ):
            with self.assertRaises(CannotConnectError) as refused, open_place((sys.executable, "-c", code)):
                self.fail("there is none")
            self.assertIn(reason, refused.exception.text)


class OffATerminal(Traces):
    """The same on a pipe."""

    async def test_a_program_can_look_at_it_too(self) -> None:
        """Under a name of its own choice; at the end of its input all is gone."""
        client = JsonProcess()
        arguments = ["--demo", "--face", "json", "--user", "eve"]
        spawn(self, client, CLIENT_CODE, arguments, self.home, self.environ)
        await client.wait_for("logged_in", user="eve")
        await client.wait_for("message", conversation="lobby", from_="ada")
        client.end_input()
        self.assertEqual(await client.exits(), 0)
        self.assert_no_trace(0.5)

    async def test_it_has_a_server_of_its_own(self) -> None:
        """Somebody else's is refused, before anything is started."""
        client = JsonProcess()
        spawn(self, client, CLIENT_CODE, ["--demo", "localhost"], self.home, self.environ)
        self.assertEqual(await client.exits(), 1)
        self.assertIn("--demo has a server", client.errors)


class TheBots(TestCase):
    """`encchat.client.demo.bots.perform` at a real server, without the pauses for people."""

    timeout = 120

    async def test_they_show_everything(self) -> None:
        """Lobby, direct message, comparing keys, a call on both sides, a room."""
        server = await start_server(self)
        links: Deferred[str] = Deferred()
        acting = ensureDeferred(perform(_reactor, directory(self), await server.invite(), links.callback, 0.001))
        self.addCleanup(self.end, acting)
        environ = {"ENCCHAT_PASSWORD": "mellow otter ferry"}
        guest = start_client(self, await links, "--user", "guest", "--follow", environ=environ)
        await guest.wait_for("message", conversation="lobby", from_=ADA)
        await guest.wait_for("message", conversation="@bob", from_=BOB)
        guest.type("hello")
        await guest.wait_for("message", conversation="lobby", text="hello guest, I read you; and so does the server.")
        guest.type("/msg bob can you hear me?", "/verify bob")
        mine = await guest.wait_for("verification", step="compare")
        self.assertEqual(len(mine["emoji"]), 7)
        guest.type("/verified bob")
        await guest.wait_for("verification", step="done")
        guest.type("/connect bob")
        await guest.wait_for("started", with_=BOB)
        guest.type("/goodbye")
        await guest.wait_for("ended", with_=BOB)
        await guest.wait_for("invited", room=ROOM)
        guest.type(f"/join {ROOM}")
        welcome = await guest.wait_for("message", conversation=ROOM, from_=ADA)
        self.assertEqual((welcome["signed"], welcome["encryption"]), ("valid", "megolm"))
        guest.type("/msg ada call me")
        await guest.wait_for("started", with_=ADA)
        guest.type("/goodbye")
        await guest.wait_for("ended", with_=ADA)

    def end(self, acting: Deferred[None]) -> Deferred[None]:
        """The bots leave, and are waited for."""
        acting.addErrback(lambda failure: failure.trap(CancelledError) and None)
        acting.cancel()
        return acting
