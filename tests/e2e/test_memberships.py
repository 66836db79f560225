"""Memberships: who was really let in, whatever the server says."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import limits, wire
from encchat.e2e import memberships
from encchat.e2e.memberships import Verdict, sign_invitation, sign_joining, sign_opening, verified_members
from encchat.wire.rooms import Member, RoomState
from tests.e2e.people import ALGORITHMS, OTHER_ULID, ULID, chain, flipped, identity


def keys(user: str) -> Sequence[wire.Identity]:
    """Everybody's identity keys, as pinned."""
    return [identity(user.casefold()).public]


def room(*members: Member, is_open: bool = False, **changed: object) -> RoomState:
    """A room of alice's; ``members`` come after her."""
    opening = sign_opening(identity("alice"), "#tea", ULID, "alice", "megolm", "signed", "none", is_open)
    alice = Member(user="alice", role="owner", state="joined", since=1, statement=opening)
    fields = {
        "policy": "signed",
        "history": "none",
        "open": is_open,
        "owner": "alice",
        "version": 9,
        "scheme": "megolm",
    }
    state = RoomState(room="#tea", id=ULID, members=[alice, *members], **fields)
    return msgspec.structs.replace(state, **changed)


ROOT = memberships.root_of(room(), "alice", False)


def invited(user: str, by: str, signer: str = "", root: str = ROOT, version: int = 5, room_id: str = ULID) -> Member:
    """Invited by ``by``; ``signer``: whoever really signed."""
    text = sign_invitation(identity(signer or by), room_id, root, version, by, user)
    return Member(user=user, role="member", state="joined", by=by, since=version + 1, statement=text)


def walked_in(user: str, root: str = ROOT, version: int = 5) -> Member:
    """Joined an open room."""
    text = sign_joining(identity(user), ULID, root, version, user)
    return Member(user=user, role="member", state="joined", since=version + 1, statement=text)


def sorted_out(verdict: Verdict) -> tuple[str, str, str]:
    """The three sets in short."""
    return tuple(" ".join(sorted(names)) for names in (verdict.confirmed, verdict.strangers, verdict.injected))


class Chains(SynchronousTestCase):
    """`verified_members`."""

    def test_everybody_whom_invitations_lead_to_from_the_owner_is_a_member(self) -> None:
        """However long the chain, whoever looks, in whatever order and case."""
        state = room(invited("dave", "carol"), invited("carol", "BOB", signer="bob"), invited("Bob", "alice"))
        for me in ("alice", "bob", "dave"):
            verdict = verified_members(state, me, keys)
            self.assertEqual(sorted_out(verdict), ("Bob alice carol dave", "", ""), me)
            self.assertEqual(verdict.root, ROOT)

    def test_each_algorithm_opens_and_invites(self) -> None:
        """And the statements fit the wire."""
        for algorithm in ALGORITHMS:
            key = identity("alice", algorithm)
            opening = sign_opening(key, "#tea", ULID, "alice", "megolm", "signed", "none", False)
            invitation = sign_invitation(key, ULID, ROOT, limits.MAX_REQUEST_ID, "alice", "bob")
            self.assertLessEqual(max(len(opening), len(invitation)), limits.MAX_STATEMENT)
            self.assertIsNotNone(memberships.parse(invitation))
            bob = Member(user="bob", role="member", state="joined", by="alice", statement=invitation)
            alice = Member(user="alice", role="owner", state="joined", statement=opening)
            state = room(members=[alice, bob])
            known = {"alice": [key.public], "bob": [identity("bob").public]}
            self.assertEqual(sorted_out(verified_members(state, "bob", known.__getitem__)), ("alice bob", "", ""))

    def test_statements_of_earlier_identity_keys_hold(self) -> None:
        """By the number in them; by a number the account does not have they do not."""
        owners, public = chain("alice", "ed25519", "ed25519")
        for key in owners:
            opening = sign_opening(key, "#tea", ULID, "alice", "megolm", "signed", "none", False)
            state = room(members=[Member(user="alice", role="owner", state="joined", statement=opening)])
            self.assertEqual(sorted_out(verified_members(state, "bob", lambda _: public, root=ROOT))[0], "alice")
            bent = "3" + opening[1:]
            state = room(members=[Member(user="alice", role="owner", state="joined", statement=bent)])
            self.assertEqual(sorted_out(verified_members(state, "bob", lambda _: public, root=ROOT))[2], "alice")

    def test_a_member_stays_one_when_the_inviter_has_left(self) -> None:
        """If this client has believed it before, or was told by who invited it."""
        state = room(invited("bob", "alice"), invited("dave", "carol"))
        self.assertEqual(sorted_out(verified_members(state, "bob", keys)), ("alice bob", "", "dave"))
        for known in ({"carol"}, {"Dave"}):
            self.assertEqual(sorted_out(verified_members(state, "bob", keys, known=known)), ("alice bob dave", "", ""))

    def test_a_room_whose_owner_has_left_is_known_by_its_root(self) -> None:
        """As the invitation says it that this client accepted."""
        state = room(members=[invited("bob", "alice"), invited("carol", "bob")], owner="bob")
        verdict = verified_members(state, "carol", keys)
        self.assertEqual((sorted_out(verdict), verdict.root), (("bob carol", "", ""), ROOT))


class Lies(SynchronousTestCase):
    """The server lies about membership."""

    def injected(self, *members: Member, **changed: object) -> tuple[str, str, str]:
        """What bob thinks of a room with ``members`` besides alice and himself."""
        return sorted_out(verified_members(room(invited("bob", "alice"), *members, **changed), "bob", keys))

    def test_an_injected_member_is_found(self) -> None:
        """Without statement, with garbage, with one of its own making, or with somebody else's."""
        bare = Member(user="mallory", role="member", state="joined", by="alice", since=6)
        stolen = msgspec.structs.replace(invited("carol", "alice"), user="mallory")
        for member in (
            bare,
            msgspec.structs.replace(bare, statement="garbage"),
            invited("mallory", "mallory"),
            invited("mallory", "alice", signer="mallory"),
            stolen,
            invited("mallory", "alice", root="A" * 43),
            invited("mallory", "alice", room_id=OTHER_ULID),
        ):
            self.assertEqual(self.injected(member), ("alice bob", "", "mallory"), member)

    def test_whom_an_injected_member_invites_is_injected_too(self) -> None:
        """A whole tree of them, and a ring."""
        tree = [invited("eve", "mallory"), invited("mallory", "eve")]
        self.assertEqual(self.injected(*tree), ("alice bob", "", "eve mallory"))

    def test_inviting_a_member_makes_nobody_a_member(self) -> None:
        """Anybody can sign an invitation for somebody who is in already."""
        state = room(
            invited("bob", "alice"), invited("carol", "mallory"), Member(user="mallory", role="member", state="joined")
        )
        self.assertEqual(sorted_out(verified_members(state, "bob", keys)), ("alice bob", "", "carol mallory"))

    def test_another_owner_with_an_opening_of_its_own_is_found(self) -> None:
        """Even if the server calls it the owner, and it has signed an opening of this very room."""
        opening = sign_opening(identity("mallory"), "#tea", ULID, "mallory", "megolm", "signed", "none", False)
        mallory = Member(user="mallory", role="owner", state="joined", statement=opening)
        self.assertEqual(self.injected(mallory, owner="mallory"), ("alice bob", "", "mallory"))

    def test_a_room_is_what_its_owner_opened(self) -> None:
        """A server that says another scheme, policy or history has no owner to show for it."""
        for lie in (
            {"scheme": "server-key"},
            {"policy": "deniable"},
            {"history": "all"},
            {"ephemeral": True},
            {"room": "#coffee"},
        ):
            self.assertEqual(self.injected(**lie), ("alice bob", "", ""), lie)
            verdict = verified_members(room(**lie), "carol", keys, root=ROOT)
            self.assertEqual(sorted_out(verdict), ("", "", "alice"), lie)

    def test_a_damaged_statement_holds_no_more(self) -> None:
        """Any character of it."""
        good = invited("carol", "alice")
        for place in range(0, len(good.statement), 3):
            bent = msgspec.structs.replace(good, statement=flipped(good.statement, place))
            if bent.statement != good.statement:
                self.assertEqual(self.injected(bent)[2], "carol", place)

    def test_an_old_invitation_brings_nobody_back(self) -> None:
        """From before the removal it is spent, from after it it is good."""
        state = room(invited("bob", "alice"), invited("carol", "alice", version=5))
        for seq, expected in ((5, ("alice bob carol", "", "")), (6, ("alice bob", "", "carol"))):
            verdict = verified_members(state, "bob", keys, removed={"carol": seq})
            self.assertEqual(sorted_out(verdict), expected)

    def test_whoever_left_is_believed_no_more_for_having_been_known(self) -> None:
        """A member, or the owner whose opening the server shows again; nor do they let anybody in."""
        state = room(
            invited("bob", "alice"), Member(user="carol", role="member", state="joined"), invited("eve", "carol")
        )
        verdict = verified_members(state, "bob", keys, known=["alice", "carol"], removed={"carol": 6})
        self.assertEqual(sorted_out(verdict), ("alice bob", "", "carol eve"))
        verdict = verified_members(state, "bob", keys, removed={"alice": 6, "carol": 6})
        self.assertEqual(sorted_out(verdict), ("bob", "", "alice carol eve"))

    def test_the_root_a_client_joined_under_is_not_changed_by_the_server(self) -> None:
        """What it has kept counts, not what it is shown."""
        state = room(invited("bob", "alice"))
        verdict = verified_members(state, "bob", keys, root="B" * 43)
        self.assertEqual((verdict.root, sorted_out(verdict)), ("B" * 43, ("bob", "", "alice")))

    @given(st.lists(st.tuples(st.sampled_from("bcdmx"), st.sampled_from("abcdmx"), st.booleans()), max_size=8))
    def test_only_members_lead_to_members(self, links: list[tuple[str, str, bool]]) -> None:
        """Over rooms of any shape: confirmed is who has a path of true signatures from alice, and nobody else."""
        chosen = {user: (by, good) for user, by, good in links}
        people = [invited(user, by, signer=by if good else "mallory") for user, (by, good) in chosen.items()]
        opening = sign_opening(identity("a"), "#tea", ULID, "a", "megolm", "signed", "none", False)
        owner = Member(user="a", role="owner", state="joined", statement=opening)
        state = room(members=[owner, *people], owner="a")
        root = memberships.root_of(state, "a", False)
        people = [invited(user, by, signer=by if good else "mallory", root=root) for user, (by, good) in chosen.items()]
        verdict = verified_members(msgspec.structs.replace(state, members=[owner, *people]), "a", keys)

        def reachable(user: str, seen: frozenset[str]) -> bool:
            by, good = chosen.get(user, ("", False))
            return user == "a" or (good and by not in seen and reachable(by, seen | {user}))

        self.assertEqual(verdict.confirmed, {user for user in {"a", *chosen} if reachable(user, frozenset())})


class OpenRooms(SynchronousTestCase):
    """Rooms one may walk into."""

    def test_in_a_room_opened_open_who_has_signed_its_joining_is_a_member(self) -> None:
        """And may invite; without its own signature it is injected."""
        root = memberships.root_of(room(is_open=True), "alice", True)
        forged = msgspec.structs.replace(walked_in("carol", root), user="eve")
        state = room(
            walked_in("bob", root), walked_in("carol", ""), invited("dave", "carol", root=root), forged, is_open=True
        )
        for me in ("alice", "bob"):
            self.assertEqual(sorted_out(verified_members(state, me, keys)), ("alice bob carol dave", "", "eve"), me)

    def test_a_door_that_only_the_server_says_is_open_makes_strangers(self) -> None:
        """The owner opened the room closed: they are told apart; in a closed room they are injected."""
        members = (invited("bob", "alice"), walked_in("mallory"), invited("eve", "mallory"))
        verdict = verified_members(room(*members, open=True), "bob", keys)
        self.assertEqual(sorted_out(verdict), ("alice bob", "mallory", "eve"))
        verdict = verified_members(room(*members), "bob", keys)
        self.assertEqual(sorted_out(verdict), ("alice bob", "", "eve mallory"))

    def test_a_joining_from_before_a_removal_is_spent(self) -> None:
        """At the removal it is good again."""
        root = memberships.root_of(room(is_open=True), "alice", True)
        state = room(walked_in("bob", root), walked_in("carol", root, version=5), is_open=True)
        for seq, expected in ((5, "alice bob carol"), (6, "alice bob")):
            self.assertEqual(sorted_out(verified_members(state, "bob", keys, removed={"carol": seq}))[0], expected)


class Forms(SynchronousTestCase):
    """Statements as text."""

    @given(
        st.one_of(
            st.text(max_size=120), st.from_regex(r"[0-9]+\.[0-9]+\.[A-Za-z0-9+/]*\.[A-Za-z0-9+/]+", fullmatch=True)
        )
    )
    def test_any_text_is_a_statement_or_none_and_holds_nothing(self, text: str) -> None:
        """Nothing escapes."""
        signed = memberships.parse(text)
        self.assertTrue(signed is None or not signed.holds(keys("alice"), b"anything"))
        member = Member(user="eve", role="member", state="joined", by="alice", statement=text)
        self.assertEqual(sorted_out(verified_members(room(member), "alice", keys)), ("alice", "", "eve"))

    def test_from_outside_nobody_is_confirmed(self) -> None:
        """Who is not in the room has no root to begin from, unless it has kept one."""
        state = room(invited("bob", "alice"))
        self.assertEqual(sorted_out(verified_members(state, "zoe", keys)), ("", "", "alice bob"))
        self.assertEqual(sorted_out(verified_members(state, "zoe", keys, root=ROOT)), ("alice bob", "", ""))

    def test_nobody_is_believed_without_keys(self) -> None:
        """Accounts whose keys are withheld; oneself one believes."""
        state = room(invited("bob", "alice"))
        self.assertEqual(sorted_out(verified_members(state, "bob", lambda _: [])), ("bob", "", "alice"))
