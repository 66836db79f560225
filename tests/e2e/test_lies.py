"""Servers that lie about keys and members, or repeat themselves, with whole clients: what people see; that it heals."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import msgspec
import vodozemac

from encchat import wire
from encchat.client import events
from encchat.e2e import statements
from encchat.e2e.identity import IdentityKey
from tests.e2e.whole import Held, Whole, WholeTestCase, results
from tests.server.harness import Line


def truth(line: Line) -> Line:
    """An honest server."""
    return line


def about(name: str, change: Callable[[Line], None]) -> Callable[[Line], Line]:
    """A liar about the keys of one account."""

    def lie(result: Line) -> None:
        for keys in result["users"]:
            if keys["user"] == name:
                change(keys)

    return results("keys", lie)


def forged(user: str, device: str) -> Line:
    """A device that whoever runs the server made for somebody's account, well signed by keys of its own."""
    account, identity = vodozemac.Account(), IdentityKey.make("ed25519", random.Random(9).randbytes)  # noqa: S311
    keys = wire.keys.DeviceKeys(
        user=user,
        device=device,
        curve25519=account.curve25519_key.to_base64(),
        ed25519=account.ed25519_key.to_base64(),
        signature="",
    )
    keys = msgspec.structs.replace(keys, signature=account.sign(statements.device_keys(keys)).to_base64())
    made: Line = msgspec.to_builtins(msgspec.structs.replace(keys, vouch=identity.sign(statements.vouch(keys))))
    return made


class DeviceKeysOfBob(WholeTestCase):
    """The server lies to Alice about Bob's keys."""

    async def healed(self, *people: Whole) -> None:
        """The server tells the truth again, and everybody reads everybody."""
        people[0].lie = truth
        people[0].leave()
        await people[0].arrive()
        await self.chat(*people)

    async def test_server_swaps_a_device_key(self) -> None:
        """Nothing is encrypted for a key that its device has not signed; it is told, and the message is refused."""
        alice, bob = await self.people("alice", "bob")
        other = forged("bob", "aaaaaaaaaaaa")

        def swapped(keys: Line) -> None:
            for device in keys["devices"]:
                device["curve25519"] = other["curve25519"]

        alice.lie = about("bob", swapped)
        alice.type("/msg bob canary")
        refused = await alice.sees(events.Error)
        self.assertEqual((refused.code, alice.keys_for()), ("no-keys", set()))
        self.assertEqual(set(alice.codes()), {"device-rejected"})
        self.assertEqual(bob.texts(), [])
        await self.healed(alice, bob)

    async def test_server_injects_a_device(self) -> None:
        """A device that Bob's identity key does not vouch for gets no keys; Bob's own does, and Alice is told."""
        alice, bob = await self.people("alice", "bob")
        injected = forged("bob", "aaaaaaaaaaaa")
        alice.lie = about("bob", lambda keys: keys["devices"].append(injected))
        alice.type("/msg bob for bob alone")
        await bob.reads("for bob alone")
        self.assertEqual(alice.keys_for(), {f"bob/{bob.device_id}"})
        self.assertEqual(set(alice.codes()), {"device-rejected"})
        await self.healed(alice, bob)

    async def test_server_withholds_a_device(self) -> None:
        """Bob's other device is not written to; it says so, and has the key from his first one."""
        alice, laptop = await self.people("alice", "bob")
        phone = await self.person("bob", 20)
        phone.type(f"/recover {laptop.seen(events.Recovery)[0].phrase}")
        await phone.until(lambda: "vouched" in phone.codes())
        await self.calm(alice, laptop, phone)
        hidden = phone.device_id

        def withheld(keys: Line) -> None:
            keys["devices"] = [device for device in keys["devices"] if device["device"] != hidden]

        alice.lie = about("bob", withheld)
        alice.type("/msg bob for both")
        await laptop.reads("for both")
        self.assertEqual((await phone.sees(events.Undecryptable)).reason, "no-key")
        await self.repaired("for both", phone, laptop)
        self.assertEqual(alice.keys_for(), {f"bob/{laptop.device_id}"})
        alice.lie = truth
        alice.leave()
        await alice.arrive()
        alice.type("/msg bob and now")
        await phone.reads("and now")

    async def test_server_hides_a_device_from_itself(self) -> None:
        """Whose device is not shown to others as it is hears of that."""
        (alice,) = await self.people("alice")
        bob = Whole(self.server, "bob", 2)
        self.addCleanup(bob.leave)
        bob.lie = about("bob", lambda keys: keys.pop("devices", None))
        await bob.arrive(password=True)
        await bob.sees(events.Warned, code="own-device-withheld")
        bob.lie = truth
        await self.chat(alice, bob)

    async def test_server_swaps_the_identity_key(self) -> None:
        """Somebody between the two is loud, stops what is said, and is over when the server shows the true key."""
        alice, bob, mallory = await self.people("alice", "bob", "mallory")
        await self.chat(alice, bob)
        [fake] = msgspec.to_builtins(await self.server.store.published_keys(["mallory"]))["users"]
        text = msgspec.json.encode(fake).decode().replace('"mallory"', '"bob"')
        alice.lie = about("bob", lambda keys: keys.update(msgspec.json.decode(text)))
        alice.leave()
        await alice.arrive()
        alice.type("/msg bob canary")
        refused = await alice.sees(events.Error)
        self.assertEqual(refused.code, "key-changed")
        self.assertEqual([changed.announced for changed in alice.seen(events.KeyChanged, user="bob")], [False])
        self.assertNotIn("canary", [*bob.texts(), *mallory.texts()])
        await self.healed(alice, bob)

    async def test_one_time_key_forged_by_the_server(self) -> None:
        """A key that the device has not signed begins nothing."""
        alice, bob = await self.people("alice", "bob")
        other = vodozemac.Account().curve25519_key.to_base64()

        def forge(result: Line) -> None:
            for each in result["keys"]:
                each["key"]["key"] = other

        alice.lie = results("claimed_keys", forge)
        alice.type("/msg bob canary")
        await alice.sees(events.Warned, code="key-rejected")
        self.assertEqual(alice.keys_for(), set())
        await bob.sees(events.Undecryptable)
        await self.healed(alice, bob)
        await self.repaired("canary", bob, alice)


class Members(WholeTestCase):
    """The server lies about who is in a room."""

    async def injected(self, *, invitation: bool) -> tuple[Any, ...]:
        """Alice invites Carol, and the server makes it Mallory, with what Alice has signed or with nothing."""
        people = await self.people("alice", "bob", "mallory")
        await self.garden(*people[:2])
        await self.inject(*people, invitation=invitation)
        return people

    async def inject(self, alice: Whole, bob: Whole, mallory: Whole, *, invitation: bool) -> None:
        """The same, in the garden of Alice and Bob."""
        await self.server.user("carol", device=9)
        alice.bend = self.bent(invitation=invitation)
        alice.type("/invite carol")
        await mallory.sees(events.Room, event_="invited")
        mallory.type("/join #garden")
        for person in (alice, bob):
            await person.until(lambda person=person: self.is_in(person, "mallory"))

    @staticmethod
    def bent(*, invitation: bool) -> Callable[[Line], Line]:
        """Whoever is invited, it is mallory."""

        def bend(line: Line) -> Line:
            if line["type"] == "invite":
                line["user"] = "mallory"
                line["statement"] = line["statement"] if invitation else ""
            return line

        return bend

    async def test_server_lies_about_membership(self) -> None:
        """Whom the server has put into a room reads nothing; the members are told, and go on."""
        for invitation in (True, False):
            alice, bob, mallory = await self.injected(invitation=invitation)
            alice.type("canary")
            await bob.reads("canary")
            bob.type("/go #garden", "canary too")
            await alice.reads("canary too")
            await self.calm(alice, bob, mallory)
            for person in (alice, bob):
                self.assertEqual(person.codes().count("injected-member"), 1)
                self.assertNotIn(f"mallory/{mallory.device_id}", person.keys_for())
            self.assertEqual(mallory.texts(), [])
            for person in (alice, bob, mallory):
                person.leave()

    async def test_server_shows_members_invited_by_somebody_who_never_was_there(self) -> None:
        """Nobody's word is no invitation, also while that one's keys are not known, and never will be."""
        alice, bob, mallory = await self.people("alice", "bob", "mallory")
        await self.garden(alice, bob)

        def told(line: Line) -> Line:
            text = msgspec.json.encode(line).decode()
            forged_event = text.replace('\\"by\\":\\"alice\\"', '\\"by\\":\\"nobody\\"')
            return msgspec.json.decode(forged_event) if '\\"mallory\\"' in text else line

        for person in (alice, bob):
            person.lie = told
        await self.inject(alice, bob, mallory, invitation=True)
        for person in (alice, bob):
            self.assertEqual(person.core.rooms.get("#garden").member("mallory").by, "nobody")
        alice.type("canary")
        await bob.reads("canary")
        bob.type("/go #garden", "canary too")
        await alice.reads("canary too")
        await self.calm(alice, bob, mallory)
        for person in (alice, bob):
            self.assertNotIn(f"mallory/{mallory.device_id}", person.keys_for())
            self.assertIn("injected-member", person.codes())
        self.assertEqual(mallory.texts(), [])

    async def test_an_inviter_who_has_left_makes_no_honest_member_a_stranger(self) -> None:
        """Whose inviter left before the joining asks for that one's keys, and knows the others by them."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob)
        bob.type("/invite carol")
        await carol.sees(events.Room, event_="invited")
        bob.type("/leave")
        await self.gone("bob", alice)
        carol.type("/join #garden")
        await alice.until(lambda: self.is_in(alice, "carol"))
        await carol.until(lambda: self.is_in(carol, "carol"))
        carol.type("hello alice")
        await alice.reads("hello alice")
        alice.type("hello carol")
        await carol.reads("hello carol")
        for person in (alice, carol):
            self.assertEqual(person.codes(), [])

    async def test_server_tells_members_differently(self) -> None:
        """Somebody to whom the server does not show a member that others know of is told as soon as they speak."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob, carol)

        def without(line: Line) -> Line:
            result = line.get("result")
            if isinstance(result, dict) and result["type"] == "room_state":
                result["members"] = [each for each in result["members"] if each["user"] != "carol"]
            return line

        bob.lie = without
        bob.leave()
        await bob.arrive()
        alice.type("who is here?")
        await bob.reads("who is here?")
        warned = await bob.sees(events.Warned, code="members")
        self.assertIn("do not know the same members of #garden", warned.text)


class Repeated(WholeTestCase):
    """The server repeats, moves and drops what it was given."""

    async def test_server_replays_an_old_message_in_a_room(self) -> None:
        """It is not shown as said again, to whoever reads it, after a restart as well."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob, carol)
        heard: list[Line] = []

        def listen(line: Line) -> Line:
            if line["type"] == "message" and line["scheme"] == "megolm":
                heard.append(copy.deepcopy(line))
            return line

        bob.lie = listen
        alice.type("pay carol")
        await bob.reads("pay carol")
        await bob.settled()
        bob.die()
        await bob.arrive()
        last = heard[0]["seq"]
        bob.heard({**heard[0], "seq": last + 1})
        self.assertEqual((await bob.sees(events.Undecryptable)).reason, "replayed")
        self.assertEqual(bob.texts(), ["pay carol"])

    async def test_server_replays_a_key_share(self) -> None:
        """The same parcel again, under another number as well, changes nothing: nothing is read twice."""
        alice, bob = await self.people("alice", "bob")
        parcels: list[Line] = []
        messages: list[Line] = []

        def listen(line: Line) -> Line:
            kept = {"inbox_item": parcels, "message": messages}.get(line["type"])
            if kept is not None:
                kept.append(copy.deepcopy(line))
            return line

        bob.lie = listen
        for text in ("one", "two"):
            alice.type(f"/msg bob {text}")
            await bob.reads(text)
        await self.calm(alice, bob)
        for number in (0, 1_000):
            bob.heard({**parcels[0], "seq": parcels[0]["seq"] + number})
            await self.calm(alice, bob)
        bob.heard({**messages[0], "seq": messages[-1]["seq"] + 1})
        self.assertEqual((await bob.sees(events.Undecryptable)).reason, "replayed")
        self.assertEqual(bob.texts(), ["one", "two"])
        alice.type("/msg bob three")
        await bob.until(lambda: len(messages) == 3)

    async def test_server_drops_one_message_silently_in_a_room(self) -> None:
        """The next one of the same sender shows the gap."""
        alice, bob, carol = await self.people("alice", "bob", "carol")
        await self.garden(alice, bob, carol)
        alice.type("first")
        await bob.reads("first")
        bob.lie = Held(("message",))
        alice.type("dropped")
        await carol.reads("dropped")
        await alice.settled()
        dropped = bob.lie.lines[-1]["seq"]

        def moved(line: Line) -> Line | None:
            if line["type"] == "message" and line["seq"] >= dropped:
                return {**line, "seq": line["seq"] - 1} if line["seq"] > dropped else None
            return line

        bob.lie = moved
        alice.type("kept")
        await bob.reads("kept")
        self.assertIn("gap", bob.codes())
        self.assertEqual(bob.texts(), ["first", "kept"])
