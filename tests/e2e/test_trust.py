"""Trust: first use pins, signed changes are followed, others block, and people decide."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import wire
from encchat.e2e.statements import identity_change
from encchat.e2e.trust import POLICIES, TrustStore
from encchat.errors import KeyChangedError, StoreError, UntrustedError, UsageError
from tests.e2e.hosts import Kept
from tests.e2e.people import chain, flipped, identity


def published(user: str, *algorithms: wire.Algorithm) -> list[wire.Identity]:
    """What the server shows of an account with that many keys."""
    return chain(user, *(algorithms or ("ed25519",)))[1]


IMPOSTOR = [identity("mallory").public]


def _signed(user: str, before: wire.Identity, after: wire.Identity) -> str:
    """What the impostor signs to stand before a key of ``user``."""
    return identity("mallory").sign(identity_change(user, before, after))


class Seeing(SynchronousTestCase):
    """`TrustStore.seen`."""

    def setUp(self) -> None:
        self.kept = Kept()
        self.trust = TrustStore(self.kept)

    def test_the_first_key_is_pinned_and_stays(self) -> None:
        """Under any spelling of the name, also in the next run of the program."""
        self.assertIsNone(self.trust.state("bob"))
        self.assertEqual(self.trust.seen("bob", published("bob")), "first")
        self.assertEqual(self.trust.seen("BOB", published("bob")), "same")
        again = TrustStore(self.kept)
        self.assertEqual(again.state("Bob"), "pinned")
        self.assertEqual(again.identity("bob"), published("bob")[-1])

    def test_a_key_that_is_seen_again_writes_nothing(self) -> None:
        """Asking for keys is no reason to write to the disk."""
        self.trust.seen("bob", published("bob"))
        writes = self.kept.writes
        self.trust.seen("bob", published("bob"))
        self.assertEqual(self.kept.writes, writes)

    def test_a_change_signed_by_the_old_key_is_followed(self) -> None:
        """And a verified account stays verified: who holds the old key could vouch for any device anyhow."""
        self.trust.seen("bob", published("bob"))
        self.trust.verified("bob", published("bob")[-1])
        self.assertEqual(self.trust.seen("bob", published("bob", "ed25519", "ed25519")), "vouched")
        self.assertEqual(self.trust.state("bob"), "verified")
        self.assertEqual(self.trust.identity("bob"), published("bob", "ed25519", "ed25519")[-1])
        self.trust.check(["bob"])

    def test_no_key_can_be_put_before_those_that_are_known(self) -> None:
        """It would sign what its owner is shown to have said before the change, and let people into rooms."""
        shown = chain("bob", "ed25519", "ed25519")[1]
        self.trust.seen("bob", shown)
        forged = [IMPOSTOR[0], msgspec.structs.replace(shown[1], signature=_signed("bob", IMPOSTOR[0], shown[1]))]
        self.assertEqual(self.trust.seen("bob", forged), "changed")
        self.assertEqual(list(self.trust.believed("bob")), shown)
        self.assertEqual(self.trust.state("bob"), "changed")

    def test_a_key_shown_for_a_while_is_not_believed_about_others(self) -> None:
        """Nobody comes into a room by it; only the policy always says otherwise."""
        self.assertEqual(list(self.trust.believed("bob")), [])
        self.trust.seen("bob", published("bob"))
        self.trust.seen("bob", IMPOSTOR)
        self.assertEqual(list(self.trust.believed("bob")), published("bob"))
        self.trust.set_policy("always")
        self.assertEqual(list(self.trust.believed("bob")), IMPOSTOR)

    def test_another_key_is_a_change_nobody_vouched_for(self) -> None:
        """The pin stays, nothing is encrypted for the new one, what it says is read as changed."""
        self.trust.seen("bob", published("bob"))
        self.assertEqual(self.trust.seen("bob", IMPOSTOR), "changed")
        self.assertEqual(self.trust.state("bob"), "changed")
        self.assertIsNone(self.trust.identity("bob"))
        self.assertEqual(list(self.trust.chain("bob")), IMPOSTOR)

    def test_an_older_chain_is_a_change(self) -> None:
        """A server from a backup, or one that brings back a key that was left for a reason."""
        self.trust.seen("bob", published("bob", "ed25519", "ed25519"))
        self.assertEqual(self.trust.seen("bob", published("bob")), "changed")

    def test_the_pinned_key_at_another_place_is_a_change(self) -> None:
        """A chain that an impostor begins with a key of its own."""
        self.trust.seen("bob", published("bob"))
        key, pin = identity("mallory"), published("bob")[0]
        after = msgspec.structs.replace(pin, number=2)
        after = msgspec.structs.replace(after, signature=key.sign(identity_change("bob", key.public, after)))
        self.assertEqual(self.trust.seen("bob", [key.public, after]), "changed")

    def test_no_keys_and_no_chain_change_nothing(self) -> None:
        """What the server withholds or garbles does not become a pin, and takes none away."""
        bad = [msgspec.structs.replace(published("bob")[0], signature="AAAA")]
        self.assertEqual(self.trust.seen("bob", []), "none")
        self.assertEqual(self.trust.seen("bob", bad), "invalid")
        self.assertIsNone(self.trust.state("bob"))
        self.trust.seen("bob", published("bob"))
        self.assertEqual((self.trust.seen("bob", []), self.trust.seen("bob", bad)), ("none", "invalid"))
        self.assertEqual(self.trust.state("bob"), "pinned")

    def test_the_pinned_key_shown_again_ends_the_alarm(self) -> None:
        """The pin was never given up."""
        self.trust.seen("bob", published("bob"))
        self.trust.seen("bob", IMPOSTOR)
        self.assertEqual(self.trust.seen("bob", published("bob")), "same")
        self.assertEqual(self.trust.state("bob"), "pinned")
        self.trust.check(["bob"])

    def test_accepting_pins_the_changed_key_unverified(self) -> None:
        """Even if the one before was verified; without a change there is nothing to accept."""
        self.assertFalse(self.trust.accept("bob"))
        self.trust.seen("bob", published("bob"))
        self.trust.verified("bob", published("bob")[-1])
        self.assertFalse(self.trust.accept("bob"))
        self.trust.seen("bob", IMPOSTOR)
        self.assertTrue(self.trust.accept("bob"))
        self.assertEqual(self.trust.state("bob"), "pinned")
        self.assertEqual(self.trust.identity("bob"), IMPOSTOR[-1])

    def test_verifying_is_of_the_very_key_that_was_compared(self) -> None:
        """A key that changed while two people were comparing is not verified by it."""
        self.trust.seen("bob", published("bob"))
        self.trust.seen("bob", IMPOSTOR)
        self.assertRaises(KeyChangedError, self.trust.verified, "bob", published("bob")[-1])
        self.assertEqual(self.trust.state("bob"), "changed")
        self.trust.verified("bob", IMPOSTOR[-1])
        self.assertEqual(self.trust.state("bob"), "verified")
        self.assertRaises(KeyChangedError, self.trust.verified, "carol", IMPOSTOR[-1])

    def test_ones_own_key_is_verified_whatever_the_server_says(self) -> None:
        """This device holds it; another one shown for the account is an alarm."""
        keys, public = chain("alice", "ed25519", "ed25519")
        self.trust.own("alice", keys[1].public, public)
        self.assertEqual((self.trust.state("alice"), list(self.trust.chain("alice"))), ("verified", public))
        self.trust.own("alice", keys[1].public, IMPOSTOR)
        self.assertEqual(list(self.trust.chain("alice")), [keys[1].public])
        self.assertEqual(self.trust.seen("alice", IMPOSTOR), "changed")
        self.assertRaises(KeyChangedError, self.trust.check, ["alice"])

    def test_a_damaged_pin_is_an_error_not_a_first_use(self) -> None:
        """Else damaging the store would be a way to swap a key."""
        self.trust.seen("bob", published("bob"))
        self.kept.put("trust", "bob", b"\xff")
        self.assertRaises(StoreError, self.trust.seen, "bob", IMPOSTOR)
        self.assertRaises(StoreError, self.trust.check, ["bob"])

    @given(st.lists(st.sampled_from(["own", "impostor", "none", "bent", "accept", "verify"]), max_size=12))
    def test_a_key_is_used_only_if_first_signed_for_accepted_or_compared(self, deeds: list[str]) -> None:
        """Whatever the server shows in whatever order, under the default policy."""
        trust, allowed = TrustStore(Kept()), None
        bent = [msgspec.structs.replace(published("bob")[0], key=flipped(published("bob")[0].key, 3), signature="AAAA")]
        shows = {"own": published("bob"), "impostor": IMPOSTOR, "none": [], "bent": bent}
        last: list[wire.Identity] = []
        for deed in deeds:
            if deed in shows:
                if trust.seen("bob", shows[deed]) in ("first", "same", "vouched", "changed"):
                    last = shows[deed]
                    allowed = allowed or last[-1]
            elif last:
                if deed == "accept":
                    trust.accept("bob")
                else:
                    trust.verified("bob", last[-1])
                allowed = last[-1]
            used = trust.identity("bob")
            self.assertIn(used, (None, allowed))
            if used is None and allowed is not None:
                self.assertRaises(KeyChangedError, trust.check, ["bob"])


class Policies(SynchronousTestCase):
    """`check` under each of the three."""

    def store(self, policy: str) -> TrustStore:
        """With bob verified, carol pinned, dave changed; erin unknown."""
        trust = TrustStore(Kept())
        trust.set_policy(policy)
        for user in ("bob", "carol", "dave"):
            trust.seen(user, published(user))
        trust.verified("bob", published("bob")[-1])
        trust.seen("dave", IMPOSTOR)
        return trust

    def test_first_use_is_the_default_and_stops_at_changed_keys(self) -> None:
        """It sends to pinned and to new people."""
        self.assertEqual(TrustStore(Kept()).policy, "first-use")
        trust = self.store("first-use")
        trust.check(["bob", "carol", "erin"])
        error = self.assertRaises(KeyChangedError, trust.check, ["bob", "dave"])
        self.assertEqual(error.code, "key-changed")
        self.assertIn("/trust dave", error.text)

    def test_verified_only_stops_at_everybody_nobody_has_verified(self) -> None:
        """And says a changed key first: that is worse."""
        trust = self.store("verified-only")
        trust.check(["bob"])
        for user in ("carol", "erin"):
            error = self.assertRaises(UntrustedError, trust.check, ["bob", user])
            self.assertEqual(error.code, "untrusted")
            self.assertIn(f"/verify {user}", error.text)
        self.assertRaises(KeyChangedError, trust.check, ["erin", "dave"])

    def test_always_sends_to_the_key_the_server_shows(self) -> None:
        """And still says that it changed."""
        trust = self.store("always")
        trust.check(["bob", "carol", "dave", "erin"])
        self.assertEqual(trust.identity("dave"), IMPOSTOR[-1])
        self.assertEqual(trust.state("dave"), "changed")

    def test_a_policy_is_one_of_three_and_is_kept(self) -> None:
        """Another word is refused and changes nothing."""
        kept = Kept()
        for policy in POLICIES:
            TrustStore(kept).set_policy(policy)
            self.assertEqual(TrustStore(kept).policy, policy)
        self.assertRaises(UsageError, TrustStore(kept).set_policy, "sometimes")
        self.assertEqual(TrustStore(kept).policy, "always")
