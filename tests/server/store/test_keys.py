"""What every store does with end-to-end keys, inboxes and key backups."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet import defer, reactor
from twisted.trial.unittest import TestCase

from encchat import wire
from encchat.errors import EncchatError, LoginRefusedError, RequestError, UnavailableError, UnknownDeviceError
from encchat.limits import (
    MAX_BACKUP,
    MAX_DEVICES,
    MAX_INBOX,
    MAX_KEY_FIELD,
    MAX_ONE_TIME_KEYS,
    MAX_PAGE_BYTES,
    REMEMBER_REMOVED_DAYS,
)
from encchat.server.model import Account, Device
from encchat.server.store import MemoryStore, SqliteStore
from encchat.server.store.restore import restore
from encchat.server.store.retention import DAY
from tests.server.store.contract import NOW, ulid

NEVER = NOW + (REMEMBER_REMOVED_DAYS + 1) * DAY


def signed(number: int, key: str = "K") -> wire.SignedKey:
    """A one-time or fallback key."""
    return wire.SignedKey(id=f"id{number}", key=f"{key}{number:042d}", signature="c2ln")


def many(first: int, count: int) -> list[wire.SignedKey]:
    """Several."""
    return [signed(number) for number in range(first, first + count)]


def device_keys(account: Account, device: Device, curve: str = "C", vouch: str = "") -> wire.DeviceKeys:
    """What a device publishes."""
    return wire.DeviceKeys(
        user=account.name, device=device.id, curve25519=curve * 43, ed25519="E" * 43, signature="c2ln", vouch=vouch
    )


def identity(number: int = 1, key: str = "a2V5") -> wire.Identity:
    """The account's identity key of that number."""
    return wire.Identity(algorithm="ed25519", key=key, number=number, signature="" if number == 1 else "c2ln")


class KeyContract:
    """Alice, and bob with a phone; ``make_store`` gives a new store of its own."""

    store: Any

    def make_store(self) -> Any:
        """Return the store to be tested."""
        raise NotImplementedError

    async def setUp(self) -> None:
        self.store = self.make_store()
        await self.store.open()
        self.addCleanup(self.store.close)
        self.alice, self.laptop = await self.person("Alice", 1)
        self.bob, self.phone = await self.person("bob", 2)

    async def person(self, name: str, number: int) -> tuple[Account, Device]:
        """An account with one device."""
        account = await self.store.create_account(name, None, "user", NOW)
        return account, await self.store.add_device(account.id, bytes([number]) * 32, "", NOW + number)

    async def upload(self, *one_time: wire.SignedKey, generation: int = 1, **fields: Any) -> wire.KeyCount:
        """Bob's phone publishes."""
        keys = fields.pop("keys", device_keys(self.bob, self.phone))
        request = wire.UploadKeys(id=1, generation=generation, keys=keys, one_time=list(one_time), **fields)
        return (await self.store.upload_keys(self.phone.key, request)).count

    async def published(self, names: list[str]) -> list[wire.UserKeys]:
        """All that is published of them."""
        answer = await self.store.published_keys(names)
        self.assertFalse(answer.more)
        return answer.users

    async def claim(self, now: int = NOW) -> wire.SignedKey | None:
        """A key of bob's phone."""
        [claimed] = await self.store.claim_keys([wire.DeviceAddress(user="BOB", device=self.phone.id)], now)
        self.assertEqual((claimed.user, claimed.device), ("bob", self.phone.id))
        return claimed.key

    async def send(self, number: int, *bodies: str, device: str = "", now: int = NOW) -> list[Any]:
        """Alice puts parcels into the phone's inbox."""
        parcels = [wire.Parcel(user="bob", device=device or self.phone.id, body=body) for body in bodies]
        return await self.store.put_parcels(self.laptop, ulid(number), parcels, now)

    async def waiting(self, after: int = 0) -> list[tuple[int, str]]:
        """What is in the phone's inbox."""
        page = await self.store.inbox(self.phone.key, after, 100)
        return [(item.seq, item.body) for item in page.items]

    async def refused(self, kind: type[EncchatError], answer: defer.Deferred[Any]) -> str:
        """The text with which ``answer`` fails."""
        return (await self.assertFailure(answer, kind)).text

    # Identities
    async def test_identity_keys_follow_each_other(self) -> None:
        """Each has the next number; the newest may be published again, after a lost answer."""
        for number in (1, 2):
            self.assertTrue(await self.store.publish_identity(self.alice.id, identity(number), []))
            self.assertFalse(await self.store.publish_identity(self.alice.id, identity(number), []))
        [found] = await self.published(["alice"])
        self.assertEqual((found.user, found.identities), ("Alice", [identity(1), identity(2)]))

    async def test_an_identity_key_cannot_be_exchanged_or_skipped(self) -> None:
        """Two devices that both change it: one comes first, and the other hears of it."""
        await self.store.publish_identity(self.alice.id, identity(), [])
        for wrong in (identity(key="b3RoZXI"), identity(3)):
            await self.refused(RequestError, self.store.publish_identity(self.alice.id, wrong, []))
        unsigned = wire.Identity(algorithm="ed25519", key="a2V5", number=2)
        await self.refused(RequestError, self.store.publish_identity(self.alice.id, unsigned, []))
        await self.store.publish_identity(self.alice.id, identity(2), [])
        await self.refused(RequestError, self.store.publish_identity(self.alice.id, identity(), []))

    async def test_a_new_identity_key_ends_the_vouches_of_the_one_before(self) -> None:
        """Devices that it does not vouch for have none."""
        await self.store.publish_identity(self.bob.id, identity(), [])
        await self.upload(keys=device_keys(self.bob, self.phone, vouch="b2xk"))
        second = await self.store.add_device(self.bob.id, b"3" * 32, "", NOW + 9)
        upload = wire.UploadKeys(id=1, generation=1, keys=device_keys(self.bob, second, vouch="b2xk"))
        await self.store.upload_keys(second.key, upload)
        vouches = [wire.Vouch(device=self.phone.id, vouch="bmV3"), wire.Vouch(device="nobody", vouch="bmV3")]
        await self.store.publish_identity(self.bob.id, identity(2), vouches)
        [found] = await self.published(["bob"])
        self.assertEqual([keys.vouch for keys in found.devices], ["bmV3", ""])

    # Device keys
    async def test_what_a_device_publishes_is_found(self) -> None:
        """Of accounts that exist; a device that has published nothing is not listed."""
        await self.upload(keys=device_keys(self.bob, self.phone, vouch="dg"))
        found = await self.published(["BOB", "nobody", "alice"])
        self.assertEqual([user.user for user in found], ["bob", "Alice"])
        self.assertEqual(found[0].devices, [device_keys(self.bob, self.phone, vouch="dg")])
        self.assertEqual(found[1].devices, [])

    async def test_a_long_answer_tells_of_the_first_only(self) -> None:
        """Thirty devices with the longest keys there are do not make a line that no client takes."""
        long, names = "K" * MAX_KEY_FIELD, ["bob"]
        for number in range(10):
            account, _ = await self.person(f"many{number}", 100 + number)
            names.append(account.name)
            for other in range(MAX_DEVICES - 1):
                device = await self.store.add_device(account.id, bytes([number, other, 7, 7]) * 8, "")
                keys = msgspec.structs.replace(device_keys(account, device, vouch=long), rsa=long, signature=long)
                await self.store.upload_keys(device.key, wire.UploadKeys(id=1, generation=1, keys=keys))
        found: list[str] = []
        more = True
        while more:
            answer = await self.store.published_keys(names[len(found) :])
            self.assertLessEqual(len(wire.encode(answer)), MAX_PAGE_BYTES + 100)
            found += [user.user for user in answer.users]
            more = answer.more
            self.assertEqual(more, found != names)
        self.assertEqual(found, names)

    async def test_the_same_keys_without_vouch_keep_theirs(self) -> None:
        """A device without the identity key repeats its keys; other keys are not vouched for."""
        await self.upload(keys=device_keys(self.bob, self.phone, vouch="dg"))
        for keys, vouch in ((device_keys(self.bob, self.phone), "dg"), (device_keys(self.bob, self.phone, "D"), "")):
            await self.upload(keys=keys)
            [found] = await self.published(["bob"])
            self.assertEqual(found.devices[0].vouch, vouch)

    async def test_only_what_is_new_is_news(self) -> None:
        """A device that starts again disturbs nobody."""
        news = []
        for keys in ("C", "C", "D"):
            request = wire.UploadKeys(id=1, generation=1, keys=device_keys(self.bob, self.phone, keys))
            news.append((await self.store.upload_keys(self.phone.key, request)).is_news)
        only_more = wire.UploadKeys(id=1, generation=2, one_time=[signed(1)])
        news.append((await self.store.upload_keys(self.phone.key, only_more)).is_news)
        self.assertEqual(news, [True, False, True, False])

    async def test_generations_tell_of_restored_backups(self) -> None:
        """The answer is the one from before, and the greater one is kept."""
        found = [(await self.upload(generation=generation)).generation for generation in (5, 6, 3, 7)]
        self.assertEqual(found, [0, 5, 6, 6])

    # One-time keys
    async def test_a_one_time_key_is_given_out_once(self) -> None:
        """Each claim gets another."""
        self.assertEqual((await self.upload(*many(0, 3))).one_time, 3)
        claimed = [await self.claim() for _ in range(3)]
        self.assertEqual({key.id for key in claimed}, {"id0", "id1", "id2"})
        self.assertEqual((await self.upload()).one_time, 0)

    async def test_one_time_keys_claimed_at_once_are_different_ones(self) -> None:
        """Fifty people claim in the same moment: nobody gets what another got, and the supply is what it was."""
        await self.upload(*many(0, 50))
        claimed = await defer.gatherResults([defer.ensureDeferred(self.claim()) for _ in range(50)])
        self.assertEqual(len({key.key for key in claimed}), 50)
        self.assertIsNone(await self.claim())

    async def test_one_time_keys_exhausted_leave_the_fallback_key(self) -> None:
        """It is given to everybody from then on, and its owner hears that it was used."""
        count = await self.upload(signed(0), fallback=signed(9, "F"))
        self.assertEqual((count.one_time, count.fallback_used), (1, False))
        self.assertEqual([(await self.claim()).id for _ in range(3)], ["id0", "id9", "id9"])
        count = await self.upload()
        self.assertEqual((count.one_time, count.fallback_used), (0, True))
        self.assertTrue((await self.upload(fallback=signed(9, "F"))).fallback_used)
        self.assertFalse((await self.upload(fallback=signed(10, "F"))).fallback_used)
        self.assertEqual((await self.claim()).id, "id10")

    async def test_without_any_key_there_is_none(self) -> None:
        """The device is named all the same; one that does not exist, or has published nothing, is not."""
        await self.upload()
        self.assertIsNone(await self.claim())
        wanted = [
            wire.DeviceAddress(user="bob", device="nobody"),
            wire.DeviceAddress(user="eve", device=self.phone.id),
            wire.DeviceAddress(user="alice", device=self.phone.id),
            wire.DeviceAddress(user="alice", device=self.laptop.id),
        ]
        self.assertEqual(await self.store.claim_keys(wanted, NOW), [])

    async def test_one_time_keys_uploaded_again_after_a_crash_are_not_offered_again(self) -> None:
        """Neither with the same generation nor with the next, nor when all are to be replaced."""
        await self.upload(*many(0, 2))
        first = await self.claim()
        for fields in ({"generation": 1}, {"generation": 2}, {"generation": 2, "replace": True}):
            self.assertEqual((await self.upload(*many(0, 2), **fields)).one_time, 1)
        second = await self.claim()
        self.assertEqual({first.id, second.id}, {"id0", "id1"})
        self.assertIsNone(await self.claim())

    async def test_an_upload_in_pieces_is_the_same_as_in_one(self) -> None:
        """A connection that ends in the middle of it leaves what had come, and the rest comes later."""
        await self.upload(*many(0, 3))
        self.assertEqual((await self.upload(*many(0, 6))).one_time, 6)
        self.assertEqual(len({(await self.claim()).id for _ in range(6)}), 6)

    async def test_a_key_that_waits_is_not_exchanged(self) -> None:
        """Somebody may be about to get it."""
        await self.upload(signed(1))
        await self.upload(signed(1, "X"))
        self.assertEqual(await self.claim(), signed(1))

    async def test_replacing_drops_what_nobody_has(self) -> None:
        """One-time keys and the fallback; ids of a new Olm account begin anew and are other keys then."""
        await self.upload(*many(0, 2), fallback=signed(9, "F"))
        await self.claim()
        self.assertEqual((await self.upload(*[signed(n, "N") for n in range(2)], replace=True)).one_time, 2)
        self.assertEqual({(await self.claim()).key[0] for _ in range(2)}, {"N"})
        self.assertIsNone(await self.claim())

    async def test_other_device_keys_end_the_one_time_keys_of_before(self) -> None:
        """Those were signed by a key that is no more."""
        await self.upload(signed(1), fallback=signed(9, "F"))
        self.assertEqual((await self.upload(keys=device_keys(self.bob, self.phone, "D"))).one_time, 0)
        self.assertIsNone(await self.claim())

    async def test_the_supply_of_one_time_keys_is_bounded(self) -> None:
        """At the limit minus one, at it, and over it: what is over it is not taken."""
        counts = [(await self.upload(*many(0, MAX_ONE_TIME_KEYS + more))).one_time for more in (-1, 0, 1)]
        self.assertEqual(counts, [MAX_ONE_TIME_KEYS - 1, MAX_ONE_TIME_KEYS, MAX_ONE_TIME_KEYS])

    async def test_claimed_keys_are_forgotten_in_time(self) -> None:
        """The store does not grow with every claim for ever."""
        await self.upload(*many(0, 2))
        await self.claim(NOW)
        await self.store.forget_removed(NEVER)
        self.assertEqual((await self.upload(*many(0, 2))).one_time, 2)

    async def test_the_keys_of_a_revoked_device_are_gone(self) -> None:
        """And its inbox; it can publish no more."""
        await self.upload(signed(1))
        await self.send(1, "0YQ")
        await self.store.revoke_device(self.bob.id, self.phone.id)
        [found] = await self.published(["bob"])
        self.assertEqual((found.devices, await self.waiting()), ([], []))
        address = wire.DeviceAddress(user="bob", device=self.phone.id)
        self.assertEqual(await self.store.claim_keys([address], NOW), [])
        self.assertEqual(await self.send(2, "0YQ"), [])
        upload = wire.UploadKeys(id=1, generation=1)
        await self.refused(UnknownDeviceError, self.store.upload_keys(self.phone.key, upload))

    async def test_of_a_deleted_account_no_keys_are_left(self) -> None:
        """No identity, no device, no backup."""
        await self.store.publish_identity(self.bob.id, identity(), [])
        await self.upload(signed(1))
        await self.store.put_backup(self.bob.id, [wire.BackupEntry(name="a", sealed="c2Vh")])
        await self.send(1, "0YQ")
        await self.store.delete_account(self.bob.id, NOW)
        self.assertEqual(await self.published(["bob"]), [])
        left = await self.store.dossier(self.bob.id)
        self.assertEqual([left[what] for what in ("identity_keys", "device_keys", "inbox", "key_backup")], [[]] * 4)

    async def test_the_dossier_has_the_keys(self) -> None:
        """Everything that is stored about a person is shown to them."""
        await self.store.publish_identity(self.bob.id, identity(), [])
        await self.upload(signed(1), fallback=signed(9, "F"))
        await self.store.put_backup(self.bob.id, [wire.BackupEntry(name="a", sealed="c2Vh")])
        await self.send(1, "0YQ")
        found = await self.store.dossier(self.bob.id)
        self.assertEqual(
            found["identity_keys"], [{"number": 1, "algorithm": "ed25519", "key": "a2V5", "signature": ""}]
        )
        [keys] = found["device_keys"]
        self.assertEqual((keys["device"], keys["generation"], keys["one_time_keys"]), (self.phone.id, 1, 1))
        [parcel] = found["inbox"]
        self.assertEqual((parcel["sender"], parcel["sender_device"], parcel["body"]), ("Alice", self.laptop.id, "0YQ"))
        self.assertEqual(found["key_backup"], [{"name": "a", "sealed": "c2Vh"}])
        [sent] = (await self.store.dossier(self.alice.id))["parcels_waiting_for_others"]
        self.assertEqual((sent["receiver"], sent["body"]), ("bob", "0YQ"))

    # Devices
    async def test_an_account_has_a_bounded_number_of_devices(self) -> None:
        """At the limit a device that is known still logs in, another is told what to do."""
        for number in range(1, MAX_DEVICES):
            await self.store.add_device(self.bob.id, bytes([99, number]) * 16, "")
        text = await self.refused(LoginRefusedError, self.store.add_device(self.bob.id, b"n" * 32, ""))
        self.assertIn("revoke", text)
        self.assertEqual((await self.store.add_device(self.bob.id, self.phone.key, "")).id, self.phone.id)
        await self.store.forget_device(self.phone.key)
        await self.store.add_device(self.bob.id, b"n" * 32, "")

    # Inboxes
    async def test_parcels_wait_until_they_are_acknowledged(self) -> None:
        """In order, under growing seqs that are not given again."""
        await self.upload()
        posted = await self.send(1, "0YQ", "1Yg")
        self.assertEqual(
            [(one.to, one.device_key, one.item.seq) for one in posted], [("bob", self.phone.key, n) for n in (1, 2)]
        )
        self.assertEqual(posted[0].item, wire.InboxItem(seq=1, sender="Alice", device=self.laptop.id, body="0YQ"))
        self.assertEqual(await self.waiting(), [(1, "0YQ"), (2, "1Yg")])
        self.assertEqual(await self.waiting(1), [(2, "1Yg")])
        await self.store.ack_inbox(self.phone.key, 2)
        await self.send(2, "0Yw")
        self.assertEqual(await self.waiting(), [(3, "0Yw")])

    async def test_parcels_sent_twice_with_one_ulid_arrive_once(self) -> None:
        """Also after they were acknowledged; another account's ULID is another's."""
        await self.upload()
        await self.send(1, "0YQ")
        self.assertEqual(await self.send(1, "0YQ"), [])
        await self.store.ack_inbox(self.phone.key, 1)
        self.assertEqual(await self.send(1, "0YQ"), [])
        self.assertEqual(await self.waiting(), [])
        parcel = wire.Parcel(user="bob", device=self.phone.id, body="0YQ")
        self.assertEqual(len(await self.store.put_parcels(self.phone, ulid(1), [parcel], NOW)), 1)

    async def test_ulids_of_parcels_are_forgotten_in_time(self) -> None:
        """Nobody sends the same again after so long."""
        await self.upload()
        await self.send(1, "0YQ")
        await self.store.forget_removed(NEVER)
        self.assertEqual(len(await self.send(1, "0YQ")), 1)

    async def test_a_full_inbox_refuses(self) -> None:
        """At one below the limit and at it; others' parcels of the same batch arrive, and it is free after an ack."""
        await self.upload()
        for number in range(MAX_INBOX // 100):
            await self.send(number, *["0YQ"] * (100 if number else 99))
        self.assertEqual(len(await self.send(901, "0YQ")), 1)
        text = await self.refused(UnavailableError, defer.ensureDeferred(self.send(902, "0YQ")))
        self.assertIn(self.phone.id, text)
        upload = wire.UploadKeys(id=1, generation=1, keys=device_keys(self.alice, self.laptop))
        await self.store.upload_keys(self.laptop.key, upload)
        both = [
            wire.Parcel(user=name, device=one.id, body="0YQ")
            for name, one in (("bob", self.phone), ("alice", self.laptop))
        ]
        self.assertEqual([one.to for one in await self.store.put_parcels(self.laptop, ulid(903), both, NOW)], ["Alice"])
        await self.store.ack_inbox(self.phone.key, 1)
        self.assertEqual(len(await self.send(902, "0YQ")), 1)

    async def test_a_long_page_ends_early(self) -> None:
        """And says that there is more, until there is none."""
        await self.upload()
        body = "0" + "Y" * 60_000
        for number in range(10):
            await self.send(number, body, body)
        found, more = [], True
        while more:
            page = await self.store.inbox(self.phone.key, len(found), 100)
            self.assertLessEqual(len(wire.encode(page)), MAX_PAGE_BYTES + 1_000)
            found += page.items
            more = page.more
        self.assertEqual([item.seq for item in found], list(range(1, 21)))
        self.assertTrue((await self.store.inbox(self.phone.key, 0, 5)).more)

    # Backups
    async def test_sealed_values_are_kept_by_name(self) -> None:
        """One of the same name is replaced; they are read in pages, or one alone; nobody else's."""
        for number in range(3):
            await self.store.put_backup(self.bob.id, [wire.BackupEntry(name=f"n{number}", sealed="b2xk")])
        await self.store.put_backup(self.bob.id, [wire.BackupEntry(name="n1", sealed="bmV3")])
        page = await self.store.get_backup(self.bob.id, None, None, 2)
        self.assertEqual([(one.name, one.sealed) for one in page.entries], [("n0", "b2xk"), ("n1", "bmV3")])
        self.assertTrue(page.more)
        page = await self.store.get_backup(self.bob.id, "n1", None, 2)
        self.assertEqual(([one.name for one in page.entries], page.more), (["n2"], False))
        page = await self.store.get_backup(self.bob.id, None, "n1", 2)
        self.assertEqual(([one.name for one in page.entries], page.more), (["n1"], False))
        self.assertEqual((await self.store.get_backup(self.alice.id, None, None, 9)).entries, [])

    async def test_a_backup_is_bounded(self) -> None:
        """At the limit it takes what replaces, and nothing new; what is refused leaves nothing."""

        def entries(first: int, count: int) -> list[wire.BackupEntry]:
            return [wire.BackupEntry(name=f"n{number}", sealed="c2Vh") for number in range(first, first + count)]

        await self.store.put_backup(self.bob.id, entries(0, MAX_BACKUP - 1))
        await self.store.put_backup(self.bob.id, entries(MAX_BACKUP - 1, 1))
        await self.refused(RequestError, self.store.put_backup(self.bob.id, entries(MAX_BACKUP, 1)))
        await self.store.put_backup(self.bob.id, entries(0, 1))
        self.assertEqual((await self.store.get_backup(self.bob.id, None, f"n{MAX_BACKUP}", 1)).entries, [])


class MemoryKeys(KeyContract, TestCase):
    """`KeyContract` for `MemoryStore`."""

    def make_store(self) -> MemoryStore:
        return MemoryStore(reactor)  # type: ignore[arg-type]


class SqliteKeys(KeyContract, TestCase):
    """`KeyContract` for `SqliteStore`, and what only a file can be asked."""

    def make_store(self) -> SqliteStore:
        self.path = Path(self.mktemp()).absolute()
        return SqliteStore(self.path, reactor)

    async def again(self) -> None:
        """The server stops and starts."""
        await self.store.close()
        self.store = SqliteStore(self.path, reactor)
        await self.store.open()
        self.addCleanup(self.store.close)

    async def test_the_inbox_survives_a_restart(self) -> None:
        """As do keys, what was claimed, and which parcels were sent."""
        await self.upload(*many(0, 2))
        await self.send(1, "0YQ")
        await self.claim()
        await self.again()
        self.assertEqual(await self.waiting(), [(1, "0YQ")])
        self.assertEqual(await self.send(1, "0YQ"), [])
        self.assertEqual((await self.upload(*many(0, 2))).one_time, 1)

    async def test_a_restored_store_gives_out_no_one_time_key_and_no_seq_of_before(self) -> None:
        """Which of them were claimed after the backup was made nobody knows; clients upload others."""
        await self.upload(*many(0, 5), fallback=signed(9, "F"))
        await self.send(1, "0YQ")
        copy = Path(self.mktemp()).absolute()
        await self.store.backup(copy)
        await self.send(2, "0Yg")
        await self.store.close()
        restore(copy, self.path, NOW)
        await self.again()
        self.assertEqual((await self.claim()).id, "id9")
        self.assertEqual((await self.upload(*many(0, 5))).one_time, 0)
        self.assertEqual((await self.upload(*many(5, 5))).one_time, 5)
        [posted] = await self.send(3, "0Yw")
        self.assertGreater(posted.item.seq, 2**32)

    async def test_a_value_over_its_limit_of_time_is_refused_whole(self) -> None:
        """Half an upload is never there: what raises leaves the keys as they were."""
        await self.upload(signed(1))
        bad = wire.UploadKeys(id=1, generation=2**64, one_time=[signed(2)])
        await self.assertFailure(self.store.upload_keys(self.phone.key, bad), EncchatError)
        with closing(sqlite3.connect(self.path)) as other:
            self.assertEqual(other.execute("SELECT count(*) FROM one_time_key").fetchone(), (1,))
