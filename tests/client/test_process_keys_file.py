"""Keys in a file, between real programs: what was said to an account is read on another device of it."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.processes import start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": "correct horse"}


class Files(TestCase):
    """`/keys export`."""

    timeout = 60

    async def test_keys_are_written_to_a_file_and_a_short_passphrase_is_refused(self) -> None:
        """The client stays connected whatever becomes of it."""
        server = await start_server(self, "--registration", "open")
        alice = start_client(self, server.address, "--user", "alice", "--register", "--follow", environ=PASSWORD)
        await alice.wait_for("recovery")
        path = Path(self.mktemp()).absolute()
        alice.type(f"/keys export {path} short")
        self.assertIn("passphrase", (await alice.wait_for("error"))["text"])
        alice.type(f"/keys export {path} long enough to be good")
        while str(path) not in (await alice.wait_for("notice"))["text"]:
            pass
        self.assertTrue(path.read_bytes().startswith(b"encchat keys, version 1"))
        alice.type(f"/keys export {path} long enough to be good", "still here")
        self.assertIn("there already", (await alice.wait_for("error"))["text"])
        await alice.wait_for("sent")
