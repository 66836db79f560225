"""Whom a client believes to be in a room, whatever the server says."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.client.ledger import Ledger
from encchat.client.room_trust import RoomTrust
from encchat.client.rooms import Room, Rooms
from encchat.client.store import MemoryStore
from encchat.e2e.memberships import sign_opening
from tests.client.test_rooms import ULID, change, member, state
from tests.e2e.people import identity

NAMES = ("alice", "bob", "carol", "dave")


def opening(owner: str = "alice", **more: Any) -> str:
    """What the owner signs of the room of `tests.client.test_rooms.state`."""
    fields = {"scheme": "megolm", "policy": "signed", "history": "none", "is_open": False} | more
    return sign_opening(identity(owner), "#garden", ULID, owner, **fields)


@define
class Client:
    """One member's: rooms and what is believed of them, over a store."""

    me: str
    ledger: Ledger = field(factory=lambda: Ledger(MemoryStore()))
    strangers: tuple[str, ...] = ()
    """Whose keys are not known here yet."""
    rooms: Rooms = field(init=False)
    trust: RoomTrust = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.ledger.commit()
        self.rooms, self.trust = Rooms(self.ledger, self.me), RoomTrust(self.ledger)

    @property
    def room(self) -> Room:
        return self.rooms.get("#garden")

    def keys(self, user: str) -> list[wire.Identity]:
        return [] if user in self.strangers else [identity(user).public]

    def judged(self) -> tuple[set[str], set[str]]:
        """Who is confirmed, and who was put there."""
        verdict = self.trust.judge(self.room, self.me, self.keys)
        return set(verdict.confirmed), set(verdict.injected)

    def believed(self) -> set[str]:
        """Who is not put there."""
        return {one.user for one in self.room.members.values()} - self.judged()[1]

    def invite(self, user: str, by: str = "") -> str:
        """What this client signs when it invites."""
        return self.trust.invitation(identity(self.me), self.room, by or self.me, user)


def owner() -> Client:
    """Alice, who has just opened the room."""
    alice = Client("alice")
    opened = state(version=1, members=[member("alice", role="owner", statement=opening())])
    alice.rooms.take(opened)
    alice.trust.opened(opened, "alice")
    return alice


def guest(alice: Client, me: str = "bob") -> Client:
    """Somebody whom alice has invited, and who has joined."""
    statement = alice.invite(me)
    one = Client(me)
    members = [member("alice", role="owner", statement=opening()), member(me, by="alice", statement=statement)]
    one.rooms.take(state(version=3, members=members))
    return one


class Judging(SynchronousTestCase):
    """`RoomTrust`."""

    def test_the_owner_and_whom_it_invites_believe_each_other(self) -> None:
        """By what each has signed."""
        alice = owner()
        self.assertEqual(({"alice"}, set()), alice.judged())
        bob = guest(alice)
        self.assertEqual(({"alice", "bob"}, set()), bob.judged())
        alice.rooms.apply("#garden", 2, change("invited", "bob", statement=alice.invite("bob")))
        alice.rooms.apply("#garden", 3, change("joined", "bob", "bob"))
        self.assertEqual(set(), alice.judged()[1])

    def test_an_invitation_by_a_member_counts(self) -> None:
        """The chain goes on from whom one believes."""
        alice = owner()
        bob = guest(alice)
        bob.judged()
        statement = bob.invite("carol")
        self.assertTrue(statement)
        for client in (alice, bob):
            client.rooms.apply("#garden", 4, change("invited", "carol", "bob", statement=statement))
        self.assertEqual(set(), bob.judged()[1])
        # To alice bob is somebody as long as she has not seen his invitation.
        self.assertEqual({"carol"}, alice.judged()[1])

    def test_an_injected_member_is_found(self) -> None:
        """The server cannot sign, and nobody can sign for somebody else."""
        alice = owner()
        for statement in ("", opening("dave"), alice.invite("carol"), alice.invite("dave", by="dave")):
            injected = member("dave", by="alice", statement=statement)
            alice.rooms.take(state(version=5, members=[member("alice", role="owner", statement=opening()), injected]))
            self.assertEqual({"dave"}, alice.judged()[1])

    def test_an_invitation_of_before_a_removal_is_spent(self) -> None:
        """The server cannot bring back who was removed by showing it again."""
        alice = owner()
        statement = alice.invite("bob")
        alice.rooms.apply("#garden", 2, change("invited", "bob", statement=statement))
        self.assertEqual(set(), alice.judged()[1])
        alice.rooms.apply("#garden", 3, change("expelled", "bob"))
        alice.trust.left(ULID, "bob", 3)
        alice.restart()
        alice.rooms.take(
            state(
                version=4,
                members=[
                    member("alice", role="owner", statement=opening()),
                    member("bob", by="alice", statement=statement),
                ],
            )
        )
        self.assertEqual({"bob"}, alice.judged()[1])
        again = alice.invite("bob")
        alice.rooms.apply("#garden", 5, change("invited", "bob", statement=again))
        self.assertEqual(set(), alice.judged()[1])

    def test_whom_it_believed_a_client_believes_after_a_restart(self) -> None:
        """Even if the server shows another opening then."""
        alice = owner()
        bob = guest(alice)
        bob.judged()
        bob.restart()
        forged = member("alice", role="owner", statement="")
        bob.rooms.take(state(version=3, members=[forged, bob_himself(alice)]))
        self.assertEqual({"alice", "bob"}, bob.believed())

    def test_a_client_that_knows_no_root_signs_no_invitation(self) -> None:
        """It would be worth nothing."""
        bob = Client("bob")
        bob.rooms.take(state())
        self.assertEqual("", bob.invite("carol"))

    def test_a_room_that_was_left_is_forgotten(self) -> None:
        """With whom was believed in it."""
        alice = owner()
        alice.trust.forget(ULID)
        alice.restart()
        self.assertEqual(None, alice.ledger.get("room-trust", ULID))


def bob_himself(alice: Client) -> wire.Member:
    """Bob as the server shows him."""
    return member("bob", by="alice", statement=alice.invite("bob"))
