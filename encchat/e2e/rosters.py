"""What this client signs of rooms, and remembers of who is really in them, from one look at a room to the next.

Theory of operation. `encchat.e2e.memberships` judges one state of a room. Kept between two looks are the room's root,
as it was when this account came in, everybody who was confirmed, and at which seq people left: so members stay
confirmed when their inviter leaves, an old invitation brings nobody back, and a server cannot give the room another
owner later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec
from attrs import frozen
from msgspec import Struct

from encchat import wire
from encchat.e2e import memberships
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Keep
from encchat.e2e.memberships import Keys, Verdict
from encchat.errors import StoreError
from encchat.names import folded

_KIND: Final = "roster"
_GONE: Final = frozenset({"left", "expelled", "declined"})


class _Row(Struct, frozen=True, omit_defaults=True):
    """``known`` in folded names; ``removed`` by folded name, the seq; ``by``: who has invited this account, folded.

    ``orphans``: whom a confirmed member had invited when that member went, by folded name, and that member.
    ``handed``: whom ``by`` names as members, folded, as long as they have not been seen as such; with ``by`` gone that
    is worth nothing, as an invitation by somebody who is gone.
    """

    root: str = ""
    known: list[str] = []
    removed: dict[str, int] = {}
    by: str = ""
    orphans: dict[str, str] = {}
    handed: list[str] = []


_row: Final = msgspec.msgpack.Decoder(_Row)


@frozen
class Rosters:
    """Of the account ``user``; ``identity`` is its key if this device has it, ``keys`` what is believed of others."""

    user: str
    _keep: Keep
    _identity: Callable[[], IdentityKey | None]
    _keys: Keys

    def opening(self, request: wire.OpenRoom) -> str:
        """What goes into ``request.statement``; empty on a device without the identity key, as in all three."""
        key = self._identity()
        if key is None:
            return ""
        settings = (request.scheme, request.policy, request.history, request.open, request.ephemeral)
        return memberships.sign_opening(key, request.room, request.ulid, self.user, *settings)

    def invitation(self, room_id: str, version: int, user: str) -> str:
        """What goes into `wire.Invite.statement`; ``version`` of the room as this client knows it."""
        key, root = self._identity(), self._kept(room_id).root
        return memberships.sign_invitation(key, room_id, root, version, self.user, user) if key and root else ""

    def joining(self, room_id: str, version: int = 0) -> str:
        """What goes into `wire.Join.statement`."""
        key = self._identity()
        return memberships.sign_joining(key, room_id, self._kept(room_id).root, version, self.user) if key else ""

    def look(self, state: wire.RoomState) -> Verdict:
        """Judge all members of ``state`` (pages put together), and remember what was found."""
        row = self._kept(state.id)
        there = {folded(one.user) for one in state.members}
        known = [*row.known, *self._adopted(row, state), *there.intersection(row.handed)]
        verdict = memberships.verified_members(state, self.user, self._keys, row.root, known, row.removed, row.by)
        confirmed = {folded(name) for name in verdict.confirmed}
        removed = {name: seq for name, seq in row.removed.items() if name not in confirmed}
        found = _Row(
            root=verdict.root,
            known=sorted(confirmed.union(row.known)),
            removed=removed,
            by=self._by(row, state, verdict),
            orphans=row.orphans,
            handed=[name for name in row.handed if name not in there],
        )
        self._put(state.id, row, found)
        return verdict

    def accepted(self, room_id: str, by: str) -> None:
        """This account accepts the invitation of ``by``: it is that one's room, not somebody else's."""
        row = self._kept(room_id)
        if not row.root:
            self._put(room_id, row, msgspec.structs.replace(row, by=folded(by)))

    def _by(self, row: _Row, state: wire.RoomState, verdict: Verdict) -> str:
        """Who has invited this account: as it was when the room's root was found, or itself where nobody has."""
        if row.by or not verdict.root:
            return row.by
        own = next((one for one in state.members if folded(one.user) == folded(self.user)), None)
        return folded(own.by) if own is not None and own.by else folded(self.user)

    def weigh(self, state: wire.RoomState, member: wire.Member) -> None:
        """Do the long part of a look for one of the members."""
        memberships.weigh(state, member, self._keys)

    def changed(self, state: wire.RoomState, seq: int, event: wire.RoomEvent) -> None:
        """Take an event of the room's log, ``state`` before it: whoever goes needs a fresh invitation to come back.

        Whom that one has invited while being a member stays invited.
        """
        if event.event not in _GONE:
            return
        name = folded(event.user)
        row = self._kept(state.id)
        left = {folded(one.user): name for one in state.members if folded(one.by) == name}
        left = {one: by for one, by in left.items() if one not in row.known}
        if left or (row.handed and name == row.by):
            self.look(state)
            row = self._kept(state.id)
        orphans = {**row.orphans, **(left if name in row.known else {})}
        orphans.pop(name, None)
        known = [one for one in row.known if one != name]
        handed = [] if name == row.by else [one for one in row.handed if one != name]
        removed = row.removed | {name: seq}
        changed = msgspec.structs.replace(row, known=known, removed=removed, orphans=orphans, handed=handed)
        self._put(state.id, row, changed)

    def _adopted(self, row: _Row, state: wire.RoomState) -> list[str]:
        """Those of the orphans whose invitation holds."""
        found = []
        for one in state.members if row.orphans else ():
            name = folded(one.user)
            if row.orphans.get(name, "") == folded(one.by) and self._holds(row, state, one):
                found.append(name)
        return found

    def _holds(self, row: _Row, state: wire.RoomState, one: wire.Member) -> bool:
        """Whether the invitation of ``one`` is signed, whoever has signed it."""
        if not one.by:
            return False
        signed = memberships.invited(state.id, one.statement, one.by, one.user, self._keys(one.by))
        gone = row.removed.get(folded(one.user), 0)
        return signed is not None and signed.root == row.root and signed.version >= gone

    # Introductions -----------------------------------------------------------------------------
    def to_introduce(self, state: wire.RoomState, user: str) -> list[str]:
        """Who is confirmed here, in folded names, and cannot be by ``user``, whom this account has invited."""
        verdict = self.look(state)
        here = {"", *(folded(name) for name in verdict.confirmed)}
        if all(folded(one.by) in here for one in state.members):
            return []  # the usual room, which is not judged once more with each joining
        theirs = memberships.verified_members(state, user, self._keys, inviter=folded(self.user))
        return sorted(folded(name) for name in verdict.confirmed - theirs.confirmed - theirs.strangers)

    def may_be_introduced(self, state: wire.RoomState, members: Iterable[wire.Member]) -> set[str]:
        """Whom of ``members`` somebody has invited who is there no more, as who invited this account can tell.

        In folded names.
        """
        row, there = self._kept(state.id), {folded(one.user) for one in state.members}
        if not row.by or row.by == folded(self.user) or row.by not in there:
            return set()
        orphans = (one for one in members if folded(one.by) not in there)
        return {folded(one.user) for one in orphans if self._holds(row, state, one)}

    def as_opened(self, state: wire.RoomState) -> wire.RoomState:
        """``state`` with the settings that its owner has signed, as far as anybody in it shows them."""
        root = self.root(state.id)
        return (memberships.as_opened(state, root) if root else None) or state

    def root(self, room_id: str) -> str:
        """The room's root; empty as long as it has not been found."""
        return self._kept(room_id).root

    def handed_over(self, room_id: str, by: str, known: Collection[str]) -> bool:
        """``by`` says, signed, who is a member; whether that is the one who has invited this account, and still there.

        Those are confirmed as soon as they are seen in the room.
        """
        row = self._kept(room_id)
        if not row.root or folded(by) != row.by or row.by in row.removed:
            return False
        fresh = {folded(name) for name in known} - row.removed.keys() - set(row.known)
        self._put(room_id, row, msgspec.structs.replace(row, handed=sorted(fresh.union(row.handed))))
        return bool(fresh)

    def forget(self, room_id: str) -> None:
        """This account has left."""
        self._keep.put(_KIND, room_id, None)

    def _kept(self, room_id: str) -> _Row:
        data = self._keep.get(_KIND, room_id)
        if data is None:
            return _Row()
        try:
            return _row.decode(data)
        except msgspec.MsgspecError:
            raise StoreError("what is kept of a room's members cannot be read") from None

    def _put(self, room_id: str, before: _Row, row: _Row) -> None:
        if row != before:
            self._keep.put(_KIND, room_id, msgspec.msgpack.encode(row))
