"""A server that is not honest about how a room was opened, to somebody who comes to it."""

from __future__ import annotations

from encchat.client import events
from tests.client.garden import GardenTestCase


class Lies(GardenTestCase):
    """Bob joins the room of Alice; the server tells him something else of it than she has signed."""

    async def test_a_room_has_the_scheme_policy_and_history_that_its_owner_has_signed(self) -> None:
        """Whatever the server says: he is warned, and what he says is said as in the room that was opened."""
        for options, lie in (
            ("", {"scheme": "server-key"}),
            ("", {"policy": "deniable"}),
            ("", {"history": "all"}),
            ("--deniable --history all", {"policy": "signed", "history": "none"}),
        ):
            with self.subTest(options=options, lie=lie):
                alice, bob = await self.deceived(options, **lie)
                bob.type("canary")
                said = await alice.reads("canary")
                self.assertEqual(said.encryption, "megolm")
                self.assertEqual(said.signed, "absent" if "--deniable" in options else "valid")
                await bob.sees(events.Warned, code="room-altered")
                opened, seen = alice.core.rooms.get("#garden").header, bob.core.rooms.get("#garden").header
                self.assertEqual(
                    (seen.scheme, seen.policy, seen.history), (opened.scheme, opened.policy, opened.history)
                )

    async def test_who_joined_a_room_that_the_server_cannot_read_says_nothing_where_it_can(self) -> None:
        """A room opened as server-key and shown as megolm: he has not agreed to that, and has to join once more."""
        alice, bob = await self.deceived("--scheme server-key", scheme="megolm")
        bob.type("canary")
        refused = await bob.sees(events.Error, code="not-encrypted")
        self.assertIn("nothing was sent", refused.text)
        self.assertEqual(alice.texts(), [])
