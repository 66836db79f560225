"""Verification between two devices: it ends well only if both have the same keys, and shows nothing too early."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256

import msgspec
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from vodozemac import Sas

from encchat.e2e import sas
from encchat.e2e.base64s import to_base64
from encchat.e2e.emoji import EMOJI, GLYPHS
from encchat.e2e.sas import Exchange, Party, decode
from encchat.e2e.statements import statement
from tests.e2e.people import OTHER_ULID, ULID, device, flipped, identity

UNICODE = """
1F436 1F431 1F981 1F40E 1F984 1F437 1F418 1F430 1F43C 1F413 1F427 1F422 1F41F 1F419 1F98B 1F337
1F333 1F335 1F344 1F30F 1F319 2601+FE0F 1F525 1F34C 1F34E 1F353 1F33D 1F355 1F382 2764+FE0F 1F600 1F916
1F3A9 1F453 1F527 1F385 1F44D 2602+FE0F 231B 23F0 1F381 1F4A1 1F4D5 270F+FE0F 1F4CE 2702+FE0F 1F512 1F511
1F528 260E+FE0F 1F3C1 1F682 1F6B2 2708+FE0F 1F680 1F3C6 26BD 1F3B8 1F3BA 1F514 2693 1F3A7 1F4C1 1F4CC
"""
NAMES = """
Dog, Cat, Lion, Horse, Unicorn, Pig, Elephant, Rabbit, Panda, Rooster, Penguin, Turtle, Fish, Octopus, Butterfly,
Flower, Tree, Cactus, Mushroom, Globe, Moon, Cloud, Fire, Banana, Apple, Strawberry, Corn, Pizza, Cake, Heart, Smiley,
Robot, Hat, Glasses, Spanner, Santa, Thumbs Up, Umbrella, Hourglass, Clock, Gift, Light Bulb, Book, Pencil, Paperclip,
Scissors, Lock, Key, Hammer, Telephone, Flag, Train, Bicycle, Aeroplane, Rocket, Trophy, Ball, Guitar, Trumpet, Bell,
Anchor, Headphones, Folder, Pin
"""


def party(user: str, name: str = "DEVICE") -> Party:
    """A device of an account with an Ed25519 identity key."""
    return Party(user, name, device(user, name).ed25519, identity(user).public)


ALICE, BOB = party("alice"), party("bob")


def pair(alice_sees: Party = BOB, bob_sees: Party = ALICE) -> tuple[Exchange, Exchange]:
    """Alice has asked, bob is asked."""
    asking = Exchange.begin(ALICE, alice_sees, ULID)
    (start,) = asking.take()
    return asking, Exchange.asked(BOB, bob_sees, start, ULID)


def hand_over(sender: Exchange, receiver: Exchange, bend: Callable[[bytes], bytes] = bytes) -> int:
    """Deliver what ``sender`` has to say; how many messages."""
    payloads = sender.take()
    for payload in payloads:
        message = decode(bend(payload))
        if message is not None:
            receiver.receive(message)
    return len(payloads)


def settle(one: Exchange, other: Exchange) -> None:
    """Deliver until both are silent."""
    while hand_over(one, other) + hand_over(other, one):
        pass


def comparing(alice_sees: Party = BOB, bob_sees: Party = ALICE) -> tuple[Exchange, Exchange]:
    """Both see something to compare."""
    asking, asked = pair(alice_sees, bob_sees)
    asked.accept()
    settle(asking, asked)
    return asking, asked


class Table(SynchronousTestCase):
    """The 64 emoji."""

    def test_the_emoji_are_those_of_the_matrix_specification(self) -> None:
        """Numbers, code points and English names, as in its sas-emoji.json."""
        codes = ["".join(chr(int(code, 16)) for code in entry.split("+")) for entry in UNICODE.split()]
        names = [name.strip() for name in NAMES.split(",")]
        self.assertEqual(list(EMOJI), list(zip(codes, names, strict=True)))
        self.assertEqual((len(EMOJI), len(GLYPHS)), (64, 64))


class Agreement(SynchronousTestCase):
    """Nobody in between."""

    def test_both_see_the_same_and_both_are_done(self) -> None:
        """Seven emoji, three numbers; done when both have confirmed, in either order."""
        for first in (0, 1):
            sides = comparing()
            self.assertEqual([side.step for side in sides], ["compare", "compare"])
            self.assertEqual(sides[0].emoji, sides[1].emoji)
            self.assertEqual(sides[0].decimals, sides[1].decimals)
            self.assertEqual((len(sides[0].emoji), len(sides[0].decimals)), (7, 3))
            self.assertTrue(all(1000 <= number <= 9191 for number in sides[0].decimals))
            self.assertTrue(sides[first].confirm())
            settle(*sides)
            self.assertEqual((sides[first].step, sides[1 - first].step), ("confirmed", "compare"))
            self.assertTrue(sides[1 - first].confirm())
            settle(*sides)
            self.assertEqual([side.step for side in sides], ["done", "done"])

    def test_both_may_confirm_at_once(self) -> None:
        """Before either has heard of the other."""
        sides = comparing()
        self.assertTrue(all(side.confirm() for side in sides))
        settle(*sides)
        self.assertEqual([side.step for side in sides], ["done", "done"])

    def test_each_verification_has_something_else_to_compare(self) -> None:
        """The keys are fresh."""
        self.assertEqual(len({comparing()[0].decimals for _ in range(5)}), 5)

    def test_nothing_is_done_without_both_people(self) -> None:
        """The asked one agrees, each confirms, and only what there is to compare."""
        asking, asked = pair()
        self.assertEqual((asking.step, asked.step, asked.take()), ("waiting", "asked", []))
        self.assertFalse(asking.confirm() or asked.confirm())
        sides = comparing()
        sides[0].confirm()
        self.assertFalse(sides[0].confirm())
        settle(*sides)
        self.assertNotIn("done", [side.step for side in sides])

    def test_a_person_can_end_it(self) -> None:
        """The other side hears why; nothing is sent after that."""
        for reason in ("refused", "too-late"):
            asking, asked = comparing()
            asked.cancel(reason)
            settle(asking, asked)
            self.assertEqual((asking.step, asking.reason), ("cancelled", reason))
            self.assertEqual((asked.step, asked.reason), ("cancelled", reason))
            asking.cancel("refused")
            self.assertEqual((asking.take(), asking.reason), ([], reason))
            self.assertFalse(asking.confirm())


class Pitfalls(SynchronousTestCase):
    """What vodozemac leaves to us."""

    def test_pitfall_6_sas_commits_before_the_key_is_shown(self) -> None:
        """The asked side sends a hash of key and start, no key; the asking side shows its own only after that."""
        asking, asked = pair()
        self.assertEqual(asking.take(), [])
        asked.accept()
        (accept,) = asked.take()
        self.assertEqual(set(json.loads(accept)), {"step", "transaction", "commitment"})
        asking.receive(decode(accept))
        (shown,) = asking.take()
        asked.receive(decode(shown))
        (revealed,) = asked.take()
        start = msgspec.json.encode(sas.Start(transaction=ULID))
        digest = sha256(statement("sas commitment", json.loads(revealed)["key"], start)).digest()
        self.assertEqual(json.loads(accept)["commitment"], to_base64(digest))

    def test_pitfall_6_a_key_other_than_the_committed_one_ends_it(self) -> None:
        """Whoever waits for our key before choosing its own is found."""
        asking, asked = pair()
        asked.accept()
        hand_over(asked, asking)
        asking.take()
        asking.receive(sas.Reveal(transaction=ULID, key=Sas().public_key.to_base64()))
        self.assertEqual((asking.step, asking.reason), ("cancelled", "broken-commitment"))
        self.assertEqual(asking.emoji, ())

    def test_pitfall_6_the_commitment_is_to_this_start_message(self) -> None:
        """Not to another one, that the server put in its place."""
        asking = Exchange.begin(ALICE, BOB, ULID)
        other = asking.take()[0].replace(b"{", b"{ ")
        asked = Exchange.asked(BOB, ALICE, other, ULID)
        asked.accept()
        settle(asking, asked)
        self.assertEqual(asking.reason, "broken-commitment")

    def test_keys_that_agree_on_nothing_are_refused(self) -> None:
        """All zeros, and another point of small order."""
        for key in (bytes(32), (1).to_bytes(32, "little")):
            asking, asked = pair()
            asked.accept()
            asked.take()
            asked.receive(sas.Reveal(transaction=ULID, key=to_base64(key)))
            self.assertEqual((asked.step, asked.reason), ("cancelled", "unexpected"))
            self.assertEqual(asking.step, "waiting")


class Lies(SynchronousTestCase):
    """The server in between."""

    def test_a_swapped_identity_key_shows_other_emoji_and_ends_at_the_macs(self) -> None:
        """Even if the person does not look."""
        mallory = evolve(BOB, identity=identity("mallory").public)
        sides = comparing(alice_sees=mallory)
        self.assertNotEqual(sides[0].decimals, sides[1].decimals)
        for side in sides:
            side.confirm()
        settle(*sides)
        self.assertEqual([side.step for side in sides], ["cancelled", "cancelled"])
        self.assertIn("different-keys", [side.reason for side in sides])

    def test_everything_that_identifies_both_devices_is_in_the_string(self) -> None:
        """Name, device, device key, identity key, of both."""
        for changed in (
            {"user": "bobby"},
            {"device": "OTHER"},
            {"ed25519": device("mallory").ed25519},
            {"identity": identity("mallory").public},
            {"identity": identity("bob", "rsa").public},
        ):
            asking, asked = comparing(alice_sees=evolve(BOB, **changed))
            self.assertNotEqual(asking.decimals, asked.decimals, changed)

    def test_somebody_in_the_middle_shows_different_strings(self) -> None:
        """Two exchanges, one with each: the strings differ."""
        to_bob, bob = comparing()
        alice, from_alice = comparing()
        self.assertNotEqual(alice.decimals, bob.decimals)
        self.assertEqual((to_bob.step, from_alice.step), ("compare", "compare"))

    def test_a_bent_mac_ends_it(self) -> None:
        """Either of the two."""
        for name in ("identity", "device"):
            asking, asked = comparing()
            asked.confirm()

            def bent(payload: bytes, name: str = name) -> bytes:
                fields = json.loads(payload)
                return json.dumps(fields | {name: flipped(fields[name], 3)}).encode()

            hand_over(asked, asking, bent)
            self.assertEqual((asking.step, asking.reason), ("cancelled", "different-keys"))

    def test_ones_own_macs_sent_back_are_not_the_others(self) -> None:
        """They say which way they go."""
        asking, _ = comparing()
        asking.confirm()
        for payload in asking.take():
            asking.receive(decode(payload))
        self.assertEqual((asking.step, asking.reason), ("cancelled", "different-keys"))

    def test_a_message_out_of_turn_ends_it(self) -> None:
        """At every step, all but those that belong there."""
        key = Sas().public_key.to_base64()
        messages = {
            "start": sas.Start(transaction=ULID),
            "accept": sas.Accept(transaction=ULID, commitment="A" * 43),
            "key": sas.Reveal(transaction=ULID, key=key),
            "mac": sas.Mac(transaction=ULID, identity="A" * 43, device="A" * 43),
        }
        states = {
            "started": (lambda: pair()[0], {"accept"}),
            "asked": (lambda: pair()[1], set()),
            "comparing": (lambda: comparing()[0], {"mac"}),
        }
        for state, (make, expected) in states.items():
            for name, message in messages.items():
                if name not in expected:
                    exchange = make()
                    exchange.receive(message)
                    self.assertEqual((exchange.step, exchange.reason), ("cancelled", "unexpected"), (state, name))

    @given(st.lists(st.integers(0, 5), max_size=12))
    def test_nobody_is_done_unless_both_people_confirmed(self, deeds: list[int]) -> None:
        """Whatever is delivered, twice or never, in whatever order."""
        asking, asked = pair()
        sides, log, confirmed = (asking, asked), [], set()
        for deed in deeds:
            match deed:
                case 0:
                    asked.accept()
                case 1 | 2:
                    if sides[deed - 1].confirm():
                        confirmed.add(deed)
                case 3 | 4:
                    payloads = sides[deed - 3].take()
                    log += [(4 - deed, payload) for payload in payloads]
                    for payload in payloads:
                        sides[4 - deed].receive(decode(payload))
                case _:
                    for receiver, payload in log[-1:]:
                        sides[receiver].receive(decode(payload))
            if "done" in (asking.step, asked.step):
                self.assertEqual(confirmed, {1, 2})


class Decoding(SynchronousTestCase):
    """`decode`."""

    @given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
    def test_anything_is_a_message_or_none(self, data: bytes) -> None:
        """Nothing escapes."""
        self.assertIsNone(decode(data))

    def test_deeply_nested_json_is_none(self) -> None:
        """Not a RecursionError."""
        self.assertIsNone(decode(b'{"step":' + b"[" * 50_000))

    def test_fields_are_checked(self) -> None:
        """Transactions are ULIDs, keys and codes 43 characters, methods ours, reasons known."""
        good = {"step": "start", "transaction": ULID}
        self.assertIsNotNone(decode(json.dumps(good).encode()))
        for wrong in (
            {"transaction": "x"},
            {"method": "sas-2"},
            {"step": "cancel", "reason": "because"},
            {"step": "key", "key": "A" * 42},
            {"step": "accept", "commitment": "A" * 44},
            {"step": "mac", "identity": "A" * 43},
        ):
            self.assertIsNone(decode(json.dumps(good | wrong).encode()), wrong)

    def test_parties_are_the_same_by_all_their_keys(self) -> None:
        """The name in any case."""
        self.assertTrue(ALICE.same_as(evolve(ALICE, user="ALICE")))
        for changed in ({"device": "X"}, {"ed25519": "A" * 43}, {"identity": identity("bob").public}, {"user": "bob"}):
            self.assertFalse(ALICE.same_as(evolve(ALICE, **changed)))
        self.assertNotEqual(ULID, OTHER_ULID)
