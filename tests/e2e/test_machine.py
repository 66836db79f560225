"""`encchat.e2e.machine` through pairs and triples of machines against a directory that can be told to lie."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat import envelopes, limits, wire
from encchat.e2e import statements
from encchat.e2e.interfaces import Content, Device, IdentityChanged, Recovery, Unvouched, Verification, Warned
from encchat.errors import (
    IdentityMissingError,
    KeyChangedError,
    NoKeysError,
    NotConnectedError,
    NotPreparedError,
    RecoveryError,
    UndecryptableError,
    UntrustedError,
    UsageError,
)
from tests.e2e.directory import Client, Directory, Store


class Case(SynchronousTestCase):
    """Alice and Bob, one device each, logged in."""

    def setUp(self) -> None:
        self.directory = Directory()
        self.alice, self.bob = self.client("alice", "A1"), self.client("bob", "B1")

    def client(self, user: str, device: str, **more: object) -> Client:
        """A device that logs in."""
        client = Client(self.directory, user, device, **more)  # type: ignore[arg-type]
        client.start()
        return client

    def second(self, of: Client, device: str) -> Client:
        """Another device of the same account, brought in by the recovery phrase."""
        client = self.client(of.user, device)
        client.machine.recover(of.machine.recovery_phrase())
        client.run()
        return client

    def talk(self, sender: Client, receiver: Client, text: str = "hello") -> None:
        """Something said arrives."""
        said = sender.say(sender.direct(receiver.user), text)
        self.assertEqual(receiver.read(receiver.direct(sender.user), said).text, text)


class Talking(Case):
    """Messages between devices."""

    def test_two_people_talk(self) -> None:
        """What one says the other reads, signed and pinned, and the body shows nothing of it."""
        said = self.alice.say(self.alice.direct("bob"), "canary")
        self.assertNotIn("canary", said.body)
        opened = self.bob.read(self.bob.direct("alice"), said)
        self.assertEqual(
            (opened.text, opened.encryption, opened.signature, opened.signed, opened.trust),
            ("canary", "megolm", "ed25519", "valid", "pinned"),
        )
        self.talk(self.bob, self.alice)

    def test_every_device_of_both_reads(self) -> None:
        """What is said on one device is read on all others of both accounts."""
        alice2, bob2 = self.second(self.alice, "A2"), self.second(self.bob, "B2")
        said = self.alice.say(self.alice.direct("bob"), "all of you")
        for client, other in ((alice2, "bob"), (self.bob, "alice"), (bob2, "alice")):
            self.assertEqual(client.read(client.direct(other), said).text, "all of you")

    def test_nothing_is_encrypted_before_it_was_prepared(self) -> None:
        """`encrypt` refuses before `prepare`, and again once somebody's keys changed."""
        where = self.alice.direct("bob")
        with self.assertRaises(NotPreparedError):
            self.alice.machine.encrypt(where, Content(self.alice.ulid(), "x"))
        self.alice.say(where, "now")
        self.second(self.bob, "B2")
        with self.assertRaises(NotPreparedError):
            self.alice.machine.encrypt(where, Content(self.alice.ulid(), "x"))

    def test_a_session_has_keys_of_its_own_that_go_at_its_end(self) -> None:
        """What was said in a session cannot be opened once its keys are gone; until then it is of that session only."""
        first, second = self.alice.call("bob", self.alice.ulid()), self.alice.call("bob", self.alice.ulid())
        said = self.alice.say(first, "between us")
        answer = self.bob.say(self.bob.call("alice", first.id[8:]), "yes")
        self.assertEqual(self.bob.read(self.bob.call("alice", first.id[8:]), said).encryption, "olm")
        self.assertEqual(self.alice.read(first, answer).text, "yes")
        again, lost = self.alice.say(first, "once more"), self.alice.say(first, "and more")
        in_next = self.bob.call("alice", second.id[8:])
        self.assertEqual(self.bob.read(in_next, again).conversation, first.id)
        self.assertIn(self.bob.reason(in_next, again), ("no-key", "broken"))
        self.bob.machine.end_session(first.id[8:])
        for where in (in_next, self.bob.call("alice", first.id[8:])):
            self.assertIn(self.bob.reason(where, lost), ("no-key", "broken"))

    def test_a_session_of_an_earlier_process_can_end_before_the_machine_starts(self) -> None:
        """The server says so right behind the login: its keys go all the same."""
        where = self.alice.call("bob", self.alice.ulid())
        self.alice.say(where, "between us")
        held = set(self.alice.store.rows)
        self.alice.boot()
        self.alice.machine.end_session(where.id[8:])
        self.alice.store.commit()
        self.assertTrue(held - set(self.alice.store.rows))
        self.alice.start()
        self.talk(self.alice, self.bob)

    def test_a_session_message_names_whom_it_is_for(self) -> None:
        """A device that is given nothing says so."""
        self.talk(self.alice, self.bob)
        where = self.alice.call("bob", self.alice.ulid())
        said = self.alice.say(where, "x")
        envelope = envelopes.split_olm(said.body)
        part = msgspec.structs.replace(said, body=f"A1.Other:{envelope.parts[0].type}:{envelope.parts[0].ciphertext}")
        self.assertEqual(self.bob.reason(self.bob.call("alice", where.id[8:]), part), "not-for-this-device")

    def test_a_text_too_long_for_its_session_is_refused_in_words(self) -> None:
        """One envelope holds a part for each device; over its limit nothing is sent."""
        for number in range(2, 6):
            self.second(self.bob, f"B{number}")
        where = self.alice.call("bob", self.alice.ulid())
        self.assertIsNone(self.alice.prepared(where))
        with self.assertRaisesRegex(UsageError, "split it"):
            self.alice.machine.encrypt(where, Content(self.alice.ulid(), "x" * limits.MAX_BODY))

    def test_a_message_shown_elsewhere_or_by_another_is_refused(self) -> None:
        """The server cannot move a message to another conversation, another sender or another id."""
        carol = self.client("carol", "C1")
        said = self.alice.say(self.alice.direct("bob"), "for bob")
        self.assertEqual(
            self.bob.reason(self.bob.direct("carol"), msgspec.structs.replace(said, sender="carol")), "wrong-sender"
        )
        self.assertEqual(self.bob.reason(self.bob.direct("carol"), said), "wrong-conversation")
        self.assertEqual(carol.reason(carol.direct("alice"), said), "no-key")
        other = msgspec.structs.replace(said, ulid=self.bob.ulid())
        self.assertEqual(self.bob.reason(self.bob.direct("alice"), other), "replayed")

    def test_a_replayed_message_is_refused(self) -> None:
        """facts.md, vodozemac 1: Megolm has no replay protection of its own."""
        said = self.alice.say(self.alice.direct("bob"), "once")
        self.bob.read(self.bob.direct("alice"), said)
        self.assertEqual(self.bob.reason(self.bob.direct("alice"), said), "replayed")

    def test_a_person_without_devices_cannot_be_written_to(self) -> None:
        """Nothing is sent; the error says what would help."""
        self.directory.names["carol"] = "carol"
        self.directory.identities["carol"], self.directory.devices["carol"] = [], {}
        self.assertIsInstance(self.alice.prepared(self.alice.direct("carol")), NoKeysError)


class OneTimeKeys(Case):
    """facts.md, vodozemac 5, and what the server may do with them."""

    def test_one_time_keys_exhausted(self) -> None:
        """When they are gone the fallback key serves, and several people begin with it."""
        bob = self.directory.device("bob", "B1")
        bob.one_time = dict.fromkeys(bob.one_time, None)
        carol = self.client("carol", "C1")
        self.talk(self.alice, self.bob)
        self.talk(carol, self.bob)
        self.assertTrue(bob.fallback_used)

    def test_one_time_keys_are_topped_up_at_half(self) -> None:
        """At one more than half nothing is uploaded, at half the store is full again."""
        bob = self.directory.device("bob", "B1")
        ids = list(bob.one_time)
        for id in ids[: limits.MAX_ONE_TIME_KEYS // 2 - 1]:
            bob.one_time[id] = None
        self.bob.lose()
        self.bob.start()
        self.assertEqual(bob.left, limits.MAX_ONE_TIME_KEYS // 2 + 1)
        bob.one_time[ids[limits.MAX_ONE_TIME_KEYS // 2 - 1]] = None
        self.bob.lose()
        self.bob.start()
        self.assertEqual(bob.left, limits.MAX_ONE_TIME_KEYS)

    def test_a_malformed_pre_key_message_burns_no_one_time_key(self) -> None:
        """The message it was made from is opened all the same, after the one that was damaged."""
        self.bob.lose()
        self.assertIsNone(self.alice.prepared(self.alice.direct("bob")))
        box = self.directory.device("bob", "B1").inbox
        good = box[0]
        middle = len(good.body) // 2
        bad = good.body[:middle] + ("A" if good.body[middle] != "A" else "B") + good.body[middle + 1 :]
        box[:] = [msgspec.structs.replace(good, body=bad), msgspec.structs.replace(good, seq=good.seq + 1)]
        said = self.alice.sealed(self.alice.direct("bob"), "still")
        self.bob.start()
        self.assertEqual(self.bob.read(self.bob.direct("alice"), said).text, "still")

    def test_one_time_key_forged_by_the_server(self) -> None:
        """A key that the device has not signed is not used, and that is told."""
        forged = self.directory.device("alice", "A1").fallback
        self.directory.lie_of_key = lambda key: msgspec.structs.replace(key, key=forged)
        self.alice.prepared(self.alice.direct("bob"))
        self.assertIn("key-rejected", self.alice.codes())
        self.assertEqual(self.directory.device("bob", "B1").inbox, [])

    def test_upload_interrupted(self) -> None:
        """A client that is killed before it hears the answer uploads the same keys again: none is offered twice."""
        carol = Client(self.directory, "carol", "C1")
        carol.online = True
        carol.machine.start("carol", "C1")
        self.directory.answer(carol, wire.UploadKeys, carol.run_until(wire.UploadKeys))
        before = dict(self.directory.device("carol", "C1").one_time)
        carol.boot()
        carol.start()
        self.assertEqual(self.directory.device("carol", "C1").one_time, before)
        self.talk(self.alice, carol)

    def test_both_create_an_olm_session_at_once(self) -> None:
        """Both sides' first messages are opened, and all that follow."""
        self.alice.hold = self.bob.hold = True
        results: list[object] = []
        self.alice.machine.prepare(self.alice.direct("bob"), results.append)
        self.bob.machine.prepare(self.bob.direct("alice"), results.append)
        self.alice.hold = self.bob.hold = False
        self.alice.run()
        self.assertEqual(results, [None, None])
        one, two = self.alice.sealed(self.alice.direct("bob"), "1"), self.bob.sealed(self.bob.direct("alice"), "2")
        self.assertEqual(self.bob.read(self.bob.direct("alice"), one).text, "1")
        self.assertEqual(self.alice.read(self.alice.direct("bob"), two).text, "2")
        for _ in range(3):
            self.talk(self.alice, self.bob)
            self.talk(self.bob, self.alice)

    def test_the_fallback_key_is_changed_weekly(self) -> None:
        """A second before it is due it stays, then another is published."""
        first = self.directory.device("bob", "B1").fallback
        self.bob.now += limits.FALLBACK_SECONDS - 1
        self.bob.run()
        self.assertEqual(self.directory.device("bob", "B1").fallback, first)
        self.bob.now += 1
        self.bob.run()
        self.assertNotEqual(self.directory.device("bob", "B1").fallback, first)


class Restored(Case):
    """Stores that are older than what the other side remembers."""

    def test_restored_client_backup(self) -> None:
        """A store that is an old copy makes new keys and never uses its ratchets again; both sides go on talking."""
        self.talk(self.alice, self.bob)
        old = Store(dict(self.alice.store.rows))
        self.talk(self.alice, self.bob)
        self.talk(self.bob, self.alice)
        self.alice.lose()
        self.alice.boot()
        self.alice.start()
        before = self.directory.device("alice", "A1").keys
        used = {row for row in old.rows if row[0] == "megolm-out"}
        self.alice.lose()
        self.alice.store = old
        self.alice.boot()
        self.alice.start()
        self.assertIn("store-restored", self.alice.codes())
        self.assertNotEqual(self.directory.device("alice", "A1").keys, before)
        self.assertTrue(used)
        self.assertEqual(self.alice.store.all("megolm-out"), {})
        self.talk(self.alice, self.bob)
        self.talk(self.bob, self.alice)

    def test_restored_server_backup(self) -> None:
        """One-time keys that a restored server could hand out a second time are replaced; people go on talking."""
        device = self.directory.device("bob", "B1")
        keys, generation = dict(device.one_time), device.generation
        self.talk(self.alice, self.bob)
        self.bob.lose()
        self.bob.start()
        device.one_time, device.generation, device.inbox = dict(keys), generation - 1, []
        self.bob.lose()
        self.bob.start()
        given = {key.key for key in keys.values() if key}
        self.assertTrue(given.isdisjoint(key.key for key in device.one_time.values() if key))
        carol = self.client("carol", "C1")
        self.talk(carol, self.bob)
        self.talk(self.alice, self.bob)

    def test_a_server_that_lost_the_identity_key_is_given_it_again(self) -> None:
        """The chain is published anew, not another one made."""
        chain = list(self.directory.identities["bob"])
        self.directory.identities["bob"] = []
        self.bob.lose()
        self.bob.start()
        self.assertEqual(self.directory.identities["bob"], chain)

    def test_an_inbox_item_that_comes_again_is_taken_once(self) -> None:
        """After a lost acknowledgement nothing is taken for broken, and no session is renewed."""
        self.bob.lose()
        said = self.alice.say(self.alice.direct("bob"), "x")
        items = list(self.directory.device("bob", "B1").inbox)
        self.bob.online = True
        self.bob.machine.start("bob", "B1")
        self.bob.run_until(wire.AckInbox)
        self.bob.lose()
        self.assertEqual(self.directory.device("bob", "B1").inbox, items)
        claims = len(self.directory.claims)
        self.bob.start()
        self.assertEqual(len(self.directory.claims), claims)
        self.assertEqual(self.directory.device("bob", "B1").inbox, [])
        self.assertEqual(self.bob.read(self.bob.direct("alice"), said).text, "x")

    def test_parcels_are_sent_again_until_the_server_has_them(self) -> None:
        """A lost connection loses no key, and a batch that had arrived is not put twice."""
        where = self.alice.direct("bob")
        self.alice.hold = True
        results: list[object] = []
        self.alice.machine.prepare(where, results.append)
        self.alice.hold = False
        self.directory.answer(self.alice, wire.SendParcels, self.alice.run_until(wire.SendParcels))
        self.alice.lose()
        self.alice.boot()
        self.alice.start()
        self.assertEqual(self.alice.machine.keep.all("parcels"), {})
        self.assertEqual(self.directory.device("bob", "B1").seq, 1)
        self.talk(self.alice, self.bob)


class Devices(Case):
    """Several devices of one account."""

    def test_a_new_device_is_not_written_to_and_says_what_to_do(self) -> None:
        """It has no vouch: others encrypt nothing for it, it encrypts nothing, and it tells how to go on."""
        bob2 = self.client("bob", "B2")
        said = self.alice.say(self.alice.direct("bob"), "not for B2")
        self.assertEqual(bob2.reason(bob2.direct("alice"), said), "no-key")
        self.assertIsInstance(bob2.prepared(bob2.direct("alice")), IdentityMissingError)
        self.assertTrue(any(isinstance(effect, Unvouched) for effect in bob2.told))
        self.assertFalse(bob2.machine.vouched)

    def test_the_phrase_brings_the_identity_key_to_a_new_device(self) -> None:
        """Afterwards others write to it, without anybody's key having changed."""
        bob2 = self.second(self.bob, "B2")
        self.assertTrue(bob2.machine.vouched)
        said = self.alice.say(self.alice.direct("bob"), "both")
        self.assertEqual(bob2.read(bob2.direct("alice"), said).text, "both")
        self.assertEqual([each for each in self.alice.told if isinstance(each, IdentityChanged)], [])
        self.talk(bob2, self.alice)

    def test_wrong_recovery_phrase(self) -> None:
        """Words that are none are refused at once, another account's bring nothing and change nothing."""
        bob2 = self.client("bob", "B2")
        with self.assertRaises(RecoveryError):
            bob2.machine.recover("twelve words these are not")
        bob2.machine.recover(self.alice.machine.recovery_phrase())
        bob2.run()
        self.assertIn("recovery", bob2.codes())
        self.assertFalse(bob2.machine.vouched)

    def test_another_device_approves_one(self) -> None:
        """What the new device shows is typed on the old one, and the new one is vouched for."""
        bob2 = self.client("bob", "B2")
        shown = next(effect.text for effect in bob2.told if isinstance(effect, Unvouched))
        self.bob.machine.approve(shown.rpartition("/approve ")[2])
        self.bob.run()
        self.assertTrue(bob2.machine.vouched)
        self.assertEqual(bob2.machine.recovery_phrase(), self.bob.machine.recovery_phrase())
        said = self.alice.say(self.alice.direct("bob"), "both")
        self.assertEqual(bob2.read(bob2.direct("alice"), said).text, "both")

    def test_an_approved_device_reads_what_was_said_before_it_came(self) -> None:
        """The backup's key comes along, so it needs no phrase for the history."""
        said = self.alice.say(self.alice.direct("bob"), "before")
        self.bob.read(self.bob.direct("alice"), said)
        self.bob.run()
        bob2 = self.client("bob", "B2")
        shown = next(effect.text for effect in bob2.told if isinstance(effect, Unvouched))
        self.bob.machine.approve(shown.rpartition("/approve ")[2])
        self.bob.run()
        self.assertIsNone(bob2.prepared(bob2.direct("alice")))
        self.assertEqual(bob2.read(bob2.direct("alice"), said).text, "before")

    def test_server_hands_a_new_device_an_identity_key_of_its_own(self) -> None:
        """It shows the new device a key and a device as the account's: that one was never told the code."""
        mallory = self.client("mallory", "M1")
        fake = mallory.machine.identity
        if fake is None:
            self.fail("mallory has no identity key")
        evil = mallory.machine._keys.device_keys("bob", "EVIL", fake)
        lied = {"identities": [fake.public], "devices": [evil]}
        self.directory.lie = lambda keys: msgspec.structs.replace(keys, **lied) if keys.user == "bob" else keys
        bob2 = self.client("bob", "B2")
        sender = Device("bob", "EVIL", evil.curve25519, evil.ed25519)
        bob2.machine._people.take_identity(mallory.machine._own.bundle(), sender)
        bob2.run()
        self.assertFalse(bob2.machine.vouched)
        self.assertIn("does not know the code", " ".join(each.text for each in bob2.told if isinstance(each, Warned)))

    def test_approving_a_device_whose_keys_the_server_has_swapped_hands_over_nothing(self) -> None:
        """The code is over the device's keys: those of somebody else's device have another."""
        bob2, mallory = self.client("bob", "B2"), self.client("mallory", "M1")
        shown = next(effect.text for effect in bob2.told if isinstance(effect, Unvouched))
        keys = mallory.machine._keys.device_keys("bob", "B2", None)
        self.directory.device("bob", "B2").keys = keys
        self.directory.tell("bob")
        self.bob.machine.approve(shown.rpartition("/approve ")[2])
        self.bob.run()
        self.assertEqual(self.directory.device("bob", "B2").inbox, [])
        self.assertTrue(any("code" in each.text for each in self.bob.told if isinstance(each, Warned)))
        with self.assertRaises(UsageError):
            self.bob.machine.approve("B2")

    def test_device_revoked(self) -> None:
        """After it nothing more is encrypted for that device."""
        bob2 = self.second(self.bob, "B2")
        self.talk(self.alice, bob2)
        bob2.online = False
        self.directory.revoke("bob", "B2")
        said = self.alice.say(self.alice.direct("bob"), "not for B2")
        self.assertEqual(self.bob.read(self.bob.direct("alice"), said).text, "not for B2")
        self.assertEqual(bob2.reason(bob2.direct("alice"), said), "no-key")

    def test_a_revoked_device_that_comes_back_is_told_once(self) -> None:
        """The server shows an old list with a vouch that was good: nobody can tell but who remembers."""
        bob2 = self.second(self.bob, "B2")
        self.talk(self.alice, bob2)
        bob2.online = False
        before = self.directory.device("bob", "B2")
        for _ in range(2):
            self.directory.revoke("bob", "B2")
            self.alice.say(self.alice.direct("bob"), "not for B2")
            self.directory.devices["bob"]["B2"] = before
            self.directory.tell("bob")
            self.alice.say(self.alice.direct("bob"), "and now?")
        self.assertEqual(self.alice.codes().count("device-returned"), 1)

    def test_so_many_former_devices_are_remembered(self) -> None:
        """The newest."""
        for count in range(limits.MAX_GONE_DEVICES - 1, limits.MAX_GONE_DEVICES + 2):
            lists = self.alice.machine._lists
            former = msgspec.structs.replace(
                lists._row("nobody"), gone={f"D{number}": False for number in range(count)}
            )
            gone = lists._gone(former, set(), "bob", [])
            self.assertEqual((len(gone), list(gone)[-1]), (min(count, limits.MAX_GONE_DEVICES), f"D{count - 1}"))

    def test_a_new_identity_key_is_followed_by_the_own_devices_and_by_contacts(self) -> None:
        """It is signed by the one before: nobody has to accept anything, all are told, all devices stay vouched for."""
        bob2 = self.second(self.bob, "B2")
        self.talk(self.alice, self.bob)
        for algorithm in ("dsa", "rsa", "ed25519"):
            before = self.bob.machine.fingerprint()
            self.bob.machine.sign_with(algorithm)
            self.bob.run()
            self.assertNotEqual(self.bob.machine.fingerprint(), before)
            self.assertEqual(bob2.machine.fingerprint(), self.bob.machine.fingerprint())
            self.assertTrue(bob2.machine.vouched)
            self.assertEqual(self.alice.told[-1], IdentityChanged("bob", True))
            self.talk(bob2, self.alice)
            self.talk(self.bob, self.alice)
            self.talk(self.alice, bob2)
        bob3 = self.second(self.bob, "B3")
        self.talk(bob3, self.alice)

    def test_a_message_signed_by_a_key_not_heard_of_yet_waits_for_it(self) -> None:
        """It is opened once the sender's keys have been asked for, though its ratchet moved before."""
        self.talk(self.bob, self.alice)
        self.alice.lose()
        self.bob.machine.sign_with("ed25519")
        self.bob.run()
        said = self.bob.say(self.bob.direct("alice"), "new key")
        self.alice.start()
        where = self.alice.direct("bob")
        self.assertEqual(self.alice.reason(where, said), "no-key")
        self.assertIn("keys:bob", self.alice.arrived())
        opened = self.alice.read(where, said)
        self.assertEqual((opened.text, opened.signed), ("new key", "valid"))
        self.assertEqual(self.alice.reason(where, said), "replayed")


class Lies(Case):
    """What the server says of keys is believed as far as it is signed."""

    def _replace_bob(self) -> Client:
        """The server makes up another Bob, identity key and all."""
        self.bob.lose()
        self.directory.identities["bob"], self.directory.devices["bob"] = [], {}
        other = self.client("bob", "B9")
        self.directory.tell("bob")
        other.run()
        return other

    def test_server_swaps_a_device_key(self) -> None:
        """A device key that is not signed by its device is not encrypted for, and that is told."""
        mallory = self.client("mallory", "M1").machine._keys

        def swapped(keys: wire.UserKeys) -> wire.UserKeys:
            devices = [msgspec.structs.replace(each, curve25519=mallory.curve25519) for each in keys.devices]
            return msgspec.structs.replace(keys, devices=devices) if keys.user == "bob" else keys

        self.directory.lie = swapped
        self.assertIsInstance(self.alice.prepared(self.alice.direct("bob")), NoKeysError)
        self.assertIn("device-rejected", self.alice.codes())

    def test_who_publishes_anothers_key_disturbs_nobody(self) -> None:
        """Mallory says that Bob's key is the one of her device: what Alice has with the one is not with the other."""
        mallory = self.client("mallory", "M1")
        mine, identity = mallory.machine._keys, mallory.machine.identity
        if identity is None:
            self.fail("mallory has no identity key")
        keys = msgspec.structs.replace(mallory.machine._login.mine, curve25519=self.bob.machine._keys.curve25519)
        keys = msgspec.structs.replace(keys, signature=mine._sign(statements.device_keys(keys)))
        keys = msgspec.structs.replace(keys, vouch=identity.sign(statements.vouch(keys)))
        self.directory.device("mallory", "M1").keys = keys
        self.alice.say(self.alice.direct("mallory"), "hello mallory")
        self.assertIn("mallory/M1", self.directory.claims)
        self.talk(self.alice, self.bob)

    def test_server_injects_a_device(self) -> None:
        """A device the identity key does not vouch for gets nothing; the others are written to."""
        mallory = self.client("mallory", "M1").machine
        injected = mallory._keys.device_keys("bob", "B9", mallory.identity)

        def more(keys: wire.UserKeys) -> wire.UserKeys:
            return msgspec.structs.replace(keys, devices=[*keys.devices, injected]) if keys.user == "bob" else keys

        self.directory.lie = more
        self.talk(self.alice, self.bob)
        self.assertIn("device-rejected", self.alice.codes())
        self.assertEqual([each.device for each in self.alice.machine.devices("bob")], ["B1"])

    def test_server_withholds_a_device(self) -> None:
        """The device itself sees that others are not shown it."""

        def without(keys: wire.UserKeys) -> wire.UserKeys:
            return msgspec.structs.replace(keys, devices=[each for each in keys.devices if each.device != "B1"])

        self.directory.lie = without
        self.bob.machine.keys_changed("bob")
        self.bob.run()
        self.assertIn("own-device-withheld", self.bob.codes())

    def test_server_withholds_the_identity_key(self) -> None:
        """Somebody known does not become nobody: devices stay as they were, and that is told."""
        self.talk(self.alice, self.bob)
        self.directory.lie = lambda keys: wire.UserKeys(user=keys.user) if keys.user == "bob" else keys
        self.directory.tell("bob")
        self.alice.run()
        self.assertIn("identity-withheld", self.alice.codes())
        self.directory.lie = None
        self.talk(self.alice, self.bob)

    def test_server_swaps_the_identity_key(self) -> None:
        """Loud, and nothing is sent until a person accepts it; then it is."""
        self.talk(self.alice, self.bob)
        self.alice.told.clear()
        self._replace_bob()
        self.assertIn(IdentityChanged("bob", False), self.alice.told)
        self.assertIsInstance(self.alice.prepared(self.alice.direct("bob")), KeyChangedError)
        self.assertEqual(self.alice.machine.trust_of("bob"), "changed")
        self.alice.machine.trust("bob")
        self.assertIsNone(self.alice.prepared(self.alice.direct("bob")))
        self.assertEqual(self.alice.machine.trust_of("bob"), "pinned")
        with self.assertRaises(UsageError):
            self.alice.machine.trust("bob")

    def test_what_is_said_under_a_changed_key_is_marked(self) -> None:
        """It is read, and its trust is ``changed``."""
        self.talk(self.alice, self.bob)
        other = self._replace_bob()
        said = other.say(other.direct("alice"), "it is me")
        opened = self.alice.read(self.alice.direct("bob"), said)
        self.assertEqual((opened.text, opened.trust), ("it is me", "changed"))

    def test_keys_are_given_to_those_only_who_may_be_written_to(self) -> None:
        """Under each policy what sending would say; oneself always."""
        may = self.alice.machine._host.may_give
        self.alice.say(self.alice.direct("bob"), "hello")
        self.assertEqual((may("Bob"), may("alice")), (True, True))
        self.alice.machine.set_policy("verified-only")
        self.assertEqual((may("Bob"), may("alice")), (False, True))
        self.alice.machine.verified("bob")
        self.assertTrue(may("bob"))

    def test_the_policy_always_writes_to_changed_keys(self) -> None:
        """And the policy ``verified-only`` to none that nobody has verified."""
        self.talk(self.alice, self.bob)
        self.alice.machine.set_policy("verified-only")
        self.assertIsInstance(self.alice.prepared(self.alice.direct("bob")), UntrustedError)
        other = self._replace_bob()
        self.alice.machine.set_policy("always")
        self.talk(self.alice, other)

    def test_server_pretends_that_the_account_has_another_identity_key(self) -> None:
        """Nothing is encrypted for devices it vouches for, and the owner is told."""
        fake = self.client("mallory", "M1").machine.identity
        if fake is None:
            self.fail("mallory has no identity key")
        self.directory.lie = lambda keys: (
            msgspec.structs.replace(keys, identities=[fake.public]) if keys.user == "bob" else keys
        )
        self.bob.machine.keys_changed("bob")
        self.bob.run()
        self.assertIn("own-identity", self.bob.codes())
        self.assertTrue(self.bob.machine.vouched)

    def test_a_parcel_from_a_device_nobody_vouches_for_is_dropped(self) -> None:
        """It is acknowledged, and what it holds is not believed."""
        bob2 = self.client("bob", "B2")
        self.directory.put("alice", "A1", "bob", "B2", "0" + "A" * 100)
        self.directory.put("alice", "A1", "nobody", "N1", "0" + "A" * 100)
        self.alice.run()
        self.assertEqual(self.directory.device("alice", "A1").inbox, [])
        self.assertFalse(bob2.machine.vouched)

    def test_a_lost_parcel_is_asked_for_and_comes(self) -> None:
        """A key share the server dropped, or that cannot be opened, is repaired without anybody doing anything."""
        self.bob.lose()
        said = self.alice.say(self.alice.direct("bob"), "lost key")
        self.directory.device("bob", "B1").inbox.clear()
        self.bob.start()
        self.assertEqual(self.bob.reason(self.bob.direct("alice"), said), "no-key")
        for _ in range(2):  # the first time there is no Olm session to ask with yet
            self.bob.now += 5 * limits.REPAIR_FIRST_SECONDS
            self.bob.run()
        self.assertEqual(self.bob.read(self.bob.direct("alice"), said).text, "lost key")

    def test_a_replayed_key_share_changes_nothing(self) -> None:
        """The same parcel again opens nothing anew and winds nothing back."""
        said = self.alice.say(self.alice.direct("bob"), "x")
        self.bob.read(self.bob.direct("alice"), said)
        self.bob.lose()
        self.alice.machine.prepare(self.alice.direct("bob"), lambda error: None)
        more = self.alice.sealed(self.alice.direct("bob"), "y")
        self.bob.start()
        self.assertEqual(self.bob.reason(self.bob.direct("alice"), said), "replayed")
        self.assertEqual(self.bob.read(self.bob.direct("alice"), more).text, "y")


class Verifying(Case):
    """Comparing keys."""

    def test_two_people_verify_each_other(self) -> None:
        """Both see the same emoji and numbers; when both have said so, both are verified."""
        self.alice.machine.verify("bob")
        self.alice.run()
        self.bob.machine.verify("alice")
        self.alice.run()
        shown = [
            next(each for each in client.told if isinstance(each, Verification) and each.step == "compare")
            for client in (self.alice, self.bob)
        ]
        self.assertEqual(shown[0].emoji, shown[1].emoji)
        self.assertEqual((len(shown[0].emoji), len(shown[0].decimals)), (7, 3))
        self.alice.machine.verified("bob")
        self.bob.machine.verified("alice")
        self.alice.run()
        self.assertEqual((self.alice.machine.trust_of("bob"), self.bob.machine.trust_of("alice")), ("verified",) * 2)
        said = self.alice.say(self.alice.direct("bob"), "x")
        self.assertEqual(self.bob.read(self.bob.direct("alice"), said).trust, "verified")

    def test_both_see_the_same_safety_number(self) -> None:
        """60 digits, which can be confirmed without emoji."""
        self.talk(self.alice, self.bob)
        number = self.alice.machine.safety_number("bob")
        self.assertEqual(number, self.bob.machine.safety_number("alice"))
        self.assertEqual(len(number.replace(" ", "")), 60)
        self.alice.machine.verified("bob")
        self.assertEqual(self.alice.machine.trust_of("bob"), "verified")

    def test_the_phrase_is_told_once(self) -> None:
        """At registration, and not at the next login; it can be asked for."""
        self.alice.lose()
        self.alice.start()
        told = [each.phrase for each in self.alice.told if isinstance(each, Recovery)]
        self.assertEqual(told, [self.alice.machine.recovery_phrase()])


class Connection(Case):
    """What happens without one."""

    def test_prepare_without_a_connection_says_so(self) -> None:
        """At once, and also when it goes in the middle."""
        self.alice.hold = True
        results: list[object] = []
        self.alice.machine.prepare(self.alice.direct("bob"), results.append)
        self.assertEqual(results, [])
        self.alice.lose()
        self.assertIsInstance(self.alice.prepared(self.alice.direct("bob")), NotConnectedError)
        self.assertEqual([type(each) for each in results], [NotConnectedError])

    def test_a_refused_upload_is_tried_again_by_the_next_prepare(self) -> None:
        """The error reaches who wants to write, and the inbox is read all the same."""
        self.alice.lose()
        self.directory.refused[wire.UploadKeys] = wire.Error(code="overloaded", text="busy")
        self.alice.start()
        self.assertEqual(self.directory.asked[-1], "Inbox")
        self.directory.refused.clear()
        self.assertIsNone(self.alice.prepared(self.alice.direct("bob")))

    def test_an_unknown_scheme_is_named(self) -> None:
        """A room of a scheme this client lacks cannot be written to, and what is said there stays shut."""
        where = self.alice.direct("bob").__class__("#r", "room:X", "room", "rot13", ("alice", "bob"))
        self.assertIsInstance(self.alice.prepared(where), UsageError)
        said = wire.Message(
            conversation="#r",
            kind="room",
            seq=1,
            sender="bob",
            ulid=self.bob.ulid(),
            time=0,
            body="B1.AAAA",
            scheme="rot13",
        )
        with self.assertRaises(UndecryptableError):
            self.alice.machine.open(where, said)
