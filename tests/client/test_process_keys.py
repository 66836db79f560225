"""A second device of an account, with real clients: the recovery phrase, approval, and /why."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.client.test_process_client import PASSWORD
from tests.client.test_process_rooms import crowd
from tests.processes import start_client

TIMEOUT = 90


class SecondDevice(TestCase):
    """Of Alice, who has talked with Bob before."""

    timeout = TIMEOUT

    async def test_the_phrase_brings_the_past_and_a_wrong_one_nothing(self) -> None:
        """Until then it reads nothing, sends nothing, and /why says what is being done."""
        server, (alice, bob) = await crowd(self, "alice", "bob")
        phrase = next(line["phrase"] for line in alice.seen if line["event"] == "recovery")
        bob.type("/msg alice before")
        await alice.wait_for("message", text="before")
        alice.type("/users")
        await alice.wait_for("users")
        second = start_client(self, server.address, "--user", "alice", "--follow", environ=PASSWORD)
        await second.wait_for("warning", code="unvouched")
        await second.wait_for("undecryptable", from_="bob", missed=True)
        second.type("/why", "/msg bob too early", "/recover not twelve words", f"/recover {'abandon ' * 11}about")
        self.assertRegex((await second.wait_for("notice"))["text"], "its key has not come here yet")
        self.assertIn("does not have the account's identity key", (await second.wait_for("error"))["text"])
        self.assertIn("is not a word of a recovery phrase", (await second.wait_for("error"))["text"])
        self.assertIn("nothing was recovered", (await second.wait_for("warning", code="recovery"))["text"])
        second.type(f"/recover {phrase}")
        await second.wait_for("warning", code="vouched")
        await second.wait_for("message", text="before", missed=True)
        second.type("/msg bob from the second")
        self.assertEqual((await bob.wait_for("message"))["signed"], "valid")

    async def test_an_approved_device_reads_the_past_too(self) -> None:
        """What it shows is typed on the old one; nothing else is needed."""
        server, (alice, bob) = await crowd(self, "alice", "bob")
        bob.type("/msg alice before")
        await alice.wait_for("message", text="before")
        second = start_client(self, server.address, "--user", "alice", "--follow", environ=PASSWORD)
        shown = (await second.wait_for("warning", code="unvouched"))["text"]
        alice.type(f"/approve {shown.rpartition('/approve ')[2]}")
        await alice.wait_for("warning", code="approved")
        await second.wait_for("warning", code="vouched")
        await second.wait_for("message", text="before", missed=True)
        bob.type("/msg alice to both")
        for client in (alice, second):
            await client.wait_for("message", text="to both")
