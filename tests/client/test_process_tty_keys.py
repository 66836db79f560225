"""Every key of the tty face, as a person presses it, on a small and on a big terminal before a real server."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.client.seats import (
    ALT,
    ALT_ENTER,
    ALT_LEFT,
    ALT_RIGHT,
    CTRL_C,
    CTRL_R,
    CTRL_U,
    ENTER,
    ESCAPE,
    GIVEN,
    TAB,
    UP,
    Seated,
    pasted,
)
from tests.client.terminal import Terminal
from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server

SIZES = ((80, 24), (200, 60))
_EDITOR = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
before = path.read_text()
path.write_text(f"edited: {before.strip()}\\nsecond row\\n")
"""


class Keys(Seated):
    """Ann types, Bob reads what comes of it on a pipe."""

    async def neighbours(self, columns: int, rows: int) -> tuple[Terminal, JsonProcess, ServerProcess, Path]:
        """Ann, who shares #garden with Bob, at the lobby; Bob; their server; Ann's home."""
        server = await start_server(self, "--registration", "open")
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=GIVEN)
        await bob.wait_for("recovery")
        home = directory(self)
        (home / "editor.py").write_text(_EDITOR)
        ann = self.sit_down(server, "ann", home=home, columns=columns, rows=rows, environ=self.editor(home))
        ann.send("/chat #garden bob" + ENTER)
        self.at(ann, "#garden>")
        await bob.wait_for("invited", type="room")
        bob.type("/join #garden")
        await bob.wait_for("joined", type="room", user="bob")
        ann.until_shows("bob joined #garden")
        self.go(ann, "/go lobby", "lobby>")
        return ann, bob, server, home

    def editor(self, home: Path) -> dict[str, str]:
        """The environment in which that program is the editor."""
        return {"EDITOR": f"{sys.executable} {home / 'editor.py'}", "VISUAL": ""}

    def at(self, terminal: Terminal, line: str) -> list[str]:
        """Wait until the line being typed, with its prompt, is ``line``, right above the bar."""
        return terminal.until(lambda lines: lines[-2:-1] == [line])

    def go(self, terminal: Terminal, keys: str, line: str) -> list[str]:
        """Press keys, and Enter after a command; wait for the line that follows."""
        terminal.send(keys + ENTER if keys.startswith("/") else keys)
        return self.at(terminal, line)

    def bar(self, terminal: Terminal, text: str) -> None:
        """Wait until the bar holds ``text``."""
        terminal.until(lambda lines: text in lines[-1])

    async def said(self, bob: JsonProcess, conversation: str, *texts: str) -> None:
        """Bob says these things."""
        for text in texts:
            bob.type(f"/go {conversation}", text)
            await bob.wait_for("sent", conversation=conversation)

    async def test_from_conversation_to_conversation(self) -> None:
        """Alt with a digit or an arrow; each has its backlog, its draft, and a line before what is new."""
        for columns, rows in SIZES:
            ann, bob, _, _ = await self.neighbours(columns, rows)
            ann.send("for everybody")
            await self.said(bob, "#garden", "the beans are in", "and the peas")
            self.bar(ann, "2:#garden 2")
            self.assertNotIn("the beans are in", "\n".join(ann.lines()))
            self.go(ann, ALT + "2", "#garden>")
            lines = ann.until_shows("and the peas")
            new = next(place for place, line in enumerate(lines) if "--- new ---" in line)
            self.assertIn("bob: the beans are in", lines[new + 1])
            self.assertIn("bob: and the peas", lines[new + 2])
            self.assertNotIn("2:#garden 2", lines[-1])
            ann.send("for the garden")
            self.go(ann, ALT_LEFT, "lobby> for everybody")
            self.go(ann, ALT_RIGHT, "#garden> for the garden")
            await self.said(bob, "lobby", "ann: do you hear?", "nobody named")
            lines = ann.until_shows("[lobby] bob: ann: do you hear?")
            self.bar(ann, "1:lobby 2 @1")
            self.assertNotIn("nobody named", "\n".join(lines))
            self.go(ann, CTRL_U, "#garden>")
            ann.send("/unread" + ENTER)
            ann.until(lambda lines: any("lobby" in line and "2" in line for line in lines[:-2]))
            self.go(ann, ALT + "1", "lobby> for everybody")
            ann.until_shows("nobody named")
            self.go(ann, CTRL_U, "lobby>")
            ann.send("/mentions" + ENTER)
            ann.until(lambda lines: sum("do you hear?" in line for line in lines) >= 2)

    async def test_keys_that_edit(self) -> None:
        """Completion, search, rows, pastes and the editor; what Bob gets is what stood on the screen."""
        for columns, rows in SIZES:
            ann, bob, _, _ = await self.neighbours(columns, rows)
            self.complete(ann)
            await self.search(ann, bob)
            await self.rows(ann, bob)
            await self.edit(ann, bob)

    def complete(self, ann: Terminal) -> None:
        """Tab: commands with their help, names, rooms, options and their values, emoji."""
        ann.send("/ch")
        ann.until_shows("open a room and invite")
        for typed, line in (
            ("/hel", "/help"),
            ("/msg bo", "/msg bob"),
            ("/go #gar", "/go #garden"),
            ("/set mark", "/set markdown"),
            ("/set theme li", "/set theme light"),
            ("well :tada", "well \U0001f389"),
        ):
            ann.send(CTRL_U + typed + TAB)
            ann.until(lambda lines, line=line: any(shown.startswith(f"lobby> {line}") for shown in lines))
        self.go(ann, CTRL_U, "lobby>")

    async def search(self, ann: Terminal, bob: JsonProcess) -> None:
        """Ctrl+R finds what was typed before."""
        for text in ("the first thing", "something else"):
            ann.send(text + ENTER)
            await bob.wait_for("message", text=text)
        self.go(ann, UP, "lobby> something else")
        self.go(ann, CTRL_U, "lobby>")
        ann.send(CTRL_R + "first")
        ann.until(lambda lines: any("first" in line and "the first thing" in line for line in lines[-3:]))
        ann.send(ESCAPE)
        self.at(ann, "lobby> the first thing")
        ann.send(" again" + ENTER)
        await bob.wait_for("message", from_="ann")

    async def rows(self, ann: Terminal, bob: JsonProcess) -> None:
        """Alt+Enter begins another row; several pasted rows are one message after one Enter."""
        ann.send("one" + ALT_ENTER + "two")
        ann.until_shows("two")
        ann.send(ENTER)
        await bob.wait_for("message", text="one\ntwo")
        ann.send(pasted("three\r\nfour"))
        ann.until_shows("2 lines pasted")
        ann.send(ENTER)
        await bob.wait_for("message", text="three\nfour")
        ann.send(pasted("five\r\nsix"))
        ann.until_shows("2 lines pasted")
        ann.send(CTRL_C)
        self.at(ann, "lobby>")

    async def edit(self, ann: Terminal, bob: JsonProcess) -> None:
        """/edit gives what stands there to the editor, and what the editor leaves to the line."""
        ann.send("/edit my draft" + ENTER)
        ann.until_shows("second row")
        self.assertFalse(ann.echoes())
        ann.send(ENTER)
        await bob.wait_for("message", text="edited: my draft\nsecond row")
        self.at(ann, "lobby>")

    async def test_vi_keys_and_settings_stay(self) -> None:
        """/set keys vi works at once, and like the typed lines it is there at the next start."""
        for columns, rows in SIZES:
            ann, bob, server, home = await self.neighbours(columns, rows)
            ann.send("/set" + ENTER)
            ann.until_shows("notify-text")
            ann.send("/set keys vi" + ENTER + "hello worle")
            self.at(ann, "lobby> hello worle")
            ann.send(ESCAPE)
            ann.until_quiet()  # a lone escape counts after a moment
            ann.send("r" + "d" + "0" + "dw")
            self.at(ann, "lobby> world")
            ann.send(ENTER)
            await bob.wait_for("message", text="world")
            ann.send("/quit" + ENTER)
            ann.until_ended()
            ann = self.sit_down(server, "ann", home=home, known=True, columns=columns, rows=rows)
            ann.send(UP + UP)
            self.at(ann, "lobby> world")
            ann.send(ESCAPE)
            ann.until_quiet()
            ann.send("0" + "x")
            self.at(ann, "lobby> orld")
            self.assertIn('keys = "vi"', (home / "client.toml").read_text())
