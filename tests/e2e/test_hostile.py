"""Parcels of a member who means harm: whatever is in them, the client that opens them goes on."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.e2e import letters, payload, sas
from encchat.e2e.interfaces import Device
from encchat.e2e.own import Bundle, Own
from encchat.e2e.trust import TrustStore
from encchat.errors import RecoveryError, UndecryptableError
from encchat.limits import PADDING
from tests.e2e.hosts import Kept, World
from tests.e2e.people import identity, seeded

KINDS = ((letters.KEY, letters.Key), (letters.REQUEST, letters.Request), (letters.ANSWER, letters.Answer))
DEEP = b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
"""Nested deeper than any parser follows."""

hostile = st.one_of(st.binary(max_size=200), st.just(DEEP), st.from_regex(rb'\{"[a-z]{1,8}":.{0,40}\}', fullmatch=True))


class Letters(SynchronousTestCase):
    """What is inside parcels."""

    def test_a_parcel_of_deep_nesting_does_not_stop_the_client(self) -> None:
        """It would come again at every start, since nothing has acknowledged it."""
        world = World()
        bob, mallory = world.device("bob", "B"), world.device("mallory", "M")
        for kind in (letters.KEY, letters.REQUEST, letters.ANSWER, letters.HISTORY):
            self.assertTrue(bob.scheme.receive(kind, DEEP, mallory.me, bob.world.conversation().id))
        self.assertEqual(bob.arrived(), [])

    @given(hostile)
    def test_no_bytes_raise(self, data: bytes) -> None:
        """A letter is one of its kind, or None."""
        for _, kind in KINDS:
            found = letters.read(kind, data)
            self.assertTrue(found is None or isinstance(found, kind))
        self.assertTrue(letters.read(letters.History, data) is None)
        self.assertTrue(sas.decode(data) is None or data)

    @given(hostile)
    def test_plaintexts_open_or_are_broken(self, data: bytes) -> None:
        """A message and a parcel raise nothing but their own error."""
        padded = data + b" " * (-len(data) % PADDING)
        device = Device("bob", "B", "A" * 43, "A" * 43)
        for bad in (data, padded):
            self.assertRaises(UndecryptableError, payload.parse, bad)
            self.assertRaises(UndecryptableError, payload.parse_parcel, bad, device, device)


class Bundles(SynchronousTestCase):
    """What a device hands another of the same account."""

    def setUp(self) -> None:
        kept = Kept()
        self.own = Own(kept, seeded(), TrustStore(kept), "alice")
        self.published = [identity("alice").public]

    @given(st.one_of(st.binary(max_size=100), st.just(b"\x92" + b"\x91" * 20_000 + b"\xc0")))
    def test_no_bytes_raise_anything_but_their_own_error(self, data: bytes) -> None:
        """However they are nested."""
        self.assertRaises(RecoveryError, self.own.take_bundle, data, self.published)

    def test_a_backup_key_of_another_length_is_refused(self) -> None:
        """It could never be shown as words."""
        for size, good in ((0, True), (15, False), (16, True), (17, False)):
            bundle = _packed(Bundle(identity("alice").export(), bytes(size)))
            if good:
                self.own.take_bundle(bundle, self.published)
            else:
                self.assertRaises(RecoveryError, self.own.take_bundle, bundle, self.published)
        backup = self.own.backup
        self.assertEqual(len(backup.phrase.split()) if backup else 0, 12)


def _packed(bundle: Bundle) -> bytes:
    return msgspec.msgpack.encode(bundle)
