"""Files at the tty face: sent, fetched and completed as a person does it, on a small and on a big terminal."""

from __future__ import annotations

import random
import re
from pathlib import Path

from tests.client.seats import ENTER, GIVEN, TAB, Seated
from tests.client.terminal import Terminal
from tests.processes import JsonProcess, directory, start_client, start_server

SIZES = ((80, 24), (200, 60))
LONG = random.Random(8).randbytes(10_000_000)  # noqa: S311 - repeatable
"""More than a server takes at once: it stays in the bar for a second."""


class Files(Seated):
    """Ann on a terminal, Bob on a pipe."""

    async def seats(self, columns: int, rows: int) -> tuple[Terminal, JsonProcess, Path, Path]:
        """Both, and their homes."""
        server = await start_server(self, "--registration", "open")
        homes = directory(self), directory(self)
        bob = start_client(
            self, server.address, "--user", "bob", "--register", "--follow", home=homes[1], environ=GIVEN
        )
        await bob.wait_for("recovery")
        ann = self.sit_down(server, "ann", home=homes[0], columns=columns, rows=rows)
        return ann, bob, *homes

    async def test_a_file_is_sent_and_one_fetched(self) -> None:
        """Its path and ULID are completed, its progress stands in the bar, where it is stands on the screen."""
        for columns, rows in SIZES:
            ann, bob, home, other = await self.seats(columns, rows)
            (home / "a garden.bin").write_bytes(LONG)
            ann.send(f"/send @bob {home}/a g{TAB}")
            ann.until(lambda lines: "agarden.bin" in "".join(lines).replace(" ", ""))
            ann.send(ENTER)
            ann.until(lambda lines: bool(re.search(r"> a garden\.bin \d+%", lines[-1])))
            ann.until_shows("* a garden.bin (10 MB) is sent to @bob")
            ann.until(lambda lines: "%" not in lines[-1])
            file = await bob.wait_for("file", from_="ann", name="a garden.bin")
            bob.type(f"/accept {file['ulid']}")
            done = await bob.wait_for("transfer", state="done")
            self.assertTrue(Path(done["path"]).read_bytes() == LONG)
            (other / "note.txt").write_text("tulips")
            bob.type(f"/send @ann {other}/note.txt")
            offered = (await bob.wait_for("transfer", direction="out", state="done"))["ulid"]
            ann.until_shows("sends note.txt (6 bytes)")
            ann.send(f"/accept {TAB}")
            ann.until_shows(f"/accept {offered}")
            ann.send(ENTER)
            ann.until(lambda lines: "note.txt(6bytes)isin" in "".join(lines).replace(" ", ""))
            self.assertEqual("tulips", (home / "Downloads" / "note.txt").read_text())
            ann.close()

    async def test_what_cannot_be_is_said(self) -> None:
        """Under the command's name, in words that say what would be right."""
        ann, _, home, _ = await self.seats(80, 24)
        (home / "x").write_text("x")
        for typed, said in (
            ("/send x", "/send: files go encrypted end to end"),
            (f"/send @bob {home}/none", "cannot be read: No such file"),
            (f"/send @nobody {home}/x", "x was not sent: "),
            ("/accept", "/accept: nobody has sent a file here yet"),
            ("/files", "files: none"),
        ):
            ann.send(typed + ENTER)
            ann.until(lambda lines, said=said: said.replace(" ", "") in "".join(lines).replace(" ", ""))  # type: ignore[misc]
