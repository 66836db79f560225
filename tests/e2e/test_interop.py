"""libolm, written by others, reads and writes our Olm and Megolm payloads."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import msgspec
import vodozemac
from twisted.trial.unittest import SynchronousTestCase

from encchat import envelopes
from encchat.e2e import letters
from encchat.e2e.interfaces import Device
from tests.e2e.hosts import World

try:
    import olm
except ImportError:
    olm = None


class Interop(SynchronousTestCase):
    """Both directions of both ratchets."""

    olm: Any

    def setUp(self) -> None:
        if olm is None:
            raise SkipTest(
                "python-olm (extra `interop`) is not installed: it builds libolm with cmake and a C++ compiler"
            )
        self.olm = olm
        self.world = World()
        self.alice = self.world.device("alice", "PHONE")
        self.bob = self.world.device("bob", "DESK")

    def test_libolm_reads_our_megolm(self) -> None:
        """A message of ours, by the key in our share."""
        said = [self.alice.say("eins"), self.alice.say("zwei")]
        share = letters.read(letters.Key, self.alice.sent[0].payload)
        assert share is not None
        theirs = self.olm.InboundGroupSession(share.key)
        self.assertEqual(theirs.id, share.session)
        for index, (each, text) in enumerate(zip(said, ("eins", "zwei"), strict=True)):
            envelope = envelopes.split_megolm(each.body)
            self.assertEqual(envelope.session, theirs.id)
            self.assertEqual(theirs.decrypt(envelope.ciphertext), (text, index))

    def test_libolm_reads_a_key_we_hand_over(self) -> None:
        """In the exported form, from a later index on."""
        self.alice.say("eins")
        said = self.alice.say("zwei")
        self.bob.scheme.receive(letters.KEY, self.alice.sent[0].payload, self.alice.me, self.world.conversation().id)
        self.bob.open(self.world.log[0])
        row = next(iter(self.bob.keep.all("megolm-in").values()))
        key = msgspec.msgpack.decode(row)["key"]
        theirs = self.olm.InboundGroupSession.import_session(key)
        self.assertEqual(theirs.first_known_index, 1)
        self.assertEqual(theirs.decrypt(envelopes.split_megolm(said.body).ciphertext), ("zwei", 1))

    def test_libolm_writes_megolm_that_we_read(self) -> None:
        """Its key in a share, its ciphertext in an envelope."""
        theirs = self.olm.OutboundGroupSession()
        letter = letters.Key(session=theirs.id, key=theirs.session_key)
        where = self.world.conversation().id
        carol = Device("carol", "LIBOLM", "A" * 43, "A" * 43)
        self.assertTrue(self.bob.scheme.receive(letters.KEY, letters.written(letter), carol, where))
        template = self.alice.say("template")
        for text in ("drei", "vier"):
            body = envelopes.MegolmEnvelope("LIBOLM", theirs.id, theirs.encrypt(text)).body
            envelopes.check("megolm", body)
            said = msgspec.structs.replace(template, sender="carol", body=body)
            self.assertEqual(self.bob.open(said), text)

    def test_libolm_answers_our_olm(self) -> None:
        """A pre-key message of ours, their answer, and ours to that."""
        ours, theirs = vodozemac.Account(), self.olm.Account()
        theirs.generate_one_time_keys(1)
        one_time = next(iter(theirs.one_time_keys["curve25519"].values()))
        curve = vodozemac.Curve25519PublicKey.from_base64
        session = ours.create_outbound_session(curve(theirs.identity_keys["curve25519"]), curve(one_time))
        kind, data = session.encrypt(b"eins").to_parts()
        self.assertEqual(kind, 0)
        incoming = self.olm.OlmPreKeyMessage(envelopes.encoded(data))
        their_session = self.olm.InboundSession(theirs, incoming, ours.curve25519_key.to_base64())
        self.assertEqual(their_session.decrypt(incoming), "eins")
        back = their_session.encrypt("zwei")
        answer = vodozemac.AnyOlmMessage.from_parts(back.message_type, envelopes.decoded(back.ciphertext))
        self.assertEqual(session.decrypt(answer), b"zwei")
        kind, data = session.encrypt(b"drei").to_parts()
        self.assertEqual(kind, 1)
        self.assertEqual(their_session.decrypt(self.olm.OlmMessage(envelopes.encoded(data))), "drei")

    def test_libolm_begins_olm_with_us(self) -> None:
        """Their pre-key message to one of our one-time keys."""
        ours, theirs = vodozemac.Account(), self.olm.Account()
        ours.generate_one_time_keys(1)
        one_time = next(iter(ours.one_time_keys.values())).to_base64()
        session = self.olm.OutboundSession(theirs, ours.curve25519_key.to_base64(), one_time)
        message = vodozemac.PreKeyMessage.from_base64(session.encrypt("eins").ciphertext)
        key = vodozemac.Curve25519PublicKey.from_base64(theirs.identity_keys["curve25519"])
        our_session, text = ours.create_inbound_session(key, message)
        self.assertEqual(text, b"eins")
        kind, data = our_session.encrypt(b"zwei").to_parts()
        self.assertEqual(session.decrypt(self.olm.OlmMessage(envelopes.encoded(data))), "zwei")
        self.assertEqual(kind, 1)

    def test_libolm_and_we_sign_alike(self) -> None:
        """A device's signature over its keys, each checked by the other."""
        ours, theirs = vodozemac.Account(), self.olm.Account()
        signature = ours.sign(b"statement").to_base64()
        self.olm.ed25519_verify(ours.ed25519_key.to_base64(), "statement", signature)
        key = vodozemac.Ed25519PublicKey.from_base64(theirs.identity_keys["ed25519"])
        key.verify_signature(b"statement", vodozemac.Ed25519Signature.from_base64(theirs.sign("statement")))
        self.assertRaises(ValueError, key.verify_signature, b"other", vodozemac.Ed25519Signature.from_base64(signature))
