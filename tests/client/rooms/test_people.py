"""Rooms from core to core, over a real server: what is said, who reads it, what each sees."""

from __future__ import annotations

from encchat.client import events
from tests.client.garden import GardenTestCase


class RoomsOfPeople(GardenTestCase):
    """Alice, Bob and Carol."""

    async def test_all_members_read_what_each_of_them_says(self) -> None:
        """Encrypted, signed, without marks; the server sees none of it."""
        people = await self.room()
        for speaker in people:
            readers = [one for one in people if one is not speaker]
            said = await self.say(speaker, f"canary of {speaker.name}", *readers)
            marks = (said.conversation, said.encryption, said.signature, said.signed, said.trust)
            self.assertEqual(("#garden", "megolm", "ed25519", "valid", "pinned"), marks)
        for person in people:
            self.assertEqual([], person.seen(events.Error))
            self.assertEqual([], person.seen(events.Undecryptable))
            self.assertEqual([], person.seen(events.Warned))
            self.assertNotIn("canary", str(person.sent))

    async def test_who_has_left_reads_nothing_more(self) -> None:
        """And whoever leaves goes back to where it was."""
        alice, bob, carol = await self.room()
        await self.say(alice, "before", bob, carol)
        carol.type("/leave")
        await bob.sees(events.Room, event_="left", user="carol")
        await carol.until(lambda: carol.core.conversation == "lobby")
        await self.say(alice, "after", bob)
        await carol.settled()
        self.assertEqual(["before"], carol.texts())

    async def test_who_is_expelled_reads_nothing_more(self) -> None:
        """And is told."""
        alice, bob, carol = await self.room()
        alice.type("/expel carol")
        await carol.sees(events.Room, event_="expelled", user="carol", by="alice")
        await self.say(alice, "after", bob)
        carol.type("may I?")
        await carol.sees(events.Error)
        self.assertEqual(([], ["after"]), (carol.texts(), bob.texts()))

    async def test_a_topic_is_encrypted_like_a_message(self) -> None:
        """All members see it, its setter included; the server does not."""
        people = await self.room()
        people[1].type("/topic canary tulips")
        for person in people:
            shown = await person.sees(events.Room, event_="topic")
            self.assertEqual(("bob", "canary tulips"), (shown.by, shown.text))
            self.assertEqual("canary tulips", person.core.rooms.get("#garden").header.topic)
            self.assertNotIn("canary", str(person.sent))

    async def test_a_deniable_room_carries_no_signatures(self) -> None:
        """And who says so."""
        alice, bob, carol = await self.room("--deniable")
        said = await self.say(alice, "off the record", bob, carol)
        self.assertEqual(("none", "absent"), (said.signature, said.signed))
        bob.type("/who")
        shown = await bob.sees(events.Who)
        self.assertEqual("deniable", shown.policy)
        self.assertEqual(["alice", "bob", "carol"], [one.user for one in shown.members])

    async def test_a_server_key_room_is_marked(self) -> None:
        """Every message in it, for the server could read it."""
        alice, bob, carol = await self.room("--scheme server-key")
        said = await self.say(alice, "the server may know", bob, carol)
        self.assertEqual(("server-key", "valid"), (said.encryption, said.signed))
        carol.type("/leave")
        await alice.sees(events.Room, event_="left", user="carol")
        await self.say(bob, "after", alice)
        await carol.settled()
        self.assertNotIn("after", carol.texts())

    async def test_secure_text_goes_only_where_the_server_cannot_read(self) -> None:
        """Not into a server-key room."""
        alice, bob, _ = await self.room("--scheme server-key")
        alice.type("secure: a canary")
        refused = await alice.sees(events.Error, code="not-encrypted")
        self.assertIn("the server holds the key of #garden", refused.text)
        alice.type("/go @bob", "secure: a canary")
        await bob.reads("a canary")

    async def test_an_invitation_waits_for_who_is_away(self) -> None:
        """The inviter is told, and the invited finds it."""
        alice, bob = await self.people("alice", "bob")
        bob.leave()
        alice.type("/chat #garden bob")
        await alice.until(lambda: any("bob is OFFLINE" in one.text for one in alice.seen(events.Notice)))
        await bob.arrive()
        await bob.sees(events.Room, event_="invited", room="#garden", by="alice", missed=True)
        bob.type("/join")
        await alice.sees(events.Room, event_="joined", user="bob")
        await self.say(bob, "here I am", alice)

    async def test_several_rooms_at_once(self) -> None:
        """Bare lines go to the current one."""
        alice, bob, carol = await self.room()
        alice.type("/chat #shed bob")
        await bob.sees(events.Room, event_="invited", room="#shed")
        bob.type("/join #shed")
        await alice.sees(events.Room, event_="joined", room="#shed", user="bob")
        await self.say(alice, "in the shed", bob)
        alice.type("/go #garden")
        await self.say(alice, "in the garden", bob, carol)
        self.assertEqual(["in the garden"], carol.texts())

    async def test_a_new_member_reads_what_the_room_promises(self) -> None:
        """All of the past, what was said since the invitation, or nothing."""
        for history, readable in (("all", {"before", "between"}), ("since-invite", {"between"}), ("none", set())):
            alice, bob = await self.people("alice", "bob")
            alice.type(f"/chat #garden --history {history}", "before")
            await alice.settled()
            alice.type("/invite bob")
            await bob.sees(events.Room, event_="invited", user="bob")
            alice.type("between")
            await alice.settled()
            bob.type("/join")
            await alice.sees(events.Room, event_="joined", user="bob")
            alice.type("after")
            await bob.reads("after")
            for text in readable:
                await bob.reads(text)
            self.assertEqual({"after", *readable}, set(bob.texts()), history)
            for person in (alice, bob):
                person.leave()

    async def test_an_open_room_is_found_and_joined(self) -> None:
        """Without an invitation."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/chat #yard --open")
        await alice.sees(events.Room, event_="opened")
        bob.type("/rooms")
        listed = await bob.sees(events.Rooms)
        self.assertEqual([("#yard", "open")], [(one.room, one.state) for one in listed.rooms])
        bob.type("/join #yard")
        await alice.sees(events.Room, event_="joined", user="bob")
        await self.say(bob, "hello everybody", alice)

    async def test_the_owner_who_leaves_has_a_successor(self) -> None:
        """Who can expel then."""
        alice, bob, carol = await self.room()
        alice.type("/moderator bob")
        await bob.until(lambda: any("bob is moderator" in one.text for one in bob.seen(events.Notice)))
        alice.type("/leave")
        await bob.until(lambda: any("bob is owner" in one.text for one in bob.seen(events.Notice)))
        bob.type("/expel carol")
        await carol.sees(events.Room, event_="expelled", user="carol")
