"""Three people in a room, for tests."""

from __future__ import annotations

from typing import Any

from encchat.client import events
from tests.client.people import PeopleTestCase, Person
from tests.server.harness import Line


class GardenTestCase(PeopleTestCase):
    """Alice, Bob and Carol, and a room for them."""

    async def room(self, options: str = "") -> tuple[Any, ...]:
        """All three of them are in ``#garden``."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        alice.type(f"/chat #garden bob carol {options}")
        for guest in (bob, carol):
            await guest.sees(events.Room, event_="invited", user=guest.name)
            guest.type("/join")
            await alice.sees(events.Room, event_="joined", user=guest.name)
            await guest.until(lambda guest=guest: guest.core.conversation == "#garden")
        await bob.sees(events.Room, event_="joined", user="carol")
        for person in (alice, bob, carol):
            await person.settled()
        return alice, bob, carol

    async def deceived(self, options: str, **lie: Any) -> tuple[Person, Person]:
        """Alice has opened a room, and Bob, to whom the server says ``lie`` in every state of it, has joined."""
        alice, bob = await self.people("alice", "bob")

        def other(line: Line) -> Line:
            result = line.get("result")
            if isinstance(result, dict) and result.get("type") == "room_state":
                return {**line, "result": {**result, **lie}}
            return line

        bob.lie = other
        alice.type(f"/chat #garden bob {options}")
        await bob.sees(events.Room, event_="invited")
        bob.type("/join")
        await alice.sees(events.Room, event_="joined", user="bob")
        await bob.settled()
        return alice, bob

    async def say(self, speaker: Person, text: str, *readers: Person) -> events.Message:
        """What the first of ``readers`` sees of it; all of them read it."""
        speaker.type(text)
        said = [await reader.reads(text) for reader in readers]
        return said[0]
