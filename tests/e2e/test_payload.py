"""Payloads: what stands inside the encryption, and what is refused by it."""

from __future__ import annotations

import msgspec
import vodozemac
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.e2e import payload
from encchat.e2e.interfaces import Content
from encchat.errors import UndecryptableError, UsageError
from encchat.limits import MAX_BODY, MAX_ENVELOPE, MAX_PAYLOAD, PADDING
from tests.e2e.people import ALGORITHMS, DIRECT, HELLO, OTHER_ULID, ROOM, ULID, chain, device, identity

SAID = wire.Message(
    conversation="@alice", kind="direct", seq=3, sender="alice", ulid=ULID, time=0, body="D.S.Aw", scheme="megolm"
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def reason(test: SynchronousTestCase, deed: object, *args: object) -> str:
    """The word of the `UndecryptableError` that ``deed`` raises."""
    return test.assertRaises(UndecryptableError, deed, *args).reason


class Messages(SynchronousTestCase):
    """`build`, `parse`, `check`, `verify`."""

    @given(TEXTS, st.sampled_from(["text", "topic"]), st.booleans())
    def test_what_is_built_is_parsed_the_same(self, text: str, kind: str, signed: bool) -> None:
        """Every text, every type, signed or not."""
        content = Content(ULID, text, kind, (41, OTHER_ULID), OTHER_ULID)
        key = identity("alice") if signed else None
        found = payload.parse(payload.build(ROOM, content, "alice", "D1", key))
        self.assertEqual((found.text, found.type, found.ulid), (text, kind, ULID))
        self.assertEqual((found.after, found.previous, found.version), ((41, OTHER_ULID), OTHER_ULID, 7))
        expected = ("ed25519", "valid") if signed else ("none", "absent")
        self.assertEqual(payload.verify(found, [identity("alice").public]), expected)

    def test_each_algorithm_signs_messages_and_has_its_name_on_screen(self) -> None:
        """ed25519, rsa-pss, dsa."""
        for algorithm, name in zip(ALGORITHMS, ("ed25519", "rsa-pss", "dsa"), strict=True):
            found = payload.parse(payload.build(DIRECT, HELLO, "alice", "D1", identity("alice", algorithm)))
            self.assertEqual(payload.verify(found, [identity("alice", algorithm).public]), (name, "valid"))

    def test_a_signature_covers_every_field(self) -> None:
        """Each one changed for another makes it invalid."""
        found = payload.parse(payload.build(ROOM, HELLO, "alice", "D1", identity("alice"), "bob/D2"))
        changed = {
            "conversation": "direct:alice:mallory",
            "sender": "bob",
            "device": "D2",
            "recipient": "carol/D3",
            "ulid": OTHER_ULID,
            "type": "topic",
            "text": "hullo",
            "after": (0, ULID),
            "previous": OTHER_ULID,
            "members": "A" * 43,
            "version": 8,
        }
        self.assertEqual(set(changed) | {"number", "signature"}, set(found.__struct_fields__))
        for name, value in changed.items():
            forged = msgspec.structs.replace(found, **{name: value})
            self.assertEqual(payload.verify(forged, [identity("alice").public]), ("ed25519", "invalid"), name)

    def test_a_signature_is_by_the_key_of_its_number(self) -> None:
        """An earlier key's messages stay valid after a change; a number nobody has is invalid."""
        keys, public = chain("alice", "ed25519", "rsa")
        for key, name in zip(keys, ("ed25519", "rsa-pss"), strict=True):
            found = payload.parse(payload.build(DIRECT, HELLO, "alice", "D1", key))
            self.assertEqual(payload.verify(found, public), (name, "valid"))
        other = msgspec.structs.replace(found, number=1)
        self.assertEqual(payload.verify(other, public), ("ed25519", "invalid"))
        self.assertEqual(payload.verify(msgspec.structs.replace(found, number=3), public), ("none", "invalid"))
        self.assertEqual(payload.verify(found, []), ("none", "invalid"))

    def test_a_payload_says_nothing_of_its_length_but_a_multiple_of_sixty_four(self) -> None:
        """Short answers look alike."""
        lengths = {len(payload.build(DIRECT, Content(ULID, text), "alice", "D1", None)) for text in ("", "no", "yes")}
        self.assertEqual(len(lengths), 1)
        for size in range(130):
            self.assertEqual(len(payload.build(DIRECT, Content(ULID, "x" * size), "alice", "D1", None)) % PADDING, 0)

    def test_a_payload_has_a_limit(self) -> None:
        """At the limit, and a byte beyond it."""
        self.assertEqual(len(payload.padded(b"x" * MAX_PAYLOAD)), MAX_PAYLOAD)
        self.assertEqual(len(payload.padded(b"x" * (MAX_PAYLOAD - 1))), MAX_PAYLOAD)
        self.assertRaises(UsageError, payload.padded, b"x" * (MAX_PAYLOAD + 1))
        data = payload.build(DIRECT, HELLO, "alice", "D1", None)
        self.assertEqual(payload.parse(data.ljust(MAX_PAYLOAD)).text, "hello")
        self.assertEqual(reason(self, payload.parse, data.ljust(MAX_PAYLOAD + PADDING)), "broken")
        self.assertEqual(reason(self, payload.parse, data + b" "), "broken")

    def test_a_text_has_a_limit(self) -> None:
        """`MAX_BODY` characters are parsed, one more is not."""
        for size, good in ((MAX_BODY - 1, True), (MAX_BODY, True), (MAX_BODY + 1, False)):
            data = payload.build(DIRECT, Content(ULID, "x" * size), "alice", "D1", None)
            if good:
                self.assertEqual(len(payload.parse(data).text), size)
            else:
                self.assertEqual(reason(self, payload.parse, data), "broken")

    def test_the_longest_payload_fits_its_envelope(self) -> None:
        """Encrypted with Megolm, in base64, with device and session before it."""
        sealed = vodozemac.GroupSession().encrypt(b"x" * MAX_PAYLOAD).to_base64()
        self.assertLessEqual(32 + 1 + 43 + 1 + len(sealed), MAX_ENVELOPE)

    @given(st.one_of(st.binary(max_size=300), st.binary(max_size=128).map(payload.padded)))
    def test_parsing_anything_is_a_payload_or_our_own_error(self, data: bytes) -> None:
        """With the session in it, so that one can ask why."""
        self.assertEqual(self.assertRaises(UndecryptableError, payload.parse, data, "S").session, "S")

    @given(st.integers(0, 10_000), st.integers(1, 255))
    def test_a_damaged_payload_is_broken_or_its_signature_invalid(self, place: int, change: int) -> None:
        """Or it says the same in another spelling."""
        data = bytearray(payload.build(DIRECT, HELLO, "alice", "D1", identity("alice")))
        whole = payload.parse(bytes(data))
        data[place % len(data)] ^= change
        try:
            found = payload.parse(bytes(data))
        except UndecryptableError as error:
            self.assertEqual(error.reason, "broken")
        else:
            signed = payload.verify(found, [identity("alice").public])[1]
            self.assertTrue(found == whole or signed != "valid")

    def test_deeply_nested_json_is_broken(self) -> None:
        """Not a RecursionError."""
        self.assertEqual(reason(self, payload.parse, payload.padded(b'{"x":' + b"[" * 20_000)), "broken")


class Pitfalls(SynchronousTestCase):
    """The numbered ones of vodozemac that a payload answers."""

    def test_pitfall_3_sender_recipient_and_conversation_are_inside_the_plaintext(self) -> None:
        """The server shows a ciphertext elsewhere, as somebody else's, to another device: each is refused by name."""
        data = payload.build(DIRECT, HELLO, "alice", "D1", identity("alice"), payload.address("Bob", "D2"))
        found = payload.parse(data)
        payload.check(found, DIRECT, SAID, "D1", "bob/D2")
        payload.check(found, DIRECT, msgspec.structs.replace(SAID, sender="ALICE"), "D1", "bob/D2")
        elsewhere = evolve(DIRECT, id="direct:alice:carol")
        self.assertEqual(reason(self, payload.check, found, elsewhere, SAID, "D1", "bob/D2"), "wrong-conversation")
        carols = msgspec.structs.replace(SAID, sender="carol")
        self.assertEqual(reason(self, payload.check, found, DIRECT, carols, "D1", "bob/D2"), "wrong-sender")
        self.assertEqual(reason(self, payload.check, found, DIRECT, SAID, "D9", "bob/D2"), "wrong-sender")
        self.assertEqual(reason(self, payload.check, found, DIRECT, SAID, "D1", "bob/D9"), "not-for-this-device")
        self.assertEqual(reason(self, payload.check, found, DIRECT, SAID, "D1"), "not-for-this-device")

    def test_pitfall_2_messages_are_told_apart_by_the_ulid_inside_not_by_ciphertext(self) -> None:
        """An old ciphertext, or its malleable twin, under a new ulid is a replay."""
        found = payload.parse(payload.build(DIRECT, HELLO, "alice", "D1", identity("alice")))
        replayed = msgspec.structs.replace(SAID, ulid=OTHER_ULID, seq=4)
        self.assertEqual(reason(self, payload.check, found, DIRECT, replayed, "D1"), "replayed")

    def test_pitfall_2_a_signature_is_over_the_fields_not_over_a_ciphertext(self) -> None:
        """The same message encrypted twice has one statement."""
        one = payload.parse(payload.build(DIRECT, HELLO, "alice", "D1", identity("alice")))
        again = payload.parse(payload.build(DIRECT, HELLO, "alice", "D1", identity("alice")) + b" " * PADDING)
        self.assertEqual(one, again)


class Members(SynchronousTestCase):
    """The server lies about membership."""

    def test_other_members_at_the_same_version_disagree(self) -> None:
        """An injected or withheld member is seen in what others say."""
        found = payload.parse(payload.build(ROOM, HELLO, "alice", "D1", None))
        self.assertTrue(payload.members_agree(found, ROOM))
        self.assertTrue(payload.members_agree(found, evolve(ROOM, members=("CAROL", "bob", "alice"))))
        self.assertFalse(payload.members_agree(found, evolve(ROOM, members=("alice", "bob", "carol", "mallory"))))
        self.assertFalse(payload.members_agree(found, evolve(ROOM, members=("alice", "bob"))))
        self.assertTrue(payload.members_agree(found, evolve(ROOM, members=("alice",), version=8)))


class Parcels(SynchronousTestCase):
    """`build_parcel` and `parse_parcel`."""

    @given(st.binary(max_size=500))
    def test_what_is_built_is_parsed_the_same(self, data: bytes) -> None:
        """Any bytes, any kind."""
        alice, bob = device("Alice"), device("bob")
        found = payload.parse_parcel(payload.build_parcel("megolm.key", data, ROOM.id, alice, bob), alice, bob)
        self.assertEqual((found.kind, found.payload, found.conversation), ("megolm.key", data, ROOM.id))

    def test_pitfall_3_sender_and_recipient_are_inside_a_parcel(self) -> None:
        """By name, device and Ed25519 key: nobody can pass on a parcel as their own, or to somebody else."""
        alice, bob = device("alice"), device("bob")
        data = payload.build_parcel("sas", b"x", DIRECT.id, alice, bob)
        other = device("mallory")
        for wrong in (
            other,
            evolve(alice, device="D9"),
            evolve(alice, ed25519=other.ed25519),
            evolve(alice, user="bob"),
        ):
            self.assertEqual(reason(self, payload.parse_parcel, data, wrong, bob), "wrong-sender")
        for wrong in (other, evolve(bob, device="D9"), evolve(bob, ed25519=other.ed25519), evolve(bob, user="alice")):
            self.assertEqual(reason(self, payload.parse_parcel, data, alice, wrong), "not-for-this-device")

    @given(st.one_of(st.binary(max_size=300), st.binary(max_size=128).map(payload.padded)))
    def test_parsing_anything_is_a_parcel_or_our_own_error(self, data: bytes) -> None:
        """Nothing else escapes."""
        self.assertEqual(reason(self, payload.parse_parcel, data, device("alice"), device("bob")), "broken")

    def test_a_parcel_that_is_no_multiple_of_the_padding_is_broken(self) -> None:
        """Only what `padded` made is read."""
        alice, bob = device("alice"), device("bob")
        data = payload.build_parcel("sas", b"x", DIRECT.id, alice, bob)
        self.assertEqual(reason(self, payload.parse_parcel, data + b" ", alice, bob), "broken")
