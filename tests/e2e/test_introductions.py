"""Members whom no invitation shows to somebody new: the inviter names them, and nobody else can."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits
from encchat.client import events
from encchat.e2e import introductions, letters, statements
from encchat.e2e.interfaces import Introduced
from encchat.e2e.rosters import Rosters
from tests.e2e.hosts import ROOM, TestHost, World
from tests.e2e.people import ULID, identity
from tests.e2e.test_memberships import keys
from tests.e2e.whole import Whole, WholeTestCase


class OrphansOfSomebodyWhoLeft(WholeTestCase):
    """O invites F, F invites D and leaves; then O invites C."""

    async def alone(self) -> tuple[Any, ...]:
        """Olga and Dan in the room, by Fred, who has left; Carl is not in it yet."""
        olga, fred, dan, carl = await self.people("olga", "fred", "dan", "carl")
        await self.garden(olga, fred)
        fred.type("/invite dan")
        await dan.sees(events.Room, event_="invited")
        dan.type("/join #garden")
        for person in (olga, dan):
            await person.until(lambda person=person: self.is_in(person, "dan"))
        fred.type("/leave")
        await self.gone("fred", olga, dan)
        await self.calm(olga, dan)
        olga.type("/invite carl")
        await carl.sees(events.Room, event_="invited")
        return olga, dan, carl

    async def speaks(self, carl: Whole, olga: Whole, dan: Whole) -> None:
        """Carl and Dan read each other, and Carl is warned of nobody."""
        carl.type("/go #garden", "from the new one")
        for person in (olga, dan):
            await person.reads("from the new one")
        dan.type("/go #garden", "to the new one")
        await carl.reads("to the new one")
        self.assertEqual([carl.codes(), dan.codes(), olga.codes()], [[], [], []])

    async def test_a_newcomer_writes_to_whom_somebody_invited_who_has_left(self) -> None:
        """The inviter's client has told who is there; nobody is taken for somebody put there by the server."""
        olga, dan, carl = await self.alone()
        carl.type("/join #garden")
        await olga.until(lambda: self.is_in(olga, "carl"))
        await self.calm(olga, dan, carl)
        await self.speaks(carl, olga, dan)

    async def test_an_inviter_who_was_away_tells_it_later(self) -> None:
        """Until then nothing is encrypted for Dan and nobody is warned of him; both clients may be restarted."""
        olga, dan, carl = await self.alone()
        olga.leave()
        carl.type("/join #garden")
        await dan.until(lambda: self.is_in(dan, "carl"))
        carl.type("too early")
        await self.calm(dan, carl)
        self.assertNotIn(f"dan/{dan.device_id}", carl.keys_for())
        carl.die()
        await olga.arrive()
        await self.calm(olga, dan)
        olga.die()
        await olga.arrive()
        await carl.arrive()
        await self.calm(olga, dan, carl)
        await self.speaks(carl, olga, dan)

    async def test_nobody_is_waited_for_without_end(self) -> None:
        """Where the inviter says nothing the newcomer is warned in the end."""
        olga, dan, carl = await self.alone()
        olga.leave()
        carl.type("/join #garden")
        await dan.until(lambda: self.is_in(dan, "carl"))
        carl.type("early")
        await self.calm(dan, carl)
        self.assertEqual(carl.codes(), [])
        self.server.time.advance(limits.INTRODUCTION_SECONDS + 1)
        carl.type("late")
        await self.calm(dan, carl)
        self.assertEqual(carl.codes().count("injected-member"), 1)
        await olga.arrive()
        await self.calm(olga, dan, carl)
        carl.type("now")
        await dan.reads("now")


class Letters(SynchronousTestCase):
    """`encchat.e2e.introductions`: the letter itself."""

    def setUp(self) -> None:
        self.world = World()
        self.alice, self.bob, self.mallory = (self.host(name) for name in ("alice", "bob", "mallory"))
        self.known(self.alice, by="alice")
        self.known(self.bob, by="alice")
        self.known(self.mallory, by="alice")
        self.letter = introductions.letter(self.alice, ROOM, ["dave"], self.bob.me)

    def host(self, name: str) -> TestHost:
        """A device with its account's key."""
        host = self.world.device(name, name.upper())
        host.identity = identity(name)
        return host

    def known(self, host: TestHost, by: str, root: str = "R" * 43, room_id: str = ULID) -> None:
        """``host`` was invited by ``by``."""
        row = {"root": root, "known": [by], "by": by}
        host.keep.put("roster", room_id, msgspec.msgpack.encode(row))

    def taken(self, letter: bytes, sender: TestHost, conversation: str = ROOM) -> list[str]:
        """What bob makes of it."""
        self.bob.effects.clear()
        introductions.take(self.bob, conversation, letter, sender.me)
        row = msgspec.msgpack.decode(self.bob.keep.get("roster", introductions.room_of(conversation)) or b"\x80")
        told = Introduced(conversation) in self.bob.effects
        self.assertEqual(told, bool(row.get("handed")))
        return list(row.get("handed", []))

    def test_an_introduction_by_the_inviter_is_taken(self) -> None:
        """It is judged anew who is in the room."""
        self.assertEqual(self.taken(self.letter, self.alice), ["dave"])

    def test_a_server_cannot_forge_an_introduction(self) -> None:
        """Not with other names, nor with another's key, nor signed for something else."""
        said = letters.read(letters.Known, self.letter)
        assert said is not None
        more = letters.written(msgspec.structs.replace(said, names=["dave", "mallory"]))
        bare = letters.written(letters.Known(["mallory"], "A" * 86))
        invitation = statements.invitation(ULID, "R" * 43, 1, "alice", "mallory")
        other = letters.written(letters.Known(["mallory"], identity("alice").sign(invitation)))
        theirs = introductions.letter(self.mallory, ROOM, ["mallory"], self.bob.me)
        for forged in (more, bare, other, theirs, b"{}", b"\xff"):
            self.assertEqual(self.taken(forged, self.alice), [])
        self.assertEqual(self.taken(theirs, self.mallory), [])

    def test_an_introduction_is_worth_nothing_elsewhere(self) -> None:
        """In another room of the same inviter, in one of another root, on another device, from another member."""
        other = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
        self.known(self.bob, by="alice", room_id=other)
        self.assertEqual(self.taken(self.letter, self.alice, f"room:{other}"), [])
        self.assertEqual(self.taken(self.letter, self.mallory), [])
        for_mallory = introductions.letter(self.alice, ROOM, ["dave"], self.mallory.me)
        self.assertEqual(self.taken(for_mallory, self.alice), [])
        self.known(self.bob, by="mallory")
        self.assertEqual(self.taken(self.letter, self.alice), [])
        self.known(self.bob, by="alice", root="S" * 43)
        self.assertEqual(self.taken(self.letter, self.alice), [])

    def test_an_introduction_that_comes_before_the_rooms_root_is_known_waits_for_it(self) -> None:
        """Also over a restart, and is taken once."""
        self.bob.keep.put("roster", ULID, None)
        self.bob.scheme.receive(letters.KNOWN, self.letter, self.alice.me, ROOM)
        self.bob.restart()
        self.assertFalse(self.bob.scheme.work())
        self.known(self.bob, by="alice")
        self.assertTrue(self.bob.scheme.work())
        self.assertEqual(self.bob.effects, [Introduced(ROOM)])
        self.assertFalse(self.bob.scheme.work())

    def test_names_go_in_letters_that_fit(self) -> None:
        """At one less, as many as fit, and one more; a restart in between loses none."""
        for count, letters_due in ((199, 1), (200, 1), (201, 2)):
            self.alice.sent.clear()
            names = [f"{number:032}" for number in range(count)]
            self.alice.scheme.handover.introduce(self.world.conversation(), "bob", names)
            self.alice.restart()
            while self.alice.scheme.work():
                pass
            self.assertEqual([parcel.kind for parcel in self.alice.sent], [letters.KNOWN] * letters_due)
            self.assertTrue(all(len(parcel.payload) < limits.MAX_PAYLOAD / 2 for parcel in self.alice.sent))
            self.known(self.bob, by="alice")
            self.world.deliver()
            self.assertEqual(Rosters("bob", self.bob.keep, lambda: None, keys)._kept(ULID).handed, names)
