"""The rules of rooms by themselves: who may do what, who hears what, and what it costs."""

from __future__ import annotations

from time import process_time

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits
from encchat.errors import (
    ForbiddenError,
    NameRefusedError,
    OverloadedError,
    RequestError,
    UnknownConversationError,
    UnknownUserError,
)
from encchat.server.chat.rooms import Act, Change, Rooms
from encchat.server.membership import RoomHead, StoredMember, StoredRoom
from encchat.server.model import Account, Stored
from encchat.wire import Message
from tests.server.harness import ulid

ROOM = "#team"
HEAD = RoomHead(id=ulid(1), name=ROOM, scheme="server-key", policy="signed", history="none", open=False)


def account(number: int) -> Account:
    """One of many."""
    return Account(number, f"user{number}", "user")


ALICE, BOB, CAROL = account(1), account(2), account(3)


def act(by: Account) -> Act:
    """Something it does."""
    return Act(by=by, ulid=ulid(by.id), time=0, then=ulid(0), key=bytes(32))


class RoomRules(SynchronousTestCase):
    """`Rooms`."""

    def setUp(self) -> None:
        """A room of three, with nobody else."""
        self.rooms = Rooms()
        self.seq = 0
        for one in (ALICE, BOB, CAROL):
            self.rooms.arrive(one)
        self.keep(self.rooms.open(act(ALICE), HEAD))
        for one in (BOB, CAROL):
            self.admit(one)

    def keep(self, change: Change | None) -> list[str]:
        """It is stored; who hears of it."""
        self.assertIsNotNone(change)
        if change is None:
            return []
        places = []
        for _ in change.row.steps:
            self.seq += 1
            places.append(Stored(self.seq, 0, duplicate=False))
        told = self.rooms.stored(change, places)
        return [name for delivery in told if isinstance(delivery.event, Message) for name in delivery.to or ()]

    def admit(self, who: Account) -> None:
        """Invited by the owner, and joined."""
        self.keep(self.rooms.invite(act(ALICE), ROOM, who))
        self.keep(self.rooms.join(act(who), ROOM))

    def hearing(self) -> list[str]:
        """To whom a message of the owner goes."""
        _, route = self.rooms.route(ALICE, ROOM)
        return list(route.to or ())

    def test_who_hears_changes_when_it_is_stored_and_who_may_speak_at_once(self) -> None:
        """So every member hears everything up to its own leaving, by seq, and nobody speaks after it."""
        change = self.rooms.leave(act(BOB), ROOM)
        self.assertRaises(UnknownConversationError, self.rooms.route, BOB, ROOM)
        self.assertEqual(self.hearing(), ["user1", "user2", "user3"])
        self.assertEqual(self.keep(change), ["user1", "user2", "user3"])
        self.assertEqual(self.hearing(), ["user1", "user3"])
        self.keep(self.rooms.invite(act(ALICE), ROOM, BOB))
        change = self.rooms.join(act(BOB), ROOM)
        self.assertEqual(self.hearing(), ["user1", "user3"])
        self.keep(change)
        self.assertEqual(self.hearing(), ["user1", "user3", "user2"])

    def test_leaving_before_the_joining_is_stored_leaves_nobody_behind(self) -> None:
        """Whatever the store is late with."""
        self.keep(self.rooms.leave(act(BOB), ROOM))
        self.keep(self.rooms.invite(act(ALICE), ROOM, BOB))
        joined, left = self.rooms.join(act(BOB), ROOM), self.rooms.leave(act(BOB), ROOM)
        self.keep(joined)
        self.keep(left)
        self.assertEqual(self.hearing(), ["user1", "user3"])

    def test_who_leaves_an_ephemeral_room_hears_nothing_more_at_once_but_that_it_has_left(self) -> None:
        """What is said there does not wait for the store; one who is removed must not hear it meanwhile."""
        self.keep(self.rooms.open(act(ALICE), evolve(HEAD, id=ulid(9), name="#other", ephemeral=True)))
        for one in (BOB, CAROL):
            self.keep(self.rooms.invite(act(ALICE), "#other", one))
            self.keep(self.rooms.join(act(one), "#other"))
        for change in (self.rooms.leave(act(BOB), "#other"), self.rooms.expel(act(ALICE), "#other", "USER3")):
            with self.subTest(change.leaves):
                _, route = self.rooms.route(ALICE, "#other")
                self.assertEqual(list(route.to or ()), ["user1"])
                self.assertIn(change.leaves, self.keep(change))
                self.assertEqual(list(route.to or ()), ["user1"])

    def test_whose_invitation_is_taken_back_hears_nothing_of_the_room(self) -> None:
        """It was never in it."""
        self.keep(self.rooms.invite(act(ALICE), ROOM, account(4)))
        self.assertEqual(self.keep(self.rooms.expel(act(ALICE), ROOM, "user4")), ["user1", "user2", "user3"])

    def test_only_who_is_here_hears(self) -> None:
        """And who comes back does so again."""
        self.rooms.depart(BOB)
        self.assertEqual(self.hearing(), ["user1", "user3"])
        self.rooms.arrive(BOB)
        self.assertEqual(self.hearing(), ["user1", "user3", "user2"])

    def test_companions_share_a_room_and_are_here(self) -> None:
        """In any of the rooms; nobody is one's own."""
        self.keep(self.rooms.open(act(BOB), evolve(HEAD, id=ulid(9), name="#other")))
        self.assertEqual(self.rooms.companions("USER2"), {"user1", "user3"})
        self.rooms.depart(CAROL)
        self.assertEqual(self.rooms.companions("user2"), {"user1"})
        self.assertEqual(self.rooms.companions("nobody"), set())

    def test_keys_are_for_members_among_themselves(self) -> None:
        """An invited account's may be asked for, but not claimed or written to; a stranger's never, nor by one."""
        dave = account(4)
        self.keep(self.rooms.invite(act(ALICE), ROOM, dave))
        self.rooms.check_keys(BOB, ROOM, ["user1", "USER3"], invited=False)
        self.rooms.check_keys(BOB, ROOM, ["user4"], invited=True)
        self.assertRaises(ForbiddenError, self.rooms.check_keys, BOB, ROOM, ["user4"], invited=False)
        self.assertRaises(ForbiddenError, self.rooms.check_keys, BOB, ROOM, ["user5"], invited=True)
        self.assertRaises(UnknownConversationError, self.rooms.check_keys, dave, ROOM, ["user1"], invited=True)
        self.keep(self.rooms.expel(act(ALICE), ROOM, "user3"))
        self.assertRaises(UnknownConversationError, self.rooms.check_keys, CAROL, ROOM, ["user1"], invited=False)
        self.assertRaises(ForbiddenError, self.rooms.check_keys, BOB, ROOM, ["user3"], invited=True)

    def test_what_is_so_already_is_no_change(self) -> None:
        """Joined, invited, of that role, open or not."""
        dave = account(4)
        self.assertIsNone(self.rooms.join(act(BOB), ROOM))
        self.keep(self.rooms.invite(act(ALICE), ROOM, dave))
        self.assertIsNone(self.rooms.invite(act(BOB), ROOM, dave))
        self.assertIsNone(self.rooms.set_role(act(ALICE), ROOM, "user2", "member"))
        self.assertIsNone(self.rooms.set_open(act(ALICE), ROOM, open=False))
        self.assertRaises(RequestError, self.rooms.invite, act(ALICE), ROOM, BOB)

    def test_roles_are_the_owners_to_give_and_its_own_goes_with_it(self) -> None:
        """To members only."""
        self.assertRaises(ForbiddenError, self.rooms.set_role, act(BOB), ROOM, "user3", "moderator")
        self.assertRaises(ForbiddenError, self.rooms.set_role, act(ALICE), ROOM, "user1", "member")
        self.assertRaises(UnknownUserError, self.rooms.set_role, act(ALICE), ROOM, "user9", "moderator")
        self.assertRaises(ForbiddenError, self.rooms.set_open, act(BOB), ROOM, open=True)

    def test_a_room_closes_with_its_last_member(self) -> None:
        """Its invitations are void and its name free."""
        dave = account(4)
        self.keep(self.rooms.invite(act(ALICE), ROOM, dave))
        self.assertRaises(NameRefusedError, self.rooms.open, act(BOB), evolve(HEAD, name="#TEAM"))
        for one in (ALICE, BOB, CAROL):
            self.keep(self.rooms.leave(act(one), ROOM))
        self.assertEqual(self.rooms.entries(dave), [])
        self.keep(self.rooms.open(act(dave), evolve(HEAD, id=ulid(8))))

    def test_a_room_whose_change_was_not_stored_takes_no_other_until_it_is_read_again(self) -> None:
        """Then it is what is stored, also for who is here."""
        change = self.rooms.expel(act(ALICE), ROOM, "user2")
        change.room.unsure = True
        self.assertRaises(OverloadedError, self.rooms.leave, act(CAROL), ROOM)
        members = tuple(
            StoredMember(one.id, one.name, role, "joined", "")
            for one, role in ((ALICE, "owner"), (BOB, "member"), (CAROL, "member"))
        )
        self.rooms.replace(change.room, StoredRoom(HEAD, 1, members))
        self.assertEqual(self.hearing(), ["user1", "user2", "user3"])
        self.keep(self.rooms.leave(act(BOB), ROOM))

    def test_a_room_takes_so_many_members_and_invited_and_no_more(self) -> None:
        """`MAX_MEMBERS`, at one less, at it, and past it."""
        for number in range(4, limits.MAX_MEMBERS):
            self.rooms.invite(act(ALICE), ROOM, account(number))
        last = account(limits.MAX_MEMBERS)
        self.rooms.invite(act(ALICE), ROOM, last)
        over = account(limits.MAX_MEMBERS + 1)
        self.assertRaises(OverloadedError, self.rooms.invite, act(ALICE), ROOM, over)
        self.keep(self.rooms.set_open(act(ALICE), ROOM, open=True))
        self.assertRaises(OverloadedError, self.rooms.join, act(over), ROOM)
        self.rooms.join(act(last), ROOM)

    def test_an_account_is_in_so_many_rooms_and_others_invitations_take_none_of_them(self) -> None:
        """`MAX_ROOMS` to be in; invitations beyond that are refused to the inviter."""
        for number in range(limits.MAX_ROOMS - 1):
            self.rooms.open(act(BOB), evolve(HEAD, id=ulid(number), name=f"#own{number}"))
        dave = account(4)
        self.keep(self.rooms.open(act(dave), evolve(HEAD, id=ulid(77), name="#dave")))
        self.assertRaises(OverloadedError, self.rooms.invite, act(dave), "#dave", BOB)
        self.assertRaises(OverloadedError, self.rooms.open, act(BOB), evolve(HEAD, id=ulid(78), name="#more"))
        self.rooms.leave(act(BOB), "#own0")
        self.keep(self.rooms.invite(act(dave), "#dave", BOB))
        self.keep(self.rooms.open(act(BOB), evolve(HEAD, id=ulid(79), name="#again")))
        self.assertRaises(OverloadedError, self.rooms.join, act(BOB), "#dave")

    def test_five_thousand_joining_and_leaving_cost_each_the_same(self) -> None:
        """Linear in total, owners who leave included: the last thousand are not much dearer than the first."""

        def seconds(count: int) -> float:
            self.setUp()
            self.keep(self.rooms.set_open(act(ALICE), ROOM, open=True))
            people = [account(number) for number in range(10, 10 + count)]
            began = process_time()
            for one in people:
                self.keep(self.rooms.join(act(one), ROOM))
            for one in (ALICE, BOB, CAROL, *people):
                self.keep(self.rooms.leave(act(one), ROOM))
            return process_time() - began

        few, many = seconds(600), seconds(4_800)
        self.assertLess(many, 8 * few * 3)
