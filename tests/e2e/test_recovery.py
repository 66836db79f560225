"""The recovery phrase: twelve words bring back what was sealed with them, and nothing else does."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.e2e.base64s import from_base64, to_base64
from encchat.e2e.identity import IdentityKey
from encchat.e2e.recovery import Backup
from encchat.errors import RecoveryError
from encchat.limits import MAX_BACKUP_VALUE, MAX_ENVELOPE, MAX_PHRASE
from tests.e2e.people import identity, seeded

PUBLISHED = {
    "00000000000000000000000000000000": "abandon " * 11 + "about",
    "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f": ("legal winner thank year wave sausage worth useful legal winner thank yellow"),
    "80808080808080808080808080808080": (
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"
    ),
    "ffffffffffffffffffffffffffffffff": "zoo " * 11 + "wrong",
    "9e885d952ad362caeb4efe34a8e91bd2": "ozone drill grab fiber curtain grace pudding thank cruise elder eight picnic",
    "c0ba5a8e914111210f2bd131f3d5e08d": "scheme spot photo card baby mountain device kick cradle pact join borrow",
    "23db8160a31d3e0dca3688ed941adbf3": "cat swing flag economy stadium alone churn speed unique patch report train",
    "f30f8c1da665478f49b001d94c5fc452": (
        "vessel ladder alter error federal sibling chat ability sun glass valve picture"
    ),
}
"""Entropy and words: the English test vectors of BIP39 for 128 bits."""

ALICE = Backup("alice", bytes(16))
DECODED = msgspec.json.Decoder(wire.BackupEntry)


class Phrase(SynchronousTestCase):
    """Words and bits."""

    def test_bip39_known_answers(self) -> None:
        """Both ways."""
        for entropy, phrase in PUBLISHED.items():
            backup = Backup("alice", bytes.fromhex(entropy))
            self.assertEqual(backup.phrase, phrase)
            self.assertEqual(Backup.from_phrase("alice", phrase).secret.hex(), entropy)

    @given(st.binary(min_size=16, max_size=16))
    def test_a_phrase_brings_back_its_bits(self, secret: bytes) -> None:
        """However it is typed."""
        phrase = Backup("alice", secret).phrase
        self.assertEqual(len(phrase.split()), 12)
        typed = "  " + phrase.upper().replace(" ", " \n\t ") + "\n"
        self.assertEqual(Backup.from_phrase("Alice", typed).secret, secret)

    def test_a_fresh_phrase_is_fresh(self) -> None:
        """Made of the random bytes."""
        self.assertEqual(len({Backup.make("alice", seeded(seed)).phrase for seed in range(5)}), 5)

    def test_a_wrong_word_is_named(self) -> None:
        """So that one can look at that word on the paper."""
        error = self.assertRaises(RecoveryError, Backup.from_phrase, "alice", "abandon " * 10 + "abandom about")
        self.assertIn("abandom", error.text)

    def test_words_that_do_not_belong_together_are_refused(self) -> None:
        """The checksum sees two that changed places, a missing one is counted."""
        words = PUBLISHED["9e885d952ad362caeb4efe34a8e91bd2"].split()
        swapped = [words[1], words[0], *words[2:]]
        self.assertIn("mistyped", self.assertRaises(RecoveryError, Backup.from_phrase, "alice", " ".join(swapped)).text)
        for count in (0, 11, 13):
            error = self.assertRaises(RecoveryError, Backup.from_phrase, "alice", " ".join((words * 2)[:count]))
            self.assertIn("12 words", error.text)

    @given(st.text(max_size=100))
    def test_any_text_is_a_phrase_or_our_own_error(self, text: str) -> None:
        """Nothing else escapes."""
        self.assertRaises(RecoveryError, Backup.from_phrase, "alice", text)

    def test_only_the_beginning_of_a_long_text_is_looked_at(self) -> None:
        """At the limit, and beyond it."""
        phrase = PUBLISHED["9e885d952ad362caeb4efe34a8e91bd2"]
        for size, good in ((MAX_PHRASE - 1, True), (MAX_PHRASE, True), (MAX_PHRASE + 1, False)):
            text = phrase.rjust(size)
            if good:
                self.assertEqual(Backup.from_phrase("alice", text).phrase, phrase)
            else:
                self.assertRaises(RecoveryError, Backup.from_phrase, "alice", text)

    def test_the_bits_do_not_show_themselves(self) -> None:
        """A repr in a log tells nothing."""
        self.assertEqual(repr(ALICE), "Backup(user='alice')")


class Entries(SynchronousTestCase):
    """What the server keeps."""

    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.binary(max_size=300))
    def test_what_is_sealed_is_opened_by_the_same_words(self, name: str, value: bytes) -> None:
        """And fits the wire; the account's name in any case."""
        entry = ALICE.seal("session", name, value, seeded(1))
        self.assertEqual(DECODED.decode(msgspec.json.encode(entry)), entry)
        again = Backup.from_phrase("ALICE", ALICE.phrase)
        self.assertEqual(again.open(entry), ("session", name, value))

    def test_an_identity_key_comes_back_on_a_new_device(self) -> None:
        """The purpose of it all."""
        for algorithm in ("ed25519", "rsa", "dsa"):
            key = identity("alice", algorithm)
            kept = Backup.from_phrase("alice", ALICE.phrase).open(ALICE.seal("identity", "", key.export(), seeded()))
            self.assertEqual(IdentityKey.load(kept[2]).public, key.public)

    def test_wrong_recovery_phrase(self) -> None:
        """Other words, or another account's, open nothing, and say so."""
        entry = ALICE.seal("identity", "", b"key", seeded())
        for other in (Backup("alice", bytes(15) + b"\1"), Backup("bob", bytes(16))):
            self.assertIn("do not open", self.assertRaises(RecoveryError, other.open, entry).text)

    def test_the_server_learns_neither_kind_nor_name(self) -> None:
        """Names are keyed hashes; the same entry has the same name, so that it is replaced."""
        one = ALICE.seal("session", "SECRETNAME", b"value", seeded(1))
        again = ALICE.seal("session", "SECRETNAME", b"value", seeded(2))
        self.assertEqual(one.name, again.name)
        self.assertNotEqual(one.sealed, again.sealed)
        self.assertEqual(len({one.name, ALICE.name("session", "X"), ALICE.name("identity", "SECRETNAME")}), 3)
        self.assertNotEqual(one.name, Backup("bob", bytes(16)).name("session", "SECRETNAME"))
        self.assertNotIn(b"SECRETNAME", from_base64(one.sealed) or b"")

    def test_entries_cannot_be_swapped_or_damaged(self) -> None:
        """Every byte of the seal, and the name outside."""
        entry = ALICE.seal("session", "one", b"value", seeded(1))
        other = ALICE.seal("session", "two", b"value", seeded(2))
        swapped = wire.BackupEntry(name=other.name, sealed=entry.sealed)
        self.assertRaises(RecoveryError, ALICE.open, swapped)
        data = from_base64(entry.sealed) or b""
        for place in range(len(data)):
            damaged = bytearray(data)
            damaged[place] ^= 1
            bent = wire.BackupEntry(name=entry.name, sealed=to_base64(bytes(damaged)))
            self.assertRaises(RecoveryError, ALICE.open, bent)

    @given(st.text(max_size=64), st.one_of(st.text(max_size=60), st.binary(max_size=100).map(to_base64)))
    def test_opening_anything_is_our_own_error(self, name: str, sealed: str) -> None:
        """Whatever the server sends."""
        self.assertRaises(RecoveryError, ALICE.open, wire.BackupEntry(name=name, sealed=sealed))

    def test_a_value_has_a_limit_and_fits_the_wire_at_it(self) -> None:
        """`MAX_BACKUP_VALUE` and one more."""
        for size in (MAX_BACKUP_VALUE - 1, MAX_BACKUP_VALUE):
            sealed = ALICE.seal("k" * 32, "n" * 100, bytes(size), seeded()).sealed
            self.assertLessEqual(len(sealed), MAX_ENVELOPE)
        self.assertRaises(RecoveryError, ALICE.seal, "k", "n", bytes(MAX_BACKUP_VALUE + 1), seeded())
