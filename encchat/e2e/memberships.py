"""Who is really a member of a room: what members have signed, not what the server says.

Theory of operation. The owner signs how the room was opened; the digest of that is the room's root. Who invites signs
the room, its root, the version it was at, and both names. A client believes itself, the member whose signed invitation
it accepted, whoever made the opening that is the root, and everybody they lead to by valid invitations, step by step
downwards. Nobody becomes a member by inviting a member (anybody could sign that), or by an opening of another root.
An account that the server put there has no such chain: it is found, and nothing is encrypted for it.

A room that was opened ``open`` lets everybody in by their own signed joining. If it was opened closed and the server
says that its owner has opened it since, those who came that way are told apart: only the server vouches for that.

A statement on the wire is ``NUMBER.VERSION.ROOT.SIGNATURE``: of the identity key that signed, of the room, the digest
(base64, empty in an opening), the signature (base64).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, lru_cache
from hashlib import sha256
from itertools import product
from typing import Final, get_args

import msgspec
from attrs import frozen

from encchat import wire
from encchat.e2e import statements
from encchat.e2e.base64s import to_base64
from encchat.e2e.identity import IdentityKey, of_number, verify
from encchat.envelopes import SCHEMES
from encchat.limits import MAX_MEMBERS
from encchat.names import folded

Keys = Callable[[str], Sequence[wire.Identity]]
"""The identity keys of an account as this client believes them (`encchat.e2e.trust.TrustStore.chain`)."""

_FORM: Final = re.compile(r"([0-9]{1,4})\.([0-9]{1,16})\.([A-Za-z0-9+/]{43}|)\.([A-Za-z0-9+/]{1,1500})", re.ASCII)


@frozen
class Signed:
    """A statement taken apart; not verified yet."""

    number: int
    version: int
    root: str
    signature: str

    def holds(self, identities: Sequence[wire.Identity], said: bytes) -> bool:
        """Whether one of these keys, the one of that number, has signed ``said``."""
        key = of_number(identities, self.number)
        return key is not None and _verified(key, said, self.signature)


@lru_cache(maxsize=MAX_MEMBERS)
def _verified(key: wire.Identity, said: bytes, signature: str) -> bool:
    """Remembered, since a room is judged anew with each change of it; nothing secret is in here."""
    return verify(key, said, signature)


@lru_cache(maxsize=MAX_MEMBERS)
def parse(text: str) -> Signed | None:
    """The statement in ``text``, None if there is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    number, version, root, signature = found.groups()
    return Signed(int(number), int(version), root, signature)


def _text(identity: IdentityKey, version: int, root: str, said: bytes) -> str:
    return f"{identity.number}.{version}.{root}.{identity.sign(said)}"


def sign_opening(
    identity: IdentityKey,
    room: str,
    room_id: str,
    owner: str,
    scheme: str,
    policy: str,
    history: str,
    is_open: bool,
    ephemeral: bool = False,
) -> str:
    """`OpenRoom.statement`; ``room_id`` is the request's ulid."""
    said = statements.opening(room, room_id, owner, scheme, policy, history, is_open, ephemeral)
    return _text(identity, 0, "", said)


def sign_invitation(identity: IdentityKey, room_id: str, root: str, version: int, by: str, user: str) -> str:
    """`Invite.statement`; ``version`` of the room as the inviting client knows it."""
    return _text(identity, version, root, statements.invitation(room_id, root, version, by, user))


def sign_joining(identity: IdentityKey, room_id: str, root: str, version: int, user: str) -> str:
    """`Join.statement`; ``version`` and ``root`` as the joining client knows them, 0 and empty before it does."""
    return _text(identity, version, root, statements.joining(room_id, root, version, user))


def opening_signed(state: wire.RoomState, member: wire.Member, identities: Sequence[wire.Identity]) -> bool | None:
    """Whether the room was opened ``open``, by the opening that ``member`` signed; None if it signed none."""
    signed = parse(member.statement)
    if signed is None or signed.root or _is_joining(state, member, signed, identities):
        return None
    for is_open in (False, True):
        if signed.holds(identities, _opening(state, member.user, is_open)):
            return is_open
    return None


def root_of(state: wire.RoomState, owner: str, is_open: bool) -> str:
    """The digest of the opening: over what was said and who said it."""
    return to_base64(sha256(_opening(state, owner, is_open)).digest())


def as_opened(state: wire.RoomState, root: str) -> wire.RoomState | None:
    """``state`` with the settings that the opening of ``root`` had; None where nobody is seen who has signed it."""
    openers = [member.user for member in state.members if (signed := parse(member.statement)) and not signed.root]
    shown = state.scheme, state.policy, state.history, state.ephemeral
    for settings in (shown, *_SETTINGS):
        names = dict(zip(("scheme", "policy", "history", "ephemeral"), settings, strict=True))
        other = msgspec.structs.replace(state, **names)
        if any(root_of(other, user, is_open) == root for user in openers for is_open in (False, True)):
            return other
    return None


_SETTINGS: Final = tuple(
    product(SCHEMES, get_args(wire.SigningPolicy), get_args(wire.HistoryPolicy), (False, True)),
)
"""Whatever a room may have been opened with: scheme, policy, history, ephemeral."""


def _opening(state: wire.RoomState, owner: str, is_open: bool) -> bytes:
    settings = (state.scheme, state.policy, state.history)
    return statements.opening(state.room, state.id, owner, *settings, is_open, state.ephemeral)


def invited(room_id: str, text: str, by: str, user: str, identities: Sequence[wire.Identity]) -> Signed | None:
    """The invitation in ``text`` if ``by``, whose ``identities`` these are, has signed it for ``user``."""
    signed = parse(text)
    if signed is None or not signed.root:
        return None
    said = statements.invitation(room_id, signed.root, signed.version, by, user)
    return signed if signed.holds(identities, said) else None


def joined(room_id: str, text: str, user: str, identities: Sequence[wire.Identity]) -> Signed | None:
    """The joining in ``text`` if ``user``, whose ``identities`` these are, has signed it."""
    signed = parse(text)
    if signed is None:
        return None
    said = statements.joining(room_id, signed.root, signed.version, user)
    return signed if signed.holds(identities, said) else None


def _is_joining(
    state: wire.RoomState, member: wire.Member, signed: Signed, identities: Sequence[wire.Identity]
) -> bool:
    """Who came through the door before knowing the room's root: most of an open room."""
    said = statements.joining(state.id, "", signed.version, member.user)
    return signed.holds(identities, said)


def weigh(state: wire.RoomState, member: wire.Member, keys: Keys) -> None:
    """Verify what makes one a member, so that `verified_members` need not do so for all in one turn."""
    opening_signed(state, member, keys(member.user))
    if member.by:
        invited(state.id, member.statement, member.by, member.user, keys(member.by))


@frozen
class Verdict:
    """What is known of the members of a room, invited ones included; names as the server wrote them.

    ``confirmed`` by a chain of signatures; ``strangers`` came through a door that only the server says is open;
    ``injected`` have no valid statement. ``root`` as verified, empty if there is no way to know it.
    """

    root: str
    confirmed: frozenset[str]
    strangers: frozenset[str]
    injected: frozenset[str]


def verified_members(
    state: wire.RoomState,
    me: str,
    keys: Keys,
    root: str = "",
    known: Collection[str] = (),
    removed: Mapping[str, int] | None = None,
    inviter: str = "",
) -> Verdict:
    """Sort the members of ``state`` (all of them, pages put together).

    ``root``: what it was found to be when this client joined. ``known``: accounts believed already, or handed over by
    the inviter. ``removed``: by folded name, the seq at which somebody left or was removed: being known and invitations
    from before it are worth nothing then. ``inviter``: by whose invitation this client came, in its folded form; the
    server cannot say later that it came by another's. Empty as long as that is not known.
    """
    keys, spent = cache(keys), removed or {}
    members = {folded(member.user): member for member in state.members}
    openings = {name: opening_signed(state, member, keys(member.user)) for name, member in members.items()}
    roots = {
        name: root_of(state, members[name].user, is_open) for name, is_open in openings.items() if is_open is not None
    }
    own = members.get(folded(me))
    if own is not None and inviter and folded(own.by) != inviter:
        own = None
    root = root or _own_root(state, own, roots, keys)
    opener = next((name for name, found in roots.items() if found == root), None)
    believed = {folded(name) for name in known} | ({opener} if opener else set())
    if own is not None and _leads(state, own, root, keys, {}):
        believed.add(folded(own.by))
    # Who was removed may be a member again, by a fresh invitation only, and lets nobody in before that.
    believed = (believed - spent.keys()) | {folded(me)}
    links = {name: folded(member.by) for name, member in members.items() if _leads(state, member, root, keys, spent)}
    believed = _reached(believed, links)
    came = {name for name in members.keys() - believed if _walked_in(state, members[name], root, keys, spent)}
    if opener in believed and openings.get(opener or ""):
        believed, came = _reached(believed | came, links), set()
    confirmed = members.keys() & believed
    return Verdict(
        root,
        frozenset(members[name].user for name in confirmed),
        frozenset(members[name].user for name in came),
        frozenset(members[name].user for name in members.keys() - confirmed - came),
    )


def _own_root(state: wire.RoomState, own: wire.Member | None, roots: Mapping[str, str], keys: Keys) -> str:
    """By this client's own opening, or by the invitation it accepted; through an open door by the owner's opening."""
    if own is None:
        return ""
    if mine := roots.get(folded(own.user)):
        return mine
    signed = invited(state.id, own.statement, own.by, own.user, keys(own.by)) if own.by else None
    return signed.root if signed else roots.get(folded(state.owner), "")


def _leads(state: wire.RoomState, member: wire.Member, root: str, keys: Keys, removed: Mapping[str, int]) -> bool:
    if not member.by or not root:
        return False
    signed = invited(state.id, member.statement, member.by, member.user, keys(member.by))
    return signed is not None and signed.root == root and signed.version >= removed.get(folded(member.user), 0)


def _walked_in(state: wire.RoomState, member: wire.Member, root: str, keys: Keys, removed: Mapping[str, int]) -> bool:
    signed = joined(state.id, member.statement, member.user, keys(member.user))
    if signed is None or not state.open or signed.root not in ("", root):
        return False
    return signed.version >= removed.get(folded(member.user), 0)


def _reached(believed: Collection[str], links: Mapping[str, str]) -> set[str]:
    """Everybody whom invitations lead to from ``believed``; ``links``: invited to inviter."""
    reached = set(believed)
    waiting = dict(links)
    while fresh := {name for name, by in waiting.items() if by in reached}:
        reached |= fresh
        waiting = {name: by for name, by in waiting.items() if name not in fresh}
    return reached
