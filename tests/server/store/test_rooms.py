"""Rooms in the store: what each change means for who may read what, on the file and in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from encchat import wire
from encchat.errors import StoreError
from encchat.server.membership import RoomChange, RoomHead, Step
from encchat.server.model import Account, NewMessage, Stored
from encchat.server.store.memory import MemoryStore
from encchat.server.store.sqlite import SqliteStore
from tests.server.harness import ulid

HEAD = RoomHead(id=ulid(1), name="#Team", scheme="server-key", policy="signed", history="none", open=False)
KEY = bytes(32)


class RoomContract:
    """What `IStore` promises of rooms; ``store`` is open."""

    store: Any
    number = 100

    def make(self) -> Any:
        """The store."""
        raise NotImplementedError

    async def begin(self, *names: str, **fields: Any) -> list[Account]:
        """A room of these, the first of whom has opened it and invited the others."""
        self.store = self.make()
        await self.store.open()
        self.addCleanup(self.store.close)  # type: ignore[attr-defined]
        people = [await self.store.create_account(name, None, "user", 0) for name in names]
        self.head = evolve(HEAD, **fields)
        await self.change(people[0], "opened", people[0], key=KEY)
        for one in people[1:]:
            await self.change(people[0], "invited", one, statement="I")
            await self.change(one, "joined", one, statement="J")
        return people

    def row(self, by: Account, event: Any, user: Account, *, key: bytes | None = None, **fields: Any) -> RoomChange:
        """A change of one step."""
        self.number += 1
        step = Step(wire.RoomEvent(event=event, user=user.name, by=by.name, **fields), ulid(self.number), user.id)
        return RoomChange(self.head, by.id, 7, (step,), key)

    async def change(self, by: Account, event: Any, user: Account, **fields: Any) -> int:
        """It is stored; its seq."""
        [stored] = await self.store.change_room(self.row(by, event, user, **fields))
        return int(stored.seq)

    async def say(self, by: Account) -> int:
        """A message; its seq."""
        self.number += 1
        done: Deferred[Stored] = Deferred()
        message = NewMessage(self.head.key, "room", by.id, ulid(self.number), 8, "hidden", self.head.scheme)
        self.store.append(message, done.callback)
        return (await done).seq

    async def test_a_room_comes_back_as_it_was(self) -> None:
        """With its members in the order of their joining."""
        alice, bob, _ = await self.begin("alice", "bob", "carol")
        await self.change(alice, "role", bob, role="moderator")
        await self.change(alice, "open", alice, open=True)
        [room] = await self.store.rooms()
        self.equal((room.head, room.key_version), (evolve(HEAD, open=True), 1))
        found = [(one.name, one.role, one.state, one.by) for one in room.members]
        self.equal(
            found,
            [
                ("alice", "owner", "joined", ""),
                ("bob", "moderator", "joined", "alice"),
                ("carol", "member", "joined", "alice"),
            ],
        )
        self.equal(await self.store.rooms(HEAD.id), [room])
        self.equal(await self.store.rooms(ulid(2)), [])

    async def test_a_repeated_ulid_changes_nothing(self) -> None:
        """It is where it was, and so is everybody."""
        alice, bob = await self.begin("alice", "bob")
        left = self.row(bob, "left", bob, key=KEY)
        [first] = await self.store.change_room(left)
        await self.change(alice, "invited", bob)
        await self.change(bob, "joined", bob)
        [again] = await self.store.change_room(left)
        self.equal((again.seq, again.duplicate), (first.seq, True))
        [room] = await self.store.rooms()
        self.equal((len(room.members), room.key_version), (2, 2))
        self.equal(await self.store.room_change_done(bob.id, left.steps[0].ulid), True)
        self.equal(await self.store.room_change_done(alice.id, left.steps[0].ulid), False)

    async def test_a_change_is_known_as_done_after_retention_has_taken_its_message(self) -> None:
        """For as long as the places of removed messages are."""
        alice, bob = await self.begin("alice", "bob")
        gone = self.row(alice, "expelled", bob)
        await self.store.change_room(gone)
        self.equal(await self.store.retain("room", 0, None, 100), 4)
        self.equal(await self.store.room_change_done(alice.id, gone.steps[0].ulid), True)

    async def test_what_does_not_fit_is_refused_whole(self) -> None:
        """Nothing of it is in the log, and what is beside it is."""
        alice, bob = await self.begin("alice", "bob")
        carol = await self.store.create_account("carol", None, "user", 0)
        bad = [
            self.row(carol, "opened", carol),
            self.row(carol, "left", carol),
            self.row(alice, "expelled", carol),
            self.row(carol, "declined", carol),
            self.row(alice, "invited", bob),
            self.row(bob, "joined", bob),
            evolve(self.row(bob, "left", bob), head=evolve(HEAD, id=ulid(9))),
            evolve(self.row(bob, "opened", bob), head=evolve(HEAD, id=ulid(9), name="#TEAM")),
        ]
        answers = [self.store.change_room(one) for one in bad]
        seq = await self.say(alice)
        for answer in answers:
            await self.assertFailure(answer, StoreError)  # type: ignore[attr-defined]
        self.equal(seq, 4)

    async def test_what_may_be_read_ends_with_the_leaving_and_begins_as_history_says(self) -> None:
        """The bounds of `readable_room` and `readable_rooms`."""
        alice, bob = await self.begin("alice", "bob", history="since-invite")
        left = await self.change(bob, "left", bob)
        await self.say(alice)
        found = await self.store.readable_room(bob.id, "#team")
        self.equal((found.name, found.first, found.last_seq), ("#Team", 2, left))
        await self.change(alice, "invited", bob)
        self.equal(await self.store.readable_room(bob.id, "#team"), found)
        await self.change(bob, "declined", bob)
        self.equal(await self.store.readable_room(bob.id, "#team"), found)
        [state] = await self.store.readable_rooms(bob.id, bytes(32))
        self.equal((state.partner, state.last_seq, state.oldest, state.cursor), ("#Team", left, 2, 1))
        carol = await self.store.create_account("carol", None, "user", 0)
        await self.change(alice, "invited", carol)
        self.equal(await self.store.readable_room(carol.id, "#team"), None)
        self.equal(await self.store.readable_rooms(carol.id, bytes(32)), [])

    async def test_of_two_rooms_of_one_name_the_later_is_meant(self) -> None:
        """The one that is open, or was last."""
        (alice,) = await self.begin("alice")
        await self.store.change_room(evolve(self.row(alice, "left", alice), closes=True))
        self.equal(await self.store.rooms(), [])
        old = await self.store.readable_room(alice.id, "#team")
        self.equal(old.key, HEAD.key)
        self.head = evolve(HEAD, id=ulid(2))
        await self.change(alice, "opened", alice)
        new = await self.store.readable_room(alice.id, "#team")
        self.equal(new.key, self.head.key)
        self.equal([one.key for one in await self.store.readable_rooms(alice.id, bytes(32))], [self.head.key])

    async def test_the_state_pages_by_name(self) -> None:
        """In any case of the letters."""
        alice, *_ = await self.begin("alice", "Carol", "bob")
        page = await self.store.room_state(HEAD.id, "", 2)
        self.equal(([one.user for one in page.members], page.more, page.owner), (["alice", "bob"], True, "alice"))
        self.equal(([one.statement for one in page.members], page.version), (["", "I"], 5))
        rest = await self.store.room_state(HEAD.id, "bob", 2)
        self.equal(([one.user for one in rest.members], rest.more), (["Carol"], False))
        self.equal((await self.store.room_state(HEAD.id, "carol", 2)).members, [])
        self.equal(await self.store.room_state(ulid(3), "", 2), None)
        await self.change(alice, "role", alice, role="owner")
        self.equal((await self.store.room_state(HEAD.id, "", 2)).version, 5)

    async def test_a_key_is_for_those_in_the_room_and_from_their_time_on(self) -> None:
        """The latest, or one of before under which there is something they may read."""
        alice, bob = await self.begin("alice", "bob")
        await self.change(bob, "left", bob, key=b"2" * 32)
        await self.store.rotate_room_key(HEAD.id, b"3" * 32)
        self.equal((await self.store.room_key(HEAD.id, alice.id, 0, bytes(32))).version, 3)
        self.equal((await self.store.room_key(HEAD.id, alice.id, 1, bytes(32))).key, KEY)
        self.equal(await self.store.room_key(HEAD.id, alice.id, 4, bytes(32)), None)
        self.equal(await self.store.room_key(HEAD.id, bob.id, 0, bytes(32)), None)
        await self.change(alice, "invited", bob)
        await self.change(bob, "joined", bob)
        found = [await self.store.room_key(HEAD.id, bob.id, version, bytes(32)) for version in (1, 2, 3)]
        self.equal([one and one.version for one in found], [None, None, 3])

    async def test_deleted_accounts_that_are_still_in_rooms_are_found(self) -> None:
        """Invited ones too."""
        alice, bob = await self.begin("alice", "bob")
        carol = await self.store.create_account("carol", None, "user", 0)
        await self.change(alice, "invited", carol)
        self.equal(await self.store.orphans(), [])
        for one in (bob, carol):
            await self.store.delete_account(one.id, 1)
        self.equal([one.name for one in await self.store.orphans()], ["bob", "carol"])

    def equal(self, found: object, expected: object) -> None:
        """`assertEqual`, of the test case this is mixed into."""
        self.assertEqual(found, expected)  # type: ignore[attr-defined]


class SqliteRooms(RoomContract, TestCase):
    """On a file."""

    def make(self) -> SqliteStore:
        """In the test's directory."""
        return SqliteStore(Path(self.mktemp()), reactor)  # type: ignore[arg-type]


class MemoryRooms(RoomContract, TestCase):
    """In memory."""

    def make(self) -> MemoryStore:
        """With the real reactor's time."""
        return MemoryStore(reactor)  # type: ignore[arg-type]
