"""Comparing keys, and other identity keys, with real clients through a real server."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.client.test_process_rooms import crowd, marks

TIMEOUT = 90


class Comparing(TestCase):
    """/verify and /verified, /sign, /fingerprint and /devices."""

    timeout = TIMEOUT

    async def test_two_people_who_have_never_talked_compare_keys(self) -> None:
        """The safety number, the emoji and the decimals are the same on both sides; messages are verified then."""
        _, (alice, bob) = await crowd(self, "alice", "bob")
        alice.type("/verify bob")
        number = (await alice.wait_for("verification", step="number"))["number"]
        self.assertRegex(number, r"^(\d{5} ){11}\d{5}$")
        await bob.wait_for("verification", step="asked", user="alice")
        bob.type("/verify alice")
        self.assertEqual((await bob.wait_for("verification", step="number"))["number"], number)
        shown = [await client.wait_for("verification", step="compare") for client in (alice, bob)]
        self.assertEqual(shown[0]["emoji"], shown[1]["emoji"])
        self.assertEqual(shown[0]["decimals"], shown[1]["decimals"])
        self.assertEqual((len(shown[0]["emoji"]), len(shown[0]["decimals"])), (7, 3))
        alice.type("/verified bob")
        bob.type("/verified alice")
        for client in (alice, bob):
            await client.wait_for("verification", step="done")
        alice.type("/msg bob hello")
        self.assertEqual(marks(await bob.wait_for("message")), ("megolm", "ed25519", "valid", "verified"))

    async def test_another_kind_of_identity_key_is_announced_and_believed(self) -> None:
        """rsa, then dsa: the old key signs the new one, nobody has to compare or accept anything."""
        _, (alice, bob) = await crowd(self, "alice", "bob")
        alice.type("/msg bob one")
        self.assertEqual(marks(await bob.wait_for("message")), ("megolm", "ed25519", "valid", "pinned"))
        for kind, signature in (("rsa", "rsa-pss"), ("dsa", "dsa")):
            alice.type(f"/sign {kind}")
            self.assertIn(f"your identity key is {kind}", (await alice.wait_for("warning", code="identity"))["text"])
            await bob.wait_for("key_changed", user="alice", announced=True)
            alice.type(f"/msg bob {kind}")
            self.assertEqual(marks(await bob.wait_for("message")), ("megolm", signature, "valid", "pinned"))
            bob.type(f"/msg alice got {kind}")
            await alice.wait_for("message", text=f"got {kind}")

    async def test_keys_of_people_never_met_are_asked_for(self) -> None:
        """/fingerprint and /devices need no message before; who does not exist has none."""
        _, (alice, _bob) = await crowd(self, "alice", "bob")
        alice.type("/fingerprint bob", "/devices bob", "/verify nobody", "/trust bob", "/policy sometimes")
        self.assertIn("the key of bob (pinned): ed25519 SHA256:", (await alice.wait_for("notice"))["text"])
        self.assertEqual(len((await alice.wait_for("listing"))["rows"]), 1)
        texts = sorted([(await alice.wait_for("error"))["text"] for _ in range(3)])
        for text, part in zip(
            texts, ("sometimes is none", "there is no change", "no identity key of nobody"), strict=True
        ):
            self.assertIn(part, text)
