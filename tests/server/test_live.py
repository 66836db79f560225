"""Slow readers: out of the live feed while they are behind, told so when they have caught up, nothing lost."""

from __future__ import annotations

from encchat.limits import SLOW_READER_SECONDS, UNSENT_RESERVE
from tests.server.harness import Client, Line, Server, ServerTestCase, text, ulid

MARK = 20_000


def stop(client: Client) -> None:
    """It does not read any more."""
    client.transport.producer.pauseProducing()


def go_on(client: Client) -> None:
    """It reads again: the transport has sent what it held."""
    client.transport.producer.resumeProducing()


def fill_with_each_write(client: Client) -> None:
    """From now on its transport is full whenever something was written, until it goes on."""
    transport, write = client.transport, client.transport.write

    def write_and_stop(data: bytes) -> None:
        write(data)
        transport.producer.pauseProducing()

    transport.write = write_and_stop  # type: ignore[method-assign]


def seqs(lines: list[Line]) -> list[int]:
    """The numbers of these messages."""
    return [line["seq"] for line in lines]


class Case(ServerTestCase):
    """Alice talks, bob reads, the slow one stops."""

    async def start(self, mark: int = MARK) -> None:
        """Everybody is here; ``mark`` bytes may wait."""
        self.server: Server = await self.serve(max_unsent=mark)
        self.alice = await self.server.user("alice")
        self.bob = await self.server.user("bob")
        self.slow = await self.server.user("slow")
        self.said = 0

    async def talk(self, count: int, size: int = 1000) -> None:
        """Alice says so many more things of ``size`` characters in the lobby."""
        for _ in range(count):
            self.said += 1
            await self.alice.say(self.said, "x" * size)

    async def fall_behind(self) -> None:
        """The slow one stops, and more is said than may wait for it."""
        stop(self.slow)
        await self.talk(30)

    async def caught_up(self) -> list[Line]:
        """All that the slow one is sent until it hears that it was behind, that line included."""
        go_on(self.slow)
        behind = await self.slow.until(lambda: self.slow.seen("behind"))
        self.assertEqual(behind, [{"type": "behind"}])
        lines, self.slow.lines = self.slow.lines, []
        return lines

    @property
    def waiting(self) -> int:
        """Bytes that wait for the slow one."""
        waiting: int = self.slow.transport.producer.waiting
        return waiting


class LiveFeed(Case):
    """Leaving it and coming back."""

    async def test_a_slow_reader_gets_what_waited_then_behind_then_is_live_again(self) -> None:
        """In this order; the others never notice."""
        await self.start()
        await self.fall_behind()
        lines = await self.caught_up()
        self.assertEqual(lines[-1]["type"], "behind")
        before = seqs([line for line in lines if line["type"] == "message"])
        self.assertEqual(before, list(range(1, len(before) + 1)))
        self.assertLess(len(before), 30)
        await self.talk(1)
        self.assertEqual((await self.slow.take("message"))["seq"], 31)
        self.assertEqual(seqs(self.bob.seen("message")), list(range(1, 32)))

    async def test_what_was_missed_is_had_by_sync_in_order_and_without_a_gap(self) -> None:
        """Live lines up to some number, pages from there."""
        await self.start()
        await self.fall_behind()
        heard = seqs([line for line in await self.caught_up() if line["type"] == "message"])
        page = await self.slow.do("sync", conversation="lobby", after=heard[-1])
        self.assertEqual(heard + seqs(page["messages"]), list(range(1, 31)))

    async def test_what_waits_is_bounded_however_much_is_said(self) -> None:
        """By the limit and the one line that crossed it."""
        await self.start()
        await self.fall_behind()
        first = self.waiting
        await self.talk(60)
        self.assertEqual(self.waiting, first)
        self.assertLess(self.waiting, MARK + 1200)

    async def test_what_is_no_message_still_comes_while_behind(self) -> None:
        """Who came and went, sessions: there is no other way to hear of them."""
        await self.start()
        await self.alice.say(900, "hello", "@slow")
        await self.fall_behind()
        await self.bob.do("users")
        await self.alice.do("presence", presence="AWAY")
        lines = await self.caught_up()
        self.assertIn({"type": "presence", "user": "alice", "presence": "AWAY"}, lines)

    async def test_who_missed_nothing_is_not_told_that_it_did(self) -> None:
        """Being slow for a while is nobody's business."""
        await self.start()
        stop(self.slow)
        while self.waiting <= MARK:
            await self.talk(1)
        go_on(self.slow)
        await self.talk(1)
        await self.slow.until(lambda: len(self.slow.seen("message")) == self.said)
        self.assertEqual(self.slow.seen("behind"), [])

    async def test_behind_comes_once_for_each_time(self) -> None:
        """A second slow spell is a second event."""
        await self.start()
        for _ in range(2):
            await self.fall_behind()
            self.assertEqual((await self.caught_up())[-1]["type"], "behind")

    async def test_one_connection_of_an_account_being_behind_does_not_cost_the_other(self) -> None:
        """Each device has its own pace."""
        await self.start()
        phone = await self.server.user("slow")
        await self.fall_behind()
        await phone.until(lambda: len(phone.seen("message")) == 30)

    async def test_direct_messages_are_missed_and_had_again_like_any_others(self) -> None:
        """The feed is one, the cursors are each conversation's."""
        await self.start()
        await self.fall_behind()
        await self.bob.say(901, "psst", "@slow")
        self.assertEqual([line for line in await self.caught_up() if line.get("kind") == "direct"], [])
        page = await self.slow.do("sync", conversation="@bob", after=0)
        self.assertEqual([text(message) for message in page["messages"]], ["psst"])


class Reading(Case):
    """What a slow reader says."""

    async def test_requests_wait_while_behind_and_are_answered_afterwards(self) -> None:
        """Who does not take answers is not asked what else it would like; nothing of it is lost."""
        await self.start()
        await self.fall_behind()
        ids = [self.slow.send("sync", conversation="lobby", after=0) for _ in range(50)]
        sent = self.slow.send("send", conversation="lobby", ulid=ulid(999), body="me too")
        waiting = self.waiting
        await self.bob.do("users")
        self.assertEqual(self.waiting, waiting)
        self.assertEqual((await self.caught_up())[-1]["type"], "behind")
        for id_ in [*ids, sent]:
            self.assertEqual((await self.slow.answer(id_))["type"], "ok")

    async def test_a_reader_that_only_takes_answers_is_never_behind_for_good(self) -> None:
        """Pages over the limit stop the reading, not the connection."""
        await self.start()
        await self.talk(30)
        for _ in range(5):
            self.assertEqual(len((await self.slow.do("sync", conversation="lobby", after=0))["messages"]), 30)
        self.assertEqual(self.slow.seen("behind"), [])


class HangingUp(Case):
    """Who does not read at all."""

    async def test_a_peer_that_does_not_drain_at_all_is_hung_up(self) -> None:
        """After `SLOW_READER_SECONDS`, not before."""
        await self.start()
        await self.fall_behind()
        self.server.time.advance(SLOW_READER_SECONDS - 0.1)
        await self.bob.do("users")
        self.assertFalse(self.slow.gone)
        self.server.time.advance(0.1)
        await self.slow.end()
        self.assertEqual(type(self.slow.reason).__name__, "ConnectionAborted")

    async def test_a_peer_that_drains_slowly_is_waited_for(self) -> None:
        """Each piece it takes gives it all the time again."""
        await self.start(mark=400_000)
        stop(self.slow)
        await self.talk(30, 16_000)
        fill_with_each_write(self.slow)
        pieces = 0
        while self.waiting:
            self.server.time.advance(SLOW_READER_SECONDS - 0.1)
            go_on(self.slow)
            pieces += 1
        self.assertGreater(pieces, 2)
        self.assertEqual((await self.caught_up())[-1]["type"], "behind")
        self.server.time.advance(2 * SLOW_READER_SECONDS)
        await self.talk(1)
        go_on(self.slow)
        self.assertEqual((await self.slow.take("message", seq=31))["seq"], 31)

    async def test_over_the_reserve_it_is_hung_up_at_once(self) -> None:
        """What is no message may go over the limit, but not for ever."""
        await self.start()
        await self.fall_behind()
        room = MARK + UNSENT_RESERVE - self.waiting
        write_line = self.slow.connection.write_line
        write_line(b"x" * (room - 2))  # and its newline: one under the bound
        write_line(b"")
        self.assertEqual(self.waiting, MARK + UNSENT_RESERVE)
        await self.bob.do("users")
        self.assertFalse(self.slow.gone)
        write_line(b"")
        await self.slow.end()

    async def test_who_is_gone_while_behind_leaves_nothing_behind(self) -> None:
        """No timer, no place in the hub."""
        await self.start()
        await self.fall_behind()
        self.slow.vanish()
        self.assertEqual(self.server.factory.services.hub._behind, {})
        self.server.time.advance(10 * SLOW_READER_SECONDS)
        again = await self.server.user("slow")
        await self.talk(1)
        self.assertEqual((await again.take("message"))["seq"], 31)

    async def test_a_stranger_who_does_not_read_its_answers_is_bounded_too(self) -> None:
        """Before a login the same limits hold."""
        server = await self.serve(max_unsent=MARK, unauthenticated_bytes=10**6)
        stranger = server.client()
        stop(stranger)
        for _ in range(1000):
            stranger.send("commands")
        self.assertLess(stranger.transport.producer.waiting, 2 * MARK)
        server.time.advance(SLOW_READER_SECONDS)
        await stranger.end()
