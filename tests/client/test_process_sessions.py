"""Calls between real clients through a real server: policies, refusals with their reasons, and ends."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.client.test_process_client import joined
from tests.client.test_process_rooms import crowd
from tests.processes import directory

TIMEOUT = 90


class Calls(TestCase):
    """Who calls whom, and what becomes of it."""

    timeout = TIMEOUT

    async def test_every_refusal_of_a_call_says_why(self) -> None:
        """Unknown, oneself, OFFLINE, BUSY, takes no calls, refused."""
        server, (alice, bob, carol) = await crowd(self, "alice", "bob", "carol")
        dave = await joined(self, server, "dave", home=directory(self))
        dave.type("/quit")
        await dave.exits()
        carol.type("/busy", "/calls auto")
        bob.type("/calls never")
        await carol.wait_for("notice", text="calls are taken from now on")
        await bob.wait_for("notice", text="calls are refused from now on")
        for name, text in (
            ("nobody", "there is no user nobody"),
            ("alice", "alice is you"),
            ("dave", "dave is OFFLINE"),
            ("carol", "carol is BUSY"),
            ("bob", "bob takes no calls"),
        ):
            alice.type(f"/connect {name}")
            self.assertIn(text, (await alice.wait_for("error"))["text"])
        bob.type("/calls ask")
        await bob.wait_for("notice", text="you are asked about calls from now on: /answer or /refuse")
        alice.type("/connect bob", "for bob alone")
        await bob.wait_for("ringing", from_="alice", over=False)
        bob.type("/refuse")
        await bob.wait_for("ringing", from_="alice", over=True)
        await alice.wait_for("refused", type="session", with_="bob")
        alice.type("/go lobby", "for all")
        self.assertEqual((await bob.wait_for("message"))["text"], "for all")

    async def test_an_answered_call_has_keys_of_its_own_and_ends_for_both(self) -> None:
        """Lines are of kind session, under olm; afterwards they are direct messages again."""
        _, (alice, bob) = await crowd(self, "alice", "bob")
        bob.type("/calls ask")
        await bob.wait_for("notice", text="you are asked about calls from now on: /answer or /refuse")
        alice.type("/connect bob", "secure: between us")
        await bob.wait_for("ringing", from_="alice")
        bob.type("/answer")
        for client, other in ((alice, "bob"), (bob, "alice")):
            await client.wait_for("started", type="session", with_=other)
        said = await bob.wait_for("message", text="between us")
        self.assertEqual((said["kind"], said["encryption"], said["signed"]), ("session", "olm", "valid"))
        alice.type("/goodbye", "/msg bob after")
        await bob.wait_for("ended", type="session", with_="alice", reason="goodbye")
        after = await bob.wait_for("message", text="after")
        self.assertEqual((after["kind"], after["encryption"]), ("direct", "megolm"))

    async def test_a_session_outlives_a_client_that_comes_back_in_time(self) -> None:
        """Killed and started again within the grace time: the partner stays BUSY, both go on."""
        server, (alice,) = await crowd(self, "alice")
        home = directory(self)
        bob = await joined(self, server, "bob", home=home)
        alice.type("/connect bob", "first")
        await bob.wait_for("message", text="first")
        await bob.ends()
        again = await joined(self, server, "bob", home=home)
        alice.type("second", "/status alice")
        said = await again.wait_for("message", text="second")
        self.assertEqual((said["kind"], said["encryption"]), ("session", "olm"))
        self.assertEqual((await alice.wait_for("status"))["presence"], "BUSY")
        self.assertEqual([line for line in alice.seen if line["type"] == "session" and line["event"] == "ended"], [])
