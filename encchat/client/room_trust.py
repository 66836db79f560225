"""Who is really in a room: what this client signs when it changes one, and whom it believes to be a member.

The server says who is a member; `encchat.e2e.memberships` finds by signatures who is one. What was found once is kept:
the room's root (the digest of its signed opening), who was believed, and at which seq somebody left, so that an
invitation of before does not count again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import wire
from encchat.client.rooms import Room
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Keep
from encchat.e2e.memberships import Verdict, root_of, sign_invitation, verified_members
from encchat.names import folded

Keys = Callable[[str], Sequence[wire.Identity]]
_KIND: Final = "room-trust"


class Belief(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a room, by its id; names are folded."""

    root: str = ""
    known: list[str] = []
    removed: dict[str, int] = {}


_NOTHING: Final = Belief()
_belief: Final = msgspec.json.Decoder(Belief)


@define(eq=False)
class RoomTrust:
    """``keys`` gives the identity keys of an account as far as they are known and believed."""

    _keep: Keep
    _beliefs: dict[str, Belief] = field(init=False, factory=dict)

    # What is signed -------------------------------------------------------------------------------
    def opened(self, state: wire.RoomState, owner: str) -> None:
        """This client has opened the room: it knows the root without being told."""
        self._put(state.id, Belief(root=root_of(state, owner, state.open), known=[folded(owner)]))

    def invitation(self, identity: IdentityKey, room: Room, me: str, user: str) -> str:
        """The statement of an invitation into a room whose root is known; else empty."""
        root = self._of(room.header.id).root
        return sign_invitation(identity, room.header.id, root, room.version, me, user) if root else ""

    # Who is believed ------------------------------------------------------------------------------
    def left(self, room_id: str, user: str, seq: int) -> None:
        """Somebody is not in the room any more, since ``seq``."""
        belief, name = self._of(room_id), folded(user)
        known = [one for one in belief.known if one != name]
        self._put(room_id, msgspec.structs.replace(belief, known=known, removed=belief.removed | {name: seq}))

    def judge(self, room: Room, me: str, keys: Keys) -> Verdict:
        """Sort the members of a room; those found to be in it are believed from now on."""
        belief = self._of(room.header.id)
        known = set(belief.known)
        needed = {folded(me), folded(room.header.owner)}
        verdict = verified_members(room.state(known - needed), me, keys, belief.root, known, belief.removed)
        found = {folded(user) for user in verdict.confirmed}
        if verdict.root != belief.root or not found <= known:
            made = msgspec.structs.replace(belief, root=verdict.root, known=sorted(known | found))
            self._put(room.header.id, made)
        return verdict

    def forget(self, room_id: str) -> None:
        """This account is not in the room any more."""
        self._beliefs.pop(room_id, None)
        self._keep.put(_KIND, room_id, None)

    def _of(self, room_id: str) -> Belief:
        if room_id not in self._beliefs:
            kept = self._keep.get(_KIND, room_id)
            self._beliefs[room_id] = _NOTHING if kept is None else _belief.decode(kept)
        return self._beliefs[room_id]

    def _put(self, room_id: str, belief: Belief) -> None:
        self._beliefs[room_id] = belief
        self._keep.put(_KIND, room_id, msgspec.json.encode(belief))
