"""Scripts whose peers' keys are not what they should be: what the machine face says, and the exit code."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import TestCase

from encchat.client.exits import Exit
from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": "correct horse"}


class Distrust(TestCase):
    """Alice's script writes to Bob."""

    timeout = 120

    async def test_a_changed_key_ends_a_script_with_its_own_exit_code(self) -> None:
        """The message is refused once and for all, nothing of it waits or goes out, and all else is done as ever."""
        server = await start_server(self, "--registration", "open")
        homes = {name: directory(self) for name in ("alice", "bob", "mallory")}
        for name in ("bob", "mallory"):
            await self.register(server, name, homes[name])
        alice = self.script(server, homes["alice"], "/msg bob one", options=("--register",))
        self.assertEqual(await alice.exits(), Exit.FINE)
        await server.stops()
        self.exchange_identities(server.data_dir, "bob", "mallory")
        server = await start_server(self, "--registration", "open", data_dir=server.data_dir)

        alice = self.script(server, homes["alice"], "/msg bob two", "/all hello")
        self.assertEqual(await alice.exits(), Exit.PEER_KEY_CHANGED)
        self.assertEqual((await alice.wait_for("key_changed"))["user"], "bob")
        error = await alice.wait_for("error")
        self.assertEqual(error["code"], "key-changed")
        self.assertIn("/trust bob", error["text"])
        self.assertEqual([line["conversation"] for line in alice.seen if line["event"] == "sent"], ["lobby"])
        self.assertEqual([line for line in alice.seen if line["event"] == "waiting"], [])

        alice = self.script(server, homes["alice"], "/history @bob")
        self.assertEqual(await alice.exits(), Exit.FINE)
        self.assertEqual([one["text"] for one in (await alice.wait_for("history"))["messages"]], ["one"])

    async def test_a_policy_that_forbids_it_ends_a_script_the_same_way(self) -> None:
        """As long as nobody has verified the key."""
        server = await start_server(self, "--registration", "open")
        await self.register(server, "bob", directory(self))
        home = directory(self)
        alice = self.script(server, home, "/policy verified-only", "/msg bob hi", options=("--register",))
        self.assertEqual(await alice.exits(), Exit.PEER_KEY_CHANGED)
        self.assertEqual((await alice.wait_for("error"))["code"], "untrusted")
        alice = self.script(server, home, "/policy first-use", "/msg bob hi")
        self.assertEqual(await alice.exits(), Exit.FINE)
        await alice.wait_for("sent")

    async def register(self, server: ServerProcess, name: str, home: Path) -> None:
        """Somebody has an account with keys, and goes."""
        client = start_client(
            self, server.address, "--user", name, "--register", "--follow", home=home, environ=PASSWORD
        )
        await client.wait_for("recovery")
        client.type("/quit")
        self.assertEqual(await client.exits(), Exit.FINE)

    def script(self, server: ServerProcess, home: Path, *lines: str, options: tuple[str, ...] = ()) -> JsonProcess:
        """Alice's client with these lines on its input."""
        client = start_client(self, server.address, "--user", "alice", *options, home=home, environ=PASSWORD)
        client.type(*lines)
        client.end_input()
        return client

    def exchange_identities(self, data_dir: Path, one: str, other: str) -> None:
        """The server publishes the identity key of ``other`` as that of ``one``, vouches for its device included."""
        with closing(sqlite3.connect(data_dir / "encchat.db", isolation_level=None)) as store:
            ids = [
                store.execute("SELECT id FROM account WHERE name = ?", (name,)).fetchone()[0] for name in (one, other)
            ]
            store.execute(
                "UPDATE identity SET (algorithm, key, signature) ="
                " (SELECT algorithm, key, signature FROM identity WHERE account_id = ?) WHERE account_id = ?",
                (ids[1], ids[0]),
            )
