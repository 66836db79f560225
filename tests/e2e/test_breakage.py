"""What breaks end-to-end chats elsewhere, with whole clients at a whole server: what people see, and that it heals."""

from __future__ import annotations

from encchat import wire
from encchat.client import events
from encchat.limits import MAX_ONE_TIME_KEYS
from tests.e2e.whole import Held, Whole, WholeTestCase, results
from tests.server.harness import Line


def address(person: Whole) -> wire.keys.DeviceAddress:
    """Where parcels for its device go."""
    return wire.keys.DeviceAddress(user=person.name, device=person.device_id)


class OneTimeKeys(WholeTestCase):
    """Keys that are handed out once begin the encryption between two devices."""

    async def exhaust(self, person: Whole) -> None:
        """All one-time keys of a person's device are taken by somebody, and one more is asked for."""
        taken = [
            key
            for _ in range(MAX_ONE_TIME_KEYS + 1)
            for key in await self.server.store.claim_keys([address(person)], 0)
        ]
        self.assertEqual(len({key.key.key for key in taken if key.key is not None}), MAX_ONE_TIME_KEYS + 1)

    async def test_one_time_keys_exhausted(self) -> None:
        """Somebody whose keys were all taken is written to all the same, and publishes more by itself."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        bob.leave()
        await self.exhaust(bob)
        alice.type("/msg bob with the fallback key")
        await alice.settled()
        bob.sent.clear()
        await bob.arrive()
        await bob.reads("with the fallback key")
        uploaded = [len(line["one_time"]) for line in bob.sent if line["type"] == "upload_keys"]
        self.assertEqual(max(uploaded), MAX_ONE_TIME_KEYS)
        await self.chat(alice, bob, carol)
        self.assertEqual(bob.seen(events.Undecryptable), [])

    async def test_one_time_key_reused(self) -> None:
        """A server that gives one key to two people costs the second a delay, not the message."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        given: list[Line] = []
        alice.lie = results("claimed_keys", lambda result: given.extend(result["keys"]))

        def reuse(result: Line) -> None:
            result["keys"] = list(given)

        carol.lie = results("claimed_keys", reuse)
        alice.type("/msg bob first")
        await bob.reads("first")
        carol.type("/msg bob second")
        self.assertEqual((await bob.sees(events.Undecryptable)).reason, "no-key")
        await self.repaired("second", bob, carol)
        await self.chat(alice, bob, carol)

    async def test_one_time_key_claimed_twice_at_once(self) -> None:
        """Two who write to somebody for the first time in the same moment get different keys, and both are read."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        given: list[str] = []
        for person in (alice, carol):
            person.lie = results(
                "claimed_keys", lambda result: given.extend(each["key"]["id"] for each in result["keys"])
            )
        alice.type("/msg bob from alice")
        carol.type("/msg bob from carol")
        await bob.reads("from alice")
        await bob.reads("from carol")
        self.assertEqual((len(given), len(set(given))), (2, 2))
        await self.chat(alice, bob, carol)

    async def test_upload_interrupted(self) -> None:
        """Keys whose upload was cut off, on the way there or on the way back, are published at the next login."""
        (alice,) = await self.people("alice")
        bob = Whole(self.server, "bob", 2)
        self.addCleanup(bob.leave)
        bob.bend = Held(("upload_keys",))
        await self.cut_off(bob, lambda: bob.bend.lines, password=True)  # type: ignore[attr-defined]
        bob.bend = lambda line: line
        bob.lie = Held(("key_count",))
        await self.cut_off(bob, lambda: bob.lie.lines)  # type: ignore[attr-defined]
        bob.lie = lambda line: line
        bob.die()
        await bob.arrive()
        await self.chat(alice, bob)
        for person in (alice, bob):
            self.assertEqual((person.seen(events.Undecryptable), person.codes()), ([], []))

    async def test_both_sides_create_an_olm_session_at_once(self) -> None:
        """Two who write to each other for the first time in the same moment read each other, then and later."""
        alice, bob = await self.people("alice", "bob")
        claims: list[Held] = []
        for person in (alice, bob):
            claims.append(Held(("claimed_keys",)))
            person.lie = claims[-1]
        alice.type("/msg bob from alice")
        bob.type("/msg alice from bob")
        for person, held in zip((alice, bob), claims, strict=True):
            await person.until(lambda held=held: held.lines)
        for person, held in zip((alice, bob), claims, strict=True):
            held.let_go(person)
        await bob.reads("from alice")
        await alice.reads("from bob")
        await self.chat(alice, bob, alice, bob)
        for person in (alice, bob):
            self.assertEqual((person.seen(events.Undecryptable), person.codes()), ([], []))


class LostKeys(WholeTestCase):
    """Keys of messages that are lost, late, or of before."""

    async def test_key_lost_while_a_member_was_offline(self) -> None:
        """The message is shown as one that cannot be read, its key asked for, and then it is shown as what it is."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob, carol)
        bob.leave()
        alice.type("are you there?")
        await carol.reads("are you there?")
        await alice.settled()
        await self.server.store.ack_inbox(bob.device.to_bytes(32, "big"), 1_000_000)
        await bob.arrive()
        shut = await bob.sees(events.Undecryptable)
        self.assertEqual((shut.conversation, shut.sender, shut.reason), ("#garden", "alice", "no-key"))
        bob.type("/why")
        await bob.until(lambda: any("will be asked" in each.text for each in bob.seen(events.Notice)))
        said = await self.repaired("are you there?", bob, alice)
        self.assertEqual((said.ulid, said.seq, said.signed), (shut.ulid, shut.seq, "valid"))
        bob.type("/go #garden", "here I am")
        await alice.reads("here I am")

    async def test_message_before_its_key(self) -> None:
        """In a room as between two: shown as it is, and read as soon as the key comes."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob, carol)
        bob.lie = held = Held(("inbox_item",))
        alice.type("early bird")
        shut = await bob.sees(events.Undecryptable)
        held.let_go(bob)
        self.assertEqual((await bob.reads("early bird")).ulid, shut.ulid)
        self.assertEqual(len(bob.seen(events.Undecryptable)), 1)

    async def test_key_after_a_rotation(self) -> None:
        """The key of before comes after the key of now: both messages are read, each once, and what follows too."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob, carol)
        bob.lie = held = Held(("inbox_item",))
        alice.type("old key")
        await carol.reads("old key")
        carol.type("/leave")
        await self.gone("carol", alice, bob)
        alice.type("new key")
        await bob.until(lambda: len(bob.seen(events.Undecryptable)) == 2)
        await alice.settled()
        self.assertEqual(len(set(alice.sessions("#garden"))), 2)
        held.let_go(bob, lambda lines: sorted(lines, key=lambda line: -line["seq"]))
        for text in ("old key", "new key"):
            await bob.reads(text)
        alice.type("and on")
        await bob.reads("and on")
        self.assertEqual(sorted(bob.texts()), ["and on", "new key", "old key"])

    async def test_member_leaves_while_a_message_is_in_flight(self) -> None:
        """Who has left reads nothing from then on, whatever its sender knew; the next message has another key."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob, carol)
        alice.type("before")
        await carol.reads("before")
        alice.lie = held = Held(("message",))
        carol.type("/leave")
        await self.gone("carol", bob)
        alice.type("in flight")
        await bob.reads("in flight")
        held.let_go(alice)
        await self.gone("carol", alice)
        alice.type("after")
        await bob.reads("after")
        await self.turns()
        self.assertEqual(carol.texts(), ["before"])
        self.assertNotEqual(alice.sessions("#garden")[-1], alice.sessions("#garden")[0])
        self.assertFalse(carol.has_key(alice.sessions("#garden")[-1]))
        self.assertEqual((alice.seen(events.Error), bob.codes()), ([], []))

    async def test_device_revoked(self) -> None:
        """It is out at once; what is said afterwards is under keys it never gets, and the other device reads on."""
        alice, laptop = await self.people("alice", "bob")
        phone = await self.second(laptop)
        alice.type("/msg bob for both")
        for device in (laptop, phone):
            await device.reads("for both")
        laptop.type(f"/devices revoke {phone.device_id}")
        await phone.sees(events.Kicked)
        await self.calm(alice, laptop)
        alice.type("/msg bob for the laptop")
        await laptop.reads("for the laptop")
        self.assertFalse(phone.has_key(alice.sessions("@bob")[-1]))
        self.assertTrue(phone.has_key(alice.sessions("@bob")[0]))
        await self.chat(alice, laptop)

    async def second(self, first: Whole, device: int = 20) -> Whole:
        """Another device of the same account, brought in by the recovery phrase."""
        phone = await self.person(first.name, device)
        phone.type(f"/recover {first.seen(events.Recovery)[0].phrase}")
        await phone.until(lambda: "vouched" in phone.codes())
        await phone.settled()
        await first.settled()
        return phone


class Restored(WholeTestCase):
    """Backups that are put back."""

    async def test_restored_client_backup(self) -> None:
        """An old copy of a client's store makes new keys, says so, and goes on; nothing is encrypted twice."""
        alice, bob = await self.people("alice", "bob")
        await self.chat(alice, bob)
        old = alice.copied()
        for text in ("one", "two"):
            alice.type(f"/msg bob {text}")
            await bob.reads(text)
            bob.type(f"/msg alice back {text}")
            await alice.reads(f"back {text}")
        await self.later(1, alice, bob)
        before = set(alice.sessions("@bob"))
        alice.shown.clear()
        alice.restore(old)
        await alice.arrive()
        await alice.sees(events.Warned, code="store-restored")
        await self.chat(alice, bob)
        self.assertNotIn(alice.sessions("@bob")[-1], before)
        for text in ("back one", "back two"):
            await self.repaired(text, alice, bob)
        self.assertEqual(bob.seen(events.Undecryptable), [])
        self.assertEqual(bob.seen(events.KeyChanged), [])

    async def test_restored_server_backup(self) -> None:
        """The server forgets what was said last; everybody goes on writing and reading, no key is used twice."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.chat(alice, bob)
        await self.garden(alice, bob, carol)
        backup = await self.backup()
        await self.chat(alice, bob, carol)
        alice.type("/go #garden", "in the garden")
        await carol.reads("in the garden")
        people = (alice, bob, carol)
        await self.restore_server(backup, *people)
        for person in people:
            await person.arrive()
        await self.chat(*people)
        carol.type("/go #garden", "still in the garden")
        for person in (alice, bob):
            await person.reads("still in the garden")
            self.assertEqual(person.seen(events.Undecryptable), [])
            self.assertEqual(person.seen(events.KeyChanged), [])

    async def test_wrong_recovery_phrase(self) -> None:
        """It is said, nothing changes, and the right words work afterwards, for what was said before as well."""
        alice, bob = await self.people("alice", "bob")
        alice.type("/msg bob long ago")
        await bob.reads("long ago")
        await self.later(1, alice, bob)
        right, wrong = bob.seen(events.Recovery)[0].phrase, alice.seen(events.Recovery)[0].phrase
        phone = await self.person("bob", 20)
        phone.type(f"/recover {wrong}")
        await phone.until(lambda: any("nothing was recovered" in one.text for one in phone.seen(events.Warned)))
        phone.type(f"/recover {' '.join(reversed(right.split()))}")
        self.assertEqual((await phone.sees(events.Error)).code, "recovery")
        phone.type("/msg alice not yet")
        await phone.sees(events.Error, code="not-vouched")
        phone.type(f"/recover {right}")
        await phone.until(lambda: "vouched" in phone.codes())
        await phone.reads("long ago")
        await self.chat(alice, phone)
        await self.chat(alice, bob)


class RestoredInARoom(WholeTestCase):
    """An old copy of a store that spoke in a room only."""

    async def test_restored_client_backup_in_a_room(self) -> None:
        """Its own messages, which it does not remember, tell it; no session of before is used again."""
        alice, bob = await self.people("alice", "bob")
        await self.garden(alice, bob)
        alice.type("first")
        await bob.reads("first")
        await self.calm(alice, bob)
        old = alice.copied()
        for text in ("second", "third"):
            alice.type(text)
            await bob.reads(text)
        await self.calm(alice, bob)
        before = set(alice.sessions("#garden"))
        alice.restore(old)
        alice.shown.clear()
        alice.type("/go #garden", "fourth")
        await alice.arrive()
        await alice.sees(events.Warned, code="store-restored")
        await bob.reads("fourth")
        self.assertNotIn(alice.sessions("#garden")[-1], before)
        bob.type("/go #garden", "fifth")
        await alice.reads("fifth")
        self.assertEqual(bob.seen(events.Undecryptable), [])


class Behind(WholeTestCase):
    """Somebody whom the server has passed by with what it read too slowly."""

    async def test_after_falling_behind_the_inbox_is_read_again(self) -> None:
        """Keys that were not told then are read, so that the messages they open are."""
        alice, bob = await self.people("alice", "bob")
        bob.lie = Held(("inbox_item", "message"))
        alice.type("/msg bob hello")
        await bob.until(lambda: len(bob.lie.lines) == 2)  # type: ignore[attr-defined]
        bob.lie = lambda line: line
        bob.heard({"type": "behind"})
        await bob.reads("hello")
        self.assertEqual(bob.seen(events.Undecryptable), [])
