"""The scheme megolm: sharing, opening once, rotation. A number that ends a name is a pitfall of vodozemac (facts)."""

from __future__ import annotations

import msgspec
import vodozemac
from twisted.trial.unittest import SynchronousTestCase

from encchat import envelopes, limits
from encchat.e2e import inbound, letters
from encchat.e2e.inbound import InboundSessions, Session
from encchat.e2e.interfaces import Conversation
from encchat.e2e.outbound import OutboundSessions
from encchat.errors import NotPreparedError, UndecryptableError
from encchat.wire import Message
from tests.e2e.hosts import TestHost, World


class Case(SynchronousTestCase):
    """Alice, with a phone and a laptop, and Bob."""

    def setUp(self) -> None:
        self.world = World()
        self.alice = self.world.device("Alice", "PHONE")
        self.laptop = self.world.device("Alice", "LAPTOP")
        self.bob = self.world.device("bob", "DESK")

    def refused(self, host: TestHost, said: Message) -> str:
        """The reason it cannot be opened for."""
        return self.assertRaises(UndecryptableError, host.open, said).reason

    def session_of(self, said: Message) -> str:
        return envelopes.split_megolm(said.body).session

    def parsed(self, said: Message) -> vodozemac.MegolmMessage:
        return vodozemac.MegolmMessage.from_base64(envelopes.split_megolm(said.body).ciphertext)

    def hear(self, sender: TestHost, text: str, *hosts: TestHost) -> Message:
        """Say it; its keys arrive, and every one of ``hosts`` opens it."""
        said = sender.say(text)
        self.world.deliver()
        for host in hosts:
            self.assertEqual(host.open(said), text)
        return said


class Sharing(Case):
    """Who gets the key."""

    def test_a_message_is_read_by_every_device_of_every_member(self) -> None:
        """Other people's and one's own."""
        self.hear(self.alice, "good evening", self.bob, self.laptop)

    def test_each_device_has_a_session_of_its_own(self) -> None:
        """Answers travel under another key."""
        first = self.hear(self.alice, "one", self.bob)
        second = self.hear(self.bob, "two", self.alice, self.laptop)
        self.assertNotEqual(self.session_of(first), self.session_of(second))

    def test_the_key_is_shared_once(self) -> None:
        """The second message costs no letters."""
        self.hear(self.alice, "one", self.bob)
        count = len(self.alice.sent)
        self.hear(self.alice, "two", self.bob)
        self.assertEqual(len(self.alice.sent), count)

    def test_the_store_decides_with_which_state_the_next_message_is_made(self) -> None:
        """Not what is remembered beside it, whichever of both is further on."""
        keep, index = self.alice.keep, lambda said: self.parsed(said).message_index()
        self.hear(self.alice, "one", self.bob)
        before = keep.get("megolm-out", self.world.conversation().id)
        self.assertEqual([index(self.alice.say(text)) for text in ("two", "three")], [1, 2])
        keep.put("megolm-out", self.world.conversation().id, before)
        self.assertEqual([index(self.alice.say(text)) for text in ("two", "three")], [1, 2])

    def test_nothing_is_encrypted_before_the_key_is_shared(self) -> None:
        """`NotPreparedError` says that a preparation is due."""
        self.assertRaises(NotPreparedError, self.alice.encrypt, "early")
        self.alice.prepare()
        self.alice.encrypt("now")
        self.world.device("carol", "TAB")
        self.assertRaises(NotPreparedError, self.alice.encrypt, "carol has no key yet")

    def test_who_joins_reads_what_is_said_from_then_on(self) -> None:
        """The key is shared at its present index: nothing before it can be opened with it."""
        before = self.hear(self.alice, "before", self.bob)
        carol = self.world.device("carol", "TAB")
        after = self.hear(self.alice, "after", self.bob, carol)
        self.assertEqual(self.session_of(before), self.session_of(after))
        self.assertEqual(self.refused(carol, before), "no-key")

    def test_a_device_that_cannot_be_reached_holds_nobody_up(self) -> None:
        """It is tried again after a while, not with every message."""
        self.world.keyless.add(self.bob.me)
        first = self.hear(self.alice, "one", self.laptop)
        tries = len(self.alice.slices)
        self.hear(self.alice, "two", self.laptop)
        self.assertEqual(len(self.alice.slices), tries)
        self.world.keyless.clear()
        self.world.time += limits.SHARE_AGAIN_SECONDS - 1
        self.hear(self.alice, "three", self.laptop)
        self.assertEqual(len(self.alice.slices), tries)
        self.world.time += 1
        self.hear(self.alice, "four", self.laptop, self.bob)
        self.assertEqual(self.refused(self.bob, first), "no-key")

    def test_a_session_outlives_the_process(self) -> None:
        """After a restart nothing is shared again, and the next index is used."""
        first = self.hear(self.alice, "one", self.bob)
        count = len(self.alice.sent)
        self.alice.restart()
        second = self.hear(self.alice, "two", self.bob)
        self.assertEqual(self.session_of(first), self.session_of(second))
        self.assertEqual(len(self.alice.sent), count)

    def test_sharing_with_a_thousand_devices_is_done_in_slices(self) -> None:
        """No slice has more than `SHARE_SLICE` letters, and the session's rows are written once in each."""
        for number in range(997):
            self.world.device(f"user{number}", "DEV")
        self.alice.keep.writes = 0
        slices = self.alice.prepare()
        self.assertEqual(slices, 20)
        self.assertEqual(len(self.alice.slices), 20)
        self.assertEqual(max(self.alice.slices), limits.SHARE_SLICE)
        self.assertEqual(sum(self.alice.slices), 999)
        self.assertLess(self.alice.keep.writes, 30)

    def test_a_slice_is_as_long_as_its_limit(self) -> None:
        """One device more takes another slice."""
        for more, slices in ((-1, 1), (0, 1), (1, 2)):
            world = World()
            alice = world.device("alice", "PHONE")
            for number in range(limits.SHARE_SLICE + more):
                world.device(f"user{number}", "DEV")
            self.assertEqual(alice.prepare(), slices)

    def test_sharing_that_was_interrupted_goes_on_where_it_was(self) -> None:
        """After a restart only the devices that lack the key get it."""
        for number in range(100):
            self.world.device(f"user{number}", "DEV")
        self.assertEqual(self.alice.scheme.prepare_step(self.world.conversation()), "more")
        self.alice.restart()
        self.alice.prepare()
        to = [parcel.to for parcel in self.alice.sent]
        self.assertEqual(len(to), 102)
        self.assertEqual(len(set(to)), 102)


class Rotation(Case):
    """When a fresh session begins."""

    def rotates(self) -> bool:
        """Whether Alice's next message is under another session than the one before."""
        before = self.alice.say("before")
        after = self.alice.say("after")
        return self.session_of(before) != self.session_of(after)

    def test_when_somebody_leaves_the_next_message_has_a_fresh_key(self) -> None:
        """Left or removed: whoever is not there gets none."""
        carol = self.world.device("carol", "TAB")
        first = self.hear(self.alice, "with carol", self.bob, carol)
        self.world.members.remove("carol")
        second = self.hear(self.alice, "without carol", self.bob)
        self.assertNotEqual(self.session_of(first), self.session_of(second))
        self.assertNotIn(carol.me, [parcel.to for parcel in self.alice.sent[-2:]])

    def test_old_keys_of_a_removed_member_decrypt_nothing_after_the_removal(self) -> None:
        """Even if the server gives it everything."""
        carol = self.world.device("carol", "TAB")
        self.hear(self.alice, "with carol", self.bob, carol)
        stolen = dict(carol.keep.rows)
        self.world.members.remove("carol")
        after = [self.hear(self.alice, "without", self.bob), self.hear(self.bob, "too", self.alice)]
        carol.keep.rows = stolen
        sessions = InboundSessions(carol.keep).all()
        for said in after:
            envelope = envelopes.split_megolm(said.body)
            message = vodozemac.MegolmMessage.from_base64(envelope.ciphertext)
            self.assertEqual(self.refused(carol, said), "no-key")
            for known in sessions.values():
                live = inbound.imported(known.key)
                assert live is not None
                self.assertRaises(ValueError, live.decrypt, message)

    def test_when_a_device_is_revoked_the_next_message_has_a_fresh_key(self) -> None:
        """The account stays, the stolen phone reads nothing any more."""
        first = self.hear(self.bob, "one", self.alice, self.laptop)
        self.world.revoked.add(self.laptop.me)
        self.assertRaises(NotPreparedError, self.bob.encrypt, "not with that key")
        second = self.hear(self.bob, "two", self.alice)
        self.assertNotEqual(self.session_of(first), self.session_of(second))
        self.assertEqual(self.refused(self.laptop, second), "no-key")

    def test_when_somebody_leaves_while_the_key_is_being_shared_it_is_dropped(self) -> None:
        """Those who had it already cannot use it: it was never used."""
        for number in range(100):
            self.world.device(f"user{number}", "DEV")
        self.alice.scheme.prepare_step(self.world.conversation())
        shared_with = self.alice.sent[0].to
        half = letters.read(letters.Key, self.alice.sent[0].payload)
        self.world.members.remove(shared_with.user)
        said = self.alice.say("now")
        assert half is not None
        self.assertNotEqual(self.session_of(said), half.session)

    def test_who_joins_does_not_end_a_session(self) -> None:
        """It is told the key from now on."""
        before = self.alice.say("before")
        self.world.device("carol", "TAB")
        self.assertEqual(self.session_of(before), self.session_of(self.alice.say("after")))

    def test_a_session_ends_after_a_hundred_messages(self) -> None:
        """99 and 100 are under one key, the 101st is not."""
        said = [self.alice.say(str(number)) for number in range(limits.ROTATE_AFTER_MESSAGES + 1)]
        sessions = [self.session_of(each) for each in said]
        self.assertEqual(sessions[limits.ROTATE_AFTER_MESSAGES - 2], sessions[0])
        self.assertEqual(sessions[limits.ROTATE_AFTER_MESSAGES - 1], sessions[0])
        self.assertNotEqual(sessions[limits.ROTATE_AFTER_MESSAGES], sessions[0])

    def test_the_hundred_and_first_message_is_refused_without_a_preparation(self) -> None:
        """The limit holds whatever the machine does."""
        self.alice.prepare()
        for number in range(limits.ROTATE_AFTER_MESSAGES):
            self.alice.encrypt(str(number))
        self.assertRaises(NotPreparedError, self.alice.encrypt, "one too many")

    def test_a_session_ends_after_seven_days(self) -> None:
        """A second before it does not, at seven days it does."""
        before = self.alice.say("before")
        self.world.time += limits.ROTATE_AFTER_SECONDS - 1
        nearly = self.alice.say("nearly")
        self.world.time += 1
        self.assertRaises(NotPreparedError, self.alice.encrypt, "not with that key")
        after = self.alice.say("after")
        self.assertEqual(self.session_of(before), self.session_of(nearly))
        self.assertNotEqual(self.session_of(before), self.session_of(after))

    def test_a_clock_set_back_far_ends_a_session(self) -> None:
        """Its age cannot be known then."""
        before = self.alice.say("before")
        self.world.time -= limits.ROTATE_AFTER_SECONDS + 1
        self.assertNotEqual(self.session_of(before), self.session_of(self.alice.say("after")))

    def test_the_end_of_a_conversation_drops_its_key(self) -> None:
        """A goodbye: nothing more can be encrypted there."""
        self.alice.say("before")
        self.alice.scheme.end(self.world.conversation().id)
        self.assertRaises(NotPreparedError, self.alice.encrypt, "after")


class Opening(Case):
    """What a message has to be to be opened."""

    def test_a_replayed_message_is_refused_by_session_and_index_1(self) -> None:
        """At once, after others, and after a restart."""
        first = self.hear(self.alice, "pay him", self.bob)
        self.assertEqual(self.refused(self.bob, first), "replayed")
        self.hear(self.alice, "again?", self.bob)
        self.bob.restart()
        self.assertEqual(self.refused(self.bob, first), "replayed")

    def test_a_replay_under_another_ulid_and_place_is_refused_1(self) -> None:
        """Nothing the server writes around the ciphertext makes it new."""
        first = self.hear(self.alice, "pay him", self.bob)
        forged = msgspec.structs.replace(first, seq=99, ulid="01BX5ZZKBKACTAV9WEVGEMMVRZ")
        self.assertEqual(self.refused(self.bob, forged), "replayed")

    def test_ciphertext_changed_on_the_way_is_never_another_message_2(self) -> None:
        """Bytes the library passes over change the ciphertext, and the same index is still refused."""
        first = self.hear(self.alice, "pay him", self.bob)
        envelope = envelopes.split_megolm(first.body)
        raw = envelopes.decoded(envelope.ciphertext)
        # An unknown field (number 15, varint) behind the ciphertext field, before the MAC (8) and signature (64).
        changed = envelopes.encoded(raw[:-72] + b"\x78\x01" + raw[-72:])
        self.assertNotEqual(changed, envelope.ciphertext)
        body = envelopes.MegolmEnvelope(envelope.device, envelope.session, changed).body
        self.assertIn(self.refused(self.bob, msgspec.structs.replace(first, body=body)), ("replayed", "broken"))

    def test_damaged_ciphertext_is_broken_and_spoils_nothing(self) -> None:
        """The message itself can be opened afterwards."""
        said = self.alice.say("fragile")
        self.world.deliver()
        raw = bytearray(envelopes.decoded(envelopes.split_megolm(said.body).ciphertext))
        envelope = envelopes.split_megolm(said.body)
        for place in (10, len(raw) // 2, len(raw) - 1):
            damaged = bytearray(raw)
            damaged[place] ^= 1
            body = envelopes.MegolmEnvelope(envelope.device, envelope.session, envelopes.encoded(bytes(damaged))).body
            self.assertEqual(self.refused(self.bob, msgspec.structs.replace(said, body=body)), "broken")
        self.assertEqual(self.bob.open(said), "fragile")

    def test_what_is_no_envelope_is_broken(self) -> None:
        """Whatever the server lets through."""
        said = self.alice.say("fine")
        for body in ("", "x", "DESK.short.Aw", f"DESK.{'A' * 43}.AwAw", "\x00" * 40):
            self.assertEqual(self.refused(self.bob, msgspec.structs.replace(said, body=body)), "broken")

    def test_a_key_opens_messages_of_its_own_conversation_only_3(self) -> None:
        """The server moves a message into another room: it is not opened there."""
        said = self.alice.say("for the room")
        self.world.deliver()
        other = Conversation(name="#other", id="room:OTHER", kind="room", scheme="megolm", members=("Alice", "bob"))
        error = self.assertRaises(UndecryptableError, self.bob.scheme.open, other, said)
        self.assertEqual(error.reason, "wrong-conversation")

    def test_a_key_opens_messages_of_its_own_device_only_3(self) -> None:
        """The server says somebody else, or another device, has sent it: it is not opened."""
        carol = self.world.device("carol", "TAB")
        said = self.alice.say("alice's words")
        self.world.deliver()
        self.assertEqual(self.refused(self.bob, msgspec.structs.replace(said, sender="carol")), "wrong-sender")
        envelope = envelopes.split_megolm(said.body)
        other = envelopes.MegolmEnvelope("LAPTOP", envelope.session, envelope.ciphertext).body
        self.assertEqual(self.refused(self.bob, msgspec.structs.replace(said, body=other)), "wrong-sender")
        self.assertEqual(carol.open(said), "alice's words")

    def test_a_key_passed_off_as_ones_own_opens_nothing_and_stops_nothing(self) -> None:
        """A share from somebody who does not own the session binds it to that somebody alone."""
        mallory = self.world.device("mallory", "TAB")
        said = self.alice.say("alice's words")
        theirs = next(parcel for parcel in self.world.mail if parcel.to == mallory.me)
        mallory.send_parcels(self.world.conversation(), [(self.bob.me, letters.KEY, theirs.payload)])
        self.world.mail.rotate(1)
        self.world.deliver()
        self.assertEqual(self.bob.open(said), "alice's words")
        as_hers = msgspec.structs.replace(said, sender="mallory")
        self.assertEqual(self.refused(self.bob, as_hers), "wrong-sender")

    def test_pickles_of_the_same_state_share_no_bytes_4(self) -> None:
        """The library's IV is fixed for each key: every pickle has a key of its own."""
        store = OutboundSessions(self.alice.keep, self.alice.random)
        self.alice.prepare()
        seen = set()
        for _ in range(3):
            row = store.get(self.world.conversation().id)
            assert row is not None
            seen.add((row.pickle_key, row.pickle[:44]))
            self.alice.encrypt("next")
        self.assertEqual(len({key for key, _ in seen}), 3)
        self.assertEqual(len({start for _, start in seen}), 3)

    def test_a_session_is_kept_before_its_message_goes_out_4(self) -> None:
        """What is kept when `encrypt` returns goes on at the next index: no message key is used twice."""
        self.alice.prepare()
        messages = []
        for number in range(3):
            messages.append(self.alice.encrypt(str(number)))
            self.alice.restart()
            self.alice.prepare()
        self.world.deliver()
        self.assertEqual([self.bob.open(said) for said in messages], ["0", "1", "2"])

    def test_forty_messages_and_more_may_be_missing_before_one_that_is_opened_5(self) -> None:
        """Megolm, other than Olm, skips any number; a receiver's own bound is `MAX_SESSION_INDEX`."""
        said = [self.alice.say(str(number)) for number in range(60)]
        self.world.deliver()
        self.assertEqual(self.bob.open(said[59]), "59")

    def test_old_ratchets_are_discarded_7(self) -> None:
        """Once a message is opened, no key here opens it or anything before it, the backup having what it needs."""
        said = [self.alice.say(str(number)) for number in range(4)]
        self.world.deliver()
        sessions = InboundSessions(self.bob.keep)
        session = Session.of("alice", "PHONE", self.session_of(said[0]))
        past = sessions.past_of(session)
        assert past is not None
        sessions.backed_up(session, past.key)
        for each in said[:3]:
            self.bob.open(each)
        kept = b"".join(self.bob.keep.rows.values())
        known = sessions.get(session)
        assert known is not None
        live = inbound.imported(known.key)
        assert live is not None
        self.assertEqual(live.first_known_index, 3)
        for each in said[:3]:
            message = vodozemac.MegolmMessage.from_base64(envelopes.split_megolm(each.body).ciphertext)
            self.assertRaises(ValueError, live.decrypt, message)
        self.assertIsNone(sessions.past_of(session))
        self.assertEqual(kept.count(known.key.encode()), 1)
        self.assertEqual(self.bob.open(said[3]), "3")

    def test_an_index_over_the_limit_is_broken(self) -> None:
        """One that a receiver would have to remember 8 kilobytes for, and more, is not opened."""
        session = vodozemac.GroupSession()
        key = session.session_key.to_base64()
        self.bob.scheme.receive(
            letters.KEY,
            letters.written(letters.Key(session=session.session_id, key=key)),
            self.alice.me,
            self.world.conversation().id,
        )
        message = session.encrypt(b"x")
        body = envelopes.MegolmEnvelope("PHONE", session.session_id, message.to_base64()).body
        said = msgspec.structs.replace(self.alice.say("template"), body=body)
        for over, limit in ((1, 0), (0, 1)):
            self.patch(limits, "MAX_SESSION_INDEX", limit)
            if over:
                self.assertEqual(self.refused(self.bob, said), "broken")
            else:
                self.assertEqual(self.bob.open(said), "x")


class Shares(Case):
    """Letters with keys, and what others can do with them."""

    def share_for(self, host: TestHost) -> bytes:
        return next(parcel.payload for parcel in self.alice.sent if parcel.to == host.me)

    def test_a_replayed_key_share_winds_nothing_back(self) -> None:
        """What was opened cannot be opened again, and the old ratchet does not come back."""
        first = self.hear(self.alice, "one", self.bob)
        self.hear(self.alice, "two", self.bob)
        before = dict(self.bob.keep.rows)
        self.bob.effects.clear()
        self.bob.scheme.receive(letters.KEY, self.share_for(self.bob), self.alice.me, self.world.conversation().id)
        self.assertEqual(self.bob.keep.rows, before)
        self.assertEqual(self.bob.arrived(), [])
        self.assertEqual(self.refused(self.bob, first), "replayed")

    def test_a_key_share_whose_key_is_another_session_is_passed_over(self) -> None:
        """The letter says one session, its key is of another."""
        said = self.alice.say("real")
        other = vodozemac.GroupSession()
        letter = letters.Key(session=self.session_of(said), key=other.session_key.to_base64())
        where = self.world.conversation().id
        self.assertTrue(self.bob.scheme.receive(letters.KEY, letters.written(letter), self.alice.me, where))
        self.world.deliver()
        self.assertEqual(self.bob.open(said), "real")

    def test_letters_that_are_none_are_passed_over(self) -> None:
        """Any bytes of a member's device: nothing is kept, nothing raised."""
        before = dict(self.bob.keep.rows)
        where = self.world.conversation().id
        for kind in (letters.KEY, letters.REQUEST, letters.ANSWER):
            for payload in (b"", b"\xff\xfe", b"{}", b"[]", b'{"session":"x","key":"y"}', b'{"session":1}'):
                self.assertTrue(self.bob.scheme.receive(kind, payload, self.alice.me, where))
        self.assertEqual(self.bob.keep.rows, before)
        self.assertFalse(self.bob.scheme.receive("other.kind", b"{}", self.alice.me, where))

    def test_nothing_else_than_the_key_is_in_a_share(self) -> None:
        """Its fields are the session and its key."""
        self.alice.prepare()
        self.assertEqual(set(msgspec.json.decode(self.share_for(self.bob))), {"session", "key"})
