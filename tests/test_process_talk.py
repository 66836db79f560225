"""Two people with real clients on a real server."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.processes import start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": "correct horse battery"}


class TalkTests(TestCase):
    timeout = 120

    async def test_two_people_talk_in_the_lobby_and_between_themselves(self) -> None:
        """One came by the invite link, the other registered on an open server; each sees what is theirs."""
        server = await start_server(self, "--registration", "open")
        root = start_client(self, await server.invite(), "--user", "root", "--follow", environ=PASSWORD)
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=PASSWORD)
        connected = await root.wait_for("connected", fingerprint=server.fingerprint)
        self.assertEqual(connected["suite"], "noise-hybrid")
        await root.wait_for("logged_in", user="root", role="admin")
        await bob.wait_for("logged_in", user="bob", role="user")
        await bob.wait_for("recovery")  # its keys are there for others to write to
        root.type("hello everybody", "/msg bob hello bob")
        await root.wait_for("sent", conversation="lobby", seq=1)
        await root.wait_for("sent", conversation="@bob", seq=1)
        await bob.wait_for("message", kind="lobby", from_="root", text="hello everybody")
        await bob.wait_for("message", kind="direct", conversation="@root", from_="root", text="hello bob")
        bob.type("/users")
        present = {entry["user"]: entry["presence"] for entry in (await bob.wait_for("users"))["users"]}
        self.assertEqual(present, {"root": "FREE", "bob": "FREE"})
        root.type("/admin correct horse battery", "/kick bob spam")
        await bob.wait_for("kicked", by="root", reason="spam")
        self.assertEqual(await bob.exits(), 5)
        root.type("/status bob")
        await root.wait_for("status", user="bob", presence="OFFLINE")
        root.type("/quit")
        self.assertEqual(await root.exits(), 0)

    async def test_a_client_that_is_killed_is_offline_for_everybody(self) -> None:
        """Not a word of goodbye from it."""
        server = await start_server(self, "--registration", "open")
        ann = start_client(self, server.address, "--user", "ann", "--register", "--follow", environ=PASSWORD)
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=PASSWORD)
        await ann.wait_for("logged_in")
        await bob.wait_for("logged_in")
        await bob.wait_for("recovery")
        ann.type("/msg bob hello")
        await bob.wait_for("message", from_="ann")
        bob.signal("KILL")
        await ann.wait_for("presence", user="bob", presence="OFFLINE")

    async def test_a_stopped_process_is_offline_after_the_keepalive(self) -> None:
        """The kernel still keeps its connection; nobody answers the probe."""
        server = await start_server(self, "--registration", "open", "--keepalive", "0.5")
        ann = start_client(self, server.address, "--user", "ann", "--register", "--follow", environ=PASSWORD)
        bob = start_client(self, server.address, "--user", "bob", "--register", "--follow", environ=PASSWORD)
        await ann.wait_for("logged_in")
        await bob.wait_for("logged_in")
        await bob.wait_for("recovery")
        ann.type("/msg bob hello")
        await bob.wait_for("message", from_="ann")
        bob.signal("STOP")
        await ann.wait_for("presence", user="bob", presence="OFFLINE")
