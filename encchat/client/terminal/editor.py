"""An editor for what is being typed: which one, its private file, and what was saved.

The editor shares the terminal and the process group with the client, like one that a shell's line was given to: Ctrl+Z
stops both, Ctrl+C is the editor's alone while it runs. What it leaves beside its file (swap, backups) goes with the
folder the file is in.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from encchat.errors import UsageError
from encchat.limits import EDITOR_END_SECONDS, MAX_PASTE

LAST_RESORT: Final = "vi"
_FILE: Final = "message.txt"


def editor_command(environment: Mapping[str, str]) -> list[str]:
    """The editor's words: ``$VISUAL``, else ``$EDITOR``, else vi; `UsageError` if they cannot be told apart."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(environment.get(name, ""))
        except ValueError as error:
            raise UsageError(f"${name} cannot be read ({error}): {environment[name]}") from None
        if words:
            return words
    return [LAST_RESORT]


def draft_of(line: str) -> str | None:
    """The text behind ``/edit``; None if ``line`` is no such command."""
    word, *rest = line.split(None, 1) if line.startswith("/") else ("",)
    return (rest[0] if rest else "") if word.casefold() == "/edit" else None


@contextmanager
def private_file(text: str, folder: str | None = None) -> Iterator[Path]:
    """A file that holds ``text``, for its owner's eyes only; gone afterwards, with all that lies beside it."""
    place = Path(tempfile.mkdtemp(prefix="encchat-", dir=folder))  # mkdtemp: "readable ... only by the creating user"
    try:
        path = place / _FILE
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{text}\n" if text else "")
        yield path
    finally:
        shutil.rmtree(place, ignore_errors=True)


def saved(path: Path) -> str:
    """What stands in the file, without the line end at its end; `UsageError` if it is no text that fits a line."""
    try:
        with path.open("rb") as file:
            content = file.read(4 * MAX_PASTE + 1)
        text = content.decode()
    except OSError as error:
        raise UsageError(f"what was saved cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError("what was saved is not UTF-8 text") from None
    text = text.replace("\r\n", "\n").removesuffix("\n")
    if len(text) > MAX_PASTE:
        raise UsageError(f"what was saved has over {MAX_PASTE:,} characters")
    return text


@define(eq=False)
class Editor:
    """Runs one editor at a time; `edit` waits for it, so it is called in a thread, and `stop` from any other."""

    _environment: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    running: bool = field(init=False, default=False)
    """Whether somebody edits, from before `edit` until after it; set by who calls it."""

    def edit(self, text: str) -> str:
        """What ``text`` was made into; `UsageError` says what went wrong."""
        words = editor_command(self._environment)
        folder = self._environment.get("XDG_RUNTIME_DIR")
        try:
            with private_file(text, folder if folder and os.access(folder, os.W_OK) else None) as path:
                self._run([*words, str(path)])
                return saved(path)
        except OSError as error:
            raise UsageError(f"{words[0]} cannot be started: {error.strerror}; $VISUAL names the editor") from None

    def _run(self, words: list[str]) -> None:
        self._process = subprocess.Popen(words)  # noqa: S603 - what the person has named, in no shell
        try:
            status = self._process.wait()
        finally:
            self._process = None
        if status:
            how = f"ended with {status}" if status > 0 else f"was ended by signal {-status}"
            raise UsageError(f"{words[0]} {how}: the line is as it was")

    def stop(self) -> None:
        """The client ends: so does the editor, at once or a moment later."""
        process = self._process
        if process is not None:
            process.terminate()
            last_word = threading.Timer(EDITOR_END_SECONDS, process.kill)  # nothing, if it has ended by then
            last_word.daemon = True
            last_word.start()


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ctrl+C at the terminal is no business of this process; only in the main thread."""
    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGQUIT):
        # A function and not SIG_IGN, which the editor would inherit.
        before[number] = signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
