"""The editor for what is being typed: which one, its file, what it leaves."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading

from twisted.trial.unittest import SynchronousTestCase

from encchat.client.terminal.editor import Editor, draft_of, editor_command, interrupts_ignored, private_file, saved
from encchat.errors import UsageError
from encchat.limits import MAX_PASTE
from tests.processes import directory


class Which(SynchronousTestCase):
    """The editor's name."""

    def test_visual_counts_before_editor_and_vi_comes_last(self) -> None:
        """With options and quotation marks, as a shell reads them."""
        for environment, words in (
            ({"VISUAL": "code --wait", "EDITOR": "ed"}, ["code", "--wait"]),
            ({"VISUAL": " ", "EDITOR": "'my editor' -x"}, ["my editor", "-x"]),
            ({"VISUAL": ""}, ["vi"]),
            ({}, ["vi"]),
        ):
            self.assertEqual(editor_command(environment), words)

    def test_one_that_cannot_be_read_is_named(self) -> None:
        """With its variable."""
        text = self.assertRaises(UsageError, editor_command, {"EDITOR": "vi 'x"}).text
        self.assertIn("$EDITOR cannot be read", text)

    def test_edit_is_known_by_its_word(self) -> None:
        """Whatever its case; what follows is the draft."""
        for line, draft in {
            "/edit": "",
            "/EDIT  two words": "two words",
            "/edit a\nb": "a\nb",
            "/editor": None,
            "//edit": None,
            "edit": None,
            "": None,
            "/": None,
        }.items():
            self.assertEqual(draft_of(line), draft, line)


class TheFile(SynchronousTestCase):
    """Where the draft lies meanwhile."""

    def test_nobody_else_can_read_it_and_nothing_of_it_is_left(self) -> None:
        """Folder and file are their owner's; what the editor puts beside the file goes too."""
        folder = directory(self)
        before = os.umask(0)
        try:
            with private_file("canary", str(folder)) as path:
                self.assertEqual(path.read_text(), "canary\n")
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
                self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)
                (path.parent / ".message.txt.swp").write_text("canary")
        finally:
            os.umask(before)
        self.assertEqual(list(folder.iterdir()), [])

    def test_it_goes_when_something_breaks(self) -> None:
        """Also then."""
        folder = directory(self)
        try:
            with private_file("canary", str(folder)):
                raise KeyError
        except KeyError:
            self.assertEqual(list(folder.iterdir()), [])

    def test_what_was_saved_is_text_of_at_most_so_many_characters(self) -> None:
        """n-1, n, n+1; without the line end that editors put at the end."""
        path = directory(self) / "message.txt"
        for length in (MAX_PASTE - 1, MAX_PASTE):
            path.write_text("ä" * length + "\n")
            self.assertEqual(saved(path), "ä" * length)
        path.write_text("ä" * (MAX_PASTE + 1))
        self.assertIn("over 65,536 characters", self.assertRaises(UsageError, saved, path).text)
        path.write_bytes(b"\xff\xfe")
        self.assertIn("not UTF-8", self.assertRaises(UsageError, saved, path).text)
        path.write_bytes(b"a\r\nb\n\n")
        self.assertEqual(saved(path), "a\nb\n")


class Running(SynchronousTestCase):
    """One that really runs."""

    def editor(self, code: str) -> Editor:
        """A program that has its file's path in ``path``."""
        folder = directory(self)
        script = folder / "editor.py"
        script.write_text(f"import pathlib, sys, time, os\npath = pathlib.Path(sys.argv[1])\n{code}\n")
        self.runtime = folder / "run"
        self.runtime.mkdir()
        return Editor({"EDITOR": f"{sys.executable} {script}", "XDG_RUNTIME_DIR": str(self.runtime)})

    def test_what_is_saved_is_the_line(self) -> None:
        """It sees the draft, and nothing stays on the disk."""
        editor = self.editor("path.write_text(path.read_text().upper() + 'more')")
        self.assertEqual(editor.edit("a draft"), "A DRAFT\nmore")
        self.assertEqual(list(self.runtime.iterdir()), [])

    def test_one_that_fails_leaves_the_line(self) -> None:
        """It is named, with how it ended."""
        text = self.assertRaises(UsageError, self.editor("sys.exit(3)").edit, "x").text
        self.assertIn("ended with 3: the line is as it was", text)
        self.assertEqual(list(self.runtime.iterdir()), [])

    def test_one_that_is_not_there_is_named(self) -> None:
        """With what to do."""
        text = self.assertRaises(UsageError, Editor({"EDITOR": "/nowhere/vi"}).edit, "x").text
        self.assertEqual(text, "/nowhere/vi cannot be started: No such file or directory; $VISUAL names the editor")

    def test_the_client_takes_it_along_when_it_ends(self) -> None:
        """One that hears SIGTERM, and one that does not."""
        for deaf in ("", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"):
            editor = self.editor(f"{deaf}(path.parent.parent / 'there').touch()\ntime.sleep(60)")
            errors: list[str] = []
            edits = threading.Thread(target=lambda editor=editor, errors=errors: errors.append(_refusal(editor)))
            edits.start()
            while not (self.runtime / "there").exists():
                edits.join(0.01)
            editor.stop()
            edits.join(10)
            self.assertEqual(len(errors), 1)
            self.assertIn("was ended by signal", errors[0])

    def test_ctrl_c_is_the_editors_alone(self) -> None:
        """The client does not hear it meanwhile, and does afterwards."""
        heard: list[int] = []
        before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
        try:
            with interrupts_ignored():
                os.kill(os.getpid(), signal.SIGINT)
            self.assertEqual(heard, [])
            os.kill(os.getpid(), signal.SIGINT)
            self.assertEqual(heard, [signal.SIGINT])
        finally:
            signal.signal(signal.SIGINT, before)


def _refusal(editor: Editor) -> str:
    try:
        return editor.edit("x")
    except UsageError as error:
        return error.text
