"""The chat's rules as pure values: who is here, who is told, who may do what."""

from __future__ import annotations

import contextlib  # trial takes a module attribute named suppress for its own

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ForbiddenError, UnavailableError
from encchat.server.chat import LOBBY_ROUTE, Chat, Delivery, check_kick, message_deliveries
from encchat.server.model import Account, NewMessage, Stored
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
        chat.connect("Alice", "bob")
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


class SessionTests(SynchronousTestCase):
    """One-to-one calls."""

    def test_connect_makes_both_busy_and_tells_both(self) -> None:
        """Each hears whom the session is with, and who called."""
        chat = chat_of(ALICE, BOB)
        self.assertEqual(
            chat.connect("Alice", "BOB"),
            [
                Delivery(("Alice",), SessionStarted(partner="bob", by="Alice")),
                Delivery(("bob",), SessionStarted(partner="Alice", by="Alice")),
            ],
        )
        self.assertEqual({entry.presence for entry in chat.users()}, {"BUSY"})

    def test_connect_to_somebody_away_is_allowed(self) -> None:
        """AWAY is not BUSY."""
        chat = chat_of(ALICE, BOB)
        chat.set_presence("bob", "AWAY")
        self.assertEqual(len(chat.connect("Alice", "bob")), 2)

    def test_connect_to_oneself_busy_or_offline_is_refused_with_the_reason(self) -> None:
        """The text says which it was, and nothing has changed."""
        chat = chat_of(ALICE, BOB)
        chat.set_presence("bob", "BUSY")
        for callee, text in (
            ("alice", "you cannot open a session with yourself"),
            ("bob", "bob is BUSY"),
            ("carol", "carol is OFFLINE"),
        ):
            self.assertEqual(self.assertRaises(UnavailableError, chat.connect, "Alice", callee).text, text)
        self.assertEqual(chat.presence("Alice"), "FREE")

    def test_connect_out_of_a_session_is_refused(self) -> None:
        """One session at a time."""
        chat = chat_of(ALICE, BOB, CAROL)
        chat.connect("Alice", "bob")
        text = self.assertRaises(UnavailableError, chat.connect, "Alice", "carol").text
        self.assertEqual(text, "you are in a session with bob; say goodbye first")

    def test_goodbye_makes_both_free_and_tells_both(self) -> None:
        """Either of the two may say it."""
        chat = chat_of(ALICE, BOB)
        chat.connect("Alice", "bob")
        self.assertEqual(
            chat.goodbye("bob"),
            [
                Delivery(("bob",), SessionEnded(partner="Alice", reason="goodbye")),
                Delivery(("Alice",), SessionEnded(partner="bob", reason="goodbye")),
            ],
        )
        self.assertEqual({entry.presence for entry in chat.users()}, {"FREE"})
        self.assertRaises(UnavailableError, chat.goodbye, "bob")

    def test_presence_cannot_be_set_in_a_session(self) -> None:
        """A session is BUSY until it ends."""
        chat = chat_of(ALICE, BOB)
        chat.connect("Alice", "bob")
        self.assertRaises(UnavailableError, chat.set_presence, "bob", "FREE")
        self.assertEqual(chat.presence("bob"), "BUSY")

    def test_the_partner_of_somebody_lost_is_free_and_told(self) -> None:
        """No vanished caller leaves anybody BUSY."""
        chat = chat_of(ALICE, BOB)
        chat.connect("Alice", "bob")
        ended = [Delivery(("bob",), SessionEnded(partner="Alice", reason="lost"))]
        self.assertEqual(chat.depart("Alice"), ended)
        self.assertEqual(chat.presence("bob"), "FREE")
        self.assertEqual(chat.depart("Alice"), [])

    def test_partners_hear_of_each_others_presence(self) -> None:
        """A session makes contacts, as a message does."""
        chat = chat_of(ALICE, BOB, CAROL)
        chat.connect("Alice", "bob")
        told = {(delivery.to, delivery.event.user) for delivery in chat.announcements()}  # type: ignore[union-attr]
        self.assertEqual(told, {(("bob",), "Alice"), (("Alice",), "bob")})


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
        chat.connect("Alice", "bob")
        self.assertEqual(chat.direct(BOB, ALICE).kind, "session")
        self.assertEqual(chat.direct(CAROL, ALICE).kind, "direct")
        self.assertEqual(chat.direct(ALICE, CAROL).kind, "direct")
        chat.goodbye("bob")
        self.assertEqual(chat.direct(BOB, ALICE).kind, "direct")

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

    @rule(name=st.sampled_from(NAMES))
    def arrive(self, name: str) -> None:
        self.chat.arrive(Account(NAMES.index(name), name, "user"))

    @rule(name=st.sampled_from(NAMES))
    def meet(self, name: str) -> None:
        self.hear(self.chat.meet(name, {other for pair in self.stored if name in pair for other in pair - {name}}))

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def write(self, one: str, other: str) -> None:
        if one != other:
            self.stored.add(frozenset({one, other}))
        self.chat.wrote(one, other)

    @rule(name=st.sampled_from(NAMES))
    def depart(self, name: str) -> None:
        self.chat.depart(name)
        self.told = {pair: presence for pair, presence in self.told.items() if pair[0] != name}

    @rule(one=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def connect(self, one: str, other: str) -> None:
        self.attempt(self.chat.connect, one, other)

    @rule(name=st.sampled_from(NAMES))
    def goodbye(self, name: str) -> None:
        self.attempt(self.chat.goodbye, name)

    @rule(name=st.sampled_from(NAMES), presence=st.sampled_from(["FREE", "BUSY", "AWAY"]))
    def set_presence(self, name: str, presence: str) -> None:
        self.attempt(self.chat.set_presence, name, presence)

    def attempt(self, method, *arguments) -> None:  # type: ignore[no-untyped-def]
        with contextlib.suppress(UnavailableError):
            method(*arguments)

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

    @invariant()
    def sessions_are_of_two_and_busy(self) -> None:
        for name in NAMES:
            account = self.chat.account(name)
            partners = [
                other
                for other in NAMES
                if account and (them := self.chat.account(other)) and self.chat.direct(account, them).kind == "session"
            ]
            assert len(partners) <= 1
            for partner in partners:
                assert partner != name
                assert self.chat.presence(name) == self.chat.presence(partner) == "BUSY"

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
