"""The lock of a room in the bar says how far the keys of those in it are believed, the weakest of them."""

from __future__ import annotations

from encchat.client.keys import actions
from tests.client.garden import GardenTestCase
from tests.client.people import Person


def lock(person: Person) -> str:
    """What the bar says of the room."""
    return person.core.trust_actions.lock("#garden")


class RoomLock(GardenTestCase):
    """What the bar says beside ``#garden``."""

    async def test_a_room_is_verified_when_everybody_else_is(self) -> None:
        """One of two is not enough; and what alice has verified says nothing of what bob has."""
        alice, bob, carol = await self.room()
        await self.say(alice, "hello", bob, carol)
        self.assertEqual("encrypted, pinned", lock(alice))
        alice.type("/verified bob")
        await alice.settled()
        self.assertEqual("encrypted, pinned", lock(alice))
        alice.type("/verified carol")
        await alice.settled()
        self.assertEqual("encrypted, verified", lock(alice))
        self.assertEqual("encrypted, pinned", lock(bob))

    async def test_a_key_that_changed_is_said_of_the_room_too(self) -> None:
        """Whoever else is verified: it may be somebody else who reads now."""
        alice, bob, carol = await self.room()
        await self.say(alice, "hello", bob, carol)
        alice.type("/verified bob", "/verified carol")
        await alice.settled()
        await alice.is_shown_the_keys_of("carol", "bob")
        self.assertEqual("KEY CHANGED", lock(alice))

    async def test_of_a_room_with_nobody_else_it_says_that_it_is_encrypted(self) -> None:
        """There is nobody whose key could be believed."""
        [alice] = await self.people("alice")
        alice.type("/chat #garden")
        await alice.until(lambda: alice.core.conversation == "#garden")
        self.assertEqual("encrypted", lock(alice))

    async def test_of_a_big_room_it_says_that_it_is_encrypted(self) -> None:
        """To look at everybody's key with each message would take too long; at the limit it still does."""
        alice, bob, carol = await self.room()
        await self.say(alice, "hello", bob, carol)
        for most, expected in ((3, "encrypted, pinned"), (2, "encrypted, pinned"), (1, "encrypted")):
            self.patch(actions, "MAX_LOCK_MEMBERS", most)
            self.assertEqual(expected, lock(alice), most)
