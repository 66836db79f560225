"""Rosters: what is signed of rooms, and what is remembered of who is in them."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.e2e.memberships import sign_invitation
from encchat.e2e.rosters import Rosters
from encchat.errors import StoreError
from encchat.wire.rooms import Member, RoomEvent, RoomState
from tests.e2e.hosts import Kept
from tests.e2e.people import ULID, identity
from tests.e2e.test_memberships import invited, keys, room

OPEN = wire.OpenRoom(id=1, room="#tea", ulid=ULID)


def rosters(user: str, kept: Kept | None = None, vouched: bool = True) -> Rosters:
    """Those of a client of ``user``."""
    return Rosters(user, kept or Kept(), lambda: identity(user) if vouched else None, keys)


def opened(by: Rosters) -> RoomState:
    """The answer to `OPEN` with what ``by`` has signed."""
    owner = Member(user=by.user, role="owner", state="joined", since=1, statement=by.opening(OPEN))
    return msgspec.structs.replace(room(), owner=by.user, members=[owner])


def event(kind: str, user: str) -> RoomEvent:
    """Somebody goes or comes."""
    return RoomEvent(event=kind, user=user, by=user)


class Remembering(SynchronousTestCase):
    """`Rosters`."""

    def setUp(self) -> None:
        self.kept = Kept()
        self.alice, self.bob = rosters("alice"), rosters("bob", self.kept)

    def join(self, state: RoomState, by: Rosters, user: str, version: int = 5) -> RoomState:
        """``user`` is in the room by ``by``'s invitation."""
        statement = by.invitation(ULID, version, user)
        member = Member(user=user, role="member", state="joined", by=by.user, since=version + 1, statement=statement)
        others = [one for one in state.members if one.user != user]
        return msgspec.structs.replace(state, members=[*others, member])

    def without(self, state: RoomState, user: str) -> RoomState:
        """The same without ``user``."""
        return msgspec.structs.replace(state, members=[one for one in state.members if one.user != user])

    def test_whoever_is_invited_with_what_is_signed_here_is_confirmed(self) -> None:
        """Through a chain of clients, each knowing only what it has looked at."""
        state = opened(self.alice)
        self.assertEqual(self.alice.look(state).confirmed, {"alice"})
        state = self.join(state, self.alice, "bob")
        self.assertEqual(self.bob.look(state).confirmed, {"alice", "bob"})
        state = self.join(state, self.bob, "carol")
        for client in (self.alice, self.bob, rosters("carol")):
            verdict = client.look(state)
            self.assertEqual((verdict.confirmed, verdict.injected), ({"alice", "bob", "carol"}, set()))

    def test_members_stay_confirmed_when_their_inviter_has_left(self) -> None:
        """Also in the next run of the program; who comes new by the one who left is not."""
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "bob")
        self.bob.look(state)
        state = self.join(state, self.bob, "carol")
        self.alice.look(state)
        self.alice.changed(state, 9, event("left", "BOB"))
        late = self.join(self.without(state, "bob"), self.bob, "eve")
        verdict = self.alice.look(late)
        self.assertEqual((verdict.confirmed, verdict.injected), ({"alice", "carol"}, {"eve"}))

    def test_whom_somebody_had_invited_before_leaving_stays_invited(self) -> None:
        """Though the inviter's keys come later; who is invited by the one who left afterwards is not."""
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "bob")
        self.bob.look(state)
        state = self.join(state, self.bob, "carol")
        self.alice.changed(state, 9, event("left", "bob"))
        late = self.join(self.without(state, "bob"), self.bob, "eve")
        verdict = self.alice.look(late)
        self.assertEqual((verdict.confirmed, verdict.injected), ({"alice", "carol"}, {"eve"}))
        self.alice.changed(late, 10, event("expelled", "carol"))
        self.assertEqual(self.alice.look(late).injected, {"carol", "eve"})

    def test_a_removed_member_comes_back_by_a_fresh_invitation_only(self) -> None:
        """Not by being known, not by the old one; after the fresh one all is as before."""
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "bob", version=5)
        for kind in ("left", "expelled", "declined"):
            self.assertIn("bob", self.alice.look(state).confirmed)
            self.alice.changed(state, 9, event(kind, "bob"))
            self.assertEqual(self.alice.look(state).injected, {"bob"})
            state = self.join(state, self.alice, "bob", version=9)
            self.assertIn("bob", self.alice.look(state).confirmed)
            self.alice.changed(state, 8, event("joined", "bob"))
            state = self.join(state, self.alice, "bob", version=5)

    def test_the_server_cannot_give_the_room_another_owner_later(self) -> None:
        """The root is that of the first look."""
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "bob")
        self.bob.look(state)
        mallory = rosters("mallory")
        forged = opened(mallory)
        mallory.look(forged)
        forged = self.join(forged, mallory, "bob")
        verdict = self.bob.look(forged)
        self.assertEqual((verdict.confirmed, verdict.injected), ({"bob"}, {"mallory"}))

    def test_the_server_cannot_say_later_who_has_invited_this_account(self) -> None:
        """Else a member made up by the server would invite it once more, and with it whom the server likes."""
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "bob")
        root = self.bob.look(state).root
        for user in ("bob", "eve"):
            statement = sign_invitation(identity("mallory"), ULID, root, 5, "mallory", user)
            one = Member(user=user, role="member", state="joined", by="mallory", since=6, statement=statement)
            state = msgspec.structs.replace(state, members=[*self.without(state, user).members, one])
        verdict = self.bob.look(state)
        self.assertEqual((verdict.confirmed, verdict.injected), ({"alice", "bob"}, {"eve"}))

    def test_only_the_invitation_that_was_accepted_counts(self) -> None:
        """The one people saw; a room of somebody else under its id has no members."""
        mallory = rosters("mallory")
        forged = opened(mallory)
        mallory.look(forged)
        forged = self.join(forged, mallory, "bob")
        self.bob.accepted(ULID, "Alice")
        verdict = self.bob.look(forged)
        self.assertEqual((verdict.root, verdict.confirmed, verdict.injected), ("", {"bob"}, {"mallory"}))
        self.alice.look(opened(self.alice))
        verdict = self.bob.look(self.join(opened(self.alice), self.alice, "bob"))
        self.assertEqual((verdict.confirmed, verdict.injected), ({"alice", "bob"}, set()))

    def test_what_the_inviter_hands_over_is_known(self) -> None:
        """But brings nobody back who was seen leaving."""
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "bob")
        state = msgspec.structs.replace(state, members=[*state.members, invited("dave", "carol")])
        self.assertEqual(self.bob.look(state).injected, {"dave"})
        self.assertFalse(self.bob.handed_over(ULID, "carol", ["Dave"]))
        self.assertEqual(self.bob.look(state).injected, {"dave"})
        self.assertTrue(self.bob.handed_over(ULID, "Alice", ["Dave"]))
        self.assertEqual(self.bob.look(state).injected, set())
        self.assertFalse(self.bob.handed_over(ULID, "alice", ["dave"]))
        self.bob.changed(state, 9, event("left", "dave"))
        self.assertFalse(self.bob.handed_over(ULID, "alice", ["dave"]))
        self.assertEqual(self.bob.look(state).injected, {"dave"})

    def test_what_an_inviter_hands_over_lasts_no_longer_than_its_invitations_would(self) -> None:
        """Whom it names, and nobody has seen in the room before it goes, the server cannot put there later."""
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "bob")
        self.bob.look(state)
        self.bob.handed_over(ULID, "alice", ["ghost", "dave"])
        dave = msgspec.structs.replace(state, members=[*state.members, invited("dave", "carol")])
        self.bob.changed(dave, 9, event("expelled", "alice"))
        self.assertFalse(self.bob.handed_over(ULID, "alice", ["ghost"]))
        later = self.without(dave, "alice")
        later = msgspec.structs.replace(later, members=[*later.members, invited("ghost", "carol")])
        verdict = self.bob.look(later)
        self.assertEqual((verdict.confirmed, verdict.injected), ({"bob", "dave"}, {"ghost"}))

    def test_only_whom_a_newcomer_cannot_know_is_introduced(self) -> None:
        """Nobody in the usual room; who was invited by somebody who has left since, in others."""
        carol = rosters("carol")
        self.alice.look(opened(self.alice))
        state = self.join(opened(self.alice), self.alice, "carol")
        carol.look(state)
        state = self.join(self.join(state, carol, "dave"), self.alice, "bob")
        self.assertEqual(self.alice.to_introduce(state, "bob"), [])
        self.alice.changed(state, 9, event("left", "carol"))
        state = self.without(state, "carol")
        self.assertEqual(self.alice.to_introduce(state, "bob"), ["dave"])
        self.bob.look(state)
        dave, bob = (next(one for one in state.members if one.user == name) for name in ("dave", "bob"))
        self.assertEqual(self.bob.may_be_introduced(state, [dave]), {"dave"})
        for other in (bob, msgspec.structs.replace(dave, statement=bob.statement)):
            self.assertEqual(self.bob.may_be_introduced(state, [other]), set())
        self.assertEqual(self.bob.may_be_introduced(self.without(state, "alice"), [dave]), set())

    def test_a_device_without_the_identity_key_signs_nothing(self) -> None:
        """And one that does not know the room's root invites nobody."""
        bare = rosters("alice", vouched=False)
        self.assertEqual((bare.opening(OPEN), bare.invitation(ULID, 1, "bob"), bare.joining(ULID)), ("", "", ""))
        self.assertEqual(self.alice.invitation(ULID, 1, "bob"), "")
        self.assertNotEqual(self.alice.joining(ULID), "")

    def test_a_second_look_writes_nothing_and_leaving_forgets_all(self) -> None:
        """The store holds one row a room."""
        self.bob.look(opened(self.bob))
        writes = self.kept.writes
        self.bob.look(opened(self.bob))
        self.assertEqual(self.kept.writes, writes)
        self.bob.forget(ULID)
        self.assertEqual(self.kept.all("roster"), {})

    def test_a_damaged_row_is_an_error_not_a_first_look(self) -> None:
        """Else damaging the store would be a way to give the room another root."""
        self.kept.put("roster", ULID, b"\xff")
        self.assertRaises(StoreError, self.bob.look, opened(self.bob))
