"""What encchat-admin changes in the store takes effect on who is connected."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from encchat.limits import CHANGES_SECONDS
from encchat.server.changes import Changes
from encchat.server.store import accounts
from encchat.server.store.database import edited
from tests.server.harness import PASSWORD, Client, Server, ServerTestCase


class ChangesTests(ServerTestCase):
    """With a server whose time a test moves by hand."""

    async def watched(self) -> Server:
        """A server that looks for changes."""
        server = await self.serve()
        changes = Changes(server.factory.services)
        changes.start()
        self.addCleanup(changes.stop)
        return server

    async def user(self, server: Server, name: str, device: int = 0) -> Client:
        """Somebody who is in, also as far as the store is concerned, which other processes write to as well."""
        client = await server.user(name, device=device)
        await server.store.set_meta("flush", "")
        return client

    def delete(self, server: Server, name: str) -> None:
        """As encchat-admin does it."""
        with edited(server.store._path) as connection:
            account = accounts.account(connection, name)
            if account is None:
                self.fail(f"there is no {name}")
            accounts.delete_account(connection, account.id, 1)
            accounts.bump_revision(connection)

    async def look(self, server: Server) -> None:
        """Let the server look once."""
        server.time.advance(CHANGES_SECONDS)
        # The looks are answered in the order they were asked for.
        await server.store.get_meta("")
        turned: Deferred[None] = Deferred()
        reactor.callLater(0, turned.callback, None)  # type: ignore[attr-defined]
        await turned

    async def test_a_deleted_account_is_hung_up_on_all_its_devices(self) -> None:
        """Told by whom and why; its name is OFFLINE, others stay."""
        server = await self.watched()
        both = [await self.user(server, "alice", device=1), await self.user(server, "alice", device=2)]
        bob = await self.user(server, "bob")
        self.delete(server, "alice")
        await self.look(server)
        for alice in both:
            last = await alice.take("kicked")
            self.assertEqual((last["by"], last["reason"]), ("encchat-admin", "the account was deleted"))
            await alice.end()
        self.assertEqual([entry["user"] for entry in (await bob.do("users"))["users"]], ["bob"])

    async def test_a_deleted_account_cannot_come_back(self) -> None:
        """Neither by its device, nor by its password, nor by making it anew."""
        server = await self.watched()
        alice = await self.user(server, "alice", device=7)
        self.delete(server, "alice")
        await self.look(server)
        await alice.end()
        again = server.client(device=7)
        self.assertEqual((await again.refused("login_device", user="alice"))[0], "login-refused")
        self.assertEqual((await again.refused("login", user="alice", password=PASSWORD))[0], "login-refused")
        self.assertEqual((await again.refused("register", user="alice", password=PASSWORD))[0], "name-refused")

    async def test_a_changed_role_is_in_force_at_once(self) -> None:
        """Without a new login; who it concerns is told."""
        server = await self.watched()
        alice = await self.user(server, "alice")
        with edited(server.store._path) as connection:
            accounts.set_role(connection, 1, "moderator")
            accounts.bump_revision(connection)
        await self.look(server)
        self.assertIn("moderator", (await alice.take("notice"))["text"])
        self.assertIsNotNone(await alice.do("admin", password=PASSWORD))

    async def test_without_a_revision_nobody_is_looked_at(self) -> None:
        """A quiet server reads one value, not every account."""
        server = await self.watched()
        alice = await self.user(server, "alice")
        with edited(server.store._path) as connection:
            accounts.delete_account(connection, 1, 1)
        await self.look(server)
        self.assertFalse(alice.gone)
        self.assertEqual(alice.seen("kicked"), [])

    async def test_a_store_that_cannot_be_read_is_looked_at_again(self) -> None:
        """What failed half way is not taken for done."""
        server = await self.watched()
        alice = await self.user(server, "alice")
        events = self.hear_logs()
        self.delete(server, "alice")
        reading, server.store._reader = server.store._reader, None
        server.time.advance(CHANGES_SECONDS)
        self.assertEqual([one["event"] for one in events if one.get("event") == "store_broke"], ["store_broke"])
        server.store._reader = reading
        server.time.advance(CHANGES_SECONDS)
        await alice.take("kicked")
