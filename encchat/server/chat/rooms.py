"""All rooms: who may do what in them, and what becomes of it.

Theory of operation. A change is decided and applied in memory at once, and comes back as a `Change`, which the caller
hands to the store in the same order: so what is said afterwards is checked against it, and a room's seqs tell who was
in it when. Who *hears* what is said changes only when the change is stored (`stored`), and the store answers in the
order of seqs: so a member hears everything up to its own leaving and nothing after it. A change that the store refuses
is undone by reading the room again (`replace`); until then the room takes no other.

What is said in an ephemeral room never goes to the store, and so waits for no change: whoever leaves such a room stops
hearing at once, and then only hears, like the others, that it has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve, field, frozen

from encchat.envelopes import EVENT, SERVER_KEY
from encchat.errors import ForbiddenError, NameRefusedError, OverloadedError, RequestError, UnknownUserError
from encchat.limits import MAX_MEMBERS, MAX_ROOMS
from encchat.names import folded
from encchat.server.chat.delivery import Delivery
from encchat.server.chat.room import Room, Seat, no_room
from encchat.server.chat.routes import Route
from encchat.server.membership import RoomChange, RoomHead, Step, StoredRoom
from encchat.server.model import Account, Stored
from encchat.wire import Invited, MemberRole, Message, RoomEntry, RoomEvent, encode

_LEAVING: Final = frozenset({"left", "expelled"})


@frozen
class Act:
    """Who does something, when, under which ULID, and what its client has signed of it.

    ``then``: a fresh ULID for what follows from it; ``key``: a fresh AES key, should the room need one.
    """

    by: Account
    ulid: str
    time: int
    then: str
    key: bytes
    statement: str = ""


@frozen
class Change:
    """What was decided about ``room``: ``row`` is for the store."""

    room: Room
    row: RoomChange
    by: Account
    seat: Seat | None = None
    """Who joins."""
    leaves: str = ""
    """The name of the member who leaves, or is removed."""


@frozen
class Rooms:
    """Every room that somebody is in."""

    _rooms: dict[str, Room] = field(init=False, factory=dict)
    _of: dict[str, dict[Room, None]] = field(init=False, factory=dict)
    _invitations: dict[str, dict[Room, None]] = field(init=False, factory=dict)
    _here: set[str] = field(init=False, factory=set)

    # Reading -----------------------------------------------------------------------------------
    def find(self, name: str) -> Room:
        """`UnknownConversationError` if there is none."""
        room = self._rooms.get(folded(name))
        if room is None:
            raise no_room(name)
        return room

    def route(self, sender: Account, name: str) -> tuple[Room, Route]:
        """The way of a message into the room; `UnknownConversationError` unless ``sender`` is in it."""
        room = self.find(name)
        room.seat_of(sender)
        return room, room.route

    def is_in(self, account: Account, key: str) -> bool:
        """Whether the account is in the room whose log the store calls ``key``, and its joining is stored."""
        name = folded(account.name)
        return any(room.head.key == key and room.joined[name].taken for room in self._of.get(name, ()))

    def companions(self, name: str) -> set[str]:
        """Everybody here who shares a room with ``name``, by name as registered; not oneself."""
        found = {other for room in self._of.get(folded(name), ()) for other in room.audience}
        return {other for other in found if folded(other) != folded(name)}

    def check_keys(self, asker: Account, name: str, users: Iterable[str], *, invited: bool) -> None:
        """Whether ``asker`` may have to do with the keys of ``users`` for the room ``name``.

        ``invited``: also with those who are not in it yet. `UnknownConversationError`, `ForbiddenError`.
        """
        room = self.find(name)
        room.seat_of(asker)
        for user in map(folded, users):
            if user not in room.joined and not (invited and user in room.invited):
                raise ForbiddenError(f"{user} is not in {room.name}")

    def server_key_rooms(self, name: str) -> list[Room]:
        """The rooms ``name`` is in that have a key of the server's."""
        return [room for room in self._of.get(folded(name), ()) if room.head.scheme == SERVER_KEY]

    def entries(self, account: Account) -> list[RoomEntry]:
        """What `RoomList` says."""
        name = folded(account.name)
        mine = [_entry(room, "joined") for room in self._of.get(name, ())]
        asked = [_entry(room, "invited", room.invited[name].by) for room in self._invitations.get(name, ())]
        rest = [room for room in self._rooms.values() if room.head.open and not self._concerns(room, name)]
        free = [_entry(room, "open") for room in sorted(rest, key=lambda room: room.head.folded)[:MAX_ROOMS]]
        return sorted([*mine, *asked], key=lambda entry: folded(entry.room)) + free

    def _concerns(self, room: Room, name: str) -> bool:
        return name in room.joined or name in room.invited

    # Who is here -------------------------------------------------------------------------------
    def arrive(self, account: Account) -> None:
        """It hears what is said in its rooms from now on."""
        name = folded(account.name)
        self._here.add(name)
        for room in self._of.get(name, ()):
            seat = room.joined[name]
            if seat.taken:
                room.hear(seat)

    def depart(self, account: Account) -> None:
        """Its last connection is gone."""
        self._here.discard(folded(account.name))
        for room in self._of.get(folded(account.name), ()):
            room.stop_hearing(account.name)

    # Deciding ----------------------------------------------------------------------------------
    def open(self, act: Act, head: RoomHead) -> Change:
        """A new room of which ``act.by`` is owner."""
        if head.folded in self._rooms:
            raise NameRefusedError(f"there is a room {head.name} already: choose another name")
        self._check_rooms(act.by, joined_only=True)
        room = Room(head)
        self._rooms[head.folded] = room
        seat = Seat(act.by.id, act.by.name, "owner")
        self._seat(room, seat)
        return self._change(room, act, self._step(act, "opened", act.by, open=head.open), seat=seat, new_key=True)

    def invite(self, act: Act, name: str, target: Account) -> Change | None:
        """None if it is invited already; everybody in the room may."""
        room = self._changeable(name)
        room.seat_of(act.by)
        if folded(target.name) in room.joined:
            raise RequestError(f"{target.name} is in {room.name} already")
        if folded(target.name) in room.invited:
            return None
        if room.size() >= MAX_MEMBERS:
            raise OverloadedError(f"{room.name} is full: it has {MAX_MEMBERS} members and invited")
        self._check_rooms(target, joined_only=False)
        room.invited[folded(target.name)] = Seat(target.id, target.name, by=act.by.name)
        self._invitations.setdefault(folded(target.name), {})[room] = None
        return self._change(room, act, self._step(act, "invited", target))

    def join(self, act: Act, name: str) -> Change | None:
        """None if it is in there already; else it needs an invitation, or an open room."""
        room = self._changeable(name)
        own = folded(act.by.name)
        if own in room.joined:
            return None
        room.check_visible(act.by)
        if own not in room.invited and room.size() >= MAX_MEMBERS:
            raise OverloadedError(f"{room.name} is full: it has {MAX_MEMBERS} members and invited")
        self._check_rooms(act.by, joined_only=True)
        seat = Seat(act.by.id, act.by.name)
        self._seat(room, seat)
        return self._change(room, act, self._step(act, "joined", act.by), seat=seat)

    def decline(self, act: Act, name: str) -> Change:
        """There is no invitation any more."""
        room = self._changeable(name)
        if folded(act.by.name) not in room.invited:
            raise no_room(name)
        self._unseat(room, act.by.name)
        return self._change(room, act, self._step(act, "declined", act.by))

    def leave(self, act: Act, name: str) -> Change:
        """When the owner leaves, another becomes owner; when nobody is left, the room closes."""
        room = self._changeable(name)
        seat = room.seat_of(act.by)
        self._unseat(room, act.by.name)
        return self._change(
            room,
            act,
            self._step(act, "left", act.by),
            *self._succession(room, act, seat),
            leaves=seat.name,
            new_key=True,
        )

    def expel(self, act: Act, name: str, target: str) -> Change:
        """Of a role below one's own; or an invitation is taken back."""
        room = self._changeable(name)
        actor = room.seat_of(act.by)
        was_in = folded(target) in room.joined
        seat = room.joined.get(folded(target)) or room.invited.get(folded(target))
        if seat is None:
            raise UnknownUserError(f"{target} is not in {room.name}: who lists its members")
        room.check_expel(actor, seat)
        self._unseat(room, seat.name)
        step = Step(RoomEvent(event="expelled", user=seat.name, by=act.by.name), act.ulid, seat.account_id)
        return self._change(room, act, step, leaves=seat.name if was_in else "", new_key=was_in)

    def set_role(self, act: Act, name: str, target: str, role: MemberRole) -> Change | None:
        """The owner's to do; None if nothing changes."""
        room = self._changeable(name)
        room.check_owner(room.seat_of(act.by), "change roles")
        seat = room.joined.get(folded(target))
        if seat is None:
            raise UnknownUserError(f"{target} is not in {room.name}: who lists its members")
        if seat.role == "owner":
            raise ForbiddenError(f"you own {room.name}: when you leave, a moderator becomes owner")
        if seat.role == role:
            return None
        return self._change(room, act, self._role(room, act, seat, act.ulid, role))

    def set_open(self, act: Act, name: str, open: bool) -> Change | None:
        """The owner's to do; None if nothing changes."""
        room = self._changeable(name)
        room.check_owner(room.seat_of(act.by), "open or close it to everybody")
        if room.head.open == open:
            return None
        room.head = evolve(room.head, open=open)
        return self._change(room, act, self._step(act, "open", act.by, open=open))

    def forget(self, act: Act, name: str) -> Change:
        """An account that is deleted leaves the room, or its invitation is void."""
        in_it = folded(act.by.name) in self.find(name).joined
        return self.leave(act, name) if in_it else self.decline(act, name)

    def _changeable(self, name: str) -> Room:
        room = self.find(name)
        if room.unsure:
            raise OverloadedError(f"a change of {room.name} was not stored just now: try again")
        return room

    def _check_rooms(self, account: Account, *, joined_only: bool) -> None:
        """Invitations by others never keep somebody from joining."""
        name = folded(account.name)
        count = len(self._of.get(name, ())) + (0 if joined_only else len(self._invitations.get(name, ())))
        if count >= MAX_ROOMS:
            whose = "you are in" if joined_only else f"{account.name} is in, or invited to,"
            raise OverloadedError(f"{whose} {MAX_ROOMS} rooms, which is as many as there can be: leave one first")

    def _succession(self, room: Room, act: Act, left: Seat) -> list[Step]:
        heir = room.next_owner() if left.role == "owner" else None
        return [] if heir is None else [self._role(room, act, heir, act.then, "owner")]

    @staticmethod
    def _role(room: Room, act: Act, seat: Seat, ulid: str, role: MemberRole) -> Step:
        room.give_role(seat, role)
        return Step(RoomEvent(event="role", user=seat.name, by=act.by.name, role=role), ulid, seat.account_id)

    @staticmethod
    def _step(act: Act, event: str, user: Account, *, open: bool = False) -> Step:
        made = RoomEvent(event=event, user=user.name, by=act.by.name, open=open, statement=act.statement)  # type: ignore[arg-type]
        return Step(made, act.ulid, user.id)

    def _change(
        self, room: Room, act: Act, *steps: Step, seat: Seat | None = None, leaves: str = "", new_key: bool = False
    ) -> Change:
        closes = not room.joined
        if closes:
            self._close(room)
        key = act.key if new_key and not closes and room.head.scheme == SERVER_KEY else None
        room.key_version += key is not None
        return Change(room, RoomChange(room.head, act.by.id, act.time, steps, key, closes), act.by, seat, leaves)

    def _close(self, room: Room) -> None:
        del self._rooms[room.head.folded]
        for name in tuple(room.invited):
            self._unseat(room, name)

    def _seat(self, room: Room, seat: Seat) -> None:
        self._unlist(self._invitations, room, folded(seat.name))
        room.add(seat)
        self._of.setdefault(folded(seat.name), {})[room] = None

    def _unseat(self, room: Room, name: str) -> None:
        seat = room.remove(folded(name))
        if seat is not None and room.head.ephemeral:
            room.stop_hearing(seat.name)
        self._unlist(self._of, room, folded(name))
        self._unlist(self._invitations, room, folded(name))

    @staticmethod
    def _unlist(lists: dict[str, dict[Room, None]], room: Room, name: str) -> None:
        rooms = lists.get(name)
        if rooms is not None and rooms.pop(room, room) is None and not rooms:
            del lists[name]

    # What the store says -----------------------------------------------------------------------
    def load(self, stored: Iterable[StoredRoom]) -> None:
        """All that are stored, before anybody is here."""
        for one in stored:
            self._put(one)

    def replace(self, room: Room, stored: StoredRoom | None) -> None:
        """What is stored of ``room`` takes its place; None: nobody is in it."""
        if self._rooms.get(room.head.folded) is room:
            del self._rooms[room.head.folded]
        for name in (*room.joined, *room.invited):
            self._unlist(self._of, room, name)
            self._unlist(self._invitations, room, name)
        if stored is not None:
            self._put(stored)

    def _put(self, stored: StoredRoom) -> None:
        room = self._rooms[stored.head.folded] = Room(stored.head, stored.key_version)
        for one in stored.members:
            seat = Seat(one.account_id, one.name, one.role, one.by, taken=one.state == "joined")
            if one.state == "invited":
                room.invited[folded(one.name)] = seat
                self._invitations.setdefault(folded(one.name), {})[room] = None
                continue
            self._seat(room, seat)
            if folded(one.name) in self._here:
                room.hear(seat)

    def stored(self, change: Change, places: Sequence[Stored]) -> list[Delivery]:
        """A change is stored: who hears of it, and who hears what is said from now on."""
        deliveries: list[Delivery] = []
        for step, place in zip(change.row.steps, places, strict=True):
            deliveries += self._tell(change, step, place)
        return deliveries

    def _tell(self, change: Change, step: Step, place: Stored) -> list[Delivery]:
        room, event = change.room, step.event
        if change.seat is not None:
            change.seat.taken = True
            if folded(change.seat.name) in self._here:
                room.hear(change.seat)
        hearers = room.audience
        if event.event in _LEAVING and change.leaves:
            hearers = {**hearers, change.leaves: None}
            room.stop_hearing(change.leaves)
        told = [Delivery(tuple(hearers), _message(change, step, place))]
        if event.event == "invited":
            head = room.head
            told.append(
                Delivery((event.user,), Invited(room=head.name, id=head.id, by=event.by, ephemeral=head.ephemeral))
            )
        return told


def _entry(room: Room, state: str, by: str = "") -> RoomEntry:
    head = room.head
    return RoomEntry(
        room=head.name,
        id=head.id,
        state=state,  # type: ignore[arg-type]
        scheme=head.scheme,
        policy=head.policy,
        ephemeral=head.ephemeral,
        members=len(room.joined),
        by=by,
    )


def _message(change: Change, step: Step, place: Stored) -> Message:
    return Message(
        conversation=change.room.name,
        kind="room",
        seq=place.seq,
        sender=change.by.name,
        ulid=step.ulid,
        time=place.time,
        body=encode(step.event).decode(),
        scheme=EVENT,
    )
