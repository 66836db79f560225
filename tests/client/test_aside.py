"""`encchat.client.aside`: who makes a key that takes long goes on talking meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from encchat.client import events
from tests.client.people import PeopleTestCase, Person


class Making(PeopleTestCase):
    """Alice makes new identity keys, which are ready when the test says so."""

    async def makers(self) -> tuple[Any, Any, list[Callable[[], None]]]:
        """Both people, and what is still to be made."""
        alice, bob = await self.people("alice", "bob")
        self.to_make: list[Callable[[], None]] = []
        alice.core.workshop.aside = lambda make, done: self.to_make.append(lambda: done(make()))
        alice.type("/msg bob before")
        await bob.reads("before")
        return alice, bob, self.to_make

    @staticmethod
    def made(alice: Person, make: Callable[[], None]) -> None:
        """It is ready."""
        make()
        alice.pump()

    async def test_messages_go_out_while_a_key_is_made(self) -> None:
        """Under the key of before; the new one is in force when it is ready, and what is said then is signed by it."""
        alice, bob, to_make = await self.makers()
        alice.type("/sign rsa", "/msg bob meanwhile")
        self.assertEqual((await bob.reads("meanwhile")).signature, "ed25519")
        self.made(alice, to_make.pop())
        await bob.sees(events.KeyChanged, user="alice", announced=True)
        alice.type("/msg bob after")
        self.assertEqual((await bob.reads("after")).signature, "rsa-pss")

    async def test_a_client_does_not_leave_before_the_key_is_there(self) -> None:
        """Whose input has ended has said all the same that it wants the key."""
        alice, _, to_make = await self.makers()
        await alice.settled()
        alice.type("/sign rsa")
        alice.core.end_of_input()
        alice.pump()
        self.assertFalse(alice.core.idle or alice.core.finished)
        self.made(alice, to_make.pop())
        await alice.until(lambda: alice.core.finished)
        self.assertEqual(alice.seen(events.Warned)[-1].code, "identity")

    async def test_a_key_that_was_made_for_another_time_is_not_put_in_force(self) -> None:
        """Another one came into force meanwhile, which has not signed this one."""
        alice, _, to_make = await self.makers()
        alice.type("/sign rsa", "/sign dsa")
        self.made(alice, to_make.pop(0))
        await alice.until(lambda: alice.core.machine.identity.algorithm == "rsa")
        self.made(alice, to_make.pop())
        self.assertEqual((await alice.sees(events.Warned, code="identity-refused")).code, "identity-refused")
        self.assertEqual(alice.core.machine.identity.algorithm, "rsa")
