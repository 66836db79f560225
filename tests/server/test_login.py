"""Becoming somebody, and who is somebody then."""

from __future__ import annotations

import gc
from weakref import ref

from tests.server.harness import PASSWORD, START, Client, ServerTestCase
from tests.wire.test_codec import EXAMPLES


class LoggingIn(ServerTestCase):
    """Register, log in, log in by device."""

    async def test_registration_logs_in(self) -> None:
        """The name as it was written, FREE, seen by others."""
        server = await self.serve()
        alice = server.client()
        result = await alice.do("register", user="Alice", password=PASSWORD)
        self.assertEqual((result["user"], result["role"], result["presence"]), ("Alice", "user", "FREE"))
        bob = await server.user("bob")
        users = (await bob.do("users"))["users"]
        self.assertEqual(users, [{"user": "Alice", "presence": "FREE"}, {"user": "bob", "presence": "FREE"}])

    async def test_an_invite_gives_its_role(self) -> None:
        """On a server that needs one."""
        server = await self.serve(registration="invite")
        await server.store.add_invite("token", "moderator", 1, None)
        client = server.client()
        self.assertEqual((await client.refused("register", user="a", password=PASSWORD))[0], "registration-refused")
        result = await client.do("register", user="a", password=PASSWORD, invite="token")
        self.assertEqual(result["role"], "moderator")

    async def test_a_device_that_has_logged_in_does_so_by_its_key_afterwards(self) -> None:
        """The key is the one the channel has proven, not one that is sent."""
        server = await self.serve()
        alice = await server.user("alice", device=7)
        device = (await alice.do("status", user="alice"))["user"]
        self.assertEqual(device, "alice")
        again = server.client(device=7)
        self.assertEqual((await again.do("login_device", user="alice"))["user"], "alice")
        other = server.client(device=8)
        self.assertEqual((await other.refused("login_device", user="alice"))[0], "login-refused")

    async def test_a_forgotten_device_logs_in_no_more(self) -> None:
        """The connection that asked stays."""
        server = await self.serve()
        alice = await server.user("alice", device=7)
        await alice.do("forget_device")
        await alice.do("users")
        again = server.client(device=7)
        self.assertEqual((await again.refused("login_device", user="alice"))[0], "login-refused")

    async def test_a_second_login_on_a_connection_is_refused(self) -> None:
        """A connection is one account's for good."""
        server = await self.serve()
        alice = await server.user("alice")
        for request in ("login", "register"):
            refusal = await alice.refused(request, user="bob", password=PASSWORD)
            self.assertEqual(refusal, ("already-logged-in", "this connection is logged in as alice"))

    async def test_two_logins_in_one_burst_leave_one(self) -> None:
        """The second comes while the first is being checked."""
        server = await self.serve()
        client = server.client()
        client.write(
            client.encoded("register", 1, user="alice", password=PASSWORD)
            + client.encoded("register", 2, user="bob", password=PASSWORD)
        )
        self.assertEqual((await client.answer(1))["type"], "ok")
        self.assertEqual((await client.answer(2))["code"], "already-logged-in")

    async def test_wrong_password_and_unknown_name_get_one_answer(self) -> None:
        """Nobody learns which names there are."""
        server = await self.serve()
        await server.user("alice")
        client = server.client()
        wrong = await client.refused("login", user="alice", password="wrong password")
        self.assertEqual(await client.refused("login", user="nobody", password="wrong password"), wrong)
        self.assertEqual(wrong[0], "login-refused")
        await client.do("login", user="alice", password=PASSWORD)

    async def test_who_disconnects_during_the_login_is_not_here(self) -> None:
        """No ghost: the password is still being hashed when the connection goes."""
        server = await self.serve()
        await server.user("alice", device=7)
        bob = await server.user("bob")
        server.clients[0].vanish()
        for request in ({"type_": "login", "password": PASSWORD}, {"type_": "login_device"}):
            ghost = server.client(device=7)
            ghost.send(user="alice", **request)
            ghost.vanish()
        again = server.client(device=7)
        await again.do("login", user="alice", password=PASSWORD)  # hashed after the ghost's
        again.vanish()
        self.assertEqual([entry["user"] for entry in (await bob.do("users"))["users"]], ["bob"])

    async def test_who_says_more_during_the_login_is_read_no_further(self) -> None:
        """What has come is answered after it, in order; more is not read before that."""
        server = await self.serve(unauthenticated_bytes=400)
        (await server.user("alice", device=7)).vanish()
        client = server.client(device=7)
        login = client.send("login", user="alice", password=PASSWORD)
        self.assertEqual(client.transport.producerState, "producing")
        more = [client.send("status", user="x" * 300) for _ in range(2)]
        self.assertEqual((client.transport.producerState, client.gone), ("paused", False))
        for request in (login, *more):
            await client.answer(request)
        self.assertEqual(client.transport.producerState, "producing")

    async def test_what_is_gone_leaves_nothing_to_the_garbage_collector(self) -> None:
        """Thousands who came and went would otherwise be looked through in one long pause of the server."""
        gc.disable()
        self.addCleanup(gc.enable)
        server = await self.serve()
        for leave in (Client.vanish, lambda client: client.send("quit")):
            client = await server.user("alice")
            leave(client)
            await client.end()
            gone, client.connection = ref(client.connection), None
            self.assertIsNone(gone())


class Strangers(ServerTestCase):
    """Before a login."""

    async def test_no_command_but_register_login_login_device_quit_commands_before_login(self) -> None:
        """All others are refused with one code; the list says which there are."""
        server = await self.serve()
        client = server.client()
        allowed = {entry["verb"] for entry in (await client.do("commands"))["commands"]}
        self.assertEqual(allowed, {"register", "login", "login_device", "commands", "quit"})
        known = {row.verb for row in server.factory.registry.rows()}
        for verb in known - allowed:
            fields = EXAMPLES[verb]
            self.assertEqual((await client.refused(verb, **fields))[0], "not-logged-in")

    async def test_time_before_a_login_is_limited(self) -> None:
        """The last line says so."""
        server = await self.serve(unauthenticated_seconds=30.0)
        client = server.client()
        server.time.advance(29.9)
        await client.do("commands")
        server.time.advance(0.2)
        await client.end()
        self.assertEqual(client.seen("closing"), [{"type": "closing", "reason": "no login came within 30 seconds"}])

    async def test_who_has_logged_in_has_no_such_limit(self) -> None:
        """Time passes, nothing happens."""
        server = await self.serve(unauthenticated_seconds=30.0)
        alice = await server.user("alice")
        server.time.advance(100)
        await alice.do("users")

    async def test_bytes_before_a_login_are_limited(self) -> None:
        """At the limit and one over; nothing of what went over is kept."""
        for extra, ends in ((-1, False), (0, False), (1, True)):
            server = await self.serve(unauthenticated_bytes=1000)
            client = server.client()
            client.write(b" " * (1000 - 100 + extra))
            line = client.encoded("commands", 5).rstrip()
            client.write(line + b" " * (100 - len(line) - 1) + b"\n")
            if ends:
                await client.end()
                (closing,) = client.seen("closing")
                self.assertEqual(closing["reason"], "more than 1000 bytes came before a login")
                self.assertEqual(client.seen("ok"), [])
            else:
                await client.answer(5)

    async def test_100_megabytes_before_login_cost_no_memory(self) -> None:
        """The connection is over after the first 64 KiB; the rest is not looked at."""
        server = await self.serve()
        client = server.client()
        client.transport.stuck = True
        for _ in range(1600):
            client.write(b"x" * 65_536)
        self.assertLessEqual(len(client.connection.clearLineBuffer()), 65_536)
        await client.take("closing")

    async def test_bytes_after_a_login_have_no_such_limit(self) -> None:
        """A logged-in user may paste."""
        server = await self.serve(unauthenticated_bytes=1000)
        alice = await server.user("alice")
        for _ in range(5):
            await alice.do("send", conversation="lobby", ulid="0" * 26, body="x" * 900)


class Presence(ServerTestCase):
    """Who is here, as others see it."""

    async def test_status_of_somebody_here_gone_and_unknown(self) -> None:
        """Presence, and when they were last seen."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        server.time.advance(10)
        now = (START + 10) * 1000
        expected = {"type": "status", "user": "bob", "presence": "FREE", "last_seen": now}
        self.assertEqual(await alice.do("status", user="BOB"), expected)
        bob.vanish()
        for seconds in (0, 10):  # before and after it is written
            server.time.advance(seconds)
            await server.store.set_meta("written", "so is what was handed over before")
            self.assertEqual(await alice.do("status", user="bob"), {**expected, "presence": "OFFLINE"})
        self.assertEqual(await alice.refused("status", user="eve"), ("unknown-user", "there is no user eve"))

    async def test_set_presence_is_seen_by_all_who_ask(self) -> None:
        """And pushed to nobody who shares no conversation."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.do("presence", presence="AWAY")
        self.assertEqual((await bob.do("status", user="alice"))["presence"], "AWAY")
        self.assertEqual(bob.seen("presence"), [])

    async def test_contacts_are_told_of_presence_also_from_earlier_days(self) -> None:
        """Who wrote to whom stands in the store."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await alice.say(1, "hello", "@bob")
        await bob.take("message")
        await alice.do("presence", presence="BUSY")
        self.assertEqual(await bob.take("presence"), {"type": "presence", "user": "alice", "presence": "BUSY"})
        alice.vanish()
        await bob.take("presence", user="alice", presence="OFFLINE")
        bob.vanish()
        bob = await server.user("bob")
        await server.user("alice")
        await bob.take("presence", user="alice", presence="FREE")

    async def test_offline_the_moment_the_last_connection_is_gone(self) -> None:
        """The first of two does not count."""
        server = await self.serve()
        laptop, phone, bob = await server.user("alice"), await server.user("alice"), await server.user("bob")
        laptop.vanish()
        self.assertEqual((await bob.do("status", user="alice"))["presence"], "FREE")
        phone.vanish()
        self.assertEqual((await bob.do("status", user="alice"))["presence"], "OFFLINE")
