"""Rooms on a whole server: who may do what, who gets what, and what survives."""

from __future__ import annotations

import json

from attrs import evolve
from twisted.internet.defer import Deferred

from encchat import wire
from encchat.errors import InternalError
from encchat.server.command import LATER
from encchat.server.commands.messages import send
from tests.envelopes import content
from tests.server.harness import ulid
from tests.server.rooms import ROOM, RoomTestCase, says


class Members(RoomTestCase):
    """What a room is for."""

    async def test_members_talk_and_everybody_hears_everything_once_and_in_order(self) -> None:
        """Joins too; each of the sender's devices but the sending one, which has its answer."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        phone = await server.user("alice")
        sent = await self.say(alice, "hello")
        self.assertEqual((sent["conversation"], sent["seq"]), (ROOM, 4))
        await self.say(bob, "hi")
        await bob.take("message", seq=4)
        self.assertEqual(self.heard(phone), ["hello", "hi"])
        self.assertEqual(self.heard(alice), ["alice opened alice", "alice invited bob", "bob joined bob", "hi"])
        self.assertEqual(self.heard(bob), ["bob joined bob"])

    async def test_the_state_of_a_room_tells_who_is_in_it_and_since_when(self) -> None:
        """With roles, presence and what was signed; pages by name."""
        server = await self.serve()
        alice = await server.user("alice")
        opened = await self.act(alice, "open_room", policy="deniable", statement="S0", ulid=ulid(7))
        self.assertEqual((opened["id"], opened["owner"], opened["version"]), (ulid(7), "alice", 1))
        bob = await server.user("bob")
        await self.act(alice, "invite", user="bob", statement="S1")
        joined = await self.act(bob, "join", statement="S2")
        self.assertEqual((joined["version"], joined["policy"], joined["scheme"]), (3, "deniable", "megolm"))
        bob.vanish()
        state = await alice.do("who", room=ROOM)
        self.assertEqual(
            state["members"],
            [
                {
                    "user": "alice",
                    "role": "owner",
                    "state": "joined",
                    "since": 1,
                    "presence": "FREE",
                    "statement": "S0",
                },
                {"user": "bob", "role": "member", "state": "joined", "by": "alice", "since": 3, "statement": "S1"},
            ],
        )
        rest = await alice.do("who", room=ROOM, after="ALICE")
        self.assertEqual([one["user"] for one in rest["members"]], ["bob"])

    async def test_a_room_is_invitation_only_unless_its_owner_opens_it(self) -> None:
        """And then again when it is closed."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        carol, dave = await server.user("carol"), await server.user("dave")
        self.assertEqual((await self.refused(bob, "room_open", open=True))[0], "forbidden")
        await self.act(alice, "room_open", open=True)
        listed = await carol.do("rooms")
        self.assertEqual([(one["room"], one["state"]) for one in listed["rooms"]], [(ROOM, "open")])
        await self.act(carol, "join")
        await self.act(alice, "room_open", open=False)
        self.assertEqual((await self.refused(dave, "join"))[0], "unknown-conversation")
        self.assertIn("carol joined carol", self.heard(bob))

    async def test_an_offline_invitee_finds_the_invitation_on_coming_online(self) -> None:
        """The inviter is told that it is OFFLINE."""
        server = await self.serve()
        (await server.user("bob")).vanish()
        (alice,) = await self.team(server, "alice")
        self.assertEqual((await self.act(alice, "invite", user="BOB"))["presence"], "OFFLINE")
        bob = await server.user("bob")
        [entry] = (await bob.do("rooms"))["rooms"]
        self.assertEqual((entry["room"], entry["state"], entry["by"]), (ROOM, "invited", "alice"))
        self.assertEqual((await self.act(bob, "join"))["room"], ROOM)

    async def test_an_invitee_who_is_here_is_told_and_may_decline(self) -> None:
        """Which the members hear."""
        server = await self.serve()
        (alice,) = await self.team(server, "alice")
        bob = await server.user("bob")
        self.assertEqual((await self.act(alice, "invite", user="bob"))["presence"], "FREE")
        self.assertEqual((await bob.take("invited"))["by"], "alice")
        await self.act(bob, "decline")
        self.assertIn("bob declined bob", self.heard(alice))
        self.assertEqual((await bob.do("rooms"))["rooms"], [])
        self.assertEqual((await self.refused(bob, "join"))[0], "unknown-conversation")

    async def test_when_the_owner_leaves_a_moderator_else_the_oldest_member_owns_the_room(self) -> None:
        """And when the last one leaves, the name is free."""
        server = await self.serve()
        alice, bob, carol = await self.team(server, "alice", "bob", "carol")
        await self.act(alice, "member_role", user="carol", role="moderator")
        await self.act(alice, "leave")
        self.assertEqual((await bob.do("who", room=ROOM))["owner"], "carol")
        self.assertEqual(self.heard(bob)[-2:], ["alice left alice", "alice role carol"])
        await self.act(carol, "leave")
        self.assertEqual((await bob.do("who", room=ROOM))["owner"], "bob")
        await self.act(bob, "leave")
        self.assertEqual((await bob.do("rooms"))["rooms"], [])
        self.assertEqual((await self.act(carol, "open_room"))["owner"], "carol")

    async def test_a_name_is_taken_in_any_case_while_somebody_is_in_the_room(self) -> None:
        """Two rooms never have one name."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        self.assertEqual((await bob.refused("open_room", room="#TEAM", ulid=self.fresh()))[0], "name-refused")
        self.assertEqual((await alice.do("who", room="#TEAM"))["room"], ROOM)

    async def test_rooms_survive_a_restart(self) -> None:
        """Members, roles, invitations and what was said; nobody need join again."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        (await server.user("carol")).vanish()
        await self.act(alice, "invite", user="carol")
        await self.act(alice, "member_role", user="bob", role="moderator")
        before = await alice.do("who", room=ROOM)
        again = await self.again(server)
        alice, bob, carol = [await again.user(name) for name in ("alice", "bob", "carol")]
        self.assertEqual((await alice.do("who", room=ROOM))["version"], before["version"])
        self.assertEqual((await self.refused(bob, "expel", user="alice"))[0], "forbidden")
        await self.act(carol, "join")
        await self.say(carol, "hello")
        self.assertEqual(self.heard(bob), ["carol joined carol", "hello"])
        self.assertEqual(len(await self.read(alice)), 7)

    async def test_a_repeated_ulid_changes_nothing(self) -> None:
        """Whatever happened in between: what is asked again after a lost answer has been done."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        ids = {verb: self.fresh() for verb in ("open_room", "invite", "join", "leave", "expel")}
        for _ in range(2):
            opened = await self.act(alice, "open_room", ulid=ids["open_room"])
            self.assertEqual(opened["version"], 1)
        for _ in range(2):
            await self.act(alice, "invite", user="bob", ulid=ids["invite"])
        for _ in range(2):
            self.assertEqual((await self.act(bob, "join", ulid=ids["join"]))["version"], 3)
        await self.act(bob, "leave", ulid=ids["leave"])
        await self.act(alice, "invite", user="bob", ulid=ids["invite"])
        self.assertEqual((await bob.do("rooms"))["rooms"], [])
        await self.act(alice, "invite", user="bob")
        await self.act(bob, "join")
        await self.act(bob, "leave", ulid=ids["leave"])
        self.assertEqual((await bob.do("rooms"))["rooms"][0]["state"], "joined")
        for _ in range(2):
            await self.act(alice, "expel", user="bob", ulid=ids["expel"])
        self.assertEqual(
            self.heard(alice),
            [
                "alice opened alice",
                "alice invited bob",
                "bob joined bob",
                "bob left bob",
                "alice invited bob",
                "bob joined bob",
                "alice expelled bob",
            ],
        )

    async def test_somebody_elses_ulid_opens_no_room_in_theirs(self) -> None:
        """A room's id is given once: nothing gets into the log of another room by it."""
        server = await self.serve()
        (alice,) = await self.team(server, "alice", ulid=ulid(5))
        mallory = await server.user("mallory")
        code, _ = await mallory.refused("open_room", room="#mine", ulid=ulid(5))
        self.assertEqual(code, "internal")
        self.assertEqual(await self.read(alice), ["alice opened alice"])
        self.assertEqual((await mallory.do("rooms"))["rooms"], [])
        await mallory.do("open_room", room="#mine", ulid=ulid(6))


class Boundaries(RoomTestCase):
    """Who gets nothing."""

    async def test_an_uninvited_cannot_join_send_read_ask_who_or_get_the_key(self) -> None:
        """And cannot tell the room from one that does not exist."""
        server = await self.serve()
        await self.team(server, "alice", "bob", scheme="server-key")
        mallory = await server.user("mallory")
        for room in (ROOM, "#nothing"):
            for verb in ("join", "decline", "leave"):
                self.assertEqual(
                    await mallory.refused(verb, room=room, ulid=self.fresh()),
                    ("unknown-conversation", f"there is no room {room} that is yours: rooms lists those you can see"),
                )
            for verb in ("who", "get_room_key"):
                self.assertEqual((await mallory.refused(verb, room=room))[0], "unknown-conversation")
            self.assertEqual((await mallory.refused("sync", conversation=room, after=0))[0], "unknown-conversation")
            self.assertEqual((await mallory.refused("ack", conversation=room, seq=1))[0], "unknown-conversation")
            self.assertEqual(await self.cannot_say(mallory, "me too", room), "unknown-conversation")
            for verb in ("invite", "expel"):
                answer = await mallory.refused(verb, room=room, user="bob", ulid=self.fresh())
                self.assertEqual(answer[0], "unknown-conversation")
        self.assertEqual((await mallory.do("rooms"))["rooms"], [])
        self.assertEqual(mallory.seen("message"), [])

    async def test_the_invited_hear_and_read_nothing_before_they_join(self) -> None:
        """Nor do they speak, invite, or get the key."""
        server = await self.serve()
        (alice,) = await self.team(server, "alice", scheme="server-key")
        bob = await server.user("bob")
        await self.act(alice, "invite", user="bob")
        self.assertEqual(await self.cannot_say(bob, "hi"), "unknown-conversation")
        self.assertEqual((await self.refused(bob, "invite", user="alice"))[0], "unknown-conversation")
        self.assertEqual((await bob.refused("get_room_key", room=ROOM))[0], "unknown-conversation")
        self.assertEqual((await bob.refused("sync", conversation=ROOM, after=0))[0], "unknown-conversation")
        self.assertEqual([one["user"] for one in (await bob.do("who", room=ROOM))["members"]], ["alice", "bob"])
        self.assertEqual(bob.seen("message"), [])

    async def test_a_removed_member_gets_nothing_after_the_removals_seq(self) -> None:
        """Not live, not by sync, not in the list of conversations, on no device; and cannot send."""
        server = await self.serve()
        alice, bob, carol = await self.team(server, "alice", "bob", "carol")
        await self.say(alice, "before")
        await self.act(alice, "expel", user="bob")
        await self.say(alice, "after")
        await carol.take("message", seq=8)
        self.assertEqual(self.heard(bob)[-2:], ["before", "alice expelled bob"])
        self.assertEqual((await self.read(bob))[-2:], ["before", "alice expelled bob"])
        self.assertEqual(await self.read(bob, after=7), [])
        page = await bob.do("sync", conversation=ROOM, after=0)
        self.assertEqual(page["last_seq"], 7)
        tablet = await server.user("bob")
        [entry] = [one for one in (await tablet.do("conversations"))["conversations"] if one["conversation"] == ROOM]
        self.assertEqual((entry["last_seq"], entry["oldest"], entry["cursor"]), (7, 3, 2))
        await tablet.do("ack", conversation=ROOM, seq=1_000)
        again = (await tablet.do("conversations"))["conversations"]
        self.assertEqual([one["cursor"] for one in again if one["conversation"] == ROOM], [7])
        self.assertEqual(await self.cannot_say(bob, "let me in"), "unknown-conversation")
        self.assertEqual((await bob.refused("who", room=ROOM))[0], "unknown-conversation")
        self.assertEqual((await self.refused(bob, "join"))[0], "unknown-conversation")

    async def test_a_member_who_leaves_while_a_message_is_in_flight_gets_what_came_before_and_no_more(self) -> None:
        """All of it asked in one reactor turn: the order of the seqs decides."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        for client in (alice, bob):
            client.lines.clear()
        asked = []
        for number, text in ((1, "one"), (2, "two")):
            asked.append(alice.send("send", conversation=ROOM, ulid=ulid(number), **content(ROOM, text)))
            if number == 1:
                left = bob.send("leave", room=ROOM, ulid=ulid(3))
        await bob.answer(left)
        for id_ in asked:
            await alice.answer(id_)
        await self.say(alice, "three")
        page = await alice.do("sync", conversation=ROOM, after=3)
        texts = [says(one) for one in page["messages"]]
        before = texts[: texts.index("bob left bob") + 1]
        self.assertEqual(self.heard(bob), before)
        self.assertEqual((await self.read(bob, after=3)), before)
        self.assertEqual(texts[-1], "three")

    async def test_a_message_of_somebody_removed_in_the_same_turn_is_refused(self) -> None:
        """Nothing of a removed member has a seq after its removal."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        decided = server.factory.services.room_keeper
        account = server.factory.services.chat.account("alice")
        change = decided.rooms.expel(decided.act(account, self.fresh()), ROOM, "bob")
        self.assertEqual(await self.cannot_say(bob, "too late"), "unknown-conversation")
        await decided.keep(change)
        self.assertEqual((await self.read(alice))[-1], "alice expelled bob")

    async def test_who_comes_back_does_not_read_what_was_said_meanwhile(self) -> None:
        """With the history setting none, which is the default."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        await self.act(bob, "leave")
        await self.say(alice, "about bob")
        await self.act(alice, "invite", user="bob")
        self.assertEqual((await self.read(bob))[-1], "bob left bob")
        await self.act(bob, "join")
        self.assertEqual(await self.read(bob), ["bob joined bob"])

    async def test_a_new_member_reads_what_the_rooms_history_setting_says(self) -> None:
        """Nothing before its joining, all since its invitation, or all."""
        for history, first in (
            ("none", "bob joined bob"),
            ("since-invite", "alice invited bob"),
            ("all", "alice opened alice"),
        ):
            server = await self.serve()
            (alice,) = await self.team(server, "alice", history=history)
            await self.say(alice, "early")
            bob = await server.user("bob")
            await self.act(alice, "invite", user="bob")
            await self.say(alice, "late")
            await self.act(bob, "join")
            self.assertEqual((await self.read(bob))[0], first)

    async def test_only_owner_and_moderators_expel_and_only_those_below(self) -> None:
        """Whoever invited may take the invitation back."""
        server = await self.serve()
        alice, bob, carol, dave = await self.team(server, "alice", "bob", "carol", "dave")
        await self.act(alice, "member_role", user="bob", role="moderator")
        await self.act(alice, "member_role", user="carol", role="moderator")
        for actor, target in ((dave, "dave"), (dave, "bob"), (bob, "carol"), (bob, "alice"), (alice, "alice")):
            self.assertEqual((await self.refused(actor, "expel", user=target))[0], "forbidden")
        self.assertEqual((await self.refused(dave, "expel", user="eve"))[0], "unknown-user")
        eve = await server.user("eve")
        await self.act(dave, "invite", user="eve")
        await self.act(dave, "expel", user="eve")
        self.assertEqual((await self.refused(eve, "join"))[0], "unknown-conversation")
        await self.act(bob, "expel", user="dave")
        await self.act(alice, "expel", user="bob")
        self.assertEqual((await self.refused(carol, "member_role", user="alice", role="member"))[0], "forbidden")

    async def test_nobody_can_send_an_event(self) -> None:
        """Not to a room, a person or the lobby: only the server says who joined."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        body = json.dumps({"event": "expelled", "user": "bob", "by": "alice"})
        for to in (ROOM, "@bob", "lobby"):
            code, _ = await alice.refused("send", conversation=to, ulid=self.fresh(), scheme="event", body=body)
            self.assertEqual(code, "malformed")
        self.assertEqual(len(await self.read(bob)), 1)

    async def test_plaintext_to_a_direct_conversation_session_or_room_is_refused(self) -> None:
        """And a ciphertext to the lobby, which nobody could read."""
        server = await self.serve(schemes=("megolm", "olm", "server-key", "pigeon"))
        alice, _ = await self.team(server, "alice", "bob")

        async def code(to: str, scheme: str, body: str) -> str:
            return (await alice.refused("send", conversation=to, ulid=self.fresh(), scheme=scheme, body=body))[0]

        sealed = content(ROOM, "hello")["body"]
        for to in ("@bob", ROOM):
            for scheme in ("none", "megolm", "olm", "server-key", "pigeon", "unheard-of"):
                self.assertEqual(await code(to, scheme, "hello there"), "malformed")
        await alice.do("connect", user="bob")
        self.assertEqual(await code("@bob", "none", "hello there"), "malformed")
        self.assertEqual(await code("@bob", "megolm", "hello there"), "malformed")
        self.assertEqual(await code(ROOM, "olm", "D.R:0:abcd"), "malformed")
        self.assertEqual(await code(ROOM, "pigeon", "D.abcd"), "malformed")
        self.assertEqual(await code("@bob", "server-key", f"D.1.{'n' * 16}.{'c' * 22}"), "malformed")
        self.assertEqual(await code("@bob", "unheard-of", "D.abcd"), "refused")
        self.assertEqual(await code("lobby", "megolm", sealed), "malformed")
        for scheme, body in (("megolm", sealed), ("olm", "D.R:0:abcd"), ("pigeon", "D.abcd")):
            await alice.do("send", conversation="@bob", ulid=self.fresh(), scheme=scheme, body=body)

    async def test_a_scheme_the_server_does_not_allow_makes_no_room(self) -> None:
        """The refusal names those it does."""
        server = await self.serve(schemes=("megolm",))
        alice = await server.user("alice")
        for scheme in ("server-key", "none", "event"):
            code, text = await self.refused(alice, "open_room", scheme=scheme)
            self.assertEqual((code, "megolm" in text), ("refused", True))

    async def test_an_account_that_is_deleted_leaves_its_rooms(self) -> None:
        """Also while the server runs: the others hear it, and an owner is found."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        account = await server.store.account("alice")
        alice.vanish()
        await server.store.delete_account(account.id, 1)
        await server.factory.services.room_keeper.forget_deleted()
        self.assertEqual((await bob.do("who", room=ROOM))["owner"], "bob")
        self.assertEqual(self.heard(bob)[-2:], ["alice left alice", "alice role bob"])

    async def test_a_change_that_cannot_be_stored_is_undone(self) -> None:
        """The room is as it was, for those in it and for those who were to join."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        keeper = server.factory.services.room_keeper
        account = server.factory.services.chat.account("alice")
        change = keeper.rooms.expel(keeper.act(account, self.fresh()), ROOM, "bob")
        bad = evolve(change, row=evolve(change.row, time=2**64))
        await self.assertFailure(Deferred.fromCoroutine(keeper.keep(bad)), InternalError)
        await self.say(bob, "still here")
        await alice.take("message", seq=4)
        await self.act(alice, "expel", user="bob")
        self.assertEqual(await self.cannot_say(bob, "not any more"), "unknown-conversation")

    async def test_who_is_muted_opens_no_room_and_invites_nobody(self) -> None:
        """A room full of invitations is a way to speak, too."""
        server = await self.serve()
        await self.team(server, "alice", "bob")
        mallory, moderator = await server.user("mallory"), await server.moderator("mod")
        await mallory.do("open_room", room="#mine", ulid=self.fresh())
        await moderator.do("mute", user="mallory")
        self.assertEqual((await self.refused(mallory, "open_room"))[0], "muted")
        code, _ = await mallory.refused("invite", room="#mine", user="bob", ulid=self.fresh())
        self.assertEqual(code, "muted")


class Costs(RoomTestCase):
    """What a message costs."""

    async def test_a_message_to_a_room_makes_no_deferred(self) -> None:
        """The handler hands it to the store and is done; its receivers are those in the room, never a copy of them."""
        server = await self.serve()
        alice, _ = await self.team(server, "alice", "bob")
        context = alice.connection.context
        request = wire.Send(id=77, conversation=ROOM, ulid=self.fresh(), **content(ROOM, "hello"))
        self.assertIs(send.handle(context, request), LATER)
        context.begin()
        await alice.answer(77)
        _, route = server.factory.services.chat.rooms.route(context.account, ROOM)
        _, again = server.factory.services.chat.rooms.route(context.account, ROOM)
        self.assertEqual(route.to, again.to)
        self.assertNotIsInstance(route.to, tuple)

    async def test_old_messages_of_rooms_are_removed_as_configured(self) -> None:
        """By number, like those of the lobby; what is asked again has still been done."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        for number in range(5):
            await self.say(alice, str(number))
        removed = await server.store.retain("room", 2, None, 100)
        self.assertEqual(removed, 6)
        self.assertEqual(await self.read(bob), ["3", "4"])
