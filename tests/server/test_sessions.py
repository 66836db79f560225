"""Calls and sessions from line to line: asking, refusing, resuming, and what takes time."""

from __future__ import annotations

from encchat.limits import RING_SECONDS, SESSION_GRACE_SECONDS
from tests.server.harness import Client, Server, ServerTestCase, ulid


class Case(ServerTestCase):
    """With alice, bob and carol."""

    server: Server

    async def start(self) -> tuple[Client, Client, Client]:
        """Everybody is FREE."""
        self.server = await self.serve()
        alice, bob, carol = [await self.server.user(name) for name in ("alice", "bob", "carol")]
        return alice, bob, carol

    async def presences(self, client: Client) -> dict[str, str]:
        """Of everybody who is here."""
        return {entry["user"]: entry["presence"] for entry in (await client.do("users"))["users"]}


class Sessions(Case):
    """Calls that are taken at once."""

    async def test_a_session_from_connect_to_goodbye(self) -> None:
        """Both told, both BUSY, and FREE again."""
        alice, bob, carol = await self.start()
        await alice.do("connect", user="Bob")
        mine, theirs = await alice.take("session_started"), await bob.take("session_started")
        session = mine["session"]
        self.assertEqual(mine, {"type": "session_started", "with": "bob", "by": "alice", "session": session})
        self.assertEqual(theirs, {"type": "session_started", "with": "alice", "by": "alice", "session": session})
        self.assertEqual(await self.presences(carol), {"alice": "BUSY", "bob": "BUSY", "carol": "FREE"})
        self.assertEqual(await carol.refused("connect", user="bob"), ("unavailable", "bob is BUSY"))
        await bob.do("goodbye")
        self.assertEqual((await alice.take("session_ended"))["reason"], "goodbye")
        self.assertEqual(set((await self.presences(carol)).values()), {"FREE"})

    async def test_each_session_has_an_id_of_its_own_that_is_a_ulid(self) -> None:
        """Clients make fresh keys for each, and tell them apart by it."""
        alice, bob, _ = await self.start()
        ids = []
        for _ in range(3):
            await alice.do("connect", user="bob")
            ids.append((await bob.take("session_started"))["session"])
            await alice.do("goodbye")
        self.assertEqual(len(set(ids)), 3)
        for one in ids:
            self.assertRegex(one, "^[0-7][0-9A-HJKMNP-TV-Z]{25}$")

    async def test_what_is_said_in_a_session_is_heard_before_its_end(self) -> None:
        """Also if all of it comes in one burst."""
        alice, bob, _ = await self.start()
        bob.lines.clear()
        alice.write(
            alice.encoded("send", 50, **alice.message(1, "free?", "@bob"))
            + alice.encoded("connect", 51, user="bob")
            + alice.encoded("send", 52, **alice.message(2, "bye", "@bob"))
            + alice.encoded("goodbye", 53)
        )
        await bob.until(lambda: bob.seen("session_ended"))
        heard = [line.get("kind", line["type"]) for line in bob.lines if line["type"] != "presence"]
        self.assertEqual(heard, ["direct", "session_started", "session", "session_ended"])

    async def test_busy_unknown_self_and_offline_callee_are_refused_with_a_reason(self) -> None:
        """Each with a text of its own."""
        alice, bob, carol = await self.start()
        carol.vanish()
        await bob.do("presence", presence="BUSY")
        refusals = [(await alice.refused("connect", user=name)) for name in ("bob", "nobody", "alice", "carol")]
        self.assertEqual(
            refusals,
            [
                ("unavailable", "bob is BUSY"),
                ("unknown-user", "there is no user nobody"),
                ("unavailable", "you cannot open a session with yourself"),
                ("unavailable", "carol is OFFLINE"),
            ],
        )


class Policies(Case):
    """What somebody wants to become of calls."""

    async def test_who_takes_no_calls_is_left_alone_until_he_says_otherwise(self) -> None:
        """`never`, then `auto` again."""
        alice, bob, _ = await self.start()
        await bob.do("calls", policy="never")
        refusal = await alice.refused("connect", user="bob")
        self.assertEqual(refusal, ("unavailable", "bob takes no calls; send a message instead"))
        self.assertEqual(bob.seen("ringing") + bob.seen("session_started"), [])
        await bob.do("calls", policy="auto")
        await alice.do("connect", user="bob")

    async def test_the_policy_is_the_accounts_and_stands_when_it_comes_back(self) -> None:
        """Another device, another day."""
        alice, bob, _ = await self.start()
        await bob.do("calls", policy="never")
        bob.vanish()
        await self.server.user("bob")
        self.assertEqual((await alice.refused("connect", user="bob"))[0], "unavailable")

    async def test_a_policy_there_is_not_is_refused(self) -> None:
        """And changes nothing."""
        alice, bob, _ = await self.start()
        self.assertEqual((await bob.refused("calls", policy="sometimes"))[0], "malformed")
        await alice.do("connect", user="bob")


class Ringing(Case):
    """Somebody wants to be asked."""

    async def ring(self) -> tuple[Client, Client, Client, int]:
        """Alice calls bob; the id of her request."""
        alice, bob, carol = await self.start()
        await bob.do("calls", policy="ask")
        id_ = alice.send("connect", user="bob")
        self.assertEqual(await bob.take("ringing"), {"type": "ringing", "from": "alice"})
        self.assertEqual((await alice.take("notice"))["text"], "bob is asked to take the call")
        return alice, bob, carol, id_

    async def test_a_taken_call_answers_the_caller_and_starts_the_session(self) -> None:
        """Nobody was BUSY before."""
        alice, bob, carol, id_ = await self.ring()
        self.assertEqual(set((await self.presences(carol)).values()), {"FREE"})
        await bob.do("answer", user="alice")
        self.assertEqual(await alice.answer(id_), {"type": "ok", "id": id_})
        session = (await alice.take("session_started"))["session"]
        self.assertEqual((await bob.take("session_started"))["session"], session)
        self.assertEqual((await self.presences(carol))["alice"], "BUSY")

    async def test_a_refused_call_says_so_to_the_caller_and_to_the_other_devices(self) -> None:
        """Which stop ringing."""
        alice, bob, _, id_ = await self.ring()
        phone = await self.server.user("bob")
        await phone.take("ringing")
        await bob.do("answer", user="alice", accept=False)
        refusal = await alice.answer(id_)
        self.assertEqual((refusal["code"], refusal["text"]), ("unavailable", "bob refused the call"))
        self.assertEqual(await phone.take("ringing"), {"type": "ringing", "from": "alice", "over": True})

    async def test_a_call_is_not_answered_for_ring_seconds(self) -> None:
        """A moment before that it still rings."""
        alice, bob, _, id_ = await self.ring()
        self.server.time.advance(RING_SECONDS - 0.1)
        await alice.do("users")
        self.assertEqual(alice.seen("error"), [])
        self.server.time.advance(0.1)
        refusal = await alice.answer(id_)
        self.assertEqual(refusal["text"], f"bob did not answer within {RING_SECONDS:g} seconds")
        await bob.take("ringing", over=True)
        code, text = await bob.refused("answer", user="alice")
        self.assertEqual((code, text), ("unavailable", "alice is not calling you, or not any more"))

    async def test_a_call_that_rings_does_not_hold_up_what_else_the_caller_asks(self) -> None:
        """He talks, asks and leaves while he waits."""
        alice, bob, _, id_ = await self.ring()
        await alice.say(1, "meanwhile", "@bob")
        self.assertEqual((await bob.take("message"))["kind"], "direct")
        await alice.do("conversations")
        await alice.do("goodbye")
        self.assertEqual((await alice.answer(id_))["text"], "you hung up")
        await bob.take("ringing", over=True)
        alice.send("connect", user="bob")
        await bob.take("ringing", **{"from": "alice"})
        alice.send("quit")
        await alice.end()
        await bob.take("ringing", over=True)

    async def test_a_caller_who_is_gone_does_not_ring(self) -> None:
        """Nor does the one who is called wait for an answer of nobody."""
        alice, bob, _, _ = await self.ring()
        alice.vanish()
        await bob.take("ringing", over=True)
        self.assertEqual(set((await self.presences(bob)).values()), {"FREE"})

    async def test_time_that_is_over_ends_only_the_call_it_was_for(self) -> None:
        """Not the next one, which has all the time."""
        alice, bob, _, id_ = await self.ring()
        self.server.time.advance(RING_SECONDS - 1)
        await bob.do("answer", user="alice", accept=False)
        await alice.answer(id_)
        await bob.take("ringing", over=True)
        again = alice.send("connect", user="bob")
        await bob.take("ringing", **{"from": "alice"})
        self.server.time.advance(RING_SECONDS - 1)
        await bob.do("answer", user="alice")
        self.assertEqual((await alice.answer(again))["type"], "ok")
        self.server.time.advance(RING_SECONDS)
        await alice.do("users")
        self.assertEqual(bob.seen("session_ended"), [])


class Losing(Case):
    """The connection of one of the two is lost."""

    async def talk(self) -> tuple[Client, Client, str]:
        """Alice and bob are in a session; its id."""
        alice, bob, _ = await self.start()
        await alice.do("connect", user="bob")
        await alice.take("session_started")
        return alice, bob, (await bob.take("session_started"))["session"]

    async def test_who_is_back_within_the_grace_time_is_in_the_same_session(self) -> None:
        """Told so after the answer to the login; the partner sees it go and come."""
        alice, bob, session = await self.talk()
        alice.vanish()
        await bob.take("presence", user="alice", presence="OFFLINE")
        self.server.time.advance(SESSION_GRACE_SECONDS - 0.1)
        back = await self.server.user("alice")
        await bob.take("presence", user="alice", presence="BUSY")
        self.assertEqual(
            await back.take("session_started"),
            {"type": "session_started", "with": "bob", "by": "alice", "session": session, "resumed": True},
        )
        self.server.time.advance(SESSION_GRACE_SECONDS)
        await back.say(1, "where were we", "@bob")
        self.assertEqual((await bob.take("message"))["kind"], "session")
        self.assertEqual(bob.seen("session_ended"), [])

    async def test_the_login_is_answered_before_the_session_is_resumed(self) -> None:
        """A client knows who it is before it hears in what it is."""
        alice, _, _ = await self.talk()
        alice.vanish()
        back = await self.server.user("alice")
        lines: list[str] = []
        again = self.server.client()
        again.send("login", user="alice", password="correct horse battery")
        await again.until(lambda: again.seen("session_started"))
        lines = [line["type"] for line in again.lines]
        self.assertLess(lines.index("ok"), lines.index("session_started"))
        await back.take("session_started", resumed=True)

    async def test_the_partner_of_a_vanished_client_is_free_after_the_grace_time(self) -> None:
        """BUSY till then, told why, and not BUSY for ever."""
        alice, bob, _ = await self.talk()
        alice.vanish()
        self.server.time.advance(SESSION_GRACE_SECONDS - 0.1)
        self.assertEqual((await self.presences(bob)), {"bob": "BUSY", "carol": "FREE"})
        self.server.time.advance(0.1)
        self.assertEqual(await bob.take("session_ended"), {"type": "session_ended", "with": "alice", "reason": "lost"})
        self.assertEqual((await self.presences(bob))["bob"], "FREE")
        back = await self.server.user("alice")
        await back.do("users")
        self.assertEqual(back.seen("session_started"), [])

    async def test_each_loss_has_the_whole_grace_time(self) -> None:
        """A train goes through more than one tunnel."""
        alice, bob, _ = await self.talk()
        for _ in range(3):
            alice.vanish()
            self.server.time.advance(SESSION_GRACE_SECONDS - 1)
            alice = await self.server.user("alice")
            await alice.take("session_started", resumed=True)
        await bob.do("users")
        self.assertEqual(bob.seen("session_ended"), [])

    async def test_another_device_keeps_the_session(self) -> None:
        """A session is the account's; a new device of it is told that it is in one."""
        alice, bob, session = await self.talk()
        phone = await self.server.user("alice")
        self.assertEqual((await phone.take("session_started"))["session"], session)
        alice.vanish()
        self.server.time.advance(SESSION_GRACE_SECONDS)
        await phone.do("users")
        self.assertEqual(bob.seen("session_ended"), [])
        await phone.do("goodbye")
        await bob.take("session_ended", reason="goodbye")

    async def test_quit_is_a_goodbye_if_it_is_the_last_device(self) -> None:
        """And none if there is another."""
        alice, bob, _ = await self.talk()
        phone = await self.server.user("alice")
        await alice.do("quit")
        await alice.end()
        await phone.do("users")
        self.assertEqual(bob.seen("session_ended"), [])
        await phone.do("quit")
        await bob.take("session_ended", reason="goodbye")

    async def test_what_is_said_to_a_lost_partner_is_of_the_session_and_kept(self) -> None:
        """It is read up on after the return."""
        alice, bob, _ = await self.talk()
        alice.vanish()
        await bob.say(1, "are you there?", "@alice")
        back = await self.server.user("alice")
        (message,) = (await back.do("sync", conversation="@bob", after=0))["messages"]
        self.assertEqual((message["kind"], message["ulid"]), ("session", ulid(1)))

    async def test_the_server_stops_in_the_middle_of_a_session_and_a_call(self) -> None:
        """Both sides are told that it stops, and no timer is left behind."""
        alice, bob, _ = await self.talk()
        carol, dave = await self.server.user("carol"), await self.server.user("dave")
        await dave.do("calls", policy="ask")
        carol.send("connect", user="dave")
        await dave.take("ringing")
        alice.vanish()
        await self.server.factory.say_goodbye("the end")
        await bob.take("closing")
        self.server.time.advance(RING_SECONDS + SESSION_GRACE_SECONDS)
        self.assertEqual(self.server.time.getDelayedCalls(), [])
