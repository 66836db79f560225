"""However a real client on a terminal ends, the terminal is as it was."""

from __future__ import annotations

import re
import resource
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

from encchat.client.exits import Exit
from tests.client.seats import CTRL_C, CTRL_D, CTRL_Z, ENTER, GIVEN, IN, PASSWORD, Seated
from tests.client.terminal import CLIENT, Terminal, command
from tests.processes import ServerProcess, directory, start_client, start_server

SHELL = "import os; os.execvp('sh', ['sh', '-i'])"
"""A program that becomes an interactive shell."""


class GivenBack(Seated):
    """A person types at it; then it ends."""

    def assert_given_back(self, terminal: Terminal) -> None:
        """It shows what is typed again, at the begin of an empty row, the cursor can be seen; pastes come plain."""
        terminal.until_ended()
        self.assertTrue(terminal.echoes(), "\n".join(terminal.lines()))
        screen = terminal.screen
        self.assertEqual(screen.cursor.x, 0, terminal.lines())
        self.assertEqual(screen.display[screen.cursor.y].strip(), "")
        self.assertFalse(screen.cursor.hidden)
        self.assertNotIn(IN, "\n".join(terminal.lines()))
        self.assert_modes_off(terminal.raw)

    def assert_modes_off(self, raw: bytes) -> None:
        """What the client has turned on is off."""
        for mode, on, off in ((b"2004", b"h", b"l"), (b"1049", b"h", b"l"), (b"1000", b"h", b"l"), (b"25", b"l", b"h")):
            begin, end = b"\x1b[?" + mode + on, b"\x1b[?" + mode + off
            self.assertLessEqual(raw.rfind(begin), raw.rfind(end), mode)
        styled = raw.rfind(b"\x1b[0m")
        self.assertGreater(styled, max(raw.rfind(b"\x1b[3"), raw.rfind(b"\x1b[0;")))

    async def test_whichever_way_it_is_told_to_leave(self) -> None:
        """Ctrl+C, Ctrl+D, /quit, and signals from elsewhere, with a draft on the line; it ends well."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        ways: tuple[tuple[str, Callable[[Terminal], object]], ...] = (
            ("Ctrl+C", lambda terminal: terminal.send(CTRL_C)),
            ("Ctrl+D", lambda terminal: terminal.send(CTRL_D)),
            ("/quit", lambda terminal: terminal.send("/quit" + ENTER)),
            ("SIGTERM", lambda terminal: terminal.child.kill(signal.SIGTERM)),
            ("SIGHUP", lambda terminal: terminal.child.kill(signal.SIGHUP)),
            ("SIGINT", lambda terminal: terminal.child.kill(signal.SIGINT)),
        )
        for number, (way, leave) in enumerate(ways):
            terminal = self.sit_down(server, "ann", home=home, known=number > 0)
            if way not in ("Ctrl+D", "/quit"):
                terminal.send("a draft")
                terminal.until_shows("a draft")
            self.assertFalse(terminal.echoes(), way)
            leave(terminal)
            self.assert_given_back(terminal)
            self.assertEqual(terminal.exit_code(), Exit.FINE, way)

    async def test_at_a_question(self) -> None:
        """Ctrl+C and SIGTERM while a password is asked for; nothing of it was on the screen."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        for leave in (lambda terminal: terminal.send(CTRL_C), lambda terminal: terminal.child.kill(signal.SIGTERM)):
            terminal = Terminal(home, CLIENT, server.address, "--home", str(home), "--user", "ann", "--register")
            self.addCleanup(terminal.close)
            terminal.until_shows("Choose a password")
            terminal.send(PASSWORD)
            leave(terminal)
            terminal.until_ended()
            self.assertTrue(terminal.echoes(), "\n".join(terminal.lines()))
            self.assert_modes_off(terminal.raw)
            self.assertNotIn(PASSWORD.encode(), terminal.raw)

    async def test_a_store_that_breaks(self) -> None:
        """Nothing can be written any more: it says so, ends with the code for that, and tidies up."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        terminal = self.sit_down(server, "ann", home=home)
        [store] = home.glob("messages/*/ann.sqlite")
        resource.prlimit(terminal.child.pid, resource.RLIMIT_FSIZE, (0, 0))
        terminal.send("hello" + ENTER)
        self.assert_given_back(terminal)
        # Not on the screen alone: a run that measures coverage cannot write that either, and says so at length.
        self.assertIn(store.name, re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|\s", "", terminal.raw.decode()))
        self.assertEqual(terminal.exit_code(), Exit.LOCAL)

    async def test_a_bug(self) -> None:
        """An exception nobody has expected, from somebody else's module: a report, its code, a whole terminal."""
        server = await start_server(self, "--registration", "open")
        home, modules = directory(self), directory(self)
        (modules / "keyring").mkdir()
        (modules / "keyring" / "__init__.py").write_text("raise RuntimeError('as modules of others may')")
        path = f"{modules}:{Path(__file__).parents[2]}"
        terminal = Terminal(
            home,
            CLIENT,
            server.address,
            "--home",
            str(home),
            "--register",
            environ={"PYTHONPATH": path, "ENCCHAT_PASSWORD": PASSWORD},
        )
        self.addCleanup(terminal.close)
        terminal.until_shows("User name:")
        terminal.send("ann" + ENTER)
        self.assert_given_back(terminal)
        self.assertIn("as modules of others may", "\n".join(terminal.lines()))
        self.assertEqual(terminal.exit_code(), Exit.BUG)

    async def test_the_window_is_closed(self) -> None:
        """The terminal goes away: so does the client, in good order, so that the others know."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=GIVEN)
        await bob.wait_for("recovery")
        ann = self.sit_down(server, "ann", home=home)
        ann.send("/msg bob hello" + ENTER)
        await bob.wait_for("message", from_="ann")
        ann.child.close(force=False)
        await bob.wait_for("presence", user="ann", presence="OFFLINE")
        self.assertFalse(ann.child.isalive())
        again = self.sit_down(server, "ann", home=home, known=True)  # the lock of its messages is free
        self.assertNotIn("another", "\n".join(again.lines()))

    async def test_ctrl_z_and_back(self) -> None:
        """In between the shell has its terminal; afterwards the draft is there, and what was said meanwhile."""
        server = await start_server(self, "--registration", "open")
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=GIVEN)
        await bob.wait_for("logged_in")
        terminal = self.shell(server)
        terminal.send("sh ./client" + ENTER)
        terminal.until_shows(IN)
        terminal.send("a draft")
        terminal.until_shows("lobby> a draft")
        terminal.send(CTRL_Z)
        terminal.until_shows("topped")  # Stopped in bash and dash
        begin = len(terminal.raw)
        terminal.send("stty -a; echo 'in the' shell" + ENTER)
        terminal.until_shows("in the shell")
        settings = terminal.raw[begin:].decode().split()
        for setting in ("echo", "icanon", "isig", "icrnl", "opost"):
            self.assertIn(setting, [word.rstrip(";") for word in settings])
        self.assert_modes_off(terminal.raw[:begin])
        bob.type("hello from bob")
        await bob.wait_for("sent")
        terminal.send("fg" + ENTER)
        terminal.until_shows("bob: hello from bob")
        terminal.until_shows("lobby> a draft")
        self.assertFalse(terminal.echoes())
        terminal.send(" goes on" + ENTER)
        await bob.wait_for("message", text="a draft goes on")
        terminal.send("/quit" + ENTER)
        terminal.until(lambda lines: lines[-1] == "shell:")
        terminal.send("echo 'the end of' it; exit" + ENTER)
        terminal.until_shows("the end of it")

    def shell(self, server: ServerProcess) -> Terminal:
        """A shell that has a script called client beside it."""
        home = directory(self)
        words = command(CLIENT, [server.address, "--home", str(home), "--user", "ann", "--register"])
        words += ["--recovery-file", str(home / "phrase")]
        (home / "client").write_text(f"exec {shlex.join(words)}\n")
        terminal = Terminal(home, SHELL, environ={"ENCCHAT_PASSWORD": PASSWORD, "PS1": "shell: ", "ENV": ""})
        self.addCleanup(terminal.close)
        terminal.until_shows("shell:")
        return terminal
