"""The devices of an account: seen, and revoked for good."""

from __future__ import annotations

from twisted.internet import defer, reactor

from encchat.limits import SEEN_SECONDS
from encchat.server.model import Device
from tests.server.harness import LIMIT, PASSWORD, START, Client, Server, ServerTestCase


async def rows(client: Client) -> list[dict[str, str]]:
    """The listing, a dict a row."""
    listing = await client.do("devices")
    return [dict(zip(listing["columns"], row, strict=True)) for row in listing["rows"]]


class Case(ServerTestCase):
    """Alice has a laptop and a phone."""

    async def start(self) -> None:
        """Both are logged in."""
        self.server: Server = await self.serve()
        self.laptop = self.server.client(7)
        await self.laptop.do("register", user="alice", password=PASSWORD, device_name="laptop")
        self.server.time.advance(60)
        self.phone = self.server.client(8)
        await self.phone.do("login", user="alice", password=PASSWORD, device_name="phone")

    async def id_of(self, name: str) -> str:
        """The id of the device called that."""
        (found,) = [row["id"] for row in await rows(self.laptop) if row["name"] == name]
        return found

    async def logs_in_by_key(self, device: int) -> bool:
        """Whether that key is a device of alice's."""
        return (await self.server.client(device).ask("login_device", user="alice"))["type"] == "ok"


class Listing(Case):
    """`devices`."""

    async def test_devices_are_listed_with_what_one_knows_them_by(self) -> None:
        """Id, name, since when, last login, and which of them is asking."""
        await self.start()
        self.phone.vanish()
        await self.server.store.set_meta("written", "so is what was handed over before")
        laptop, phone = await rows(self.laptop)
        self.assertEqual((laptop["name"], phone["name"]), ("laptop", "phone"))
        self.assertEqual((laptop["now"], phone["now"]), ("this device", ""))
        self.assertEqual((laptop["since"], laptop["last login"]), ("2027-01-15 08:00 UTC", "2027-01-15 08:00 UTC"))
        self.assertEqual((phone["since"], phone["last login"]), ("2027-01-15 08:01 UTC", "2027-01-15 08:01 UTC"))
        self.assertEqual(START, 1_800_000_000)
        self.assertNotEqual(laptop["id"], phone["id"])

    async def test_the_id_is_the_one_the_login_gave(self) -> None:
        """So a client knows its own."""
        await self.start()
        again = await self.server.client(8).do("login_device", user="alice")
        self.assertEqual(await self.id_of("phone"), again["device"])
        self.assertEqual([row["now"] for row in await rows(self.laptop)], ["this device", "connected"])

    async def test_others_devices_are_nobodys_business(self) -> None:
        """One sees one's own."""
        await self.start()
        mallory = await self.server.user("mallory")
        self.assertEqual(len(await rows(mallory)), 1)


class Revoking(Case):
    """`devices revoke`."""

    async def test_revoking_a_device_ends_its_connections_at_once(self) -> None:
        """All of them, with a word on why; the other device goes on."""
        await self.start()
        second = self.server.client(8)
        await second.do("login_device", user="alice")
        self.assertIsNone(await self.laptop.do("devices", action="revoke", device=await self.id_of("phone")))
        for connection in (self.phone, second):
            await connection.end()
            self.assertEqual(connection.lines[-1]["type"], "kicked")
            self.assertIn("revoked", connection.lines[-1]["reason"])
        self.assertEqual([row["name"] for row in await rows(self.laptop)], ["laptop"])

    async def test_a_revoked_device_logs_in_only_by_password_again(self) -> None:
        """Its key is nobody's; the password makes it a device anew."""
        await self.start()
        await self.laptop.do("devices", action="revoke", device=await self.id_of("phone"))
        self.assertFalse(await self.logs_in_by_key(8))
        self.assertTrue(await self.logs_in_by_key(7))
        await self.server.client(8).do("login", user="alice", password=PASSWORD)
        self.assertTrue(await self.logs_in_by_key(8))

    async def test_the_current_device_can_be_revoked(self) -> None:
        """It gets its answer, is told, and is hung up."""
        await self.start()
        id_ = self.laptop.send("devices", action="revoke", device=await self.id_of("laptop"))
        await self.laptop.end()
        (answer, last) = self.laptop.lines[-2:]
        self.assertEqual((answer, last["type"]), ({"type": "ok", "id": id_}, "kicked"))
        self.assertFalse(await self.logs_in_by_key(7))
        await self.phone.do("users")

    async def test_what_a_revoked_device_still_sends_is_not_looked_at(self) -> None:
        """In the turn of the revocation too."""
        await self.start()
        bob = await self.server.user("bob")
        await self.laptop.do("devices", action="revoke", device=await self.id_of("phone"))
        self.phone.send("send", conversation="lobby", ulid="0" * 26, body="still me")
        await bob.do("users")
        self.assertEqual(bob.seen("message"), [])

    async def test_others_devices_cannot_be_revoked(self) -> None:
        """Not even by an admin; they are unknown."""
        await self.start()
        phone = await self.id_of("phone")
        for mallory in (await self.server.user("mallory"), await self.server.moderator("root")):
            code, _ = await mallory.refused("devices", action="revoke", device=phone)
            self.assertEqual(code, "unknown-device")
        self.assertTrue(await self.logs_in_by_key(8))

    async def test_a_device_must_be_named_and_known(self) -> None:
        """The texts say how to find its id."""
        await self.start()
        for device, code in (("", "refused"), ("nonesuch", "unknown-device")):
            refusal = await self.laptop.refused("devices", action="revoke", device=device)
            self.assertEqual((refusal[0], "devices lists" in refusal[1]), (code, True))

    async def test_a_login_that_crosses_the_revocation_does_not_survive_it(self) -> None:
        """The key was still good when it was looked up, and is not any more by the time it logs in."""
        await self.start()
        store, phone = self.server.store, await self.id_of("phone")
        reached: defer.Deferred[None] = defer.Deferred()
        held: defer.Deferred[None] = defer.Deferred()
        look_up = store.device

        async def slow_look_up(key: bytes) -> object:
            found = await look_up(key)
            reached.callback(None)
            await held
            return found

        store.device = lambda key: defer.Deferred.fromCoroutine(slow_look_up(key))  # type: ignore
        late = self.server.client(8)
        late.send("login_device", user="alice")
        await reached.addTimeout(LIMIT, reactor)  # type: ignore[arg-type]
        await self.laptop.do("devices", action="revoke", device=phone)
        held.callback(None)
        await late.end()
        self.assertIn("revoked", late.lines[-1]["reason"])

    async def test_a_device_that_forgets_itself_at_once_stays_logged_in(self) -> None:
        """Forgetting the key is not revoking the device, however close it follows the login."""
        await self.start()
        client = self.server.client(8)
        client.write(client.encoded("login_device", 1, user="alice") + client.encoded("forget_device", 2))
        self.assertEqual([(await client.answer(id_))["type"] for id_ in (1, 2)], ["ok", "ok"])
        await client.do("users")


class Several(Case):
    """Devices of one account at once."""

    async def test_each_device_sees_what_the_other_sent(self) -> None:
        """Live and by sync, under the same seq."""
        await self.start()
        await self.server.user("bob")
        await self.laptop.say(1, "from my laptop", "@bob")
        live = await self.phone.take("message")
        page = await self.phone.do("sync", conversation="@bob", after=0)
        self.assertEqual(page["messages"], [live])
        self.assertEqual((live["from"], live["conversation"], live["seq"]), ("alice", "@bob", 1))

    async def test_the_store_gives_a_device_its_times(self) -> None:
        """Made at its first login, seen at each; that is written a moment later."""
        await self.start()
        self.server.time.advance(60)
        self.assertTrue(await self.logs_in_by_key(8))
        self.server.time.advance(SEEN_SECONDS)
        await self.server.store.set_meta("written", "so is what was handed over before")
        account = await self.server.store.account("alice")
        assert account is not None
        devices: list[Device] = await self.server.store.devices(account.id)
        self.assertEqual(
            [(one.created, one.last_seen) for one in devices],
            [(START * 1000, START * 1000), (START * 1000 + 60_000, START * 1000 + 120_000)],
        )
