"""Missing keys: what waits for them, who may bring them, who is given them."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from encchat import envelopes, limits
from encchat.e2e import letters
from encchat.e2e.inbound import InboundSessions, Session
from encchat.e2e.megolm import Megolm
from encchat.wire import Message
from tests.e2e.hosts import Parcel, TestHost
from tests.e2e.test_megolm import Case


class Repairs(Case):
    """Alice says something, and keys get lost."""

    def lost(self, text: str = "lost") -> Message:
        """A message whose keys never arrive."""
        said = self.alice.say(text)
        self.world.mail.clear()
        return said

    def wait(self, seconds: float = limits.REPAIR_FIRST_SECONDS) -> None:
        """Time passes; everybody does what is due."""
        self.world.time += seconds
        self.world.work()

    def requests(self, host: TestHost) -> list[Parcel]:
        return [parcel for parcel in host.sent if parcel.kind == letters.REQUEST]

    def answers(self, host: TestHost) -> list[letters.Answer]:
        found = [letters.read(letters.Answer, each.payload) for each in host.sent if each.kind == letters.ANSWER]
        return [each for each in found if each is not None]

    def ask(self, asker: TestHost, said: Message, first: int = 0, of: TestHost | None = None) -> None:
        """Ask the sender of ``said`` for its key, whatever the asker's own client would do."""
        request = letters.Request("Alice", "PHONE", self.session_of(said), first)
        to = (of or self.alice).me
        asker.send_parcels(self.world.conversation(), [(to, letters.REQUEST, letters.written(request))])
        self.world.deliver(of or self.alice)

    def test_a_message_before_its_key_is_opened_when_the_key_comes(self) -> None:
        """The client is told which messages to try again; nobody had to be asked."""
        said = self.alice.say("early")
        self.assertEqual(self.refused(self.bob, said), "no-key")
        self.world.deliver()
        self.assertEqual(self.bob.arrived(), [self.session_of(said)])
        self.assertEqual(self.bob.open(said), "early")
        self.wait()
        self.assertEqual(self.requests(self.bob), [])

    def test_later_messages_that_are_opened_first_do_not_lock_out_an_earlier_one(self) -> None:
        """An index that is known to wait keeps its ratchet, and no longer than it waits."""
        first, second = self.alice.say("first"), self.alice.say("second")
        self.assertEqual(self.refused(self.bob, first), "no-key")
        self.world.deliver()
        self.assertEqual(self.bob.open(second), "second")
        self.assertEqual(self.bob.open(first), "first")
        known = InboundSessions(self.bob.keep).get(Session.of("alice", "PHONE", self.session_of(first)))
        assert known is not None
        self.assertEqual(known.first, 1)
        self.hear(self.alice, "third", self.bob)
        for said in (first, second):
            self.assertEqual(self.refused(self.bob, said), "replayed")

    def test_a_lost_key_is_asked_for_and_comes(self) -> None:
        """From the device whose session it is, after a few seconds."""
        said = self.lost()
        self.assertEqual(self.refused(self.bob, said), "no-key")
        self.wait(limits.REPAIR_FIRST_SECONDS - 1)
        self.assertEqual(self.requests(self.bob), [])
        self.wait(1)
        self.assertEqual([parcel.to for parcel in self.requests(self.bob)], [self.alice.me])
        self.assertEqual(self.bob.arrived(), [self.session_of(said)])
        self.assertEqual(self.bob.open(said), "lost")

    def test_a_key_lost_while_a_member_was_offline_comes_after_a_rotation(self) -> None:
        """The sender still has the key of a session it does not use any more."""
        carol = self.world.device("carol", "TAB")
        said = self.lost()
        self.world.members.remove("carol")
        later = self.hear(self.alice, "key after a rotation", self.bob)
        self.assertNotEqual(self.session_of(said), self.session_of(later))
        self.alice.restart()
        self.assertEqual(self.refused(self.bob, said), "no-key")
        self.wait()
        self.assertEqual(self.bob.open(said), "lost")
        self.assertEqual(self.refused(carol, said), "no-key")

    def test_another_own_device_helps_when_the_sender_is_away(self) -> None:
        """It was told the key; what came before the lost one it does not open again."""
        said = self.alice.say("bring it")
        self.world.mail = type(self.world.mail)(each for each in self.world.mail if each.to != self.bob.me)
        desk2 = self.world.device("bob", "NOTEBOOK")
        second = self.alice.say("second")
        self.world.mail = type(self.world.mail)(each for each in self.world.mail if each.to != self.bob.me)
        self.world.deliver()
        self.assertEqual(desk2.open(second), "second")
        self.assertEqual(self.refused(self.bob, second), "no-key")
        self.world.time += limits.REPAIR_FIRST_SECONDS
        self.bob.scheme.work()
        self.world.deliver(desk2)
        self.world.deliver(self.bob)
        self.assertEqual(self.bob.open(second), "second")
        self.assertEqual(self.refused(self.bob, said), "no-key")

    def test_the_wait_between_requests_grows(self) -> None:
        """Five times as long each time, up to a day; then no more."""
        self.world.revoked.add(self.laptop.me)
        said = self.lost()
        self.refused(self.bob, said)
        times = []
        for _ in range(40):
            count = len(self.requests(self.bob))
            due = self.bob_scheme().repair.next_at()
            if due is None:
                break
            self.world.time = due
            self.bob.scheme.work()
            self.world.mail.clear()
            times.append(due)
            self.assertEqual(len(self.requests(self.bob)), count + 1)
        waits = [later - earlier for earlier, later in pairwise(times)]
        self.assertEqual(waits[:3], [25.0, 125.0, 625.0])
        self.assertEqual(max(waits), limits.REPAIR_MAX_SECONDS)
        self.assertEqual(len(times), limits.REPAIR_TIMES)
        self.assertIn("not asked for any more", self.bob.scheme.why(self.session_of(said)))

    def bob_scheme(self) -> Megolm:
        assert isinstance(self.bob.scheme, Megolm)
        return self.bob.scheme

    def test_what_is_missing_outlives_the_process(self) -> None:
        """After a restart it is still asked for."""
        said = self.lost()
        self.refused(self.bob, said)
        self.bob.restart()
        self.wait()
        self.assertEqual(self.bob.open(said), "lost")

    def test_a_sender_there_is_no_olm_session_with_is_reached_by_the_next_request(self) -> None:
        """A fresh session is begun for it."""
        said = self.lost()
        self.refused(self.bob, said)
        self.world.keyless.add(self.alice.me)
        self.wait()
        self.assertEqual(self.bob.renewed, [self.alice.me])
        self.world.keyless.clear()
        self.wait(5 * limits.REPAIR_FIRST_SECONDS)
        self.assertEqual(self.bob.open(said), "lost")

    def test_a_sender_whose_devices_are_not_known_is_asked_for(self) -> None:
        """Its message may be the first thing one hears of it."""
        said = self.lost()
        self.refused(self.bob, said)
        self.world.revoked.add(self.alice.me)
        self.wait()
        self.assertEqual(self.bob.learned, ["alice"])
        self.world.revoked.clear()
        self.wait(5 * limits.REPAIR_FIRST_SECONDS)
        self.assertEqual(self.bob.open(said), "lost")

    # Who is given keys -------------------------------------------------------------------------
    def test_a_key_is_given_from_the_index_it_was_shared_at(self) -> None:
        """Who came later cannot ask for what was said before."""
        before = self.hear(self.alice, "before", self.bob)
        carol = self.world.device("carol", "TAB")
        after = self.lost("after")
        self.ask(carol, before, 0)
        answer = self.answers(self.alice)[-1]
        assert answer.held is not None
        self.refused(carol, after)
        self.wait()
        self.assertEqual(carol.open(after), "after")
        self.assertEqual(self.refused(carol, before), "no-key")

    def test_a_device_the_key_was_never_for_gets_none(self) -> None:
        """A member that came after the session had ended is told so."""
        before = self.hear(self.alice, "before", self.bob)
        self.world.time += limits.ROTATE_AFTER_SECONDS
        self.hear(self.alice, "fresh key", self.bob)
        carol = self.world.device("carol", "TAB")
        self.refused(carol, before)
        self.wait()
        self.assertEqual([each.refused for each in self.answers(self.alice)], ["not-for-you"])
        self.assertIn("came into the conversation later", carol.scheme.why(self.session_of(before)))

    def test_a_removed_member_is_given_nothing(self) -> None:
        """Not even what was shared with it while it was there."""
        carol = self.world.device("carol", "TAB")
        said = self.lost()
        self.world.members.remove("carol")
        self.ask(carol, said)
        self.assertEqual([each.refused for each in self.answers(self.alice)], ["not-a-member"])
        self.assertEqual([each.held for each in self.answers(self.alice)], [None])

    def test_who_may_not_be_written_to_is_given_no_key(self) -> None:
        """The policy of trust counts for answers as for messages; once it is satisfied, the key is given."""
        said = self.lost()
        self.alice.distrusted.add("bob")
        self.ask(self.bob, said)
        self.assertEqual([each.refused for each in self.answers(self.alice)], ["untrusted"])
        self.alice.distrusted.clear()
        self.ask(self.bob, said)
        self.assertIsNotNone(self.answers(self.alice)[-1].held)

    def test_a_revoked_device_is_given_nothing(self) -> None:
        """Its account is still there."""
        said = self.lost()
        self.world.revoked.add(self.bob.me)
        self.ask(self.bob, said)
        self.assertEqual([each.held for each in self.answers(self.alice)], [None])

    def test_only_the_owner_gives_a_key_to_other_accounts(self) -> None:
        """A member asked for somebody else's session says nothing."""
        said = self.hear(self.alice, "alice's", self.bob)
        carol = self.world.device("carol", "TAB")
        self.ask(carol, said, of=self.bob)
        self.assertEqual(self.answers(self.bob), [])

    def test_the_same_key_is_given_so_often_an_hour(self) -> None:
        """`REPAIR_ANSWERS` times, and again an hour later."""
        said = self.lost()
        for _ in range(limits.REPAIR_ANSWERS - 1):
            self.ask(self.bob, said)
        self.assertEqual(len(self.answers(self.alice)), limits.REPAIR_ANSWERS - 1)
        self.ask(self.bob, said)
        self.assertEqual(len(self.answers(self.alice)), limits.REPAIR_ANSWERS)
        self.ask(self.bob, said)
        self.assertEqual(len(self.answers(self.alice)), limits.REPAIR_ANSWERS)
        self.world.time += limits.REPAIR_ANSWER_SECONDS
        self.ask(self.bob, said)
        self.assertEqual(len(self.answers(self.alice)), limits.REPAIR_ANSWERS + 1)

    def test_a_key_older_than_its_time_is_gone(self) -> None:
        """Sessions that are not used any more are forgotten after `OWN_SESSION_SECONDS`."""
        said = self.lost()
        self.world.time += limits.ROTATE_AFTER_SECONDS
        self.alice.say("fresh key")
        self.world.mail.clear()
        self.world.time += limits.OWN_SESSION_SECONDS
        self.alice.restart()
        self.refused(self.bob, said)
        self.wait()
        self.assertEqual([each.refused for each in self.answers(self.alice)], ["gone"])
        self.assertIn("does not have the key any more", self.bob.scheme.why(self.session_of(said)))

    # Who may bring keys ------------------------------------------------------------------------
    def bring(self, by: TestHost, said: Message, answer: letters.Answer) -> None:
        """``by`` answers what Bob asked Alice for."""
        self.refused(self.bob, said)
        self.world.time += limits.REPAIR_FIRST_SECONDS
        self.bob.scheme.work()
        self.world.mail.clear()
        by.send_parcels(self.world.conversation(), [(self.bob.me, letters.ANSWER, letters.written(answer))])
        self.world.deliver(self.bob)

    def held_by(self, host: TestHost, said: Message) -> letters.Held:
        held = InboundSessions(host.keep).held(Session.of("alice", "PHONE", self.session_of(said)))
        assert held is not None
        return held

    def test_a_key_from_somebody_who_does_not_own_the_session_is_not_taken(self) -> None:
        """Even the right one: only its owner, and one's own devices, are believed."""
        mallory = self.world.device("mallory", "TAB")
        said = self.alice.say("alice's")
        self.world.deliver(mallory)
        self.world.mail.clear()
        self.bring(mallory, said, letters.Answer(self.session_of(said), self.held_by(mallory, said)))
        self.assertEqual(self.refused(self.bob, said), "no-key")

    def test_a_refusal_of_somebody_who_does_not_own_the_session_says_nothing(self) -> None:
        """Otherwise anybody could make the screen tell a story."""
        mallory = self.world.device("mallory", "TAB")
        said = self.lost()
        self.bring(mallory, said, letters.Answer(self.session_of(said), refused="gone"))
        self.assertNotIn("does not have", self.bob.scheme.why(self.session_of(said)))

    def test_a_key_nobody_asked_for_is_not_taken(self) -> None:
        """An answer without a question, though it comes from the owner."""
        said = self.lost()
        answer = letters.Answer(self.session_of(said), self.held_by(self.alice, said))
        self.alice.send_parcels(self.world.conversation(), [(self.bob.me, letters.ANSWER, letters.written(answer))])
        self.world.deliver()
        self.assertEqual(self.refused(self.bob, said), "no-key")

    def test_an_answer_with_another_key_than_the_one_asked_for_is_not_taken(self) -> None:
        """Of another session, of another owner, or no key at all."""
        said = self.lost()
        held = self.held_by(self.alice, said)
        replace = msgspec.structs.replace
        for wrong in (
            replace(held, user="mallory"),
            replace(held, device="LAPTOP"),
            replace(held, session="B" * 43),
            replace(held, key="AAAA"),
        ):
            self.bring(self.alice, said, letters.Answer(self.session_of(said), wrong))
            self.assertEqual(self.refused(self.bob, said), "no-key")
        self.bring(self.alice, said, letters.Answer(self.session_of(said), held))
        self.assertEqual(self.bob.open(said), "lost")

    # Bounds and words --------------------------------------------------------------------------
    def test_so_many_missing_keys_are_asked_for(self) -> None:
        """What a liar names beyond `MAX_MISSING` is just not decrypted."""
        template = self.lost()
        self.patch(limits, "MAX_MISSING", 3)
        for number in range(4):
            envelope = envelopes.split_megolm(template.body)
            other = envelopes.MegolmEnvelope("PHONE", f"{number}" * 43, envelope.ciphertext).body
            self.refused(self.bob, msgspec.structs.replace(template, body=other))
            self.assertEqual(len(self.bob.keep.all("megolm-missing")), min(number + 1, 3))

    def test_requests_go_out_in_slices(self) -> None:
        """`REPAIR_SLICE` keys at once, and `work` says that more is left."""
        template = self.lost()
        for number in range(limits.REPAIR_SLICE + 1):
            envelope = envelopes.split_megolm(template.body)
            other = envelopes.MegolmEnvelope("PHONE", f"{number:043}", envelope.ciphertext).body
            self.refused(self.bob, msgspec.structs.replace(template, body=other))
        self.world.time += limits.REPAIR_FIRST_SECONDS
        self.assertTrue(self.bob.scheme.work())
        self.assertEqual(len(self.requests(self.bob)), limits.REPAIR_SLICE)
        self.assertFalse(self.bob.scheme.work())
        self.assertEqual(len(self.requests(self.bob)), limits.REPAIR_SLICE + 1)

    def test_why_tells_which_key_is_missing_and_what_is_done(self) -> None:
        """Before it is asked for, and after; nothing once it is here."""
        said = self.lost()
        session = self.session_of(said)
        self.assertEqual(self.bob.scheme.why(session), "")
        self.refused(self.bob, said)
        self.assertIn("alice's device PHONE is missing (1 message wait", self.bob.scheme.why(session))
        self.assertIn("in a few seconds", self.bob.scheme.why(session))
        self.world.time += limits.REPAIR_FIRST_SECONDS
        self.bob.scheme.work()
        self.assertIn("asked once; again in 25 seconds", self.bob.scheme.why(session))
        self.world.deliver()
        self.assertEqual(self.bob.scheme.why(session), "")
