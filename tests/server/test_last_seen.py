"""When somebody was here last is known at once and written a moment later, for a whole crowd at once."""

from __future__ import annotations

from twisted.internet import defer

from encchat.errors import StoreError
from encchat.limits import SEEN_SECONDS
from encchat.server.model import Account
from tests.server.harness import START, Server, ServerTestCase


class LastSeenTests(ServerTestCase):
    """Of accounts and devices."""

    async def stored(self, server: Server, name: str) -> Account:
        """What the store knows, of what it was told before."""
        await server.store.set_meta("written", "so is what was handed over before")
        account: Account | None = await server.store.account(name)
        assert account is not None
        return account

    async def test_a_crowd_that_comes_and_goes_makes_one_write(self) -> None:
        """Nobody's time is written before `SEEN_SECONDS` are over, and then everybody's, in one transaction."""
        server = await self.serve()
        crowd = [await server.user(f"guest{number}") for number in range(5)]
        for one in crowd:
            one.vanish()
        before = [(await self.stored(server, f"guest{number}")).last_seen for number in range(5)]
        self.assertEqual(before, [None] * 5)
        transactions = server.store.transactions
        server.time.advance(SEEN_SECONDS)
        after = [(await self.stored(server, "guest0")).last_seen]
        self.assertEqual(server.store.transactions, transactions + 1)
        after += [(await self.stored(server, f"guest{number}")).last_seen for number in range(1, 5)]
        self.assertEqual(after, [START * 1000] * 5)

    async def test_what_is_not_written_when_the_server_stops_is_written_then(self) -> None:
        """Before the store is closed; once, and nothing if there is nothing."""
        server = await self.serve()
        (await server.user("alice")).vanish()
        last_seen = server.factory.services.last_seen
        await last_seen.stop()
        self.assertEqual((await self.stored(server, "alice")).last_seen, START * 1000)
        transactions = server.store.transactions
        await last_seen.stop()
        server.time.advance(SEEN_SECONDS)
        await self.stored(server, "alice")
        self.assertEqual(server.store.transactions, transactions + 1)  # that of `stored`

    async def test_a_store_that_fails_is_asked_again(self) -> None:
        """With what comes next; nothing is forgotten before it is written."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        alice.vanish()
        refused = server.store.mark_seen
        self.patch(server.store, "mark_seen", lambda *_: defer.fail(StoreError("the disk is full")))
        server.time.advance(SEEN_SECONDS)
        self.patch(server.store, "mark_seen", refused)
        bob.vanish()
        server.time.advance(SEEN_SECONDS)
        self.assertEqual((await self.stored(server, "alice")).last_seen, START * 1000)
