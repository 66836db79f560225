"""Safety numbers: the same for both, another for every other key, computed as published."""

from __future__ import annotations

from itertools import combinations

from twisted.trial.unittest import SynchronousTestCase

from encchat.e2e.safety import half, safety_number
from tests.e2e.people import ALGORITHMS, identity

ALICE = bytes.fromhex("0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868")
BOB = bytes.fromhex("05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b")


class SafetyNumber(SynchronousTestCase):
    """`encchat.e2e.safety`."""

    def test_it_is_computed_as_signals_numeric_fingerprint(self) -> None:
        """The vector of libsignal's tests (NumericFingerprintGenerator, version 1)."""
        sides = sorted((half(ALICE, b"+14152222222"), half(BOB, b"+14153333333")))
        self.assertEqual("".join(sides), "300354477692869396892869876765458257569162576843440918079131")

    def test_it_is_twelve_groups_of_five_digits_and_the_same_for_both_sides(self) -> None:
        """Whoever is first, whatever the case of the names."""
        alice, bob = identity("alice").public, identity("bob", "rsa").public
        number = safety_number("alice", alice, "bob", bob)
        self.assertRegex(number, r"^([0-9]{5} ){11}[0-9]{5}$")
        self.assertEqual(number, safety_number("BOB", bob, "Alice", alice))

    def test_every_other_key_or_name_has_another_number(self) -> None:
        """Of all algorithms."""
        keys = [identity(name, algorithm).public for name in ("alice", "bob") for algorithm in ALGORITHMS]
        numbers = {safety_number("alice", one, "bob", other) for one, other in combinations(keys, 2)}
        self.assertEqual(len(numbers), 15)
        one = safety_number("alice", keys[0], "bob", keys[1])
        self.assertNotEqual(one, safety_number("alice", keys[0], "bobo", keys[1]))
        self.assertNotEqual(one, safety_number("alice", keys[1], "bob", keys[0]))
