"""The scheme for teaching: that its parts are what they say, and that nobody uses it by accident."""

from __future__ import annotations

import msgspec
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher
from twisted.trial.unittest import SynchronousTestCase

from encchat import envelopes, limits, wire
from encchat.client.schemes import find_schemes
from encchat.errors import NoKeysError, NotPreparedError, UndecryptableError, UsageError
from encchat.teaching import group
from encchat.teaching.scheme import NAME, TeachingScheme
from tests.e2e.hosts import TestHost, World


def e_times(power: int) -> int:
    """The whole part of e times a power of two, by the series of reciprocal factorials."""
    spare = 200
    total, term, number = 0, 1 << (power + spare), 0
    while term:
        total += term
        number += 1
        term //= number
    return total >> spare


class Group(SynchronousTestCase):
    """ffdhe2048."""

    def test_the_prime_is_the_one_of_rfc_7919(self) -> None:
        """Appendix A.1: p = 2^2048 - 2^1984 + {[2^1918 * e] + 560316} * 2^64 - 1."""
        self.assertEqual(group.PRIME, 2**2048 - 2**1984 + (e_times(1918) + 560316) * 2**64 - 1)

    def test_both_sides_know_the_same_secret(self) -> None:
        """And nobody else's public value gives it."""
        one, two, three = (group.private(lambda count, byte=byte: bytes([byte]) * count) for byte in (1, 2, 3))
        secret = group.secret(one, group.public(two))
        self.assertEqual(secret, group.secret(two, group.public(one)))
        self.assertNotEqual(secret, group.secret(three, group.public(one)))

    def test_public_values_that_give_the_secret_away_are_refused(self) -> None:
        """1 < y < p-1 (RFC 7919 section 5.1), and exactly 256 bytes."""
        for value, is_good in (
            (0, False),
            (1, False),
            (2, True),
            (group.PRIME - 2, True),
            (group.PRIME - 1, False),
            (group.PRIME, False),
            (group.PRIME + 1, False),
            (2**2048 - 1, False),
        ):
            found = group.secret(3, value.to_bytes(256, "big"))
            self.assertEqual(found is not None, is_good, hex(value)[:20])
        for length in (0, 255, 257):
            self.assertIsNone(group.secret(3, bytes([2]) * length))

    def test_rc4_is_rc4(self) -> None:
        """RFC 6229 section 2: the stream of the 128-bit key 01 to 10."""
        stream = Cipher(ARC4(bytes(range(1, 17))), mode=None).encryptor()
        self.assertEqual(stream.update(bytes(16)).hex(), "9ac7cc9a609d1ef7b2932899cde41b97")


class Pair(SynchronousTestCase):
    """Alice and Bob, with the option; the room was made with this scheme."""

    def setUp(self) -> None:
        self.world = World(scheme=NAME)
        self.alice = self.world.device("alice", "PHONE", TeachingScheme())
        self.bob = self.world.device("bob", "DESK", TeachingScheme())

    def ready(self, host: TestHost) -> None:
        """Both public values are exchanged."""
        self.assertEqual(host.scheme.prepare_step(self.world.conversation()), "waiting")
        self.world.deliver()
        self.assertEqual(host.resumed, [None])
        self.assertEqual(host.scheme.prepare_step(self.world.conversation()), "ready")

    def refused(self, host: TestHost, said: wire.Message) -> str:
        return self.assertRaises(UndecryptableError, host.open, said).reason

    def test_two_people_read_each_other(self) -> None:
        """After one exchange of public values, which serves for both directions and outlives the process."""
        self.assertRaises(NotPreparedError, self.alice.encrypt, "early")
        self.ready(self.alice)
        self.assertEqual(self.bob.open(self.alice.encrypt("eins")), "eins")
        self.bob.restart()
        self.assertEqual(self.alice.open(self.bob.say("zwei")), "zwei")

    def test_its_envelope_is_one_the_server_can_check(self) -> None:
        """Of the form for schemes of plugins."""
        self.ready(self.alice)
        envelopes.check(NAME, self.alice.encrypt("x").body)

    def test_an_own_second_device_reads_along(self) -> None:
        """It gets a part of its own."""
        laptop = self.world.device("alice", "LAPTOP", TeachingScheme())
        self.ready(self.alice)
        said = self.alice.encrypt("x")
        self.assertEqual(laptop.open(said), "x")
        self.assertEqual(self.bob.open(said), "x")

    def test_it_is_for_two_people(self) -> None:
        """A third one is refused before anything is sent."""
        self.world.device("carol", "TAB", TeachingScheme())
        self.assertRaises(UsageError, self.alice.prepare)
        self.assertEqual(self.alice.sent, [])

    def test_without_the_option_on_the_other_side_nothing_is_sent(self) -> None:
        """After a few seconds the text says what is missing."""
        self.alice.scheme.prepare_step(self.world.conversation())
        self.world.mail.clear()
        self.world.time += limits.REPAIR_FIRST_SECONDS - 1
        self.alice.scheme.work()
        self.assertEqual(self.alice.resumed, [])
        self.world.time += 1
        self.alice.scheme.work()
        error = self.alice.resumed[0]
        self.assertIsInstance(error, NoKeysError)
        assert error is not None
        self.assertIn("--insecure-teaching-scheme", error.text)
        self.assertRaises(NotPreparedError, self.alice.encrypt, "x")

    def test_a_bad_public_value_is_no_partner(self) -> None:
        """1, p-1 and rubbish: it is as if nobody had answered."""
        self.alice.scheme.prepare_step(self.world.conversation())
        where = self.world.conversation().id
        for public in ((1).to_bytes(256, "big"), (group.PRIME - 1).to_bytes(256, "big"), b"", b"x" * 300):
            hello = msgspec.msgpack.encode({"public": public, "answer": True})
            self.assertTrue(self.alice.scheme.receive("teaching.hello", hello, self.bob.me, where))
        self.assertTrue(self.alice.scheme.receive("teaching.hello", b"\xc1", self.bob.me, where))
        self.assertFalse(self.alice.scheme.receive("megolm.key", b"", self.bob.me, where))
        self.assertEqual(self.alice.resumed, [])

    def test_the_same_text_is_never_the_same_ciphertext(self) -> None:
        """Each message has a nonce of its own; that much is mended."""
        self.ready(self.alice)
        self.assertEqual(len({self.alice.encrypt("same").body for _ in range(10)}), 10)

    def test_changed_bits_go_unnoticed(self) -> None:
        """What makes it insecure is there to be seen: nothing protects the text from being changed on the way."""
        self.ready(self.alice)
        said = self.alice.encrypt("pay 100")
        envelope = envelopes.split(NAME, said.body)
        assert isinstance(envelope, envelopes.OtherEnvelope)
        parts = msgspec.msgpack.decode(envelope.data)
        for part in parts.values():
            part[1] = part[1][:4] + bytes([part[1][4] ^ ord("1") ^ ord("9")]) + part[1][5:]
        forged = envelopes.OtherEnvelope("PHONE", msgspec.msgpack.encode(parts)).body
        self.assertEqual(self.bob.open(msgspec.structs.replace(said, body=forged)), "pay 900")

    def test_what_cannot_be_opened_says_why(self) -> None:
        """Malformed, for others, or without a secret."""
        self.ready(self.alice)
        said = self.alice.encrypt("x")
        for body in ("", "PHONE.!", "PHONE.AAAA"):
            self.assertEqual(self.refused(self.bob, msgspec.structs.replace(said, body=body)), "broken")
        laptop = self.world.device("bob", "LAPTOP", TeachingScheme())
        self.assertEqual(self.refused(laptop, said), "not-for-this-device")
        self.assertEqual(self.refused(self.bob, msgspec.structs.replace(said, sender="carol")), "no-key")

    def test_a_message_in_a_room_of_another_scheme_is_not_opened(self) -> None:
        """Nobody is talked down to it."""
        self.ready(self.alice)
        said = self.alice.encrypt("x")
        self.world.scheme = "megolm"
        self.assertEqual(self.refused(self.bob, said), "wrong-conversation")

    def test_the_end_of_a_conversation_forgets_its_secret(self) -> None:
        """The next one has a key of its own."""
        self.ready(self.alice)
        self.alice.scheme.end(self.world.conversation().id)
        self.assertEqual(self.alice.keep.rows, {})
        self.assertRaises(NotPreparedError, self.alice.encrypt, "x")


class Finding(SynchronousTestCase):
    """Who has the scheme."""

    def test_a_client_does_not_have_it_unless_it_was_started_with_the_option(self) -> None:
        """It is in no default list."""
        self.assertNotIn(NAME, [scheme.name for scheme in find_schemes()])
        self.assertIn(NAME, [scheme.name for scheme in find_schemes(insecure=True)])

    def test_its_name_says_that_it_is_insecure(self) -> None:
        """The name stands on every line."""
        self.assertIn("insecure", NAME)

    def test_a_server_does_not_take_it_by_itself(self) -> None:
        """Its administrator would have to name it."""
        self.assertNotIn(NAME, envelopes.SCHEMES)
