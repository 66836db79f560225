"""Off the record through a real server that is killed: what is left on its disk."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import TestCase

from encchat.server.datadir import STORE
from tests.client.test_process_rooms import crowd, entered
from tests.processes import ServerProcess, start_server

_ENVELOPE = re.compile(rb"\.[A-Za-z0-9+/]{43}\.A[w-z0-9+/][A-Za-z0-9+/]{80}")
"""Of the scheme ``megolm``, from the dot behind the device on."""


def left(server: ServerProcess) -> bytes:
    """All bytes of all files of a server, the write-ahead log among them."""
    return b"\n".join(path.read_bytes() for path in sorted(server.data_dir.rglob("*")) if path.is_file())


def said(data_dir: Path) -> list[tuple[str, str]]:
    """Room and scheme of every message that a room's log has."""
    with closing(sqlite3.connect(data_dir / STORE)) as tables:
        query = (
            "SELECT room.name, message.scheme FROM message JOIN room ON room.conversation_id = message.conversation_id"
        )
        return tables.execute(query).fetchall()


class OffTheRecord(TestCase):
    """``/chat --ephemeral``, with processes."""

    timeout = 90

    async def test_a_server_that_is_killed_has_nothing_of_what_was_said_on_its_disk(self) -> None:
        """No envelope, no ULID; the room is there again when the server is, and what is said then is heard."""
        server, (alice, bob) = await crowd(self, "alice", "bob", options=("--retry", "60"))
        alice.type("/chat #attic bob --ephemeral")
        await entered(alice, "#attic", bob=bob)
        ulids = []
        for number in range(20):
            alice.type(f"secret {number}")
            await bob.wait_for("message", text=f"secret {number}", ephemeral=True)
            sent = await alice.wait_for("sent", conversation="#attic")
            self.assertEqual((sent["seq"], sent["ephemeral"]), (0, True))
            ulids.append(sent["ulid"].encode())
        server.signal("KILL")
        await server.exits()
        for client in (alice, bob):
            await client.wait_for("disconnected")
        alice.type("nobody hears this")
        self.assertIn("off the record", (await alice.wait_for("error"))["text"])
        disk = left(server)
        self.assertEqual([ulid for ulid in ulids if ulid in disk], [])
        self.assertIsNone(_ENVELOPE.search(disk))
        self.assertEqual(set(said(server.data_dir)), {("#attic", "event")})
        await start_server(self, "--registration", "open", f"--port={server.port}", data_dir=server.data_dir)
        bob.type("/msg alice back again")  # this waits for a connection
        await alice.wait_for("message", text="back again")
        alice.type("/who", "here again")
        self.assertTrue((await alice.wait_for("who"))["ephemeral"])
        await bob.wait_for("message", text="here again", ephemeral=True)
        self.assertNotIn("nobody hears this", [line.get("text") for line in bob.seen])

    async def test_a_durable_room_leaves_what_the_other_does_not(self) -> None:
        """So the test above would see it."""
        server, (alice, bob) = await crowd(self, "alice", "bob")
        alice.type("/chat #attic bob")
        await entered(alice, "#attic", bob=bob)
        alice.type("on the record")
        await bob.wait_for("message", text="on the record", ephemeral=False)
        sent = await alice.wait_for("sent", conversation="#attic")
        server.signal("KILL")
        await server.exits()
        disk = left(server)
        self.assertIn(sent["ulid"].encode(), disk)
        self.assertIsNotNone(_ENVELOPE.search(disk))
        self.assertIn(("#attic", "megolm"), said(server.data_dir))
