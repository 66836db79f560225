"""Off the record, from core to core over a real server: heard by who is there, kept nowhere, whatever a server says."""

from __future__ import annotations

from typing import Any

import msgspec
from attrs import define, field

from encchat.client import events
from encchat.client.rooms.known import Settings
from encchat.client.store import MemoryStore
from encchat.client.store.interface import Changes
from tests.client.garden import GardenTestCase
from tests.client.people import Person
from tests.server.harness import Line


@define(repr=False)
class Watched(MemoryStore):
    """Remembers all that was ever written."""

    written: list[str] = field(init=False, factory=list)

    def apply(self, changes: Changes) -> None:
        parts = (changes.queued, changes.settled, changes.messages, changes.opened, changes.cursors, changes.state)
        self.written.append(repr(parts))
        super().apply(changes)


class OffTheRecord(GardenTestCase):
    """``/chat --ephemeral``."""

    async def person(self, name: str, device: int, **options: Any) -> Person:
        """Whose store is watched."""
        return await super().person(name, device, store=Watched(durable=True), **options)

    async def parlour(self) -> tuple[Any, ...]:
        """All three are in the room."""
        return await self.room("--ephemeral")

    def warnings(self, *people: Person) -> list[events.ScreenEvent]:
        """What was shown of trouble."""
        kinds = (events.Warned, events.Undecryptable, events.Error, events.Unconfirmed)
        return [event for person in people for kind in kinds for event in person.seen(kind)]

    async def test_everybody_there_hears_it_and_nobody_keeps_it(self) -> None:
        """Signed and encrypted like anything else; neither text nor ULID is ever written into a client's store."""
        people = await self.parlour()
        ulids = set()
        for speaker in people:
            said = await self.say(speaker, f"canary of {speaker.name}", *(one for one in people if one is not speaker))
            self.assertEqual((said.seq, said.ephemeral, said.encryption, said.signed), (0, True, "megolm", "valid"))
            sent = await speaker.sees(events.Sent, ulid=said.ulid)
            self.assertEqual((sent.seq, sent.ephemeral), (0, True))
            ulids.add(said.ulid)
        for person in people:
            await person.settled()
            kept = "".join(person.store.written)
            self.assertNotIn("canary", kept)
            past = person.core.past("#garden", 50)  # as long as the process lives, and nowhere but in its memory
            self.assertEqual([message.text for message in past], [f"canary of {one.name}" for one in people])
            self.assertEqual([ulid for ulid in ulids if ulid in kept], [])
        self.assertEqual(self.warnings(*people), [])

    async def test_it_is_shown_wherever_the_room_is(self) -> None:
        """Its opening, the invitation, the joining; the list of rooms and who is in it; the bar below the prompt."""
        alice, bob, _ = await self.parlour()
        for person, event in ((alice, "opened"), (bob, "invited"), (bob, "joined")):
            self.assertTrue((await person.sees(events.Room, event_=event)).ephemeral, event)
        for person in (alice, bob):
            self.assertIn("off the record", "".join(one.text for one in person.seen(events.Notice)))
            self.assertIn("off the record", person.core.trust_actions.lock("#garden"))
        bob.type("/who", "/rooms")
        self.assertTrue((await bob.sees(events.Who)).ephemeral)
        self.assertTrue((await bob.sees(events.Rooms)).rooms[0].ephemeral)
        alice.type("/chat #durable")
        self.assertFalse((await alice.sees(events.Room, room="#durable")).ephemeral)

    async def test_neither_history_nor_search_finds_it(self) -> None:
        """There is nothing to find."""
        alice, bob, carol = await self.parlour()
        await self.say(alice, "canary", bob, carol)
        for person in (alice, bob):
            person.type("/history #garden", "/search canary")
            self.assertEqual((await person.sees(events.History)).messages, [])
            self.assertEqual((await person.sees(events.Found)).messages, [])

    async def test_who_was_away_has_missed_it_and_is_told_of_no_gap(self) -> None:
        """What comes later is read as usual."""
        alice, bob, carol = await self.parlour()
        await self.say(alice, "one", bob, carol)
        bob.leave()
        await self.say(alice, "two", carol)
        await self.say(alice, "three", carol)
        await bob.arrive()
        await alice.settled()
        await self.say(alice, "four", bob, carol)
        self.assertEqual(bob.texts(), ["one", "four"])
        self.assertEqual(self.warnings(bob, carol), [])

    async def test_without_a_connection_nothing_can_be_said(self) -> None:
        """It is refused, in words, and does not wait in the outbox."""
        alice, bob, _ = await self.parlour()
        alice.leave()
        alice.type("canary")
        refused = await alice.sees(events.Error, code="not-connected")
        self.assertIn("off the record, so nothing waits here", refused.text)
        self.assertEqual((alice.core.unaccepted, alice.store.outbox()), (0, []))
        await alice.arrive()
        await self.say(alice, "again", bob)
        self.assertEqual(bob.texts(), ["again"])

    async def test_what_was_not_confirmed_when_the_connection_was_lost_is_told_and_not_sent_again(self) -> None:
        """At most once: the person says it again, or not."""
        alice, bob, carol = await self.parlour()
        await self.say(alice, "before", bob, carol)
        alice.lie = lambda line: None if line.get("result", {}).get("type") == "sent" else line
        alice.type("canary")
        await bob.reads("canary")
        alice.leave()
        lost = await alice.sees(events.Unconfirmed)
        self.assertEqual((lost.conversation, lost.text), ("#garden", "canary"))
        alice.lie = lambda line: line
        await alice.arrive()
        await self.say(alice, "after", bob, carol)
        self.assertEqual(bob.texts(), ["before", "canary", "after"])
        self.assertEqual(alice.core.unaccepted, 0)

    async def test_a_client_that_leaves_counts_it_as_lost(self) -> None:
        """Not as waiting for the next start."""
        alice, _, _ = await self.parlour()
        await self.say_unheard(alice, "canary")
        alice.type("/quit", "/quit")
        self.assertIn(
            "1 of what was typed was not accepted by the server and is lost", alice.seen(events.Error)[-1].text
        )

    async def say_unheard(self, speaker: Person, text: str) -> None:
        """The server takes it, and does not answer."""
        speaker.lie = lambda line: None if line.get("result", {}).get("type") == "sent" else line
        speaker.type(text)
        await speaker.until(lambda: any(line["type"] == "send" for line in speaker.sent))

    async def test_a_message_whose_key_comes_late_is_shown_then(self) -> None:
        """As what it is, after it was shown as unreadable; it waits in memory only."""
        alice, bob, carol = await self.parlour()
        held: list[Line] = []

        def late(line: Line) -> Line | None:
            if line["type"] == "inbox_item":
                held.append(line)
                return None
            return line

        bob.lie = late
        await self.say(alice, "canary", carol)
        shown = await bob.sees(events.Undecryptable)
        self.assertEqual((shown.reason, shown.seq), ("no-key", 0))
        self.assertEqual(bob.core.unreadable("")[:2], (shown.ulid, "no-key"))
        bob.lie = lambda line: line
        for line in held:
            bob.heard(line)
        await bob.reads("canary")
        await bob.settled()
        self.assertEqual(len(bob.seen(events.Undecryptable)), 1)
        self.assertIsNone(bob.core.unreadable(""))
        self.assertNotIn(shown.ulid, "".join(bob.store.written))

    async def test_a_message_that_waits_for_its_senders_new_key_waits_in_memory(self) -> None:
        """Opened, but its signature is by a key that has to be asked for first."""
        alice, bob, carol = await self.parlour()
        await self.say(alice, "before", bob, carol)
        bob.leave()
        alice.type("/sign rsa")
        await alice.until(lambda: alice.core.machine.identity.number == 2)
        await alice.settled()
        await bob.arrive()
        alice.type("canary")
        self.assertEqual(((await bob.reads("canary")).signature, bob.texts()), ("rsa-pss", ["before", "canary"]))
        await bob.settled()
        self.assertNotIn("canary", "".join(bob.store.written))

    async def test_a_topic_is_known_to_who_heard_it(self) -> None:
        """And not written down."""
        alice, bob, _ = await self.parlour()
        alice.type("/topic canary tulips")
        await bob.sees(events.Room, event_="topic", text="canary tulips")
        await alice.sees(events.Room, event_="topic")
        alice.type("/who")
        self.assertEqual((await alice.sees(events.Who)).topic, "canary tulips")
        for person in (alice, bob):
            await person.settled()
            self.assertNotIn("tulips", "".join(person.store.written))

    async def test_its_keys_are_backed_up_nowhere(self) -> None:
        """What opens the past is of no use where there is none: not kept apart, so never in the account's backup."""
        people = await self.parlour()
        await self.say(people[0], "canary", *people[1:])
        for person in people:
            await person.settled()
            self.assertNotIn("megolm-past", "".join(person.store.written))
        people[0].type("/chat #durable", "hello")
        await people[0].sees(events.Sent, conversation="#durable")
        await people[0].settled()
        self.assertIn("megolm-past", "".join(people[0].store.written))

    async def test_each_process_speaks_under_a_key_of_its_own(self) -> None:
        """No log would show that a store is an old copy, whose keys have been used."""
        alice, bob, carol = await self.parlour()
        await self.say(alice, "one", bob, carol)
        alice.die()
        await alice.arrive()
        alice.type("/go #garden")
        await self.say(alice, "two", bob, carol)
        sessions = [line["body"].split(".")[1] for line in alice.sent if line["type"] == "send"]
        self.assertEqual(len(set(sessions)), 2)

    async def test_a_copy_of_what_was_said_is_not_read_twice(self) -> None:
        """A server that kept an envelope and plays it again is found out."""
        alice, bob, carol = await self.parlour()
        await self.say(alice, "canary", bob, carol)
        [played] = [line for line in bob.connection.lines if line["type"] == "message" and line["seq"] == 0]
        bob.heard(played)
        self.assertEqual((await bob.sees(events.Undecryptable)).reason, "replayed")
        self.assertEqual(bob.texts(), ["canary"])


class Lies(GardenTestCase):
    """A server that is not honest about which rooms are off the record."""

    async def test_a_room_is_of_the_kind_that_its_owner_has_signed(self) -> None:
        """Whatever the server says to somebody who joins; that one is warned, and the room is what it was opened as."""
        for options, lie in (("--ephemeral", False), ("", True)):
            with self.subTest(options):
                alice, bob = await self.deceived(options, ephemeral=lie)
                alice.type("hello")
                self.assertEqual((await bob.sees(events.Undecryptable)).reason, "on-record" if lie else "not-stored")
                bob.type("canary")
                self.assertEqual((await alice.reads("canary")).ephemeral, not lie)
                warned = await bob.sees(events.Warned, code="room-altered")
                self.assertIn("off the record" if lie else "on the record", warned.text.partition("It was")[0])
                self.assertEqual(bob.core.rooms.is_ephemeral("#garden"), not lie)
                self.assertEqual((await self.say(alice, "again", bob)).ephemeral, not lie)

    async def test_who_is_deceived_about_the_kind_of_a_room_is_not_read(self) -> None:
        """Even if nobody is left there who has signed the opening: the others see that something is wrong."""
        alice, bob, carol = await self.room("--ephemeral")
        alice.type("/leave")
        await carol.sees(events.Room, event_="left", user="alice")
        room = bob.core.rooms.get("#garden")
        room.header = msgspec.structs.replace(room.header, ephemeral=False)
        bob.core.rooms.open_as(room.header.id, Settings("megolm", "signed", "none", entered=True))
        bob.type("canary")
        await carol.sees(events.Undecryptable, sender="bob")
        await bob.sees(events.Warned, code="not-stored")
        self.assertEqual(carol.texts(), [])

    async def test_a_room_does_not_become_the_other_kind_later(self) -> None:
        """It stays what it was here, with a warning."""
        alice, bob = await self.deceived("--ephemeral")

        def other(line: Line) -> Line:
            result = line.get("result")
            is_state = isinstance(result, dict) and result.get("type") == "room_state"
            return {**line, "result": {**result, "ephemeral": False}} if is_state else line

        bob.lie = other
        bob.type("/who #garden")
        warned = await bob.sees(events.Warned, code="room-altered")
        self.assertIn("It was opened as megolm, signed, off the record", warned.text)
        self.assertTrue((await bob.sees(events.Who)).ephemeral)
        self.assertTrue(bob.core.rooms.is_ephemeral("#garden"))
        bob.leave()
        bob.type("/go #garden", "canary")
        await bob.sees(events.Error, code="not-connected")
        self.assertEqual(alice.texts(), [])

    async def test_a_server_that_stores_what_is_said_and_says_so_is_found_out(self) -> None:
        """By the receiver, who does not read it, and by the sender, who is warned."""
        alice, bob = await self.deceived("--ephemeral")

        def stored(line: Line) -> Line:
            if line["type"] == "message" and line["seq"] == 0:
                return {**line, "seq": 4}
            result = line.get("result")
            is_sent = isinstance(result, dict) and result.get("type") == "sent"
            return {**line, "result": {**result, "seq": 4}} if is_sent else line

        alice.lie = bob.lie = stored
        alice.type("canary")
        warned = await alice.sees(events.Warned, code="on-record")
        self.assertIn("has stored what was said in #garden", warned.text)
        self.assertEqual((await bob.sees(events.Undecryptable)).reason, "on-record")
        self.assertEqual((bob.texts(), bob.store.at("#garden", 4).body), ([], ""))

    async def test_what_waits_for_its_answer_is_not_kept_because_the_server_shows_it_as_stored(self) -> None:
        """One's own words are not written down either."""
        alice, bob = await self.deceived("--ephemeral")
        alice.lie = lambda line: None if line.get("result", {}).get("type") == "sent" else line
        alice.type("canary")
        said = await bob.reads("canary")
        [line] = [line for line in bob.connection.lines if line.get("ulid") == said.ulid]
        alice.heard({**line, "seq": 4})
        await alice.sees(events.Undecryptable, reason="on-record")
        self.assertEqual((alice.core.unaccepted, alice.store.at("#garden", 4).body), (1, ""))

    async def test_a_server_that_says_it_has_not_stored_what_is_to_be_stored_is_found_out(self) -> None:
        """By the sender, and by the receiver, who does not read it."""
        alice, bob = await self.deceived("")

        def passing(line: Line) -> Line:
            if line["type"] == "message" and line["scheme"] == "megolm":
                return {**line, "seq": 0}
            result = line.get("result")
            is_sent = isinstance(result, dict) and result.get("type") == "sent"
            return {**line, "result": {**result, "seq": 0}} if is_sent else line

        alice.lie = bob.lie = passing
        alice.type("canary")
        await alice.sees(events.Warned, code="not-stored")
        self.assertEqual((await bob.sees(events.Undecryptable)).reason, "not-stored")
        self.assertEqual(bob.texts(), [])
