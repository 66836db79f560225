"""Who is really in a room, whatever the server says: what is signed, whom nothing is encrypted for."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client import events
from encchat.client.rooms.known import PARTLY
from encchat.client.store import MemoryStore
from encchat.e2e.memberships import sign_joining
from tests.client.rooms.test_actions import heard, ready
from tests.client.rooms.test_known import ULID, change, member, state
from tests.client.table import Table


class Owner(SynchronousTestCase):
    """Alice has opened a room; the server tells her who is in it."""

    def setUp(self) -> None:
        self.table = ready(store=MemoryStore(durable=True))
        self.table.type("/chat #garden")
        asked = self.table.take("open_room")
        owner = member("alice", role="owner", since=1, statement=asked["statement"])
        self.room = state(id=asked["ulid"], version=1, members=[owner])
        self.table.say(wire.Ok(id=asked["id"], result=self.room))
        self.hear(1, change("opened", "alice"))

    def invited(self, user: str) -> str:
        """The statement of an invitation by alice, of which the log tells."""
        self.table.type(f"/invite {user}")
        asked = self.table.take("invite")
        self.table.say(wire.Ok(id=asked["id"], result=wire.UserStatus(user=user, presence="FREE")))
        self.hear(2, change("invited", user, statement=asked["statement"]))
        return str(asked["statement"])

    def hear(self, seq: int, event: wire.RoomEvent) -> None:
        """The log tells of a change."""
        self.table.say(heard(event, seq))

    def said_to(self, text: str) -> set[str]:
        """Whom the key of the message is sent to."""
        self.table.type(text)
        self.table.take("send")
        return {parcel.user for request in self.table.keys.parcels for parcel in request.parcels}

    def warnings(self) -> list[str]:
        """The codes of the warnings so far."""
        return [event.code for event in self.table.shown if isinstance(event, events.Warned)]

    def test_whom_the_owner_has_invited_can_read(self) -> None:
        """The log brings the invitation that the owner has signed."""
        self.assertTrue(self.invited("bob"))
        self.hear(3, change("joined", "bob", "bob"))
        self.assertEqual({"bob"}, self.said_to("a canary"))
        self.assertEqual([], self.warnings())

    def test_an_injected_member_gets_no_keys(self) -> None:
        """Neither at the first message, when its keys were not known yet, nor later; it is told once."""
        self.hear(2, change("joined", "carol", "carol"))
        self.assertEqual(set(), self.said_to("a canary"))
        self.assertEqual(set(), self.said_to("another"))
        self.assertEqual(["injected-member"], self.warnings())

    def test_an_invitation_of_one_does_not_let_in_another(self) -> None:
        """The server cannot give it to somebody else."""
        statement = self.invited("bob")
        self.hear(3, change("invited", "carol", statement=statement))
        self.hear(4, change("joined", "carol", "carol"))
        self.hear(5, change("joined", "bob", "bob"))
        self.assertEqual({"bob"}, self.said_to("a canary"))
        self.assertEqual(["injected-member"], self.warnings())

    def walked_in(self) -> None:
        """Whom the server lets in by what carol herself has signed; told by the server in the room's state alone."""
        key = self.table.keys.friend("carol").identity
        statement = sign_joining(key, self.room.id, "", 9, "carol") if key else ""
        members = [*self.room.members, member("carol", since=2, statement=statement)]
        self.table.type("/who #garden")
        self.table.answer("who", msgspec.structs.replace(self.room, open=True, version=2, members=members))

    def test_nobody_comes_in_by_a_door_that_opened_unseen(self) -> None:
        """The server says that the room is open now, and nobody was told of it."""
        self.walked_in()
        self.assertEqual(set(), self.said_to("a canary"))
        self.assertEqual(["injected-member"], self.warnings())

    def test_who_comes_in_after_everybody_was_told_can_read(self) -> None:
        """The log has said that the owner has opened it."""
        self.hear(2, change("open", "alice", open=True))
        self.walked_in()
        self.assertEqual({"carol"}, self.said_to("a canary"))

    def test_who_was_expelled_is_not_brought_back_by_the_old_invitation(self) -> None:
        """It was spent by the removal."""
        statement = self.invited("bob")
        self.hear(3, change("joined", "bob", "bob"))
        self.hear(4, change("expelled", "bob"))
        self.hear(5, change("invited", "bob", statement=statement))
        self.hear(6, change("joined", "bob", "bob"))
        self.assertEqual(set(), self.said_to("a canary"))
        self.assertEqual(["injected-member"], self.warnings())

    def test_whom_a_member_has_invited_is_judged_by_that_members_key(self) -> None:
        """A made-up signature is none."""
        self.invited("bob")
        self.hear(3, change("joined", "bob", "bob"))
        self.hear(4, change("invited", "carol", "bob", statement=f"1.3.{'A' * 43}.{'A' * 86}"))
        self.hear(5, change("joined", "carol", "carol"))
        self.assertEqual({"bob"}, self.said_to("a canary"))
        self.assertEqual(["injected-member"], self.warnings())

    def test_what_the_server_tells_anew_is_judged_anew(self) -> None:
        """While keys are missing, nothing else makes a client look again: that is, when it only listens."""
        self.hear(2, change("joined", "carol", "carol"))
        rooms = self.table.core.rooms
        rooms.conversation("#garden")
        room = rooms.get("#garden")
        self.assertEqual((room.judged, room.unknown), (PARTLY, frozenset({"carol"})))
        rooms.take(msgspec.structs.replace(self.room, version=room.version))
        rooms.conversation("#garden")
        self.assertEqual((room.judged, room.unknown), (room.version, frozenset()))


class Statements(SynchronousTestCase):
    """What a client signs."""

    def statement(self, table: Table, line: str, verb: str) -> Any:
        """The one in the request that a line makes."""
        table.type(line)
        return table.take(verb)["statement"]

    def test_openings_and_joinings_are_signed(self) -> None:
        """By a device that has the account's identity key."""
        table = ready(store=MemoryStore(durable=True))
        self.assertTrue(self.statement(table, "/chat #tea", "open_room"))
        table = ready(store=MemoryStore(durable=True))
        table.type("/join #garden")
        table.answer("who", state(open=True))
        self.assertTrue(table.take("join")["statement"])

    def test_a_client_without_keys_signs_nothing(self) -> None:
        """And asks all the same."""
        self.assertEqual("", self.statement(ready(), "/chat #tea", "open_room"))


class Settings(SynchronousTestCase):
    """Alice has opened a room; the server says later that it is another kind of room."""

    def setUp(self) -> None:
        self.store = MemoryStore(durable=True)
        self.table = ready(store=self.store)

    def open(self, **said: Any) -> wire.RoomState:
        """She opens #garden, and the server answers."""
        self.table.type("/chat #garden")
        asked = self.table.take("open_room")
        owner = member("alice", role="owner", since=1, statement=asked["statement"])
        room = state(**({"id": asked["ulid"], "version": 1, "members": [owner]} | said))
        self.table.say(wire.Ok(id=asked["id"], result=room))
        return room

    def look(self, room: wire.RoomState, **said: Any) -> None:
        """She looks who is there, and the server says what it likes."""
        self.table.type("/who #garden")
        self.table.answer("who", msgspec.structs.replace(room, **said))

    def codes(self) -> list[str]:
        """The codes of warnings and errors so far."""
        return [event.code for event in self.table.shown if isinstance(event, events.Warned | events.Error)]

    def test_a_server_cannot_turn_a_room_into_one_it_can_read(self) -> None:
        """What is said there is encrypted as before, and everybody is warned."""
        room = self.open()
        self.look(room, scheme="server-key", policy="deniable", history="all")
        where = self.table.core.rooms.conversation("#garden")
        self.assertEqual((where.scheme, where.signed, where.history), ("megolm", True, "none"))
        self.assertEqual(["room-altered"], self.codes())
        self.table.type("a canary")
        self.assertEqual("megolm", self.table.take("send")["scheme"])

    def test_a_room_is_opened_as_it_was_asked_for(self) -> None:
        """Whatever the answer says."""
        self.open(scheme="server-key")
        self.assertEqual("megolm", self.table.core.rooms.conversation("#garden").scheme)
        self.assertEqual(["room-altered"], self.codes())

    def test_an_answer_about_another_room_opens_none(self) -> None:
        """Its id is the one that was asked for."""
        self.open(id=ULID)
        self.assertIsNone(self.table.core.rooms.known("#garden"))

    def test_a_room_that_was_gone_for_a_while_comes_back_as_it_was(self) -> None:
        """The server says that alice is not in it, and then that she is."""
        rooms, room = self.table.core.rooms, self.open()
        rooms.reconcile([])
        rooms.take(msgspec.structs.replace(room, scheme="server-key"))
        self.assertEqual("megolm", rooms.conversation("#garden").scheme)

    def test_nothing_is_said_in_a_readable_room_that_nobody_here_joined(self) -> None:
        """The server has put another room of that name in its place; /join says that one wants to be there."""
        rooms, room = self.table.core.rooms, self.open()
        rooms.take(msgspec.structs.replace(room, id=ULID, scheme="server-key"))
        self.table.type("a canary")
        self.assertEqual([], [request for request in self.table.sent if request["type"] == "send"])
        self.assertIn("not-encrypted", self.codes())
        self.table.type("/join #garden")
        rooms.may_speak("#garden")
