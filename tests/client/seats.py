"""People on terminals before a real server, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.client.terminal import CLIENT, Terminal
from tests.processes import ServerProcess, directory

PASSWORD = "correct horse battery"
GIVEN = {"ENCCHAT_PASSWORD": PASSWORD}
IN = "FREE   connected"
"""The bar says so once one is in."""
CTRL_A, CTRL_C, CTRL_D, CTRL_R, CTRL_U, CTRL_Z = "\x01", "\x03", "\x04", "\x12", "\x15", "\x1a"
ENTER, TAB, ESCAPE, UP = "\r", "\t", "\x1b", "\x1b[A"
ALT = "\x1b"
"""A terminal says it by an escape before the key."""
ALT_ENTER, ALT_LEFT, ALT_RIGHT = "\x1b\r", "\x1b[1;3D", "\x1b[1;3C"


def pasted(text: str) -> str:
    """What a terminal sends when ``text`` is pasted."""
    return f"\x1b[200~{text}\x1b[201~"


class Seated(TestCase):
    """Tests of the real client on terminals."""

    timeout = 120

    def sit_down(
        self,
        server: ServerProcess,
        name: str,
        *arguments: str,
        home: Path | None = None,
        known: bool = False,
        columns: int = 80,
        rows: int = 24,
        environ: Mapping[str, str] | None = None,
        code: str = CLIENT,
    ) -> Terminal:
        """``name``, who makes an account unless ``known``, in and ready to type."""
        home = home or directory(self)
        new = () if known else ("--register", "--recovery-file", str(home / "phrase"))
        options = (server.address, "--home", str(home), "--user", name, *new, *arguments)
        terminal = Terminal(home, code, *options, columns=columns, rows=rows, environ={**GIVEN, **(environ or {})})
        self.addCleanup(terminal.close)
        terminal.until_shows(IN)
        return terminal
