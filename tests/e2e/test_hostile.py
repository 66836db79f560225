"""Parcels of a member who means harm: whatever is in them, the client that opens them goes on."""

from __future__ import annotations

import msgspec
import vodozemac
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.e2e import letters, payload, sas
from encchat.e2e.inbound import Session
from encchat.e2e.interfaces import Conversation, Device
from encchat.e2e.own import Bundle, Own
from encchat.e2e.trust import TrustStore
from encchat.errors import KeyChangedError, RecoveryError, UndecryptableError
from encchat.limits import MAX_EARLY, MAX_UNUSED_KEYS, PADDING, REPAIR_ANSWER_SECONDS, REPAIR_KEYS
from tests.e2e.hosts import ROOM, Kept, World
from tests.e2e.people import identity, seeded
from tests.e2e.test_machine import Case

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


class Floods(SynchronousTestCase):
    """Members who send without end."""

    def setUp(self) -> None:
        self.world = World()
        self.alice, self.mallory = self.world.device("alice", "A"), self.world.device("mallory", "M")

    def ask(self, number: int) -> None:
        """Mallory asks for a session that never was."""
        session = f"{number:043}"
        letter = letters.written(letters.Request(user="alice", device="A", session=session))
        self.alice.scheme.receive(letters.REQUEST, letter, self.mallory.me, ROOM)

    def test_one_device_may_ask_for_so_many_keys_and_no_more(self) -> None:
        """Each answer is written down and sent; an hour later it may ask again, and what is remembered is bounded."""
        for number in range(REPAIR_KEYS - 1):
            self.ask(number)
        self.assertEqual(len(self.alice.sent), REPAIR_KEYS - 1)
        self.ask(REPAIR_KEYS - 1)
        self.assertEqual(len(self.alice.sent), REPAIR_KEYS)
        self.ask(REPAIR_KEYS)
        self.assertEqual(len(self.alice.sent), REPAIR_KEYS)
        self.world.time += REPAIR_ANSWER_SECONDS
        self.ask(REPAIR_KEYS)
        self.assertEqual(len(self.alice.sent), REPAIR_KEYS + 1)

    def test_histories_of_rooms_nobody_knows_leave_a_place_for_others(self) -> None:
        """Who sends too many loses its own."""
        for number in range(MAX_EARLY + 1):
            self.alice.scheme.receive(letters.HISTORY, b"%d" % number, self.mallory.me, "room:unknown")
            self.assertEqual(len(self.alice.keep.all("megolm-early")), min(number + 1, MAX_EARLY))
        carol = self.world.device("carol", "C")
        self.alice.scheme.receive(letters.HISTORY, b"carol", carol.me, "room:unknown")
        kept = self.alice.keep.all("megolm-early").values()
        self.assertEqual((len(kept), sum(b"carol" in row for row in kept)), (MAX_EARLY, 1))

    def send_key(self) -> str:
        """Mallory sends the key of a fresh session, under which nothing is ever said; the session's id."""
        session = vodozemac.GroupSession()
        letter = letters.written(letters.Key(session=session.session_id, key=session.session_key.to_base64()))
        self.alice.scheme.receive(letters.KEY, letter, self.mallory.me, ROOM)
        return str(session.session_id)

    def kept(self) -> list[int]:
        """How many rows of each kind are kept about others' sessions."""
        return [len(self.alice.keep.all(f"megolm-{kind}")) for kind in ("in", "owners", "past", "unstored")]

    def test_keys_that_are_never_used_take_the_place_of_their_senders_own_only(self) -> None:
        """So many of one account; those that opened something, and everybody else's, stay."""
        bob = self.world.device("bob", "B")
        said = [host.say("hello") for host in (bob, self.mallory)]
        self.world.deliver(self.alice)
        self.assertEqual(self.alice.open(said[1]), "hello")
        first = self.send_key()
        for number in range(2, MAX_UNUSED_KEYS + 1):
            self.send_key()
            if number >= MAX_UNUSED_KEYS - 1:
                self.assertEqual(self.kept(), [number + 2] * 4)
        self.assertIn(first, self.alice.keep.all("megolm-owners"))
        self.send_key()
        self.assertEqual(self.kept(), [MAX_UNUSED_KEYS + 2] * 4)
        self.assertNotIn(first, self.alice.keep.all("megolm-owners"))
        self.assertEqual(self.alice.open(said[0]), "hello")
        self.assertEqual(self.alice.open(self.mallory.say("still here")), "still here")


class Provenance(SynchronousTestCase):
    """Whose word it is that a key is of somebody's session."""

    def test_who_handed_a_key_over_is_known_after_a_backup_too(self) -> None:
        """Else mallory could make up what bob has said, for the other devices of whom it was handed to."""
        world = World(history="all")
        alice, other, mallory = (world.device(*who) for who in (("alice", "A"), ("alice", "A2"), ("mallory", "M")))
        mallory.identity = identity("mallory")
        said = msgspec.structs.replace(mallory.say("what bob never said"), sender="bob")
        said = msgspec.structs.replace(said, body=said.body.replace("M.", "B.", 1))
        (session, known), *_ = mallory.scheme.inbound.all().items()
        mallory.scheme.repair.take(Session.of("bob", "B", session.id), known)
        mallory.scheme.handover.hand_over(world.conversation(), "alice")
        world.mail.clear()
        world.work()
        self.assertEqual(alice.opened(said).handed_by, "mallory")
        other.scheme.history.imported(alice.scheme.history.exported(), "backup")
        self.assertEqual(other.opened(said).handed_by, "mallory")


class Bundles(SynchronousTestCase):
    """What a device hands another of the same account."""

    def setUp(self) -> None:
        kept = Kept()
        self.trust = TrustStore(kept)
        self.own = Own(kept, seeded(), self.trust, "alice")
        self.published = [identity("alice").public]

    @given(st.one_of(st.binary(max_size=100), st.just(b"\x92" + b"\x91" * 20_000 + b"\xc0")))
    def test_no_bytes_raise_anything_but_their_own_error(self, data: bytes) -> None:
        """However they are nested."""
        self.assertRaises(RecoveryError, self.own.take_bundle, data, self.published)

    def test_a_new_device_takes_an_identity_key_only_from_who_knows_its_code(self) -> None:
        """The server can publish a key and devices of its own as the account's; it never sees the code."""
        kept = Kept()
        theirs = Own(kept, seeded(1), TrustStore(kept), "alice")
        theirs.make()
        published = [theirs.required.public]
        self.trust.seen("alice", published)
        secret = self.own.secret
        other = "A" * len(secret) if secret[0] != "A" else "B" * len(secret)
        for bundle in (theirs.bundle(), theirs.bundle(other), _packed(Bundle(theirs.required.export(), b""))):
            self.assertRaises(RecoveryError, self.own.take_bundle, bundle, published)
        self.assertIsNone(self.own.identity)
        self.own.take_bundle(theirs.bundle(secret), published)
        self.assertIsNotNone(self.own.identity)
        self.assertNotEqual(self.own.secret, secret)

    def test_a_backup_key_of_another_length_is_refused(self) -> None:
        """It could never be shown as words."""
        self.trust.own("alice", self.published[0], self.published)
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


class Places(Case):
    """A server and a member together."""

    def test_nobody_else_speaks_in_two_peoples_conversation(self) -> None:
        """What carol has made for it, and the server shows there, is not opened."""
        carol = self.client("carol", "C1")
        made = carol.say(evolve(carol.direct("bob"), id="direct:alice:bob"), "an aside")
        self.assertEqual(self.bob.reason(self.bob.direct("alice"), made), "wrong-conversation")

    def test_a_room_has_one_scheme(self) -> None:
        """A message under another one is not of this room, even if its keys are here."""
        for scheme in ("server-key", "none", "olm"):
            room = Conversation("#tea", "room:" + self.bob.ulid(), "room", scheme, ("alice", "bob"))
            made = self.alice.say(evolve(room, scheme="megolm"), "which is it")
            self.assertEqual(self.bob.reason(room, made), "wrong-conversation")

    def test_what_the_server_shows_of_ones_own_key_is_not_believed(self) -> None:
        """Else it would speak, and invite, in one's own name to oneself."""
        impostor = identity("mallory").public

        def other(keys: wire.UserKeys) -> wire.UserKeys:
            return msgspec.structs.replace(keys, identities=[impostor]) if keys.user == "bob" else keys

        mine = list(self.bob.machine.identities_of("bob"))
        self.directory.lie = other
        self.bob.machine.keys_changed("bob")
        self.bob.run()
        self.assertIn("own-identity", self.bob.codes())
        self.assertEqual(list(self.bob.machine.identities_of("bob")), mine)


class Comparing(Case):
    """What two people have compared is what is believed."""

    def test_a_key_that_changes_after_the_number_was_shown_is_not_verified(self) -> None:
        """The number that was read out was that of the key before."""
        self.talk(self.alice, self.bob)
        number = self.alice.machine.safety_number("bob")
        impostor = identity("mallory").public
        self.directory.lie = lambda keys: (
            msgspec.structs.replace(keys, identities=[impostor]) if keys.user == "bob" else keys
        )
        self.alice.machine.keys_changed("bob")
        self.alice.run()
        self.assertRaises(KeyChangedError, self.alice.machine.verified, "bob")
        self.assertEqual(self.alice.machine.trust_of("bob"), "changed")
        self.assertNotEqual(self.alice.machine.safety_number("bob"), number)
        self.alice.machine.verified("BOB")
        self.assertEqual(self.alice.machine.trust_of("bob"), "verified")
