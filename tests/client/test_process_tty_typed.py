"""What is typed at a real client on a terminal, and what is left of it on the disk."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.client.seats import CTRL_U, ENTER, GIVEN, UP, Seated, pasted
from tests.client.terminal import DRIVER, Terminal
from tests.processes import directory, start_client, start_server

_EDITOR = """
import os, pathlib, stat, sys
path = pathlib.Path(sys.argv[1])
modes = [oct(stat.S_IMODE(place.stat().st_mode)) for place in (path, path.parent)]
path.write_text(f"{path.read_text().strip()} {modes} {path}")
"""
_PATIENT = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
path = pathlib.Path(sys.argv[1])
print("EDITING", flush=True)
while not pathlib.Path(sys.argv[0]).with_name("go").exists():
    time.sleep(0.02)
path.write_text(path.read_text().strip() + " and more")
"""


def holding(folder: Path, word: bytes) -> list[str]:
    """The files under ``folder`` in which ``word`` stands."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


class Typed(Seated):
    """Lines, pastes, the editor."""

    def prompt(self, terminal: Terminal, line: str) -> None:
        """Wait until the line being typed is ``line``."""
        terminal.until(lambda lines: lines[-2:-1] == [line])

    async def test_what_is_typed_shows_in_a_window_of_any_size(self) -> None:
        """Also a command, behind which rows are kept free for the menu where there are so many."""
        server = await start_server(self, "--registration", "open")
        terminal = self.sit_down(server, "ann")
        for rows in (24, 9, 8, 6, 4, 3, 2, 24):
            terminal.resize(60, rows)
            terminal.send("/qu")
            terminal.until(lambda lines: any(line.startswith("lobby> /qu") for line in lines))
            terminal.send(CTRL_U)
            terminal.until(lambda lines: "lobby>" in lines)

    async def test_typed_lines_are_on_the_disk_only_sealed(self) -> None:
        """They are there again at the next start; the secret ones and those off the record are not."""
        server, home = await start_server(self, "--registration", "open"), directory(self)
        ann = self.sit_down(server, "ann", home=home)
        for line in ("a canary that may stay", "/amdin canary of a password"):
            ann.send(line + ENTER)
        ann.until_shows("did you mean /admin")
        ann.send("/chat #parlour --ephemeral" + ENTER)
        self.prompt(ann, "#parlour>")
        ann.send("canary off the record" + ENTER)
        ann.until_shows("canary off the record")
        ann.send("/go lobby" + ENTER)
        self.prompt(ann, "lobby>")
        ann.send("/quit" + ENTER)
        self.assertEqual(ann.exit_code(), 0)
        self.assertEqual(holding(home, b"canary"), [])
        ann = self.sit_down(server, "ann", home=home, known=True)
        ann.send(UP)
        self.prompt(ann, "lobby> /quit")
        ann.send(UP)
        self.prompt(ann, "lobby> a canary that may stay")
        ann.send(CTRL_U + "/set history off" + ENTER)
        ann.until_shows("history is off")
        ann.send("/quit" + ENTER)
        self.assertEqual(ann.exit_code(), 0)
        ann = self.sit_down(server, "ann", home=home, known=True)
        ann.send(UP + "nothing was kept")
        self.prompt(ann, "lobby> nothing was kept")

    async def test_a_paste_of_commands_is_one_message(self) -> None:
        """Nothing of it runs; the other side gets all lines."""
        server = await start_server(self, "--registration", "open")
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=GIVEN)
        await bob.wait_for("recovery")
        ann = self.sit_down(server, "ann")
        ann.send(pasted("/quit\r\n/go @bob\r\n"))
        ann.until_shows("2 lines pasted: Enter sends them as one message, a text and no command")
        ann.send(ENTER)
        await bob.wait_for("message", text="/quit\n/go @bob")
        self.prompt(ann, "lobby>")
        ann.send("/set paste send" + ENTER)
        ann.until_shows("paste is send")
        ann.send(pasted("at\r\nonce\r\n"))
        await bob.wait_for("message", text="at\nonce")

    async def test_the_editor_has_a_private_file(self) -> None:
        """For its owner's eyes only, gone afterwards."""
        server, home = await start_server(self, "--registration", "open"), directory(self)
        (home / "editor.py").write_text(_EDITOR)
        (home / "run").mkdir(mode=0o700)
        there = {"VISUAL": f"{sys.executable} {home / 'editor.py'}", "XDG_RUNTIME_DIR": str(home / "run")}
        ann = self.sit_down(server, "ann", home=home, environ=there, columns=200)
        ann.send("/edit x" + ENTER)
        ann.until_shows("['0o600', '0o700']")
        lines = ann.until(lambda lines: any("message.txt" in line for line in lines))
        self.assertIn(str(home / "run"), "".join(line.strip() for line in lines))
        self.assertEqual(list((home / "run").iterdir()), [])

    async def test_no_editor_runs_on_a_pipe(self) -> None:
        """It says where one does."""
        server = await start_server(self, "--registration", "open")
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=GIVEN)
        await bob.wait_for("recovery")
        bob.type("/edit x")
        error = await bob.wait_for("error")
        self.assertIn("needs the terminal", error["text"])


class Editing(SynchronousTestCase):
    """What happens while somebody edits."""

    def edit(self, line: str, shows: str = "EDITING") -> tuple[Terminal, Path]:
        """A face whose line, once ``line`` was entered, is in an editor that waits for a file ``go``; its folder."""
        folder = directory(self)
        (folder / "editor.py").write_text(_PATIENT)
        environ = {"VISUAL": f"{sys.executable} {folder / 'editor.py'}", "XDG_RUNTIME_DIR": str(folder)}
        terminal = Terminal(folder, DRIVER, "auto", environ=environ)
        self.addCleanup(terminal.close)
        terminal.until_shows("lobby   FREE   connected")
        terminal.send(line + ENTER)
        terminal.until_shows(shows)
        return terminal, folder

    def assert_all_gone(self, folder: Path) -> None:
        """No draft lies about."""
        self.assertEqual([path.name for path in folder.iterdir() if path.name.startswith("encchat-")], [])

    def test_messages_wait_until_the_editor_has_ended(self) -> None:
        """None is written over it, none is lost."""
        terminal, folder = self.edit("/flood 3" + ENTER + "/edit x")
        (folder / "go").touch()
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> x and more"])
        self.assertTrue(any("flood 2 of 3" in line for line in terminal.lines()))
        self.assert_all_gone(folder)

    def test_a_question_waits_too(self) -> None:
        """Then it is asked, and what was saved comes back after the answer."""
        terminal, folder = self.edit("/later" + ENTER + "/edit x")
        terminal.until_quiet()
        self.assertNotIn("Password:", "\n".join(terminal.lines()))
        (folder / "go").touch()
        terminal.until_shows("Password:")
        terminal.send("hunter2" + ENTER)
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> x and more"])
        self.assertIn("* answer 'hunter2'", terminal.lines())

    def test_the_client_ends_and_the_editor_with_it(self) -> None:
        """SIGTERM; the terminal is as a shell wants it, and no draft is left."""
        terminal, folder = self.edit("/edit canary")
        terminal.child.kill(signal.SIGTERM)
        self.assertEqual(terminal.exit_code(), 0)
        self.assert_all_gone(folder)

    def test_ctrl_c_ends_the_editor_alone(self) -> None:
        """The line is as it was."""
        terminal, folder = self.edit("/edit canary")
        terminal.send("\x03")
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> canary"])
        self.assertTrue(any("was ended by signal 2" in line for line in terminal.lines()))
        self.assert_all_gone(folder)

    def test_what_was_written_stays_where_it_was_begun(self) -> None:
        """A conversation that changes meanwhile gets none of it."""
        terminal, folder = self.edit("/move @bob" + ENTER + "/edit x")
        terminal.until(lambda _: (folder / "moved").exists())
        (folder / "go").touch()
        lines = terminal.until_shows("what you have written waits in lobby")
        terminal.until(lambda lines: lines[-2:-1] == ["@bob>"])
        self.assertNotIn("x and more", "\n".join(lines))
        terminal.send("/move lobby" + ENTER)
        terminal.until(lambda lines: lines[-2:-1] == ["lobby> x and more"])
