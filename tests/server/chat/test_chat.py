"""The chat's rules as pure values: who is here, who is told, who may do what."""

from __future__ import annotations

import contextlib  # trial takes a module attribute named suppress for its own
from itertools import product

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ForbiddenError, UnavailableError
from encchat.limits import MAX_WAYS
from encchat.server.chat import LOBBY_ROUTE, Chat, Delivery, check_kick, message_deliveries
from encchat.server.chat.sessions import Call
from encchat.server.model import Account, CallPolicy, NewMessage, Stored
from encchat.wire import Message, PresenceChanged, Role, SessionEnded, SessionStarted

ALICE, BOB, CAROL = Account(1, "Alice", "user"), Account(2, "bob", "user"), Account(3, "carol", "user")
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def chat_of(*accounts: Account) -> Chat:
    """A chat where these are here, and everybody who cares has been told."""
    chat = Chat()
    for account in accounts:
        chat.arrive(account)
    chat.announcements()
    return chat


class PresenceTests(SynchronousTestCase):
    """Who is here, and who hears of it."""

    def test_who_arrives_is_free_and_who_departs_is_offline(self) -> None:
        """Presence follows the account's connections, whatever case its name is asked in."""
        chat = chat_of(ALICE)
        self.assertEqual(chat.presence("ALICE"), "FREE")
        self.assertEqual(chat.account("alice"), ALICE)
        chat.depart("alice")
        self.assertEqual(chat.presence("Alice"), "OFFLINE")
        self.assertIsNone(chat.account("Alice"))

    def test_users_are_listed_by_name_with_their_presence(self) -> None:
        """The list has everybody who is not OFFLINE."""
        chat = chat_of(CAROL, ALICE, BOB)
        chat.set_presence("bob", "AWAY")
        chat.depart("carol")
        self.assertEqual([(entry.user, entry.presence) for entry in chat.users()], [("Alice", "FREE"), ("bob", "AWAY")])

    def test_presence_is_told_to_contacts_only(self) -> None:
        """Nobody hears of people they share no conversation with."""
        chat = chat_of(ALICE, BOB, CAROL)
        chat.wrote("Alice", "bob")
        chat.set_presence("Alice", "AWAY")
        self.assertEqual(chat.announcements(), [Delivery(("bob",), PresenceChanged(user="Alice", presence="AWAY"))])

    def test_presence_is_told_once_a_turn_and_only_if_it_differs(self) -> None:
        """Going and coming within a turn costs nobody a line."""
        chat = chat_of(ALICE, BOB)
        chat.wrote("Alice", "bob")
        chat.set_presence("Alice", "AWAY")
        chat.set_presence("Alice", "BUSY")
        self.assertEqual([delivery.event.presence for delivery in chat.announcements()], ["BUSY"])  # type: ignore[union-attr]
        chat.depart("Alice")
        chat.arrive(ALICE)
        chat.set_presence("Alice", "BUSY")
        self.assertEqual(chat.announcements(), [])
        self.assertFalse(chat.has_news)

    def test_a_contact_hears_of_arrival_and_departure(self) -> None:
        """Contacts from the store count as those made just now."""
        chat = chat_of(BOB)
        chat.arrive(ALICE)
        self.assertEqual(chat.meet("Alice", ["bob", "carol"]), [])
        self.assertEqual(chat.announcements(), [Delivery(("bob",), PresenceChanged(user="Alice", presence="FREE"))])
        chat.depart("alice")
        self.assertEqual(chat.announcements(), [Delivery(("bob",), PresenceChanged(user="Alice", presence="OFFLINE"))])

    def test_contacts_that_are_known_late_are_told_then(self) -> None:
        """The store may take longer to list contacts than the turn of the login."""
        chat = chat_of(ALICE, BOB)
        told = [Delivery(("bob",), PresenceChanged(user="Alice", presence="FREE"))]
        self.assertEqual(chat.meet("Alice", ["bob"]), told)
        self.assertEqual(chat.meet("Alice", ["bob"]), [])

    def test_contacts_of_somebody_who_has_gone_meanwhile_are_nobodys(self) -> None:
        """A list that comes too late changes nothing."""
        chat = chat_of(ALICE, BOB)
        chat.depart("Alice")
        self.assertEqual(chat.meet("Alice", ["bob"]), [])
        self.assertEqual(chat.announcements(), [])

    def test_a_partner_of_a_session_without_words_hears_of_the_return(self) -> None:
        """The store knows of no conversation between the two, but one of them has been here all the time."""
        chat = chat_of(ALICE, BOB)
        chat.sessions.connect("Alice", "bob", ULID)
        chat.depart("Alice")
        chat.announcements()
        chat.arrive(ALICE)
        self.assertEqual(chat.meet("Alice", []), [])
        self.assertEqual(chat.announcements(), [Delivery(("bob",), PresenceChanged(user="Alice", presence="FREE"))])

    def test_who_is_gone_on_both_sides_is_forgotten(self) -> None:
        """Memory is for those who are here; the store has the rest."""
        chat = chat_of(ALICE, BOB)
        chat.wrote("Alice", "bob")
        chat.wrote("Alice", "carol")
        for name in ("Alice", "bob"):
            chat.depart(name)
        chat.wrote("Alice", "bob")
        for account in (ALICE, BOB, CAROL):
            chat.arrive(account)
        self.assertEqual(chat.announcements(), [])

    def test_nobody_is_told_of_oneself(self) -> None:
        """A note to oneself does not make one's own contact."""
        chat = chat_of(ALICE)
        chat.wrote("Alice", "alice")
        chat.meet("Alice", ["Alice"])
        chat.set_presence("Alice", "AWAY")
        self.assertEqual(chat.announcements(), [])

    def test_a_message_to_somebody_absent_makes_a_contact(self) -> None:
        """Whoever wrote hears it when the other comes."""
        chat = chat_of(ALICE)
        chat.wrote("Alice", "bob")
        chat.arrive(BOB)
        chat.meet("bob", ["Alice"])
        self.assertEqual(chat.announcements(), [Delivery(("Alice",), PresenceChanged(user="bob", presence="FREE"))])


class RouteTests(SynchronousTestCase):
    """The way of a message."""

    def message(self, key: str, sender: Account) -> NewMessage:
        """A message on its way."""
        return NewMessage(key, "direct", sender.id, ULID, 5, "hello", "none")

    def test_a_direct_message_goes_to_the_receiver_and_the_senders_devices(self) -> None:
        """Each side calls the conversation by the other's name; one key, whoever writes."""
        chat = chat_of(ALICE, BOB)
        route = chat.direct(ALICE, BOB)
        self.assertEqual((route.key, route.kind), ("direct:1:2", "direct"))
        self.assertEqual(chat.direct(BOB, ALICE).key, route.key)
        theirs, ours = message_deliveries(route, ALICE, self.message(route.key, ALICE), Stored(7, 5, False), echo=True)
        expected = Message(
            conversation="@Alice", kind="direct", seq=7, sender="Alice", ulid=ULID, time=5, body="hello", scheme="none"
        )
        self.assertEqual(theirs, Delivery(("bob",), expected))
        assert isinstance(ours.event, Message)
        self.assertEqual((ours.to, ours.event.conversation, ours.event.sender), (("Alice",), "@bob", "Alice"))

    def test_a_message_between_partners_is_of_kind_session(self) -> None:
        """Only between the two, and only while it lasts."""
        chat = chat_of(ALICE, BOB, CAROL)
        chat.sessions.connect("Alice", "bob", ULID)
        self.assertEqual(chat.direct(BOB, ALICE).kind, "session")
        self.assertEqual(chat.direct(CAROL, ALICE).kind, "direct")
        self.assertEqual(chat.direct(ALICE, CAROL).kind, "direct")
        chat.sessions.goodbye("bob")
        self.assertEqual(chat.direct(BOB, ALICE).kind, "direct")

    def test_a_remembered_way_is_of_kind_session_while_there_is_one(self) -> None:
        """What was worked out before the session, in it or after it is not used in another state."""
        chat = chat_of(ALICE, BOB, CAROL)

        def kinds() -> list[str]:
            ways = [chat.way(ALICE, "bob"), chat.way(BOB, "alice"), chat.way(CAROL, "alice")]
            return [way.kind for way in ways if way]

        self.assertEqual(kinds(), ["direct", "direct", "direct"])
        chat.sessions.connect("Alice", "bob", ULID)
        self.assertEqual(kinds(), ["session", "session", "direct"])
        chat.depart("bob", lost=True)
        self.assertEqual(kinds(), ["session", "direct"])
        chat.arrive(BOB)
        self.assertEqual(kinds(), ["session", "session", "direct"])
        chat.sessions.goodbye("bob")
        self.assertEqual(kinds(), ["direct", "direct", "direct"])

    def test_there_is_no_way_to_who_is_gone(self) -> None:
        """However often one was found before: the store is asked who that is, and a deleted account is nobody."""
        chat = chat_of(ALICE, BOB)
        self.assertIs(chat.way(ALICE, "bob"), chat.way(ALICE, "BOB"))
        chat.depart("bob")
        self.assertIsNone(chat.way(ALICE, "bob"))

    def test_ways_to_one_account_are_bounded(self) -> None:
        """Whoever hears from all the world costs a few of them."""
        chat = chat_of(BOB)
        for count in range(2, 2 * MAX_WAYS):
            way = chat.way(Account(count + 1, f"u{count}", "user"), "bob")
            self.assertEqual(way and way.theirs, f"@u{count}")
            self.assertLessEqual(len(chat._members["bob"].ways), MAX_WAYS)

    def test_a_lobby_message_goes_to_everybody_in_one_delivery(self) -> None:
        """One event for all, so that it is encoded once."""
        deliveries = message_deliveries(
            LOBBY_ROUTE, ALICE, self.message("lobby", ALICE), Stored(1, 5, False), echo=True
        )
        self.assertEqual([delivery.to for delivery in deliveries], [None])

    def test_a_message_stored_before_is_not_said_again(self) -> None:
        """The same ULID after a reconnect reaches nobody twice."""
        message = self.message("lobby", ALICE)
        self.assertEqual(message_deliveries(LOBBY_ROUTE, ALICE, message, Stored(1, 5, True), echo=True), ())

    def test_a_note_to_oneself_reaches_only_ones_own_devices(self) -> None:
        """Once, not once as receiver and once as sender."""
        route = chat_of(ALICE).direct(ALICE, ALICE)
        deliveries = message_deliveries(route, ALICE, self.message(route.key, ALICE), Stored(1, 5, False), echo=True)
        self.assertEqual([delivery.to for delivery in deliveries], [(), ("Alice",)])


class KickTests(SynchronousTestCase):
    """Who may end whose connections."""

    def test_only_roles_below_ones_own_may_be_kicked(self) -> None:
        """Moderators kick users, admins both, nobody an equal."""
        roles: list[Role] = ["user", "moderator", "admin"]
        for high, actor in enumerate(roles):
            for low, target in enumerate(roles):
                pair = (Account(1, "one", actor), Account(2, "two", target))
                if low < high:
                    self.assertIsNone(check_kick(*pair))  # type: ignore[func-returns-value]
                else:
                    self.assertIn(target, self.assertRaises(ForbiddenError, check_kick, *pair).text)

    def test_nobody_kicks_oneself(self) -> None:
        """An admin least of all."""
        admin = Account(1, "root", "admin")
        self.assertIn("yourself", self.assertRaises(ForbiddenError, check_kick, admin, admin).text)


NAMES = ("a", "b", "c", "d")


class ChatMachine(RuleBasedStateMachine):
    """Any order of events; what must hold is in the invariants."""

    def __init__(self) -> None:
        super().__init__()
        self.chat = Chat()
        self.stored: set[frozenset[str]] = set()
        self.told: dict[tuple[str, str], str] = {}
        self.ids = 0
        self.ringing: list[tuple[str, Call]] = []
        self.answered: list[str] = []
        self.believed: dict[str, str] = {}
        """By account, the session it was told it is in."""

    @staticmethod
    def account(name: str) -> Account:
        return Account(NAMES.index(name), name, "user")

    @rule(name=st.sampled_from(NAMES))
    def arrive(self, name: str) -> None:
        known = self.chat.account(name)
        self.chat.arrive(self.account(name))
        session = self.chat.sessions.of(name)
        if known is None and session is not None:
            self.believed[name] = session.id

    @rule(name=st.sampled_from(NAMES))
    def meet(self, name: str) -> None:
        self.hear(self.chat.meet(name, {other for pair in self.stored if name in pair for other in pair - {name}}))

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def write(self, one: str, other: str) -> None:
        if one != other:
            self.stored.add(frozenset({one, other}))
        self.chat.wrote(one, other)

    @rule(name=st.sampled_from(NAMES), lost=st.booleans())
    def depart(self, name: str, lost: bool) -> None:
        self.believed.pop(name, None)
        self.hear_events(self.chat.depart(name, lost=lost))
        self.told = {pair: presence for pair, presence in self.told.items() if pair[0] != name}
        self.believed.pop(name, None)

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES), policy=st.sampled_from(["auto", "ask", "never"]))
    def connect(self, one: str, other: str, policy: CallPolicy) -> None:
        self.ids += 1
        id, before = f"{self.ids}", self.chat.sessions.call(one)
        self.attempt(self.chat.sessions.connect, one, other, id, policy, lambda outcome: self.answered.append(id))
        call = self.chat.sessions.call(one)
        if call is not before and call is not None:
            self.ringing.append((id, call))

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES), accept=st.booleans())
    def answer(self, one: str, other: str, accept: bool) -> None:
        self.ids += 1
        with contextlib.suppress(UnavailableError):
            self.hear_events(self.chat.sessions.answer(one, other, accept=accept, id=f"{self.ids}"))

    @rule(which=st.integers(min_value=0, max_value=1_000))
    @precondition(lambda self: self.ringing)
    def time_is_over(self, which: int) -> None:
        self.hear_events(self.chat.sessions.unanswered(self.ringing[which % len(self.ringing)][1]))

    @rule(name=st.sampled_from(NAMES))
    def give_up(self, name: str) -> None:
        session = self.chat.sessions.of(name)
        if session is not None:
            self.hear_events(self.chat.sessions.give_up(name, session))

    @rule(name=st.sampled_from(NAMES))
    def goodbye(self, name: str) -> None:
        self.attempt(self.chat.sessions.goodbye, name)

    @rule(name=st.sampled_from(NAMES), presence=st.sampled_from(["FREE", "BUSY", "AWAY"]))
    def set_presence(self, name: str, presence: str) -> None:
        self.attempt(self.chat.set_presence, name, presence)

    def attempt(self, method, *arguments) -> None:  # type: ignore[no-untyped-def]
        with contextlib.suppress(UnavailableError):
            self.hear_events(method(*arguments) or [])

    @rule()
    @precondition(lambda self: self.chat.has_news)
    def end_of_turn(self) -> None:
        self.hear(self.chat.announcements())

    def hear(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            for name in delivery.to or ():
                assert isinstance(delivery.event, PresenceChanged)
                assert self.chat.presence(name) != "OFFLINE", "an absent account was told"
                assert name != delivery.event.user, "somebody was told of oneself"
                self.told[name, delivery.event.user] = delivery.event.presence

    def hear_events(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            for name in delivery.to or ():
                assert self.chat.presence(name) != "OFFLINE", "an absent account was told"
                if isinstance(delivery.event, SessionStarted):
                    assert name not in self.believed
                    self.believed[name] = delivery.event.session
                elif isinstance(delivery.event, SessionEnded):
                    del self.believed[name]

    @invariant()
    def sessions_are_of_two_who_are_busy_or_lost(self) -> None:
        for name in NAMES:
            session = self.chat.sessions.of(name)
            if session is None:
                assert name not in self.believed
                continue
            partner = session.partner_of(name)
            assert partner != name
            assert self.chat.sessions.of(partner) is session
            assert self.chat.presence(name) == ("OFFLINE" if name in session.lost else "BUSY")
            if name not in session.lost:
                assert self.believed[name] == session.id
            assert self.chat.direct(self.account(name), self.account(partner)).kind == "session"

    @invariant()
    def a_way_that_is_remembered_is_as_it_would_be_worked_out_now(self) -> None:
        for one, other in product(NAMES, NAMES):
            way = self.chat.way(self.account(one), other.upper())
            here = self.chat.presence(other) != "OFFLINE"
            assert way == (self.chat.direct(self.account(one), self.account(other)) if here else None)

    @invariant()
    def each_call_is_answered_once_and_rings_till_then_between_two_who_are_free(self) -> None:
        for id, call in self.ringing:
            rings = [name for name in NAMES if self.chat.sessions.call(name) is call]
            assert rings == ([] if id in self.answered else sorted([call.caller, call.callee]))
            assert all(self.chat.presence(name) != "OFFLINE" and not self.chat.sessions.of(name) for name in rings)
        assert len(set(self.answered)) == len(self.answered)

    @invariant()
    def what_contacts_were_told_is_so_once_the_turn_is_over(self) -> None:
        if not self.chat.has_news:
            for (_, user), presence in self.told.items():
                assert self.chat.presence(user) == presence


class AnyOrder(SynchronousTestCase):
    """Properties of every history of a chat."""

    def test_no_order_of_events_leaves_ghosts_or_lies(self) -> None:
        """Sessions are always of two who are here and BUSY, and no contact believes what is no longer so."""
        run_state_machine_as_test(ChatMachine)
