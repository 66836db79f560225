"""Files of keys: what the right passphrase opens, and what a damaged or foreign file says."""

from __future__ import annotations

from base64 import b64decode, encodebytes

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits
from encchat.e2e import export
from encchat.e2e.export import Cost, seal, unseal
from encchat.errors import RecoveryError
from tests.e2e.people import seeded

CHEAP = Cost(memory=64, passes=1, lanes=1)
PASSPHRASE = "correct horse"
VALUES = {"identity": b"key", "session/ABC": bytes(range(256))}


def text_of(test: SynchronousTestCase, data: bytes, passphrase: str = PASSPHRASE) -> str:
    """What the error says."""
    return test.assertRaises(RecoveryError, unseal, data, passphrase).text


def forged(**fields: object) -> bytes:
    """A file whose head was changed."""
    kept = msgspec.msgpack.decode(b64decode(seal(VALUES, PASSPHRASE, seeded(), CHEAP)[len(export.HEADER) :]))
    names = ["salt", "memory", "passes", "lanes", "nonce", "sealed"]
    for name, value in fields.items():
        kept[names.index(name)] = value
    return export.HEADER + encodebytes(msgspec.msgpack.encode(kept))


class Files(SynchronousTestCase):
    """`seal` and `unseal`."""

    @settings(max_examples=30)
    @given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), st.binary(max_size=100)))
    def test_what_is_sealed_is_opened_by_the_same_passphrase(self, values: dict[str, bytes]) -> None:
        """All of it."""
        self.assertEqual(unseal(seal(values, PASSPHRASE, seeded(), CHEAP), PASSPHRASE), values)

    def test_it_is_text_that_says_what_it_is(self) -> None:
        """And survives mail: other line ends, other lengths of lines."""
        data = seal(VALUES, PASSPHRASE, seeded(), CHEAP)
        self.assertTrue(data.startswith(b"encchat keys, version 1\n"))
        data.decode("ascii")
        self.assertEqual(unseal(data.replace(b"\n", b"\r\n"), PASSPHRASE), VALUES)
        head, _, rest = data.partition(b"\n")
        self.assertEqual(unseal(head + b"\n" + rest.replace(b"\n", b"") + b"\n\n", PASSPHRASE), VALUES)

    def test_it_tells_nothing_without_the_passphrase(self) -> None:
        """Neither names nor values stand in it, and another passphrase is told so."""
        data = seal({"CANARYNAME": b"CANARYVALUE"}, PASSPHRASE, seeded(), CHEAP)
        inside = b64decode(data[len(export.HEADER) :])
        self.assertNotIn(b"CANARY", inside)
        self.assertIn("passphrase is not", text_of(self, data, "correct house"))

    def test_a_passphrase_typed_on_another_system_is_the_same(self) -> None:
        """Composed or decomposed accents."""
        data = seal(VALUES, "na\u00efve caf\u00e9", seeded(), CHEAP)
        self.assertEqual(unseal(data, "nai\u0308ve cafe\u0301"), VALUES)

    def test_a_passphrase_is_not_too_short(self) -> None:
        """At the limit and below it."""
        self.assertRaises(RecoveryError, seal, VALUES, "x" * (limits.MIN_PASSWORD - 1), seeded(), CHEAP)
        seal(VALUES, "x" * limits.MIN_PASSWORD, seeded(), CHEAP)

    def test_our_own_cost_is_argon2ids_second_recommendation(self) -> None:
        """RFC 9106 section 4: 64 MiB, three passes, four lanes."""
        kept = msgspec.msgpack.decode(b64decode(seal({}, PASSPHRASE, seeded())[len(export.HEADER) :]))
        self.assertEqual(kept[1:4], [65_536, 3, 4])

    def test_every_changed_byte_is_noticed(self) -> None:
        """In the salt, the costs, the nonce and what is sealed."""
        data = seal(VALUES, PASSPHRASE, seeded(), CHEAP)
        inside = b64decode(data[len(export.HEADER) :])
        for place in range(0, len(inside), 3):
            bent = bytearray(inside)
            bent[place] ^= 1
            file = export.HEADER + encodebytes(bytes(bent))
            self.assertRaises(RecoveryError, unseal, file, PASSPHRASE)

    def test_a_file_cannot_ask_for_more_work_than_allowed(self) -> None:
        """Memory, passes and lanes are bounded before anything is computed."""
        for field, limit in (
            ("memory", limits.MAX_UNWRAP_MEMORY),
            ("passes", limits.MAX_UNWRAP_PASSES),
            ("lanes", limits.MAX_UNWRAP_LANES),
        ):
            self.assertIn("keys is damaged", text_of(self, forged(**{field: limit + 1})))
        self.assertIn("keys is damaged", text_of(self, forged(lanes=9, memory=71)))
        self.assertIn("passphrase is not", text_of(self, forged(lanes=8, memory=64)))
        self.assertIn("passphrase is not", text_of(self, forged(passes=limits.MAX_UNWRAP_PASSES)))

    def test_a_foreign_file_and_a_later_version_are_told_apart(self) -> None:
        """Each with what to do about it."""
        self.assertIn("not a file of keys", text_of(self, b"-----BEGIN PGP MESSAGE-----\n"))
        data = seal(VALUES, PASSPHRASE, seeded(), CHEAP)
        self.assertIn("version", text_of(self, data.replace(b"version 1", b"version 2")))

    def test_a_file_has_a_limit(self) -> None:
        """At `MAX_EXPORT` bytes it is read, at one more it is not."""
        data = seal(VALUES, PASSPHRASE, seeded(), CHEAP)
        self.assertEqual(unseal(data.ljust(limits.MAX_EXPORT), PASSPHRASE), VALUES)
        self.assertIn("at most", text_of(self, data.ljust(limits.MAX_EXPORT + 1)))

    @given(st.binary(max_size=200), st.sampled_from([b"", export.HEADER]))
    def test_reading_anything_is_our_own_error(self, data: bytes, head: bytes) -> None:
        """Nothing else escapes."""
        self.assertRaises(RecoveryError, unseal, head + data, PASSPHRASE)
