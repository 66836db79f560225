"""End-to-end keys, inboxes and key backups as clients ask for them."""

from __future__ import annotations

from typing import Any

from twisted.internet import defer

from encchat.limits import CLAIM_COST, MAX_INBOX, MAX_PARCELS, REQUEST_BURST
from encchat.server.store.database import edited
from tests.server.harness import PASSWORD, Client, Server, ServerTestCase, ulid


def key(number: int, letter: str = "K") -> dict[str, str]:
    """A signed key."""
    return {"id": f"id{number}", "key": f"{letter}{number:042d}", "signature": "c2ln"}


class Case(ServerTestCase):
    """Alice, bob and carol; bob has a laptop and a phone."""

    async def start(self, **settings: Any) -> None:
        """All are connected, and bob's laptop has published keys."""
        self.server: Server = await self.serve(**settings)
        self.devices: dict[Client, dict[str, str]] = {}
        self.alice = await self.enter("alice", 1)
        self.bob = await self.enter("bob", 2)
        self.phone = await self.enter("bob", 3)
        self.carol = await self.enter("carol", 4)
        await self.upload(self.bob, *map(key, range(5)), fallback=key(99, "F"))

    async def enter(self, name: str, device: int) -> Client:
        """A device logs in."""
        client = self.server.client(device)
        known = await self.server.store.account(name)
        logged_in = await client.do("login" if known else "register", user=name, password=PASSWORD)
        self.devices[client] = {"user": name, "device": logged_in["device"]}
        return client

    def published(self, client: Client, **fields: str) -> dict[str, str]:
        """The keys of a device."""
        return {**self.devices[client], "curve25519": "C" * 43, "ed25519": "E" * 43, "signature": "c2ln", **fields}

    async def upload(self, client: Client, *one_time: dict[str, str], **fields: Any) -> Any:
        """The device publishes its keys."""
        wanted = {"generation": 1, "keys": self.published(client), "one_time": list(one_time)}
        return await client.do("upload_keys", **{**wanted, **fields})

    async def claim(self, client: Client, *of: Client, conversation: str = "@bob") -> list[Any]:
        """The one-time keys that ``client`` is given."""
        devices = [self.devices[one] for one in of]
        return (await client.do("claim_keys", conversation=conversation, devices=devices))["keys"]

    def parcel(self, to: Client, body: str = "0YQ") -> dict[str, str]:
        """Something for a device."""
        return {**self.devices[to], "body": body}

    async def room(self) -> None:
        """Alice opens #team, and bob joins."""
        await self.alice.do("open_room", room="#team", ulid=ulid(900))
        await self.alice.do("invite", room="#team", user="bob", ulid=ulid(901))
        await self.bob.do("join", room="#team", ulid=ulid(902))


class Publishing(Case):
    """`publish_identity`, `upload_keys`, `query_keys`."""

    async def test_published_keys_are_found_by_others(self) -> None:
        """Identity keys in their order, devices with their vouches."""
        await self.start()
        identity = {"algorithm": "ed25519", "key": "a2V5"}
        vouches = [{"device": self.devices[self.bob]["device"], "vouch": "dm91Y2g"}]
        await self.bob.do("publish_identity", identity=identity, vouches=vouches)
        answer = await self.alice.do("query_keys", conversation="@bob", users=["BOB", "alice", "bob"])
        found = {user["user"]: user for user in answer["users"]}
        self.assertEqual(found["bob"]["identities"], [identity])
        self.assertEqual(found["bob"]["devices"], [self.published(self.bob, vouch="dm91Y2g")])
        self.assertNotIn("devices", found["alice"])

    async def test_a_device_publishes_under_its_own_name_only(self) -> None:
        """Neither for another account nor for another device of its own."""
        await self.start()
        for wrong in (self.carol, self.phone):
            code, text = await self.bob.refused("upload_keys", generation=1, keys=self.published(wrong))
            self.assertEqual(code, "malformed")
            self.assertIn(self.devices[self.bob]["device"], text)

    async def test_keys_are_nobodys_business_outside_the_conversation(self) -> None:
        """For @bob it is bob's keys and one's own; in the lobby nothing is encrypted; there is no such room."""
        await self.start()
        ask = "query_keys"
        self.assertEqual((await self.alice.refused(ask, conversation="@bob", users=["bob", "carol"]))[0], "forbidden")
        for conversation in ("lobby", "#team", "@"):
            code, _ = await self.alice.refused(ask, conversation=conversation, users=["bob"])
            self.assertEqual(code, "unknown-conversation")

    async def test_in_a_room_members_ask_for_keys_of_members(self) -> None:
        """And of the invited, whose identity keys the inviter has to know; not who is outside."""
        await self.start()
        await self.room()
        await self.alice.do("query_keys", conversation="#team", users=["alice", "bob"])
        code, _ = await self.alice.refused("query_keys", conversation="#team", users=["carol"])
        self.assertEqual(code, "forbidden")
        await self.alice.do("invite", room="#team", user="carol", ulid=ulid(903))
        await self.alice.do("query_keys", conversation="#team", users=["carol"])
        await self.upload(self.carol)
        devices = [self.devices[self.carol]]
        self.assertEqual(
            (await self.alice.refused("claim_keys", conversation="#team", devices=devices))[0], "forbidden"
        )
        for asked in ("query_keys", "claim_keys"):
            fields: dict[str, Any] = {"users": ["bob"]} if asked == "query_keys" else {"devices": devices}
            code, _ = await self.carol.refused(asked, conversation="#team", **fields)
            self.assertEqual(code, "unknown-conversation")


class Changes(Case):
    """`keys_changed`."""

    async def test_who_asked_hears_when_keys_change(self) -> None:
        """A new device, a new identity key; not one who has nothing to do with it, and not when nothing changed."""
        await self.start()
        await self.alice.do("query_keys", conversation="@bob", users=["bob"])
        await self.upload(self.phone)
        await self.alice.take("keys_changed", user="bob")
        await self.bob.take("keys_changed", user="bob")
        await self.bob.do("publish_identity", identity={"algorithm": "ed25519", "key": "a2V5"})
        await self.alice.take("keys_changed", user="bob")
        await self.phone.take("keys_changed", user="bob")
        await self.upload(self.bob, generation=2)
        await self.alice.do("users")
        self.assertEqual([client.seen("keys_changed") for client in (self.alice, self.bob, self.carol)], [[], [], []])

    async def test_who_shares_a_conversation_hears_when_keys_change(self) -> None:
        """A direct one, or a room."""
        await self.start()
        await self.room()
        await self.upload(self.phone)
        await self.alice.take("keys_changed", user="bob")
        self.assertEqual(self.carol.seen("keys_changed"), [])

    async def test_the_keys_of_a_revoked_device_are_gone_and_others_are_told(self) -> None:
        """Security: nobody encrypts for a stolen phone any more; what waited for it is dropped."""
        await self.start()
        await self.upload(self.phone, key(1))
        await self.alice.do("query_keys", conversation="@bob", users=["bob"])
        await self.alice.do("send_parcels", conversation="@bob", ulid=ulid(1), parcels=[self.parcel(self.phone)])
        await self.bob.do("devices", action="revoke", device=self.devices[self.phone]["device"])
        await self.alice.take("keys_changed", user="bob")
        [found] = (await self.alice.do("query_keys", conversation="@bob", users=["bob"]))["users"]
        self.assertEqual([device["device"] for device in found["devices"]], [self.devices[self.bob]["device"]])
        self.assertEqual(await self.claim(self.alice, self.phone), [])
        await self.alice.do("send_parcels", conversation="@bob", ulid=ulid(2), parcels=[self.parcel(self.phone)])
        again = await self.enter("bob", 3)
        self.assertEqual((await again.do("inbox"))["items"], [])

    async def test_a_device_that_is_forgotten_is_told_of_too(self) -> None:
        """`forget_device` takes its keys away like a revocation."""
        await self.start()
        await self.alice.do("query_keys", conversation="@bob", users=["bob"])
        await self.bob.do("forget_device")
        await self.alice.take("keys_changed", user="bob")
        self.assertEqual(await self.claim(self.alice, self.bob), [])

    async def test_others_are_told_though_the_device_hangs_up_before_its_answer(self) -> None:
        """What is in the store is so for everybody: nobody goes on with keys that are not the last ones."""
        for verb in ("publish_identity", "upload_keys", "forget_device"):
            await self.start()
            await self.alice.do("query_keys", conversation="@bob", users=["bob"])
            fields: dict[str, dict[str, Any]] = {
                "publish_identity": {"identity": {"algorithm": "ed25519", "key": "a2V5"}},
                "upload_keys": {"generation": 2, "keys": self.published(self.bob, curve25519="D" * 43)},
                "forget_device": {},
            }
            self.bob.send(verb, **fields[verb])
            self.bob.vanish()
            await self.alice.take("keys_changed", user="bob")

    async def test_who_has_left_is_remembered_no_longer(self) -> None:
        """The list of who asked does not grow with everybody who ever did."""
        await self.start()
        await self.alice.do("query_keys", conversation="@bob", users=["bob"])
        self.alice.vanish()
        self.assertEqual(self.server.factory.services.key_watch.asking, 0)


class Claiming(Case):
    """`claim_keys`."""

    async def test_two_who_claim_at_once_get_different_keys(self) -> None:
        """Security: a one-time key that two had would not be one."""
        await self.start()
        found = await defer.gatherResults(
            [defer.ensureDeferred(self.claim(client, self.bob)) for client in (self.alice, self.carol, self.alice)]
        )
        self.assertEqual(len({claimed["key"]["id"] for [claimed] in found}), 3)

    async def test_exhausted_keys_leave_the_fallback(self) -> None:
        """And the device learns that it was used."""
        await self.start()
        ids = [(await self.claim(self.alice, self.bob))[0]["key"]["id"] for _ in range(7)]
        self.assertEqual((len(set(ids[:5])), ids[5:]), (5, ["id99", "id99"]))
        count = await self.bob.do("upload_keys", generation=2)
        self.assertEqual((count["one_time"], count["fallback_used"], count["generation"]), (0, True, 1))

    async def test_a_device_named_twice_costs_one_key(self) -> None:
        """Nobody empties a supply with one request."""
        await self.start()
        self.assertEqual(len(await self.claim(self.alice, *[self.bob] * MAX_PARCELS)), 1)
        self.assertEqual((await self.bob.do("upload_keys", generation=2))["one_time"], 4)

    async def test_emptying_supplies_is_slowed_down(self) -> None:
        """Each device costs `CLAIM_COST`: past the burst the connection is not read for a while."""
        await self.start(request_rate=1.0, request_burst=REQUEST_BURST)
        most, claims = int(REQUEST_BURST / (CLAIM_COST * MAX_PARCELS)), 0
        while claims < most and not self.alice.connection.paused:
            await self.claim(self.alice, *[self.bob] * MAX_PARCELS)
            claims += 1
        self.assertGreater(claims, most * 3 // 4)  # the requests cost a little besides
        self.assertTrue(self.alice.connection.paused)
        self.server.time.advance(REQUEST_BURST)
        self.assertFalse(self.alice.connection.paused)

    async def test_somebody_who_shares_no_conversation_gets_no_keys(self) -> None:
        """Security: the name of a conversation with somebody else opens nobody's supply."""
        await self.start()
        for conversation in ("@alice", "#team", "lobby"):
            code, _ = await self.carol.refused(
                "claim_keys", conversation=conversation, devices=[self.devices[self.bob]]
            )
            self.assertIn(code, ("forbidden", "unknown-conversation"))
        self.assertEqual((await self.bob.do("upload_keys", generation=2))["one_time"], 5)


class Parcels(Case):
    """`send_parcels`, `inbox`, `ack_inbox`."""

    async def test_parcels_come_at_once_and_wait_until_acknowledged(self) -> None:
        """To the device they are for, and to no other of the account."""
        await self.start()
        await self.upload(self.phone)
        parcels = [self.parcel(self.bob, "0YQ"), self.parcel(self.bob, "1Yg")]
        self.assertIsNone(await self.alice.do("send_parcels", conversation="@bob", ulid=ulid(1), parcels=parcels))
        item = await self.bob.take("inbox_item", body="0YQ")
        sender = self.devices[self.alice]
        self.assertEqual((item["from"], item["device"], item["seq"]), ("alice", sender["device"], 1))
        await self.bob.take("inbox_item", body="1Yg", seq=2)
        self.assertEqual(self.phone.seen("inbox_item"), [])
        page = await self.bob.do("inbox")
        self.assertEqual([one["body"] for one in page["items"]], ["0YQ", "1Yg"])
        self.assertEqual([one["seq"] for one in (await self.bob.do("inbox", after=1))["items"]], [2])
        await self.bob.do("ack_inbox", seq=1)
        self.assertEqual([one["seq"] for one in (await self.bob.do("inbox"))["items"]], [2])

    async def test_parcels_sent_twice_arrive_once(self) -> None:
        """A client that was cut off sends them again under the same ULID, and hears that it is done."""
        await self.start()
        for _ in range(2):
            await self.alice.do("send_parcels", conversation="@bob", ulid=ulid(1), parcels=[self.parcel(self.bob)])
        await self.bob.take("inbox_item")
        self.assertEqual(len((await self.bob.do("inbox"))["items"]), 1)
        self.assertEqual(self.bob.seen("inbox_item"), [])

    async def test_who_is_away_finds_parcels_waiting(self) -> None:
        """However the connection ended."""
        await self.start()
        self.bob.vanish()
        await self.alice.do("send_parcels", conversation="@bob", ulid=ulid(1), parcels=[self.parcel(self.bob)])
        again = self.server.client(2)
        await again.do("login_device", user="bob")
        self.assertEqual([one["body"] for one in (await again.do("inbox"))["items"]], ["0YQ"])

    async def test_somebody_who_shares_no_conversation_may_not_send_parcels(self) -> None:
        """Security: nobody fills the inboxes of strangers under the name of another conversation."""
        await self.start()
        await self.room()
        fields = {"ulid": ulid(1), "parcels": [self.parcel(self.bob)]}
        for conversation, code in (("#team", "unknown-conversation"), ("@alice", "forbidden"), ("lobby", None)):
            refused, _ = await self.carol.refused("send_parcels", conversation=conversation, **fields)
            self.assertEqual(refused, code or "unknown-conversation")
        self.assertEqual((await self.bob.do("inbox"))["items"], [])

    async def test_an_expelled_member_sends_and_claims_no_more(self) -> None:
        """Security: from the moment it is out."""
        await self.start()
        await self.room()
        await self.bob.do("send_parcels", conversation="#team", ulid=ulid(1), parcels=[self.parcel(self.bob)])
        await self.alice.do("expel", room="#team", user="bob", ulid=ulid(904))
        devices = [self.devices[self.bob]]
        for type_, fields in (
            ("send_parcels", {"ulid": ulid(2), "parcels": [self.parcel(self.bob)]}),
            ("claim_keys", {"devices": devices}),
            ("query_keys", {"users": ["alice"]}),
        ):
            code, _ = await self.bob.refused(type_, conversation="#team", **fields)
            self.assertEqual(code, "unknown-conversation")

    async def test_a_full_inbox_refuses(self) -> None:
        """The sender hears whose; when the device has taken some there is room again."""
        await self.start()
        with edited(self.server.store._path) as connection:
            connection.execute("UPDATE device_keys SET inbox_waiting = ?", (MAX_INBOX - 1,))
        fields = {"conversation": "@bob", "parcels": [self.parcel(self.bob)]}
        await self.alice.do("send_parcels", ulid=ulid(1), **fields)
        code, text = await self.alice.refused("send_parcels", ulid=ulid(2), **fields)
        self.assertEqual(code, "unavailable")
        self.assertIn(self.devices[self.bob]["device"], text)
        await self.bob.do("ack_inbox", seq=1)
        await self.alice.do("send_parcels", ulid=ulid(2), **fields)

    async def test_a_slow_reader_is_passed_by_with_parcels_and_told(self) -> None:
        """Nothing piles up for it; it reads its inbox when it has caught up."""
        await self.start()
        receiver = self.server.factory.services.hub.of("bob")[0]
        hub = self.server.factory.services.hub
        hub.pass_by(receiver)
        await self.alice.do("send_parcels", conversation="@bob", ulid=ulid(1), parcels=[self.parcel(self.bob)])
        await self.carol.do("users")
        self.assertEqual(self.bob.seen("inbox_item"), [])
        self.assertTrue(hub.follow(receiver))

    async def test_the_server_says_nothing_of_parcels_in_its_log(self) -> None:
        """Neither of bodies nor of keys."""
        await self.start()
        events = self.hear_logs()
        parcels = [self.parcel(self.bob, "0canary")]
        await self.alice.do("send_parcels", conversation="@bob", ulid=ulid(1), parcels=parcels)
        await self.claim(self.alice, self.bob)
        self.assertNotIn("canary", repr(events))


class Backups(Case):
    """`put_backup`, `get_backup`."""

    async def test_any_device_of_the_account_reads_what_another_has_kept(self) -> None:
        """And nobody else."""
        await self.start()
        await self.bob.do("put_backup", entries=[{"name": "a", "sealed": "b2xk"}, {"name": "b", "sealed": "Yg"}])
        await self.bob.do("put_backup", entries=[{"name": "a", "sealed": "bmV3"}])
        page = await self.phone.do("get_backup")
        self.assertEqual(page["entries"], [{"name": "a", "sealed": "bmV3"}, {"name": "b", "sealed": "Yg"}])
        self.assertEqual((await self.phone.do("get_backup", after="a"))["entries"], [{"name": "b", "sealed": "Yg"}])
        self.assertEqual((await self.phone.do("get_backup", name="a"))["entries"], [{"name": "a", "sealed": "bmV3"}])
        self.assertEqual((await self.carol.do("get_backup"))["entries"], [])


class Lists(Case):
    """What is offered to people."""

    async def test_what_only_programs_ask_is_not_offered_to_people(self) -> None:
        """Completion and help do not fill with requests nobody types."""
        await self.start()
        offered = {one["verb"] for one in (await self.alice.do("commands"))["commands"]}
        self.assertEqual(offered & {"publish_identity", "upload_keys", "query_keys", "claim_keys", "inbox"}, set())
