"""Files from real clients through a real server, either of which is killed in the middle."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": "correct horse"}
CONTENT = random.Random(6).randbytes(5_000_000)  # noqa: S311 - repeatable
LONG = random.Random(7).randbytes(11_000_000)  # noqa: S311 - repeatable
"""More than a server takes at once: the last of it takes a second or two."""
PAST = 8_500_000
"""Bytes of it after which that begins."""


class Files(TestCase):
    """Alice sends megabytes to Bob."""

    timeout = 120

    async def begun(self, content: bytes = CONTENT) -> None:
        """A server, and both of them."""
        self.content = content
        self.server = await start_server(self, "--registration", "open")
        self.homes = {name: directory(self) for name in ("alice", "bob")}
        self.alice, self.bob = await self.here("alice"), await self.here("bob")
        for client in (self.alice, self.bob):
            await client.wait_for("recovery")
        self.source = self.homes["alice"] / "my garden.jpg"
        self.source.write_bytes(content)

    async def here(self, name: str) -> JsonProcess:
        options = ("--user", name, "--register", "--follow", "--retry", "60")
        client = start_client(self, self.server.address, *options, home=self.homes[name], environ=PASSWORD)
        await client.wait_for("logged_in", user=name)
        return client

    async def again(self) -> ServerProcess:
        """The server is killed, and started anew."""
        self.server.signal("KILL")
        await self.server.exits()
        return await start_server(self, f"--port={self.server.port}", data_dir=self.server.data_dir)

    def downloads(self) -> dict[str, bytes]:
        """What is in Bob's folder."""
        folder = self.homes["bob"] / "Downloads"
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}

    async def halfway(self, client: JsonProcess, direction: str) -> dict[str, Any]:
        """Wait until some of it is through."""
        while True:
            line = await client.wait_for("transfer", direction=direction, state="going")
            if line["done"] >= PAST:
                return line

    async def arrives(self) -> None:
        """Bob fetches what he is told of."""
        file = await self.bob.wait_for("file")
        self.assertEqual(
            (file["name"], file["size"], file["media"]), ("my garden.jpg", len(self.content), "image/jpeg")
        )
        self.bob.type(f"/accept {file['ulid']}")
        await self.is_there()

    async def is_there(self) -> None:
        done = await self.bob.wait_for("transfer", direction="in", state="done")
        self.assertEqual(Path(done["path"]).name, "my garden.jpg")
        self.assertEqual(os.stat(done["path"]).st_mode & 0o777, 0o600)
        self.assertEqual(list(self.downloads()), ["my garden.jpg"])
        self.assertTrue(self.downloads()["my garden.jpg"] == self.content, "it is not the same")

    async def test_a_file_arrives(self) -> None:
        """Byte for byte; neither the server's disk nor its log knows what it is called."""
        await self.begun()
        self.alice.type(f"/send @bob {self.source}")
        await self.arrives()
        disk = b"".join(path.read_bytes() for path in self.server.data_dir.rglob("*") if path.is_file())
        self.assertNotIn(b"garden", disk + json.dumps(self.server.seen).encode())
        self.assertNotIn(CONTENT[:32], disk)

    async def test_a_server_that_is_killed_in_the_middle_loses_nothing(self) -> None:
        """Both ways it goes on from where it was, by itself."""
        await self.begun(LONG)
        self.alice.type(f"/send @bob {self.source}")
        before = await self.halfway(self.alice, "out")
        self.server = await self.again()
        waiting = await self.alice.wait_for("transfer", state="waiting")
        self.assertLess(waiting["done"], len(LONG))
        after = await self.alice.wait_for("transfer", direction="out", state="going")
        self.assertGreaterEqual(after["done"], before["done"])
        file = await self.bob.wait_for("file")
        self.bob.type(f"/accept {file['ulid']}")
        await self.halfway(self.bob, "in")
        self.server = await self.again()
        await self.bob.wait_for("transfer", state="waiting")
        await self.is_there()

    async def test_a_client_that_is_killed_in_the_middle_goes_on(self) -> None:
        """The sender's, then the receiver's, with the next start and nothing typed."""
        await self.begun(LONG)
        self.alice.type(f"/send @bob {self.source}")
        await self.halfway(self.alice, "out")
        await self.alice.ends()
        self.alice = await self.here("alice")
        await self.alice.wait_for("transfer", direction="out", state="done")
        file = await self.bob.wait_for("file")
        self.bob.type(f"/accept {file['ulid']}")
        before = await self.halfway(self.bob, "in")
        await self.bob.ends()
        self.assertEqual(list(self.downloads()), ["my garden.jpg.part"])
        self.bob = await self.here("bob")
        after = await self.bob.wait_for("transfer", direction="in", state="going")
        self.assertGreaterEqual(after["done"], before["done"])
        await self.is_there()

    async def test_a_script_sends_a_file_and_leaves(self) -> None:
        """As soon as it is through, and with 0."""
        await self.begun()
        await self.alice.ends()
        script = start_client(self, self.server.address, "--user", "alice", home=self.homes["alice"], environ=PASSWORD)
        script.type(f"/send @bob {self.source}", "/quit")
        self.assertEqual(await script.exits(), 0)
        await self.arrives()
