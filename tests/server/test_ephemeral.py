"""Off the record: of an ephemeral room the server stores who comes and goes, and nothing that is said."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.envelopes import content, sealed
from tests.server.harness import START, Client, Server, ulid
from tests.server.rooms import ROOM, RoomTestCase


class Ephemeral(RoomTestCase):
    """`OpenRoom.ephemeral`."""

    async def parlour(self, *names: str) -> tuple[Server, list[Client]]:
        """A server, and users in an ephemeral room, the first of whom owns it."""
        server = await self.serve()
        return server, await self.team(server, *names, ephemeral=True)

    def everything(self, server: Server) -> str:
        """All that is in the server's database."""
        with closing(sqlite3.connect(server.store._path)) as tables:
            return "\n".join(tables.iterdump())

    async def test_what_is_said_reaches_all_who_are_there_once_and_sent_says_that_it_is_not_stored(self) -> None:
        """The seq is 0; the sender's other devices hear it as well."""
        server, (alice, bob) = await self.parlour("alice", "bob")
        phone = await server.user("alice")
        scheme, body = sealed("psst")
        sent = await alice.do("send", conversation="#TEAM", ulid=ulid(5), scheme=scheme, body=body)
        self.assertEqual(sent, {"type": "sent", "ulid": ulid(5), "conversation": ROOM, "seq": 0, "time": START * 1000})
        for receiver in (bob, phone):
            self.assertEqual(
                await receiver.take("message", seq=0),
                {
                    "type": "message",
                    "conversation": ROOM,
                    "kind": "room",
                    "seq": 0,
                    "from": "alice",
                    "ulid": ulid(5),
                    "time": START * 1000,
                    "scheme": scheme,
                    "body": body,
                },
            )
        self.assertNotIn("psst", self.heard(alice))

    async def test_it_is_answered_and_delivered_within_the_turn(self) -> None:
        """Nothing is waited for: no request is under way when the handler is done."""
        _, (alice, bob) = await self.parlour("alice", "bob")
        scheme, body = sealed("now")
        alice.send("send", conversation=ROOM, ulid=ulid(5), scheme=scheme, body=body)
        self.assertEqual(alice.connection.context.pending, 0)
        await bob.take("message", seq=0)

    async def test_of_what_is_said_nothing_is_in_the_database(self) -> None:
        """No envelope, no ULID, and no place in the log; that the room is one without log is."""
        server, (alice, bob) = await self.parlour("alice", "bob")
        before = self.everything(server)
        for number, one in enumerate((alice, bob, alice)):
            await one.do("send", conversation=ROOM, ulid=ulid(70 + number), **content(ROOM, f"secret {number}"))
        after = self.everything(server)
        self.assertEqual(after, before)
        self.assertIn("ephemeral", after)

    async def test_there_is_nothing_to_sync_but_who_came_and_went(self) -> None:
        """The seqs of that have no gaps; cursors are not touched."""
        _, (alice, bob) = await self.parlour("alice", "bob")
        await self.say(alice, "one")
        await self.act(alice, "member_role", user="bob", role="moderator")
        self.assertEqual(await self.read(bob), ["bob joined bob", "alice role bob"])
        listed = (await alice.do("conversations"))["conversations"]
        [room] = [entry for entry in listed if entry["conversation"] == ROOM]
        self.assertEqual((room["last_seq"], room["cursor"]), (4, 0))

    async def test_who_is_away_misses_it(self) -> None:
        """There is nothing to come later."""
        server, (alice, bob) = await self.parlour("alice", "bob")
        bob.vanish()
        await self.say(alice, "nobody hears")
        bob = await server.user("bob")
        await self.say(alice, "hello again")
        await bob.take("message", seq=0)
        self.assertEqual(await self.read(bob), ["bob joined bob"])
        self.assertEqual(self.heard(bob), [])

    async def test_everybody_sees_what_kind_of_room_it_is(self) -> None:
        """Invited, in the list, in its state; a durable one does not say so."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        opened = await self.act(alice, "open_room", ephemeral=True)
        await self.act(alice, "invite", user="bob")
        self.assertTrue(opened["ephemeral"])
        self.assertTrue((await bob.take("invited"))["ephemeral"])
        self.assertTrue((await bob.do("rooms"))["rooms"][0]["ephemeral"])
        self.assertTrue((await self.act(bob, "join"))["ephemeral"])
        durable = await alice.do("open_room", room="#durable", ulid=self.fresh())
        self.assertNotIn("ephemeral", durable)

    async def test_the_room_outlives_the_server(self) -> None:
        """With its members, and as what it is."""
        server, (alice, bob) = await self.parlour("alice", "bob")
        await self.say(alice, "before")
        server = await self.again(server)
        alice, bob = await server.user("alice"), await server.user("bob")
        self.assertTrue((await alice.do("who", room=ROOM))["ephemeral"])
        self.assertEqual((await self.say(alice, "after"))["seq"], 0)
        await bob.take("message", seq=0)
        self.assertEqual(self.heard(bob), [])

    async def test_it_promises_no_history(self) -> None:
        """There is none to give."""
        server = await self.serve()
        alice = await server.user("alice")
        for history in ("all", "since-invite"):
            code, text = await self.refused(alice, "open_room", ephemeral=True, history=history)
            self.assertEqual((code, "no history to give" in text), ("malformed", True))
        await self.act(alice, "open_room", ephemeral=True, history="none")

    async def test_each_senders_messages_come_in_order(self) -> None:
        """However many are on their way."""
        _, (alice, bob, carol) = await self.parlour("alice", "bob", "carol")
        for number in range(50):
            for one, name in ((alice, "a"), (bob, "b")):
                text = content(ROOM, f"{name}{number}")
                one.send("send", conversation=ROOM, ulid=self.fresh(), chained=number > 0, **text)
        await carol.until(lambda: len([one for one in carol.seen("message") if one["seq"] == 0]) == 100)
        for name in "ab":
            said = [text for text in self.heard(carol) if text[0] == name and text[1:].isdigit()]
            self.assertEqual(said, [f"{name}{number}" for number in range(50)])

    async def test_a_message_chained_to_a_refused_one_is_refused(self) -> None:
        """As in every conversation; one that begins anew is not."""
        _, (alice, bob) = await self.parlour("alice", "bob")
        refused = await alice.refused("send", conversation=ROOM, ulid=self.fresh(), scheme="olm", body="x.y")
        self.assertEqual(refused[0], "malformed")
        fields = content(ROOM, "second")
        code, _ = await alice.refused("send", conversation=ROOM, ulid=self.fresh(), chained=True, **fields)
        self.assertEqual(code, "broken-chain")
        await alice.do("send", conversation=ROOM, ulid=self.fresh(), **fields)
        await bob.take("message", seq=0)

    async def test_only_members_speak_and_hear(self) -> None:
        """Neither who is invited nor who has left."""
        server, (alice, bob) = await self.parlour("alice", "bob")
        carol = await server.user("carol")
        await self.act(alice, "invite", user="carol")
        self.assertEqual(await self.cannot_say(carol, "hello"), "unknown-conversation")
        await self.act(bob, "leave")
        self.assertIn("bob left bob", self.heard(bob))
        self.assertEqual(await self.cannot_say(bob, "hello"), "unknown-conversation")
        await self.say(alice, "alone")
        self.assertEqual([one for one in (*bob.seen("message"), *carol.seen("message")) if one["seq"] == 0], [])

    async def test_who_is_muted_says_nothing(self) -> None:
        """The same checks as for what is stored."""
        server, (alice, bob) = await self.parlour("alice", "bob")
        root = await server.moderator("boss")
        await root.do("mute", user="bob")
        self.assertEqual(await self.cannot_say(bob, "hello"), "muted")
        await self.say(alice, "hello")

    async def test_who_is_passed_by_misses_it(self) -> None:
        """A reader who is behind is caught up from the store, where this is not."""
        server, (alice, bob) = await self.parlour("alice", "bob")
        server.factory.services.hub.pass_by(bob.connection.context)
        await self.say(alice, "too fast for bob")
        server.factory.services.hub.follow(bob.connection.context)
        await self.say(alice, "bob is back")
        await bob.take("message", seq=0)
        self.assertEqual(self.heard(bob), ["bob joined bob"])
