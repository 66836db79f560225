"""The scheme for teaching between real programs: three switches, and every line says what it is."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from encchat.teaching.scheme import NAME
from tests.processes import JsonProcess, ServerProcess, start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": "correct horse"}
OPTION = "--insecure-teaching-scheme"


async def joined(test: TestCase, server: ServerProcess, name: str, *options: str) -> JsonProcess:
    """A client that has registered and stays."""
    client = start_client(test, server.address, "--user", name, "--register", "--follow", *options, environ=PASSWORD)
    await client.wait_for("logged_in", user=name)
    return client


class Teaching(TestCase):
    """With all three switches, and without each."""

    timeout = 90

    async def test_two_people_who_asked_for_it_talk_under_it(self) -> None:
        """The server allows it, both clients have the option; the scheme's name is on the message."""
        server = await start_server(self, "--registration", "open", "--schemes", "megolm", "--schemes", NAME)
        alice, bob = await joined(self, server, "alice", OPTION), await joined(self, server, "bob", OPTION)
        alice.type(f"/chat #lesson bob --scheme {NAME}")
        await bob.wait_for("invited", room="#lesson")
        bob.type("/join #lesson")
        await alice.wait_for("joined", room="#lesson", user="bob")
        alice.type("/msg bob are you there?")  # waits for the keys that bob's client publishes after its registration
        await bob.wait_for("message", text="are you there?")
        alice.type("/go #lesson", "attack at dawn")
        message = await bob.wait_for("message", text="attack at dawn")
        self.assertEqual(message["encryption"], NAME)

    async def test_a_server_that_was_not_told_so_refuses_it(self) -> None:
        """Whatever the clients want."""
        server = await start_server(self, "--registration", "open")
        alice = await joined(self, server, "alice", OPTION)
        alice.type(f"/chat #lesson --scheme {NAME}")
        self.assertIn("scheme", (await alice.wait_for("error"))["text"])

    async def test_a_client_without_the_option_says_so_and_sends_nothing(self) -> None:
        """The other one waits a while, then says what is missing."""
        server = await start_server(self, "--registration", "open", "--schemes", "megolm", "--schemes", NAME)
        alice, bob = await joined(self, server, "alice", OPTION), await joined(self, server, "bob")
        alice.type(f"/chat #lesson bob --scheme {NAME}")
        await bob.wait_for("invited", room="#lesson")
        bob.type("/join #lesson")
        await alice.wait_for("joined", room="#lesson", user="bob")
        bob.type("/go #lesson", "hello")
        self.assertIn(NAME, (await bob.wait_for("error"))["text"])
        alice.type("/go #lesson", "hello")
        self.assertIn(OPTION, (await alice.wait_for("error"))["text"])
