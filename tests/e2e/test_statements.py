"""Statements: one purpose, one reading."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.e2e import statements

KEYS = wire.DeviceKeys(
    user="Alice", device="D1", curve25519="A" * 43, ed25519="B" * 43, rsa="C" * 8, signature="D" * 86, vouch="E" * 86
)
FIELDS = st.one_of(st.text(st.characters(), max_size=8), st.binary(max_size=8), st.integers())


def every_statement() -> list[bytes]:
    """One of each purpose, all about the same things."""
    identity = wire.Identity(algorithm="ed25519", key="A" * 43)
    said = statements.Said("c", "alice", "D1", "", "U", "text", "hi", None, "", "m", 0, 1)
    return [
        statements.device_keys(KEYS),
        statements.vouch(KEYS),
        statements.one_time_key("alice", "D1", "AAAA", "A" * 43),
        statements.identity_change("alice", identity, identity),
        statements.message(said),
        statements.opening("#tea", "U", "alice", "megolm", "signed", "none", False),
        statements.opening("#tea", "U", "alice", "megolm", "signed", "none", False, True),
        statements.invitation("U", "R", 0, "alice", "alice"),
        statements.joining("U", "R", 0, "alice"),
        statements.handover("U", "alice", "alice", "D1", b""),
        statements.introduction("U", "R", "alice", "alice", "D1", b""),
        statements.members_digest(("alice",)),
    ]


class Bytes(SynchronousTestCase):
    """`encchat.e2e.statements`."""

    @given(st.lists(FIELDS, max_size=5), st.lists(FIELDS, max_size=5))
    def test_two_statements_are_the_same_bytes_only_if_they_say_the_same(self, one: list, other: list) -> None:
        """No field can grow into its neighbour."""
        plain = [
            [str(f).encode("utf-8", "surrogatepass") if not isinstance(f, bytes) else f for f in x]
            for x in (one, other)
        ]
        same = plain[0] == plain[1]
        self.assertEqual(statements.statement("p", *one) == statements.statement("p", *other), same)

    def test_a_statement_of_one_purpose_is_none_of_another(self) -> None:
        """A signature cannot be shown as one for something else."""
        found = every_statement()
        self.assertEqual(len(set(found)), len(found))

    def test_the_bytes_stay_as_they_are_between_releases(self) -> None:
        """Signatures of today hold tomorrow: written down once, from this description in the module."""
        expected = (
            b"\0\0\0\x15encchat end to end v1\0\0\0\x0cone-time key\0\0\0\x05alice\0\0\0\x02D1\0\0\0\x04AAAA\0\0\0\x01K"
        )
        self.assertEqual(statements.one_time_key("Alice", "D1", "AAAA", "K"), expected)

    def test_an_opening_from_before_there_were_ephemeral_rooms_still_holds(self) -> None:
        """Its bytes are what they were; that a room is ephemeral is one field more."""
        fields = ("#tea", "U", "alice", "megolm", "signed", "none")
        before = statements.statement("opening", *fields, 0)
        self.assertEqual(statements.opening(*fields, False), before)
        self.assertEqual(statements.opening(*fields, False, True), before + statements.joined(["ephemeral"]))

    def test_names_are_folded(self) -> None:
        """The server may write a name in any case: the signature holds."""
        shouted = wire.DeviceKeys(
            user="ALICE", device="D1", curve25519="A" * 43, ed25519="B" * 43, rsa="C" * 8, signature="", vouch=""
        )
        self.assertEqual(statements.vouch(KEYS), statements.vouch(shouted))
        self.assertEqual(statements.members_digest(("Bob", "alice")), statements.members_digest(("ALICE", "bob")))

    def test_every_field_of_a_devices_keys_is_signed(self) -> None:
        """All but the two signatures themselves."""
        for name, value in {
            "user": "bob",
            "device": "D2",
            "curve25519": "F" * 43,
            "ed25519": "F" * 43,
            "rsa": "",
        }.items():
            changed = wire.DeviceKeys(**{**{f: getattr(KEYS, f) for f in KEYS.__struct_fields__}, name: value})
            self.assertNotEqual(statements.vouch(changed), statements.vouch(KEYS), name)
            self.assertNotEqual(statements.device_keys(changed), statements.device_keys(KEYS), name)
