"""The dispatcher: what is answered, what is held back, and when a connection is over."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits
from encchat.server.auth import Authenticator
from encchat.server.command import command
from encchat.server.context import Context
from encchat.server.factory import ChatFactory
from encchat.server.passwords import PasswordHasher
from encchat.server.settings import Settings
from encchat.server.store.sqlite import SqliteStore
from encchat.wire import Notice, Request
from tests.server.harness import Client, ServerTestCase, ulid


class Ask(Request, tag="ask", frozen=True, kw_only=True):
    """A request whose answer the test decides on."""

    number: int


class BadLines(ServerTestCase):
    """Lines that are no requests."""

    async def test_each_bad_line_is_answered_with_its_code(self) -> None:
        """With the id, where one can be read."""
        server = await self.serve()
        client = server.client()
        for line, id_, code in (
            (b"hello", None, "malformed"),
            (b"", None, "malformed"),
            (b'{"type":"send","id":7}', 7, "malformed"),
            (b'{"type":"users","id":-1}', None, "malformed"),
            (b'{"type":"explode","id":8}', 8, "unknown-command"),
            (b"x" * (limits.MAX_LINE - 10), None, "malformed"),
            (b"[" * 5000, None, "malformed"),
            (b'\xff{"type":"users","id":9}', None, "malformed"),
        ):
            server.change(unauthenticated_bytes=10**9)
            client.write(line + b"\n")
            self.assertEqual((await client.answer(id_))["code"], code)
        await client.do("commands")

    async def test_a_line_over_the_limit_is_answered_and_skipped(self) -> None:
        """At the limit and one over; the connection goes on with the next line."""
        server = await self.serve(unauthenticated_bytes=10**9)
        client = server.client()
        request = client.encoded("commands", 5).rstrip()
        client.write(request + b" " * (limits.MAX_LINE - len(request)) + b"\n")
        self.assertEqual((await client.answer(5))["type"], "ok")
        client.write(request + b" " * (limits.MAX_LINE + 1 - len(request)) + b"\n")
        self.assertEqual((await client.answer(None))["code"], "line-too-long")
        await client.do("commands")

    async def test_bad_lines_are_a_small_budget(self) -> None:
        """The last allowed one is answered, the next ends the connection, and what follows is not read."""
        server = await self.serve()
        client = server.client()
        for _ in range(limits.MAX_BAD_LINES):
            client.write(b"nonsense\n")
        await client.do("commands")
        client.write(b"nonsense\n" + client.encoded("commands", 500))
        await client.end()
        self.assertEqual(len(client.seen("error")), limits.MAX_BAD_LINES + 1)
        self.assertEqual(client.lines[-1], {"type": "closing", "reason": "more than 10 lines were no requests"})
        self.assertEqual(client.seen("ok"), [])

    async def test_others_go_on_while_one_sends_nonsense(self) -> None:
        """A hang-up is one connection's."""
        server = await self.serve()
        alice, mallory = await server.user("alice"), await server.user("mallory")
        mallory.write(b"\x00\xff\n" * 100)
        await mallory.end()
        await alice.say(1, "still here")


class Order(ServerTestCase):
    """Deferred answers."""

    async def test_requests_after_one_in_order_wait_for_it(self) -> None:
        """Its effect is there when they are looked at; those of others do not wait."""
        answers: list[Deferred[Notice]] = []

        @command("ask", in_order=True)
        def ask(context: Context, request: Ask) -> Any:
            answers.append(Deferred())
            return answers[-1]

        server = await self.serve(ask)
        alice, bob = await server.user("alice"), await server.user("bob")
        alice.write(alice.encoded("ask", 90, number=1) + alice.encoded("users", 91))
        await bob.do("users")
        self.assertEqual(alice.seen("ok"), [])
        answers[0].callback(Notice(text="now"))
        await alice.answer(91)
        self.assertEqual([line["id"] for line in alice.seen("ok")], [90])

    async def test_requests_after_one_not_in_order_do_not_wait(self) -> None:
        """Answers may come in another order; each has its id."""
        answers: dict[int, Deferred[Notice]] = {}

        @command("ask")
        def ask(context: Context, request: Ask) -> Any:
            return answers.setdefault(request.number, Deferred())

        server = await self.serve(ask)
        alice = await server.user("alice")
        alice.write(alice.encoded("ask", 91, number=1) + alice.encoded("ask", 92, number=2))
        await alice.do("users")
        answers[2].callback(Notice(text="two"))
        answers[1].callback(Notice(text="one"))
        self.assertEqual((await alice.answer(91))["result"]["text"], "one")
        self.assertEqual((await alice.answer(92))["result"]["text"], "two")

    async def test_quit_answers_everything_before_it_and_then_closes(self) -> None:
        """Its own answer is the last line."""
        server = await self.serve()
        alice = await server.user("alice")
        alice.lines.clear()
        burst = [alice.encoded("send", n, conversation="lobby", ulid=ulid(n), body="x") for n in range(50, 60)]
        alice.write(b"".join([*burst, alice.encoded("quit", 60), alice.encoded("users", 61)]))
        await alice.end()
        self.assertEqual([line["id"] for line in alice.lines], list(range(50, 61)))

    async def test_a_stranger_may_quit(self) -> None:
        """Politely, or by going away at any moment."""
        server = await self.serve()
        client = server.client()
        client.send("quit")
        await client.end()
        self.assertEqual(client.lines[-1]["type"], "ok")
        server.client().vanish()
        self.assertEqual(server.factory.connections, set())


class Held(ServerTestCase):
    """Reading is held back; nothing is lost."""

    async def test_at_the_pending_limit_reading_pauses_until_an_answer_is_given(self) -> None:
        """One below it, at it, and again below it."""
        waiting: list[Deferred[Notice]] = []

        @command("ask", cost=0)
        def ask(context: Context, request: Ask) -> Any:
            waiting.append(Deferred())
            return waiting[-1]

        server = await self.serve(ask)
        alice = await server.user("alice")
        limit = limits.MAX_PENDING_REQUESTS
        burst = [alice.encoded("ask", 1000 + number, number=number) for number in range(limit + 5)]
        alice.write(b"".join(burst[: limit - 1]))
        self.assertFalse(alice.connection.paused)
        alice.write(b"".join(burst[limit - 1 :]))
        self.assertTrue(alice.connection.paused)
        self.assertEqual(len(waiting), limit)
        for number in range(limit + 5):
            waiting[number].callback(Notice(text=f"{number}"))
        self.assertFalse(alice.connection.paused)
        self.assertEqual((await alice.answer(1000 + limit + 4))["result"]["text"], f"{limit + 4}")

    async def test_over_the_rate_reading_pauses_and_nothing_is_lost(self) -> None:
        """The burst goes at once, the rest at the rate."""
        server = await self.serve(request_rate=8.0, request_burst=50.0)
        await server.user("alice", device=7)
        alice = server.client(device=7)
        await alice.do("login_device", user="alice")
        count = len(alice.lines)
        for _ in range(100):
            alice.send("presence", presence="FREE")
        self.assertTrue(alice.connection.paused)
        await alice.until(lambda: len(alice.seen("ok")) >= 46)
        self.assertEqual(len(alice.seen("ok")), 46)
        for step in range(1, 55):
            server.time.advance(0.125)
            await alice.until(lambda step=step: len(alice.seen("ok")) >= 46 + step)
            self.assertEqual(len(alice.seen("ok")), 46 + step)
        self.assertEqual([line["id"] for line in alice.lines[count:]], list(range(2, 102)))

    async def test_bytes_are_metered_whatever_they_say(self) -> None:
        """A line without an end is read no faster than requests of its size, once there is a login."""
        server = await self.serve(request_rate=8.0, request_burst=50.0)
        alice = await server.user("alice")
        for _ in range(48):
            alice.write(b"x" * limits.BYTES_PER_UNIT)
        self.assertFalse(alice.connection.paused)
        for _ in range(8):
            alice.write(b"x" * limits.BYTES_PER_UNIT)
        self.assertTrue(alice.connection.paused)
        server.time.advance(1.0)
        self.assertFalse(alice.connection.paused)

    async def test_below_the_rate_reading_never_pauses(self) -> None:
        """However long it goes on."""
        server = await self.serve(request_rate=8.0, request_burst=50.0)
        alice = await server.user("alice")
        for _ in range(200):
            server.time.advance(0.125)
            await alice.do("presence", presence="FREE")
            self.assertFalse(alice.connection.paused)

    async def test_a_connection_that_goes_while_held_leaves_no_timer(self) -> None:
        """Its place is free at once."""
        server = await self.serve(request_rate=1.0, request_burst=10.0)
        client = server.client()
        client.send("register", user="alice", password="long enough")
        self.assertTrue(client.connection.paused)
        client.vanish()
        self.assertEqual(server.time.getDelayedCalls(), [])

    async def test_one_who_floods_slows_down_nobody_else(self) -> None:
        """The bucket is a connection's own."""
        server = await self.serve(request_rate=1.0, request_burst=50.0)
        flood, alice = await server.user("flood"), await server.user("alice")
        for number in range(1000):
            flood.send("send", conversation="lobby", ulid=ulid(number), body="x")
        for number in range(5):
            await alice.say(number, "y")
        self.assertTrue(flood.connection.paused)


class AnyBytes(SynchronousTestCase):
    """Whatever a stranger sends."""

    PIECES = st.binary(max_size=200) | st.sampled_from([b"\n", b'{"type":"commands","id":1}\n', b'{"type":"'])

    @settings(max_examples=200, deadline=None)
    @given(st.lists(PIECES, max_size=20))
    def test_any_bytes_of_a_stranger_are_answered_or_end_the_connection(self, pieces: list[bytes]) -> None:
        """Every complete line has one answer, in order, until the budget of bad lines is spent; nothing is raised."""
        clock = Clock()
        store = SqliteStore("never opened", clock)  # type: ignore[arg-type]
        auth = Authenticator(store, PasswordHasher(clock), clock.seconds, lambda: "open")
        factory = ChatFactory(clock, store, auth, Settings(), ())
        client = Client(factory, bytes(32))
        for piece in pieces:
            client.write(piece)
            clock.advance(0)
        clock.advance(0)
        lines = b"".join(pieces).count(b"\n")
        answers = len(client.seen("ok")) + len(client.seen("error"))
        bad = len(client.seen("error"))
        self.assertTrue(answers == lines or bad == limits.MAX_BAD_LINES + 1)
        self.assertEqual(bool(client.seen("closing")), bad > limits.MAX_BAD_LINES)
        client.vanish()
        self.assertEqual((factory.connections, clock.getDelayedCalls()), (set(), []))
