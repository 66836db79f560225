"""Sessions and calls as pure values: who may call whom, what rings, what ends, what waits for whom."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import UnavailableError
from encchat.limits import RING_SECONDS
from encchat.server.chat import Chat, Delivery
from encchat.server.chat.sessions import Call
from encchat.wire import Presence, PresenceChanged, Ringing, SessionEnded, SessionStarted
from tests.server.chat.test_chat import ALICE, BOB, CAROL, ULID, chat_of

OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAW"
STARTED = [
    Delivery(("Alice",), SessionStarted(partner="bob", by="Alice", session=ULID)),
    Delivery(("bob",), SessionStarted(partner="Alice", by="Alice", session=ULID)),
]


class Case(SynchronousTestCase):
    """With a chat of three."""

    def setUp(self) -> None:
        """Everybody is FREE."""
        self.chat = chat_of(ALICE, BOB, CAROL)
        self.sessions = self.chat.sessions
        self.outcomes: list[str | None] = []

    def rings(self) -> Call:
        """Alice calls bob, who wants to be asked."""
        self.sessions.connect("Alice", "bob", ULID, "ask", self.hear)
        call = self.sessions.call("alice")
        assert call is not None
        return call

    def hear(self, outcome: UnavailableError | None) -> None:
        """Of Alice's call."""
        self.outcomes.append(outcome and outcome.text)

    def refused(self, caller: str, callee: str, policy: str = "auto") -> str:
        """Why there is no session."""
        return self.assertRaises(UnavailableError, self.sessions.connect, caller, callee, OTHER, policy).text

    def presences(self) -> list[Presence]:
        """Of Alice, bob and carol."""
        return [self.chat.presence(name) for name in ("alice", "bob", "carol")]


class Calling(Case):
    """`connect` under the policy `auto`, and what stands against it."""

    def test_connect_makes_both_busy_and_tells_both(self) -> None:
        """Each hears whom the session is with, who called, and the session's id."""
        self.assertEqual(self.sessions.connect("Alice", "BOB", ULID), STARTED)
        self.assertEqual(self.presences(), ["BUSY", "BUSY", "FREE"])

    def test_connect_to_somebody_away_is_allowed(self) -> None:
        """AWAY is not BUSY."""
        self.chat.set_presence("bob", "AWAY")
        self.assertEqual(self.sessions.connect("Alice", "bob", ULID), STARTED)

    def test_connect_to_oneself_busy_or_offline_is_refused_with_the_reason(self) -> None:
        """The text says which it was, and nothing has changed."""
        self.chat.set_presence("bob", "BUSY")
        self.assertEqual(self.refused("Alice", "alice"), "you cannot open a session with yourself")
        self.assertEqual(self.refused("Alice", "bob"), "bob is BUSY")
        self.assertEqual(self.refused("Alice", "dora"), "dora is OFFLINE")
        self.assertEqual(self.presences(), ["FREE", "BUSY", "FREE"])

    def test_connect_to_somebody_who_takes_no_calls_is_refused(self) -> None:
        """With what one can do instead."""
        self.assertEqual(self.refused("Alice", "bob", "never"), "bob takes no calls; send a message instead")
        self.assertEqual(self.presences(), ["FREE"] * 3)

    def test_connect_out_of_a_session_or_into_one_is_refused(self) -> None:
        """One session at a time."""
        self.sessions.connect("Alice", "bob", ULID)
        self.assertEqual(self.refused("Alice", "carol"), "you are in a session with bob; say goodbye first")
        self.assertEqual(self.refused("carol", "bob"), "bob is BUSY")

    def test_partners_hear_of_each_others_presence(self) -> None:
        """A session makes contacts, as a message does."""
        self.sessions.connect("Alice", "bob", ULID)
        told = {(one.to, one.event.user) for one in self.chat.announcements()}  # type: ignore[union-attr]
        self.assertEqual(told, {(("bob",), "Alice"), (("Alice",), "bob")})

    def test_presence_cannot_be_set_in_a_session(self) -> None:
        """A session is BUSY until it ends."""
        self.sessions.connect("Alice", "bob", ULID)
        self.assertRaises(UnavailableError, self.chat.set_presence, "bob", "FREE")
        self.assertEqual(self.chat.presence("bob"), "BUSY")

    def test_goodbye_makes_both_free_and_tells_both(self) -> None:
        """Either of the two may say it; the next session is another one."""
        self.sessions.connect("Alice", "bob", ULID)
        self.assertEqual(
            self.sessions.goodbye("bob"),
            [
                Delivery(("Alice",), SessionEnded(partner="bob", reason="goodbye")),
                Delivery(("bob",), SessionEnded(partner="Alice", reason="goodbye")),
            ],
        )
        self.assertEqual(self.presences(), ["FREE"] * 3)
        self.assertEqual(
            self.assertRaises(UnavailableError, self.sessions.goodbye, "bob").text, "you are in no session"
        )
        self.sessions.connect("Alice", "bob", OTHER)
        self.assertEqual((self.sessions.partner("bob"), self.sessions.of("bob").id), ("Alice", OTHER))  # type: ignore[union-attr]


class Asking(Case):
    """The policy `ask`."""

    def test_a_call_rings_at_the_called_side_only_and_nobody_is_busy_by_it(self) -> None:
        """The caller waits for the answer to its request."""
        said = self.sessions.connect("Alice", "bob", ULID, "ask", self.hear)
        self.assertEqual(said, [Delivery(("bob",), Ringing(sender="Alice"))])
        self.assertEqual((self.presences(), self.outcomes), (["FREE"] * 3, []))

    def test_a_taken_call_is_a_session(self) -> None:
        """The caller hears that it is, and the id is of that moment."""
        self.rings()
        self.assertEqual(self.sessions.answer("BOB", "alice", accept=True, id=ULID), STARTED)
        self.assertEqual((self.presences(), self.outcomes), (["BUSY", "BUSY", "FREE"], [None]))

    def test_a_refused_call_is_refused_with_that_reason(self) -> None:
        """The other devices of the called side stop ringing."""
        self.rings()
        over = [Delivery(("bob",), Ringing(sender="Alice", over=True))]
        self.assertEqual(self.sessions.answer("bob", "Alice", accept=False, id=ULID), over)
        self.assertEqual((self.presences(), self.outcomes), (["FREE"] * 3, ["bob refused the call"]))

    def test_a_call_that_nobody_answers_in_time_is_refused_with_that_reason(self) -> None:
        """Once; and not if there was an answer."""
        call = self.rings()
        over = [Delivery(("bob",), Ringing(sender="Alice", over=True))]
        self.assertEqual(self.sessions.unanswered(call), over)
        self.assertEqual(self.outcomes, [f"bob did not answer within {RING_SECONDS:g} seconds"])
        self.assertEqual(self.sessions.unanswered(call), [])
        second = self.rings()
        self.sessions.answer("bob", "Alice", accept=True, id=ULID)
        self.assertEqual(self.sessions.unanswered(second), [])
        self.assertEqual(self.chat.presence("bob"), "BUSY")

    def test_who_calls_can_hang_up(self) -> None:
        """By goodbye."""
        self.rings()
        self.assertEqual(self.sessions.goodbye("Alice"), [Delivery(("bob",), Ringing(sender="Alice", over=True))])
        self.assertEqual(self.outcomes, ["you hung up"])

    def test_only_who_is_called_answers_and_only_who_calls_is_answered(self) -> None:
        """Nobody makes a session that the other side has not asked for."""
        self.rings()
        for callee, caller in (("Alice", "bob"), ("carol", "Alice"), ("bob", "carol"), ("carol", "dora")):
            with self.subTest(callee=callee, caller=caller):
                refused = self.assertRaises(
                    UnavailableError, self.sessions.answer, callee, caller, accept=True, id=OTHER
                )
                self.assertEqual(refused.text, f"{caller} is not calling you, or not any more")
        self.assertEqual(self.presences(), ["FREE"] * 3)

    def test_to_call_back_is_to_take_the_call(self) -> None:
        """Both wanted it; whatever the policy of the one who called first."""
        self.rings()
        self.assertEqual(self.sessions.connect("bob", "Alice", ULID, "never"), STARTED)
        self.assertEqual(self.outcomes, [None])

    def test_one_call_at_a_time(self) -> None:
        """Whoever is in one, on either side, neither makes another nor is called."""
        self.rings()
        self.assertEqual(self.refused("Alice", "carol"), "you are calling bob; say goodbye first")
        self.assertEqual(self.refused("bob", "carol"), "Alice is calling you; answer that first")
        for callee in ("Alice", "bob"):
            self.assertIn(f"{callee} is in another call just now", self.refused("carol", callee))

    def test_a_call_is_over_when_one_of_the_two_is_gone(self) -> None:
        """At once: there is no session yet that could wait."""
        self.rings()
        self.assertEqual(self.chat.depart("bob", lost=True), [])
        self.assertEqual(self.outcomes, ["bob is OFFLINE"])
        self.chat.arrive(BOB)
        self.rings()
        over = [Delivery(("bob",), Ringing(sender="Alice", over=True))]
        self.assertEqual(self.chat.depart("Alice", lost=True), over)
        self.assertEqual(len(self.outcomes), 2)
        self.assertIsNone(self.sessions.call("bob"))

    def test_another_device_of_the_called_side_that_arrives_rings_too(self) -> None:
        """The caller's does not."""
        self.rings()
        self.assertEqual(self.sessions.standing("bob"), Ringing(sender="Alice"))
        self.assertIsNone(self.sessions.standing("Alice"))


class Losing(Case):
    """The connection of one of the two is lost."""

    def setUp(self) -> None:
        """Alice and bob are in a session."""
        super().setUp()
        self.sessions.connect("Alice", "bob", ULID)
        self.chat.announcements()

    def test_a_session_outlives_a_lost_connection(self) -> None:
        """The lost one is OFFLINE, the other still BUSY and told of nothing but that."""
        self.assertEqual(self.chat.depart("Alice", lost=True), [])
        self.assertEqual(self.presences(), ["OFFLINE", "BUSY", "FREE"])
        self.assertEqual(
            self.chat.announcements(), [Delivery(("bob",), PresenceChanged(user="Alice", presence="OFFLINE"))]
        )
        self.assertEqual(self.chat.direct(BOB, ALICE).kind, "session")

    def test_who_comes_back_is_in_the_same_session(self) -> None:
        """Under the same id, and its connection is told so."""
        self.chat.depart("Alice", lost=True)
        self.chat.announcements()
        self.chat.arrive(ALICE)
        resumed = SessionStarted(partner="bob", by="Alice", session=ULID, resumed=True)
        self.assertEqual(self.sessions.standing("Alice"), resumed)
        self.assertEqual(self.presences(), ["BUSY", "BUSY", "FREE"])
        self.assertEqual(
            self.chat.announcements(), [Delivery(("bob",), PresenceChanged(user="Alice", presence="BUSY"))]
        )

    def test_who_does_not_come_back_is_given_up(self) -> None:
        """The partner is FREE and told; who comes later is in no session."""
        session = self.sessions.of("Alice")
        assert session is not None
        self.chat.depart("Alice", lost=True)
        ended = [Delivery(("bob",), SessionEnded(partner="Alice", reason="lost"))]
        self.assertEqual(self.sessions.give_up("Alice", session), ended)
        self.assertEqual(self.sessions.give_up("Alice", session), [])
        self.chat.arrive(ALICE)
        self.assertEqual((self.presences(), self.sessions.standing("Alice")), (["FREE"] * 3, None))

    def test_who_is_back_is_not_given_up(self) -> None:
        """Nor is who has begun another session since."""
        session = self.sessions.of("Alice")
        assert session is not None
        self.chat.depart("Alice", lost=True)
        self.chat.arrive(ALICE)
        self.assertEqual(self.sessions.give_up("Alice", session), [])
        self.sessions.goodbye("Alice")
        self.sessions.connect("carol", "Alice", OTHER)
        self.chat.depart("Alice", lost=True)
        self.assertEqual(self.sessions.give_up("Alice", session), [])
        self.assertEqual(self.chat.presence("carol"), "BUSY")

    def test_a_session_waits_for_both(self) -> None:
        """A server's line may be cut for everybody at once."""
        self.chat.depart("Alice", lost=True)
        self.chat.depart("bob", lost=True)
        self.chat.arrive(BOB)
        self.chat.arrive(ALICE)
        self.assertEqual(self.presences(), ["BUSY", "BUSY", "FREE"])
        self.assertEqual(self.sessions.partner("bob"), "Alice")

    def test_partners_who_were_both_lost_hear_of_each_others_return(self) -> None:
        """Though no message of theirs says that they know each other."""
        self.chat.depart("Alice", lost=True)
        self.chat.depart("bob", lost=True)
        self.chat.arrive(BOB)
        self.chat.announcements()
        self.chat.arrive(ALICE)
        told = [one.to for one in self.chat.announcements()]
        self.assertEqual(told, [("bob",)])

    def test_who_leaves_on_purpose_ends_it_at_once(self) -> None:
        """And is kicked likewise."""
        self.assertEqual(self.chat.depart("Alice"), [Delivery(("bob",), SessionEnded(partner="Alice", reason="lost"))])
        self.assertEqual(self.chat.presence("bob"), "FREE")
        self.assertEqual(self.chat.depart("Alice"), [])

    def test_goodbye_to_somebody_lost_ends_it(self) -> None:
        """One need not wait for the other's return."""
        self.chat.depart("Alice", lost=True)
        ended = [Delivery(("bob",), SessionEnded(partner="Alice", reason="goodbye"))]
        self.assertEqual(self.sessions.goodbye("bob"), ended)
        self.chat.arrive(ALICE)
        self.assertEqual((self.chat.presence("alice"), self.sessions.standing("Alice")), ("FREE", None))

    def test_nobody_calls_who_is_lost(self) -> None:
        """For others he is OFFLINE, and BUSY again once he is back."""
        self.chat.depart("Alice", lost=True)
        self.assertEqual(self.refused("carol", "Alice"), "Alice is OFFLINE")
        self.chat.arrive(ALICE)
        self.assertEqual(self.refused("carol", "Alice"), "Alice is BUSY")


class Empty(SynchronousTestCase):
    """A chat with nobody in a session."""

    def test_nobody_is_told_of_sessions_there_are_not(self) -> None:
        """Neither at arrival nor at departure."""
        chat = Chat()
        chat.arrive(ALICE)
        self.assertIsNone(chat.sessions.standing("Alice"))
        self.assertEqual(chat.depart("Alice", lost=True), [])
