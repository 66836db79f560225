"""Who is really in a room: what this client signs of it, and whom it finds put there by the server alone.

`encchat.e2e.rosters` signs and judges; here it meets the room as this client knows it. Somebody whose keys, or whose
inviter's, are not known yet cannot be judged: they are asked for before anything is encrypted, and then it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import field, frozen

from encchat import wire
from encchat.client.floor import Floor
from encchat.client.keys.machine import KeyMachine
from encchat.client.rooms.known import PARTLY, Room
from encchat.e2e.rosters import Rosters
from encchat.errors import EncchatError
from encchat.limits import INTRODUCTION_SECONDS, MAX_WITNESSES, MEMBERS_SLICE
from encchat.names import folded


@frozen(eq=False)
class RoomTrust:
    """``warn(room, user)`` tells of somebody who was put into a room. Without keys nothing is signed or judged."""

    _floor: Floor
    _warn: Callable[[str, str], None]
    _weighed: dict[str, tuple[int, int]] = field(init=False, factory=dict)
    """By room id: at which version how many of the members have been."""
    _awaited: dict[tuple[str, str], float] = field(init=False, factory=dict)
    """By room id and folded name: since when the inviter's word on them is waited for."""
    _partly: dict[str, tuple[int, tuple[int, int, int]]] = field(init=False, factory=dict)
    """By room id: at which version, and by which keys, its members have been judged last."""

    def opening(self, request: wire.OpenRoom) -> str:
        """The statement of an opening."""
        rosters = self._rosters()
        return "" if rosters is None else rosters.opening(request)

    def invitation(self, room: Room, user: str) -> str:
        """The statement of an invitation."""
        rosters = self._rosters()
        return "" if rosters is None else rosters.invitation(room.header.id, room.version, user)

    def when_known(self, name: str, then: Callable[[], None]) -> None:
        """Call ``then`` once it is known which room this is, or cannot be: an invitation names it, signed.

        Who has joined and said nothing yet has not asked for the keys that tell it.
        """
        rosters, machine, rooms = self._rosters(), self._floor.machine, self._floor.rooms
        room = rooms.get(name)
        if rosters is None or machine is None or machine.identity is None or self.invitation(room, self._floor.user):
            then()
            return

        def prepared(error: EncchatError | None) -> None:
            now = rooms.known(name)
            if now is not None:
                self.judge(now)
            then()

        machine.prepare(rooms.conversation(name), prepared)

    def invited(self, name: str, user: str) -> None:
        """The server has taken this client's invitation: a room's history may begin here for ``user``."""
        if self._floor.machine is not None:
            self._floor.machine.invited(self._floor.rooms.conversation(name), user)

    def joined(self, name: str, user: str) -> None:
        """Somebody has joined; whoever this client has invited is given the history that the room promises."""
        room = self._floor.rooms.get(name)
        member = room.member(user)
        if member is None or member.state != "joined":
            return
        rosters, machine = self._rosters(), self._floor.machine
        if rosters is not None and machine is not None and folded(member.by) == folded(self._floor.user):
            where = self._floor.rooms.conversation(name)
            machine.hand_over_history(where, user)
            machine.introduce(where, user, rosters.to_introduce(room.state(), user))

    def joining(self, room_id: str, version: int) -> str:
        """The statement of a joining."""
        rosters = self._rosters()
        return "" if rosters is None or not room_id else rosters.joining(room_id, version)

    def accepted(self, room_id: str, by: str) -> None:
        """The invitation of ``by`` is accepted."""
        rosters = self._rosters()
        if rosters is not None:
            rosters.accepted(room_id, by)

    def changed(self, room: Room, seq: int, change: wire.RoomEvent) -> None:
        """A change has come in the room's log."""
        rosters = self._rosters()
        if rosters is not None:
            rosters.changed(room.state(), seq, change)

    def forget(self, room: Room) -> None:
        """This account has left."""
        rosters = self._rosters()
        if rosters is not None:
            rosters.forget(room.header.id)

    def judge(self, room: Room) -> None:
        """Find out who was put there; once for each version of the room, as soon as all keys are known."""
        rosters, machine = self._rosters(), self._floor.machine
        if rosters is None or machine is None:
            return
        known = room.version, machine.knowledge
        if room.judged == PARTLY and self._partly.get(room.header.id) == known and not self._is_overdue(machine, room):
            return  # a member of a big room who only listens asks this with every message
        verdict = rosters.look(room.state())
        if (state := rosters.as_opened(room.state())) != room.state():
            self._floor.rooms.correct(room, state)
            verdict = rosters.look(state)
        # Through a door that only the server says is open, and of which nobody here was told, nobody comes.
        unasked = verdict.injected if self._floor.rooms.was_opened(room) else verdict.injected | verdict.strangers
        suspects = {folded(user): member for user in unasked if (member := room.member(user)) is not None}
        me = room.member(self._floor.user)
        inviter = "" if me is None else me.by or room.header.owner
        lacking = {name for name, one in suspects.items() if self._is_to_ask(machine, one.by or one.user)}
        if not verdict.root and inviter and self._is_to_ask(machine, inviter):
            lacking = set(suspects)
        lacking |= self._await(suspects, rosters.may_be_introduced(state, suspects.values()), machine, room)
        while more := {name for name, one in suspects.items() if folded(one.by) in lacking} - lacking:
            lacking |= more
        injected = suspects.keys() - lacking
        for name in sorted(injected - room.injected):
            self._warn(room.name, room.members[name].user)
        room.injected, room.unknown = frozenset(injected), frozenset(lacking)
        inviters = {folded(by): by for by in (inviter, *(suspects[name].by for name in lacking)) if by}
        room.witnesses = tuple(
            by for name, by in sorted(inviters.items()) if name not in room.members and self._is_to_ask(machine, by)
        )[:MAX_WITNESSES]
        room.judged, self._partly[room.header.id] = (PARTLY if lacking else room.version), known

    def _await(self, suspects: Iterable[str], may: set[str], machine: KeyMachine, room: Room) -> set[str]:
        """Whom the word of this account's inviter, which may come for those of ``may``, can still make a member."""
        id, now = room.header.id, machine.clock()
        for name in suspects:
            if name not in may:
                self._awaited.pop((id, name), None)
        return {name for name in may if now < self._awaited.setdefault((id, name), now) + INTRODUCTION_SECONDS}

    def _is_overdue(self, machine: KeyMachine, room: Room) -> bool:
        due = machine.clock() - INTRODUCTION_SECONDS
        return any(self._awaited.get((room.header.id, name), due + 1) <= due for name in room.unknown)

    def weigh(self) -> None:
        """Verify a slice of what makes the members of rooms members, as their keys arrive: `judge` is short then."""
        rosters, machine, rooms = self._rosters(), self._floor.machine, self._floor.rooms
        if rosters is None or machine is None:
            return
        for room in map(rooms.get, rooms.names()):
            if room.judged != room.version:
                self._weigh(room, rosters, machine)

    def _weigh(self, room: Room, rosters: Rosters, machine: KeyMachine) -> None:
        """From where the last slice ended up to the first whose keys are to come; they come in this order."""
        version, done = self._weighed.get(room.header.id, (-1, 0))
        if version != room.version:
            done = 0
        state = room.state()
        for member in sorted(state.members, key=_name)[done : done + MEMBERS_SLICE]:
            if self._is_to_ask(machine, member.user):
                break
            rosters.weigh(state, member)
            done += 1
        self._weighed[room.header.id] = room.version, done

    @staticmethod
    def _is_to_ask(machine: KeyMachine, user: str) -> bool:
        """Whether nobody knows yet by which keys ``user`` speaks, and the server may tell."""
        return not machine.identities_of(user) and not machine.has_asked(user)

    def _rosters(self) -> Rosters | None:
        machine = self._floor.machine
        if machine is None:
            return None
        return Rosters(self._floor.user, machine.keep, lambda: machine.identity, machine.identities_of)


def _name(member: wire.Member) -> str:
    return folded(member.user)
