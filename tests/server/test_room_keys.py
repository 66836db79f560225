"""The scheme ``server-key`` on a whole server: whose the room's key is, and from when on."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from encchat.envelopes import decoded, encoded
from encchat.limits import MIN_RSA_BITS
from tests.server.harness import Client, Server
from tests.server.rooms import ROOM, RoomTestCase


@cache
def rsa_key() -> RSAPrivateKey:
    """One for all tests: it costs a good part of a second."""
    return generate_private_key(65_537, MIN_RSA_BITS)


class ServerKeys(RoomTestCase):
    """The scheme ``server-key``: the server makes the key, and each device unwraps it."""

    def setUp(self) -> None:
        """Nobody is here yet."""
        self.ids: dict[Client, str] = {}
        self.private = rsa_key()

    async def publish(
        self, client: Client, user: str, private: RSAPrivateKey | Ed25519PrivateKey | None = None
    ) -> None:
        """Its RSA key, and whatever else there must be."""
        der = (private or self.private).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if client not in self.ids:
            [[self.ids[client], *_]] = (await client.do("devices"))["rows"]
        keys = {"user": user, "device": self.ids[client], "curve25519": "c" * 43, "ed25519": "e" * 43}
        await client.do("upload_keys", generation=1, keys={**keys, "rsa": encoded(der), "signature": "s"})

    async def key(self, client: Client, version: int = 0) -> tuple[int, bytes]:
        """Version and unwrapped key."""
        granted = await client.do("get_room_key", room=ROOM, version=version)
        key = self.private.decrypt(decoded(granted["wrapped"]), OAEP(MGF1(SHA256()), SHA256(), None))
        return granted["version"], key

    async def team(self, server: Server, *names: str, **fields: Any) -> list[Client]:
        """With keys of theirs."""
        clients = await super().team(server, *names, **{"scheme": "server-key", **fields})
        for name, client in zip(names, clients, strict=True):
            await self.publish(client, name)
        return clients

    def sealed(self, version: int) -> dict[str, str]:
        """What is sent under that version of the key."""
        return {"scheme": "server-key", "body": f"D.{version}.{'n' * 16}.{'c' * 22}"}

    async def test_all_members_unwrap_the_same_key(self) -> None:
        """Of 256 bits, the first version; what is stored of it nobody else is given."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        self.assertEqual(await self.key(alice), await self.key(bob))
        version, key = await self.key(bob)
        self.assertEqual((version, len(key)), (1, 32))
        await alice.do("send", conversation=ROOM, ulid=self.fresh(), **self.sealed(1))

    async def test_a_new_key_when_membership_shrinks_and_the_removed_member_does_not_get_it(self) -> None:
        """By leaving and by expelling; what is said under the old one is refused, and has to be encrypted again."""
        server = await self.serve()
        alice, bob, carol = await self.team(server, "alice", "bob", "carol")
        _, first = await self.key(bob)
        await self.act(alice, "expel", user="bob")
        for version in (0, 1, 2):
            code, _ = await bob.refused("get_room_key", room=ROOM, version=version)
            self.assertEqual(code, "unknown-conversation")
        version, second = await self.key(carol)
        self.assertEqual(version, 2)
        self.assertNotEqual(first, second)
        code, _ = await carol.refused("send", conversation=ROOM, ulid=self.fresh(), **self.sealed(1))
        self.assertEqual(code, "stale-key")
        await carol.do("send", conversation=ROOM, ulid=self.fresh(), **self.sealed(2))
        await self.act(carol, "leave")
        self.assertEqual((await self.key(alice))[0], 3)
        self.assertEqual(await self.key(alice, 1), (1, first))

    async def test_the_key_stays_while_membership_only_grows(self) -> None:
        """Nor does a declined or withdrawn invitation make another."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        carol = await server.user("carol")
        await self.act(alice, "invite", user="carol")
        await self.act(carol, "decline")
        await self.act(alice, "invite", user="carol")
        await self.act(alice, "expel", user="carol")
        self.assertEqual((await self.key(bob))[0], 1)

    async def test_a_new_key_when_a_members_device_is_revoked_or_forgotten(self) -> None:
        """The lost telephone reads nothing that is said from now on; the others hear that keys have changed."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        phone = await server.user("bob")
        rows = (await bob.do("devices"))["rows"]
        alice.lines.clear()
        [lost] = [row[0] for row in rows if row[0] != self.ids[bob]]
        await bob.do("devices", action="revoke", device=lost)
        await phone.end()
        await alice.take("keys_changed", user="bob")
        self.assertEqual((await self.key(alice))[0], 2)
        tablet = await server.user("bob")
        await tablet.do("forget_device")
        self.assertEqual((await self.key(alice))[0], 3)
        again = await server.factory.services.store.rooms()
        self.assertEqual(again[0].key_version, 3)

    async def test_a_new_member_gets_no_key_of_before_its_time(self) -> None:
        """Unless the room's history is for it."""
        for history, granted in (("none", False), ("all", True)):
            server = await self.serve()
            alice, *_ = await self.team(server, "alice", "bob", history=history)
            await self.act(alice, "expel", user="bob")
            carol = await server.user("carol")
            await self.act(alice, "invite", user="carol")
            await self.act(carol, "join")
            await self.publish(carol, "carol")
            self.assertEqual((await self.key(carol))[0], 2)
            answer = await carol.ask("get_room_key", room=ROOM, version=1)
            self.assertEqual(answer["type"], "ok" if granted else "error")

    async def test_a_device_without_a_usable_rsa_key_gets_none(self) -> None:
        """None published, no key at all, too short, of another kind: the text says what to do."""
        server = await self.serve()
        (alice,) = await self.team(server, "alice")
        short = generate_private_key(65_537, 1_024)  # noqa: S505 - what is refused
        curve = Ed25519PrivateKey.generate()
        for private in (short, curve):
            await self.publish(alice, "alice", private)
            _, text = await alice.refused("get_room_key", room=ROOM)
            self.assertIn("RSA key", text)
        laptop = await server.user("alice")
        _, text = await laptop.refused("get_room_key", room=ROOM)
        self.assertIn("upload keys", text)

    async def test_a_room_of_another_scheme_has_no_key_of_the_servers(self) -> None:
        """The server makes none it is not asked for."""
        server = await self.serve()
        alice, _ = await self.team(server, "alice", "bob", scheme="megolm")
        code, text = await alice.refused("get_room_key", room=ROOM)
        self.assertEqual((code, "megolm" in text), ("refused", True))
        self.assertEqual((await server.store.rooms())[0].key_version, 0)
