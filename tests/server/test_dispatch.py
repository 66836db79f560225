"""The dispatcher and connections whole: lines in, lines out, the real store behind them."""

from __future__ import annotations

from tests.server.harness import PASSWORD, START, ServerTestCase, ulid


class FirstMessage(ServerTestCase):
    """The walking skeleton."""

    async def test_two_users_talk(self) -> None:
        """Register, send to the lobby and to each other; both sides call the conversation by the other's name."""
        server = await self.serve(server_name="here", motd="hello")
        alice, bob = await server.user("Alice"), await server.user("bob")
        welcome = await alice.take("welcome")
        self.assertEqual((welcome["server"], welcome["motd"], welcome["registration"]), ("here", "hello", "open"))
        sent = await alice.say(1, "good morning")
        self.assertEqual(
            sent, {"type": "sent", "ulid": ulid(1), "conversation": "lobby", "seq": 1, "time": START * 1000}
        )
        message = await bob.take("message")
        self.assertEqual((message["from"], message["body"], message["seq"]), ("Alice", "good morning", 1))
        await bob.say(2, "psst", "@alice")
        message = await alice.take("message")
        self.assertEqual((message["conversation"], message["kind"], message["from"]), ("@bob", "direct", "bob"))
        self.assertEqual(PASSWORD in str(alice.lines), False)
