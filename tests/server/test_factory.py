"""The factory: welcome, goodbye, settings that change, readers that stop reading."""

from __future__ import annotations

from encchat import __version__
from encchat.limits import HANG_UP_SECONDS, SLOW_READER_SECONDS
from encchat.wire import Kicked
from tests.server.harness import LIMIT, ServerTestCase, ulid


class Welcome(ServerTestCase):
    """The first line."""

    async def test_the_first_line_says_who_is_speaking(self) -> None:
        """Server, version, how to register, message of the day."""
        server = await self.serve(server_name="here", motd="be kind", registration="closed")
        expected = {
            "type": "welcome",
            "server": "here",
            "version": __version__,
            "registration": "closed",
            "motd": "be kind",
        }
        self.assertEqual(await server.client().take("welcome"), expected)

    async def test_new_settings_hold_for_what_happens_from_then_on(self) -> None:
        """Greeting and policy, without a restart."""
        server = await self.serve()
        before = server.client()
        server.change(motd="new", registration="closed", admin_seconds=60.0)
        self.assertEqual((await server.client().take("welcome"))["motd"], "new")
        self.assertEqual(
            (await before.refused("register", user="a", password="long enough"))[0], "registration-refused"
        )


class Goodbye(ServerTestCase):
    """The server stops."""

    async def test_every_client_is_told_and_hung_up(self) -> None:
        """Strangers too; it is over when all are gone."""
        server = await self.serve()
        clients = [await server.user("alice"), await server.user("bob"), server.client()]
        await server.factory.say_goodbye("the server is stopping")
        for client in clients:
            self.assertTrue(client.gone)
            self.assertEqual(client.lines[-1], {"type": "closing", "reason": "the server is stopping"})
        self.assertEqual(server.factory.connections, set())

    async def test_nobody_is_told_of_everybody_else_leaving(self) -> None:
        """A stop costs a line for each, not one for each pair."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.say(1, "hello", "@bob")
        await server.factory.say_goodbye("bye")
        self.assertEqual(alice.seen("presence") + bob.seen("presence"), [])

    async def test_a_client_that_does_not_read_delays_the_stop_only_so_long(self) -> None:
        """It is cut off, the others have left long since."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        bob.transport.stuck = True
        done = server.factory.say_goodbye("bye")
        await alice.end()
        server.time.advance(HANG_UP_SECONDS - 0.1)
        self.assertFalse(done.called)
        server.time.advance(0.2)
        await done.addTimeout(LIMIT, server.store._reactor)
        self.assertTrue(bob.gone)

    async def test_the_stop_takes_no_longer_than_its_limit(self) -> None:
        """Whatever transports do."""
        server = await self.serve(stop_seconds=0.5)
        bob = await server.user("bob")
        bob.transport.stuck = True
        done = server.factory.say_goodbye("bye")
        server.time.advance(0.4)
        self.assertFalse(done.called)
        server.time.advance(0.2)
        self.assertTrue(done.called)

    async def test_who_is_being_hung_up_already_hears_one_last_line(self) -> None:
        """A kick and a stop in one turn: the kick was first."""
        server = await self.serve()
        bob = await server.user("bob")
        server.factory.services.expel("bob", Kicked(by="root"))
        await server.factory.say_goodbye("bye")
        self.assertEqual([line["type"] for line in bob.lines[-2:]], ["welcome", "kicked"])

    async def test_an_empty_server_stops_at_once(self) -> None:
        """There is nobody to wait for."""
        server = await self.serve()
        self.assertTrue(server.factory.say_goodbye("bye").called)

    async def test_who_connects_during_the_stop_is_told_so(self) -> None:
        """And is not let in."""
        server = await self.serve()
        await server.factory.say_goodbye("bye")
        late = server.client()
        await late.end()
        self.assertEqual([line["type"] for line in late.lines], ["welcome", "closing"])

    async def test_messages_that_were_accepted_before_the_stop_are_stored(self) -> None:
        """The store closes after the goodbye."""
        server = await self.serve()
        alice = await server.user("alice")
        for number in range(100):
            alice.send("send", conversation="lobby", ulid=ulid(number), body="x")
        await server.factory.say_goodbye("bye")
        await server.store.set_meta("written", "so is what was handed over before")
        self.assertEqual(len(await server.store.history("lobby", 0, 1000)), 100)


class SlowReaders(ServerTestCase):
    """Somebody stops reading."""

    async def test_one_who_stops_reading_blocks_nobody_and_is_hung_up_in_the_end(self) -> None:
        """The others get every message meanwhile; what waits for the slow one is bounded."""
        server = await self.serve(max_unsent=20_000)
        alice, bob, slow = [await server.user(name) for name in ("alice", "bob", "slow")]
        logs = self.hear_logs()
        slow.transport.producer.pauseProducing()
        for number in range(30):
            await alice.say(number, "x" * 1000)
        for _ in range(30):
            await bob.take("message")
        self.assertLess(slow.transport.producer.waiting, 22_000)
        server.time.advance(SLOW_READER_SECONDS)
        await slow.end()
        self.assertEqual(type(slow.reason).__name__, "ConnectionAborted")
        events = [event["event"] for event in logs if event.get("user") == "slow"]
        self.assertEqual(events, ["slow_reader", "stopped_reader", "logged_out"])
        self.assertEqual([entry["user"] for entry in (await bob.do("users"))["users"]], ["alice", "bob"])

    async def test_one_who_reads_again_in_time_gets_everything(self) -> None:
        """In order, nothing lost."""
        server = await self.serve()
        alice, slow = await server.user("alice"), await server.user("slow")
        slow.transport.producer.pauseProducing()
        for number in range(30):
            await alice.say(number, f"{number}")
        self.assertEqual(slow.seen("message"), [])
        slow.transport.producer.resumeProducing()
        self.assertEqual([(await slow.take("message"))["seq"] for _ in range(30)], list(range(1, 31)))
