"""Identity keys: what they sign verifies, nothing else does, and nothing a stranger sends raises."""

from __future__ import annotations

import os
import re
from unittest import SkipTest

import msgspec
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits, wire
from encchat.e2e import identity as under_test
from encchat.e2e.base64s import from_base64, to_base64
from encchat.e2e.identity import IdentityKey, fingerprint, same_key, usable, verify, verify_chain, verify_with_device
from encchat.e2e.statements import identity_change
from encchat.errors import RecoveryError
from tests.e2e.people import ALGORITHMS, chain, flipped, identity, seeded

try:
    import cryptography_vectors
except ImportError:
    cryptography_vectors = None


def vectors(*path: str) -> list[str]:
    """The lines of a file of published vectors."""
    if cryptography_vectors is None:
        raise SkipTest("cryptography_vectors is not installed")
    with open(os.path.join(os.path.dirname(cryptography_vectors.__file__), *path)) as file:
        return file.read().splitlines()


def in_der(key: rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    """As `wire.Identity.key` has it."""
    return to_base64(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


class Signing(SynchronousTestCase):
    """What is signed, and by whom."""

    def test_each_algorithm_verifies_its_own_signature_and_no_other(self) -> None:
        """Of another text, of another key, or with one character changed it is worth nothing."""
        for algorithm in ALGORITHMS:
            key, other = identity("alice", algorithm), identity("bob", algorithm)
            signature = key.sign(b"text")
            self.assertTrue(verify(key.public, b"text", signature))
            self.assertFalse(verify(key.public, b"texts", signature))
            self.assertFalse(verify(other.public, b"text", signature))
            for place in range(0, len(signature), 17):
                self.assertFalse(verify(key.public, b"text", flipped(signature, place)))

    def test_a_signature_is_of_one_algorithm(self) -> None:
        """A key under another algorithm's name verifies nothing."""
        for algorithm in ALGORITHMS:
            key = identity("alice", algorithm)
            signature = key.sign(b"text")
            for wrong in set(ALGORITHMS) - {algorithm}:
                public = msgspec.structs.replace(key.public, algorithm=wrong)
                self.assertFalse(verify(public, b"text", signature))
                self.assertFalse(usable(public))

    def test_signatures_and_keys_have_one_spelling(self) -> None:
        """Padding, or spare bits of the base64 that are not zero, are refused."""
        key = identity("alice")
        signature = key.sign(b"text")
        spare = signature[:-1] + chr(ord(signature[-1]) + 1)
        for spelled in (signature + "==", spare, signature + "\n", " " + signature, signature + "A"):
            self.assertFalse(verify(key.public, b"text", spelled), spelled)
            self.assertEqual(from_base64(spelled) == from_base64(signature), False)

    def test_a_key_that_was_kept_is_the_same_key(self) -> None:
        """`load` undoes `export`, number included."""
        for algorithm in ALGORITHMS:
            key = IdentityKey.load(identity("alice", algorithm).export())
            self.assertEqual(key.public, identity("alice", algorithm).public)
            self.assertTrue(verify(key.public, b"text", key.sign(b"text")))

    def test_a_private_key_does_not_show_itself(self) -> None:
        """Its repr names algorithm and number only."""
        self.assertEqual(repr(identity("alice")), "IdentityKey(algorithm='ed25519', number=1)")

    def test_what_was_kept_under_another_algorithms_name_is_refused(self) -> None:
        """A damaged store is an error of ours, not a weaker key."""
        kept = msgspec.msgpack.decode(identity("alice", "rsa").export())
        for wrong in ({"algorithm": "dsa"}, {"number": 0}, {"number": limits.MAX_IDENTITIES + 1}, {"private": b""}):
            self.assertRaises(RecoveryError, IdentityKey.load, msgspec.msgpack.encode(kept | wrong))
        for number in (1, limits.MAX_IDENTITIES):
            self.assertEqual(IdentityKey.load(msgspec.msgpack.encode(kept | {"number": number})).number, number)

    @given(st.binary(max_size=200))
    def test_loading_anything_is_a_key_or_our_own_error(self, data: bytes) -> None:
        """Nothing else escapes."""
        self.assertRaises(RecoveryError, IdentityKey.load, data)


class Published(SynchronousTestCase):
    """Vectors nobody here wrote."""

    def test_ed25519_known_answers(self) -> None:
        """The first 100 of Bernstein's sign.input: keys, messages, signatures."""
        for line in vectors("asymmetric", "Ed25519", "sign.input")[:100]:
            secret, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
            key = IdentityKey.make("ed25519", lambda _, secret=secret: secret[:32])
            self.assertEqual(key.public.key, to_base64(public))
            self.assertEqual(key.sign(message), to_base64(signed[:64]))
            self.assertTrue(verify(key.public, message, to_base64(signed[:64])))

    def test_dsa_known_answers(self) -> None:
        """NIST's FIPS 186-3 SigVer of 2048/256 with SHA-256: valid and broken ones."""
        text = "\n".join(vectors("asymmetric", "DSA", "FIPS_186-3", "SigVer.rsp"))
        section = text.split("[mod = L=2048, N=256, SHA-256]")[1].split("[mod")[0]
        p, q, g = (int(re.findall(rf"^{name} = (\w+)", section, re.M)[0], 16) for name in "PQG")
        cases = re.findall(r"Msg = (\w+)\n(?:X = \w+\n)?Y = (\w+)\nR = (\w+)\nS = (\w+)\nResult = ([PF])", section)
        self.assertGreater(len(cases), 10)
        for message, y, r, s, result in cases:
            numbers = dsa.DSAPublicNumbers(int(y, 16), dsa.DSAParameterNumbers(p, q, g))
            public = wire.Identity(algorithm="dsa", key=in_der(numbers.public_key()))
            signature = to_base64(utils.encode_dss_signature(int(r, 16), int(s, 16)))
            self.assertEqual(verify(public, bytes.fromhex(message), signature), result == "P")


class Hostile(SynchronousTestCase):
    """Keys and signatures a server can make up."""

    @given(
        st.sampled_from(ALGORITHMS),
        st.one_of(st.text(max_size=60), st.binary(max_size=500).map(to_base64)),
        st.one_of(st.text(max_size=60), st.binary(max_size=100).map(to_base64)),
    )
    def test_verifying_anything_is_false_and_never_raises(
        self, algorithm: wire.Algorithm, key: str, signature: str
    ) -> None:
        """Whatever the key, whatever the signature."""
        shown = wire.Identity(algorithm=algorithm, key=key)
        self.assertFalse(verify(shown, b"text", signature))
        self.assertFalse(verify(identity("alice", algorithm).public, b"text", signature))
        self.assertIsInstance(fingerprint(shown), str)

    @given(st.sampled_from(ALGORITHMS), st.integers(0, 10_000), st.integers(1, 255))
    def test_a_damaged_key_verifies_nothing(self, algorithm: wire.Algorithm, place: int, change: int) -> None:
        """One byte is enough, and never an exception."""
        key = identity("alice", algorithm)
        data = bytearray(from_base64(key.public.key) or b"")
        data[place % len(data)] ^= change
        self.assertFalse(
            verify(wire.Identity(algorithm=algorithm, key=to_base64(bytes(data))), b"text", key.sign(b"text"))
        )

    def test_ed25519_keys_of_small_order_are_refused(self) -> None:
        """Under the neutral element one signature, (neutral, 0), would fit every message."""
        neutral = (1).to_bytes(32, "little")
        forged = to_base64(neutral + bytes(32))
        self.assertFalse(verify(wire.Identity(algorithm="ed25519", key=to_base64(neutral)), b"anything", forged))
        self.assertEqual(len(under_test._SMALL_ORDER), 14)
        for point in under_test._SMALL_ORDER:
            self.assertFalse(usable(wire.Identity(algorithm="ed25519", key=to_base64(point))))

    def test_rsa_keys_are_long_enough_and_not_too_long(self) -> None:
        """At the bounds, and a step beyond them; exponent 65,537 only."""
        for bits, good in ((3_064, False), (3_072, True), (4_096, True), (4_104, False)):
            key = rsa.generate_private_key(65_537, bits).public_key()
            self.assertEqual(usable(wire.Identity(algorithm="rsa", key=in_der(key))), good, bits)
        odd = rsa.generate_private_key(3, 3_072).public_key()
        self.assertFalse(usable(wire.Identity(algorithm="rsa", key=in_der(odd))))

    def test_dsa_keys_have_an_order_and_are_of_it(self) -> None:
        """1024 bits, the key 1, and parameters whose order is not q are refused."""
        short = dsa.generate_private_key(1024).public_key()  # noqa: S505
        self.assertFalse(usable(wire.Identity(algorithm="dsa", key=in_der(short))))
        data = from_base64(identity("alice", "dsa").public.key) or b""
        numbers = under_test._public_key(wire.Identity(algorithm="dsa", key=to_base64(data))).public_numbers()
        parameters = numbers.parameter_numbers
        for y, g in ((1, parameters.g), (parameters.p - 1, parameters.g), (numbers.y, parameters.p - 1)):
            forged = dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(parameters.p, parameters.q, g))
            try:
                key = in_der(forged.public_key())
            except ValueError:
                continue
            self.assertFalse(usable(wire.Identity(algorithm="dsa", key=key)))

    def test_a_key_of_a_curve_is_neither_rsa_nor_dsa(self) -> None:
        """What loads as some key need not be ours."""
        key = in_der(ec.generate_private_key(ec.SECP256R1()).public_key())
        for algorithm in ALGORITHMS:
            self.assertFalse(usable(wire.Identity(algorithm=algorithm, key=key)))

    def test_a_key_has_one_spelling(self) -> None:
        """The same RSA key as PKCS #1 is none: two spellings would be two fingerprints of one key."""
        numbers = rsa.generate_private_key(65_537, 3_072).public_key()
        self.assertTrue(usable(wire.Identity(algorithm="rsa", key=in_der(numbers))))
        other = to_base64(numbers.public_bytes(Encoding.DER, PublicFormat.PKCS1))
        self.assertFalse(usable(wire.Identity(algorithm="rsa", key=other)))

    def test_a_devices_signature_is_verified_by_its_ed25519_key(self) -> None:
        """The key as it stands in `wire.DeviceKeys`."""
        key = identity("alice")
        self.assertTrue(verify_with_device(key.public.key, b"text", key.sign(b"text")))
        self.assertFalse(verify_with_device(key.public.key, b"texts", key.sign(b"text")))


class Chain(SynchronousTestCase):
    """An account's identity keys over time."""

    def test_a_chain_over_all_algorithms_holds(self) -> None:
        """Each is signed by the one before, whatever that is."""
        keys, public = chain("alice", "ed25519", "rsa", "dsa", "ed25519")
        self.assertTrue(verify_chain("Alice", public))
        self.assertEqual([key.number for key in keys], [1, 2, 3, 4])
        self.assertEqual([one.number for one in public], [1, 2, 3, 4])

    def test_a_chain_is_of_one_account(self) -> None:
        """Nobody can show it as another's."""
        self.assertFalse(verify_chain("bob", chain("alice", "ed25519", "ed25519")[1]))

    def test_a_chain_with_a_link_missing_swapped_forged_or_twice_is_none(self) -> None:
        """Each way a server could bend it."""
        _, public = chain("alice", "ed25519", "ed25519", "ed25519")
        forged = msgspec.structs.replace(public[1], signature=flipped(public[1].signature, 5))
        foreign = msgspec.structs.replace(identity("mallory").public, number=2, signature=public[1].signature)
        signed_first = msgspec.structs.replace(public[0], signature=public[1].signature)
        renumbered = msgspec.structs.replace(public[2], number=2)
        for bent in (
            [],
            public[1:],
            [public[0], public[2]],
            [public[0], renumbered],
            [public[1], public[0], public[2]],
            [public[0], forged, public[2]],
            [public[0], foreign],
            [signed_first, *public[1:]],
            [public[0], msgspec.structs.replace(public[0], number=2)],
        ):
            self.assertFalse(verify_chain("alice", bent), bent)
        self.assertTrue(verify_chain("alice", public[:2]))

    def test_the_same_key_twice_is_no_change(self) -> None:
        """Even signed: a chain cannot go back to a key that may have been stolen."""
        keys, public = chain("alice", "ed25519", "ed25519")
        again = msgspec.structs.replace(public[0], number=3)
        again = msgspec.structs.replace(again, signature=keys[1].sign(identity_change("alice", public[1], again)))
        self.assertFalse(verify_chain("alice", [*public, again]))

    def test_same_key_looks_at_the_key_alone(self) -> None:
        """Not at its place in a chain."""
        _, public = chain("alice", "ed25519", "ed25519")
        self.assertTrue(same_key(public[1], msgspec.structs.replace(public[1], number=1, signature="")))
        self.assertFalse(same_key(public[0], public[1]))

    def test_fingerprints_look_as_ssh_prints_them(self) -> None:
        """SHA-256 in unpadded base64, the algorithm before it."""
        self.assertRegex(fingerprint(identity("alice").public), r"^ed25519 SHA256:[A-Za-z0-9+/]{43}$")
        self.assertRegex(fingerprint(identity("alice", "rsa").public), r"^rsa SHA256:[A-Za-z0-9+/]{43}$")

    def test_fresh_keys_are_fresh(self) -> None:
        """The random bytes are used."""
        keys = {IdentityKey.make("ed25519", seeded(seed)).public.key for seed in range(5)}
        self.assertEqual(len(keys), 5)
