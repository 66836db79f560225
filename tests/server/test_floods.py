"""What a connection feels that asks for too much, and that others do not feel it."""

from __future__ import annotations

from itertools import count

from encchat.limits import FLOOD_SECONDS, FLOOD_TOLD_SECONDS, LONG_BODY, REQUEST_BURST, REQUEST_RATE
from encchat.server.context import State
from tests.server.harness import Client, Server, ServerTestCase, ulid


class FloodCase(ServerTestCase):
    """Twenty messages a second, a hundred at once."""

    async def start(self) -> Server:
        self.numbers = count(1, 60)
        self.server = await self.serve(request_rate=20.0, request_burst=100.0)
        return self.server

    def pour(self, client: Client, lines: int, first: int = 1) -> list[int]:
        """Send so many messages at once; their request ids."""
        return [
            client.send("send", conversation="lobby", ulid=ulid(number), body=f"line {number}")
            for number in range(first, first + lines)
        ]

    async def pass_time(self, client: Client, seconds: float) -> None:
        """In steps, each with all that follows from it; until the client is hung up."""
        for _ in range(int(seconds * 4)):
            if client.gone:
                return
            self.server.time.advance(0.25)
            if client.connection.context.state is not State.CLOSED:
                await self.server.store.set_meta("turn", "over")

    async def keep_pouring(self, client: Client, seconds: float) -> None:
        """Send more whenever what was sent has been read."""
        for _ in range(int(seconds)):
            if not client.connection.paused:
                self.pour(client, 60, next(self.numbers))
            await self.pass_time(client, 1)


class Flooding(FloodCase):
    """Slowed, told, hung up."""

    async def test_a_flood_is_slowed_then_told_then_hung_up(self) -> None:
        """It keeps its bucket empty for a minute."""
        await self.start()
        mallory = await self.server.user("mallory")
        await self.keep_pouring(mallory, FLOOD_TOLD_SECONDS)
        self.assertTrue(mallory.connection.paused)
        self.assertEqual(mallory.seen("error"), [])
        await self.keep_pouring(mallory, 5)
        [told] = mallory.seen("error")
        self.assertEqual((told["code"], "id" in told), ("throttled", False))
        self.assertIn("read more slowly", told["text"])
        await self.keep_pouring(mallory, FLOOD_SECONDS - 20)
        self.assertFalse(mallory.gone)
        await self.keep_pouring(mallory, 20)
        await mallory.end()
        self.assertEqual(len(mallory.seen("error")), 1)
        self.assertIn("for 60 seconds", mallory.lines[-1]["reason"])

    async def test_what_was_accepted_from_a_flood_is_in_order_and_whole(self) -> None:
        """Slowing loses nothing: everything before the end was stored as it came."""
        await self.start()
        alice = await self.server.user("alice")
        ids = self.pour(alice, 300)
        await self.pass_time(alice, 30)
        self.assertFalse(alice.connection.paused)
        self.assertEqual([line["id"] for line in alice.seen("ok")][-300:], ids)

    async def test_long_messages_are_stored_one_at_a_time(self) -> None:
        """Over `LONG_BODY` the connection is read again once the message is stored; the answers are in order."""
        await self.start()
        alice = await self.server.user("alice")
        for number, size in enumerate((LONG_BODY - 1, LONG_BODY, LONG_BODY + 1)):
            sent = alice.send("send", conversation="lobby", ulid=ulid(number), body="x" * size)
            self.assertEqual(alice.connection.paused, size > LONG_BODY)
            await alice.answer(sent)
            self.assertFalse(alice.connection.paused)

    async def test_a_flood_of_acks_has_one_at_a_time_in_the_store(self) -> None:
        """The next one is read when it is done, and all are answered in order."""
        await self.start()
        alice = await self.server.user("alice")
        ids = [alice.send("ack", conversation="lobby", seq=number) for number in range(1, 11)]
        self.assertEqual((alice.connection.paused, alice.connection.context.pending), (True, 1))
        await alice.until(lambda: alice.seen("ok")[-1:] and alice.seen("ok")[-1]["id"] == ids[-1])
        self.assertEqual([line["id"] for line in alice.seen("ok")][-10:], ids)

    async def test_others_do_not_feel_a_flood(self) -> None:
        """Their lines are taken at once, all the time."""
        await self.start()
        mallory, alice = await self.server.user("mallory"), await self.server.user("alice")
        self.pour(mallory, 1_000)
        for number in range(30):
            await self.pass_time(alice, 1)
            await alice.say(number + 5_000, "hello")
            self.assertFalse(alice.connection.paused)

    async def test_a_moderator_acts_while_his_messages_wait(self) -> None:
        """Kinds of requests have buckets of their own: only what stands behind in the same stream waits."""
        await self.start()
        mona = await self.server.moderator("mona", "moderator")
        await self.server.user("mallory")
        self.pour(mona, 85)
        self.assertFalse(mona.connection.paused)
        await mona.do("kick", user="mallory")

    async def test_new_limits_hold_for_who_is_connected(self) -> None:
        """After SIGHUP, without a new login."""
        await self.start()
        alice = await self.server.user("alice")
        self.server.change(request_rate=REQUEST_RATE, request_burst=REQUEST_BURST)
        ids = self.pour(alice, 900)
        await alice.answer(ids[-1])  # no time passes: what the rate holds back would not come
        self.assertFalse(alice.connection.paused)
