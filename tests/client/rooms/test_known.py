"""What the client knows of its rooms."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client.ledger import Ledger
from encchat.client.rooms.known import Rooms, direct_conversation, session_conversation
from encchat.client.rooms.names import RANDOM_BYTES, made_up
from encchat.client.store import MemoryStore
from encchat.errors import UnknownConversationError

ULID = "01J00000000000000000000000"
OTHER = "01J00000000000000000000001"


def member(user: str, **more: Any) -> wire.Member:
    """Somebody in the room."""
    return wire.Member(**({"user": user, "role": "member", "state": "joined"} | more))


def state(room: str = "#garden", **more: Any) -> wire.RoomState:
    """A room of alice and bob."""
    fields: dict[str, Any] = {
        "room": room,
        "id": ULID,
        "scheme": "megolm",
        "policy": "signed",
        "history": "none",
        "open": False,
        "owner": "alice",
        "version": 2,
        "members": [member("alice", role="owner"), member("bob")],
    }
    return wire.RoomState(**(fields | more))


def change(event: wire.RoomChange, user: str, by: str = "alice", **more: Any) -> wire.RoomEvent:
    """A change of the room."""
    return wire.RoomEvent(event=event, user=user, by=by, **more)


@define
class Table:
    """Rooms over a store, which can be made anew over the same one."""

    ledger: Ledger = field(factory=lambda: Ledger(MemoryStore()))
    rooms: Rooms = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.ledger.commit()
        self.rooms = Rooms(self.ledger, "alice")


class View(SynchronousTestCase):
    """`Rooms`."""

    def test_a_room_becomes_a_conversation(self) -> None:
        """End-to-end encryption is told the room's id, scheme, policy, version and who has joined."""
        rooms = Table().rooms
        rooms.take(state(members=[member("alice", role="owner"), member("carol", state="invited"), member("Bob")]))
        there = rooms.conversation("#GARDEN")
        self.assertEqual(
            ("#garden", f"room:{ULID}", "room", "megolm"), (there.name, there.id, there.kind, there.scheme)
        )
        self.assertEqual((("alice", "Bob"), 2, True), (there.members, there.version, there.signed))

    def test_who_is_in_a_room_is_known_anew_with_every_change(self) -> None:
        """Whoever comes, goes, is told of later, or is found to have been put there, though nobody looks in between."""
        rooms = Table().rooms
        room = rooms.take(state())

        def there(*members: str, surely: tuple[str, ...] | None = None) -> None:
            self.assertEqual(rooms.conversation("#garden").members, members)
            known = rooms.conversation("#garden", surely=True)
            self.assertEqual(known.members, members if surely is None else surely)

        there("alice", "bob")
        rooms.take(state(members=[member("carol"), member("dave", state="invited")]), first=False)
        there("alice", "bob", "carol")
        rooms.apply("#garden", 3, change("joined", "dave"))
        there("alice", "bob", "carol", "dave")
        rooms.apply("#garden", 4, change("left", "bob"))
        there("alice", "carol", "dave")
        room.unknown = frozenset({"dave"})
        there("alice", "carol", "dave", surely=("alice", "carol"))
        room.injected = frozenset({"carol"})
        there("alice", "dave", surely=("alice",))
        room.injected, room.unknown = frozenset(), frozenset()
        there("alice", "carol", "dave")
        rooms.take(state())
        there("alice", "bob")

    def test_a_room_is_found_by_the_id_of_its_conversation(self) -> None:
        """As end-to-end encryption names it."""
        rooms = Table().rooms
        rooms.take(state())
        self.assertEqual(rooms.conversation("#garden"), rooms.of_id(f"room:{ULID}"))
        self.assertIsNone(rooms.of_id("direct:alice:bob"))

    def test_a_deniable_room_carries_no_signatures(self) -> None:
        """What its opener chose is what messages are made by."""
        rooms = Table().rooms
        rooms.take(state(policy="deniable", scheme="server-key"))
        there = rooms.conversation("#garden")
        self.assertEqual((False, "server-key"), (there.signed, there.scheme))

    def test_changes_of_the_log_are_applied_once(self) -> None:
        """What the state has already seen is passed over; what is newer moves the version."""
        rooms = Table().rooms
        rooms.take(state())
        self.assertFalse(rooms.apply("#garden", 2, change("left", "bob", "bob")))
        self.assertTrue(rooms.apply("#garden", 3, change("invited", "carol")))
        self.assertEqual(("alice", "bob"), rooms.conversation("#garden").members)
        self.assertTrue(rooms.apply("#garden", 4, change("joined", "carol", "carol")))
        self.assertEqual(("alice", "bob", "carol"), rooms.conversation("#garden").members)
        joined = rooms.get("#garden").member("carol")
        assert joined is not None
        self.assertEqual(("alice", 4), (joined.by, joined.since))
        self.assertTrue(rooms.apply("#garden", 5, change("expelled", "bob")))
        self.assertEqual(
            (("alice", "carol"), 5), (lambda one: (one.members, one.version))(rooms.conversation("#garden"))
        )

    def test_who_declines_is_not_invited_any_more(self) -> None:
        """Neither is who leaves."""
        for event in ("declined", "left", "expelled"):
            rooms = Table().rooms
            rooms.take(state(members=[member("alice"), member("carol", state="invited")]))
            rooms.apply("#garden", 3, change(event, "carol", "carol"))
            self.assertIsNone(rooms.get("#garden").member("carol"), event)

    def test_roles_and_openness_change_without_a_new_version(self) -> None:
        """They do not change who is in the room."""
        rooms = Table().rooms
        rooms.take(state())
        rooms.apply("#garden", 3, change("role", "bob", role="owner"))
        rooms.apply("#garden", 4, change("open", "bob", "bob", open=True))
        room, bob = rooms.get("#garden"), rooms.get("#garden").member("bob")
        assert bob is not None
        self.assertEqual(("owner", "bob", True, 2), (bob.role, room.header.owner, room.header.open, room.version))

    def test_a_change_of_an_unknown_room_or_member_is_nothing(self) -> None:
        """A server cannot bring a room here by speaking of it."""
        rooms = Table().rooms
        self.assertFalse(rooms.apply("#garden", 3, change("joined", "bob")))
        rooms.take(state())
        rooms.apply("#garden", 3, change("role", "nobody", role="moderator"))
        self.assertIsNone(rooms.get("#garden").member("nobody"))

    def test_pages_of_members_add_up(self) -> None:
        """The first page begins anew, others go on."""
        rooms = Table().rooms
        rooms.take(state())
        rooms.take(state(members=[member("carol")], more=True))
        rooms.take(state(members=[member("dave")]), first=False)
        self.assertEqual(("carol", "dave"), rooms.conversation("#garden").members)

    def test_what_is_needed_without_a_connection_is_kept(self) -> None:
        """The room, its settings and its topic outlive the client; who is in it is asked anew."""
        table = Table()
        table.rooms.take(state(open=True, history="all"))
        table.rooms.set_topic("#garden", "tulips")
        table.restart()
        head = table.rooms.get("#Garden").header
        self.assertEqual((ULID, "all", True, "tulips"), (head.id, head.history, head.open, head.topic))
        self.assertEqual(("alice",), table.rooms.conversation("#garden").members)
        table.rooms.take(state())
        self.assertEqual("tulips", table.rooms.get("#garden").header.topic)

    def test_a_room_of_the_same_name_is_another_room(self) -> None:
        """Topic and members of the one before are not taken over."""
        rooms = Table().rooms
        rooms.take(state())
        rooms.set_topic("#garden", "tulips")
        rooms.take(state(id=OTHER, version=1, members=[member("alice")]))
        room = rooms.get("#garden")
        self.assertEqual(("", 1, ("alice",)), (room.header.topic, room.version, room.joined()))

    def test_a_room_that_was_left_is_forgotten(self) -> None:
        """For good."""
        table = Table()
        table.rooms.take(state())
        table.rooms.remove("#GARDEN")
        table.restart()
        self.assertEqual([], table.rooms.names())

    def test_rooms_this_account_is_in_no_more_are_forgotten(self) -> None:
        """After a login the server's list counts; what is gone is named."""
        rooms = Table().rooms
        rooms.take(state())
        rooms.take(state("#kitchen", id=OTHER))
        self.assertEqual(["#garden"], rooms.reconcile(["#Kitchen"]))
        self.assertEqual(["#kitchen"], rooms.names())

    def test_an_error_names_what_would_be_right(self) -> None:
        """Who is in no room, in others, or only invited, is told what to do."""
        rooms = Table().rooms
        self.assertIn("/chat NAME", self.refusal(rooms))
        rooms.take(state("#kitchen"))
        self.assertIn("you are in #kitchen", self.refusal(rooms))
        rooms.invite(wire.Invited(room="#garden", id=ULID, by="bob"))
        self.assertIn("/join #garden", self.refusal(rooms))

    def refusal(self, rooms: Rooms) -> str:
        return str(self.assertRaises(UnknownConversationError, rooms.conversation, "#garden"))

    def test_invitations_wait_until_they_are_answered(self) -> None:
        """Joining answers one, forgetting it as well; they stand by room."""
        rooms = Table().rooms
        for room in ("#kitchen", "#Garden"):
            rooms.invite(wire.Invited(room=room, id=ULID, by="bob"))
        self.assertEqual(["#Garden", "#kitchen"], [invited.room for invited in rooms.invitations()])
        rooms.take(state())
        rooms.forget_invitation("#KITCHEN")
        self.assertEqual([], rooms.invitations())


class Between(SynchronousTestCase):
    """Conversations of two."""

    def test_both_sides_bind_what_they_say_to_the_same_id(self) -> None:
        """Whatever the case of the names and whoever looks."""
        one, other = direct_conversation("Alice", "bob"), direct_conversation("BOB", "alice")
        self.assertEqual(("direct:alice:bob", "@bob", "megolm"), (one.id, one.name, one.scheme))
        self.assertEqual(one.id, other.id)
        self.assertEqual(("Alice", "bob"), one.members)

    def test_a_session_has_an_id_of_its_own(self) -> None:
        """Its messages are bound to it, and sent by Olm."""
        there = session_conversation("alice", "bob", ULID)
        self.assertEqual(
            (f"session:{ULID}", "@bob", "olm", "session"), (there.id, there.name, there.scheme, there.kind)
        )


class MadeUpNames(SynchronousTestCase):
    """`made_up`."""

    def test_all_random_bytes_give_a_name(self) -> None:
        """Each is a room's name, and there are 1,024."""
        found = {made_up(bytes((first, second))) for first in range(256) for second in range(256)}
        self.assertEqual(1_024, len(found))
        self.assertEqual(2, RANDOM_BYTES)
        for name in found:
            self.assertRegex(name, r"^#[a-z]+-[a-z]+$")
