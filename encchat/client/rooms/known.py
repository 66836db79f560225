"""What this client knows of its rooms: who is in them, how they are encrypted, what they are about.

Theory of operation. The server's `RoomState` is taken whole; what changes after it comes as room events in the room's
log, by seq. One at or before the state's ``version`` is in it already and is shown only. What has to be known without
a connection (which rooms there are, their ids and settings, their topics) is kept in the client's store, members are
not: they are asked for after each login.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec
from attrs import define, field

from encchat import names, wire
from encchat.e2e.interfaces import Conversation, Keep
from encchat.envelopes import MEGOLM
from encchat.errors import NotEncryptedError, UnknownConversationError
from encchat.limits import MAX_KEPT_MESSAGES, MAX_NAME

_KIND = "room-view"
"""The kind under which rooms are kept."""
_SETTINGS = "room-settings"
"""The kind under which it is kept, by id, how rooms are encrypted, also of those this account is in no more."""


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a room."""

    name: str
    id: str
    scheme: str
    policy: wire.SigningPolicy
    history: wire.HistoryPolicy
    ephemeral: bool = False
    open: bool = False
    owner: str = ""
    topic: str = ""
    """Of an ephemeral room it is not kept: whoever comes back does not know it."""


class Settings(msgspec.Struct, frozen=True, array_like=True):
    """What never changes in a room's life: a server that says otherwise would read along, or have others read.

    ``entered``: this client has opened or joined it itself, and has not only heard of it from the server. ``open`` is
    what people here were told last of who may join; that may change, but not unseen.
    """

    scheme: str
    policy: wire.SigningPolicy
    history: wire.HistoryPolicy
    entered: bool = False
    open: bool = False
    ephemeral: bool = False


PARTLY: Final = -2
"""`Room.judged` while keys are missing."""


@define(eq=False)
class Room:
    """One room this account is in."""

    header: Header
    version: int = 0
    _members: dict[str, wire.Member] = field(init=False, factory=dict)
    _joined: dict[bool, tuple[frozenset[str], tuple[str, ...]]] = field(init=False, factory=dict)
    """What `joined` has found, and without whom: every message asks. Who changes `_members` clears it."""
    injected: frozenset[str] = frozenset()
    """Folded names of those who are in it by the server's word alone: nothing is encrypted for them."""
    unknown: frozenset[str] = frozenset()
    """Folded names of those nobody can tell of yet, as keys have to be asked for first; nothing is encrypted for them
    before."""
    witnesses: tuple[str, ...] = ()
    """Accounts that are not in it any more, by whose keys they are judged."""
    judged: int = -1
    """The version whose members have all been judged; `PARTLY` if only some could be."""

    @property
    def name(self) -> str:
        """Its name, with ``#``."""
        return self.header.name

    @property
    def members(self) -> Mapping[str, wire.Member]:
        """By folded name, the invited included."""
        return self._members

    @property
    def id(self) -> str:
        """What end-to-end encryption knows it by.

        An ephemeral room has another one than it would have else: who is deceived about that can neither read the
        others nor be read by them.
        """
        return f"room:{self.header.id}" + (":ephemeral" if self.header.ephemeral else "")

    def joined(self, *, surely: bool = False) -> tuple[str, ...]:
        """Who is in it, by name; not who was put there by the server alone, ``surely`` nor who may have been."""
        without = self.injected | self.unknown if surely else self.injected
        known = self._joined.get(surely)
        if known is None or known[0] != without:
            there = (member for name, member in self._members.items() if name not in without)
            found = (member.user for member in there if member.state == "joined")
            known = self._joined[surely] = without, tuple(sorted(found, key=names.folded))
        return known[1]

    def put(self, *members: wire.Member) -> None:
        """They are in it, or invited."""
        self._joined.clear()
        self._members.update((names.folded(member.user), member) for member in members)

    def remove(self, user: str) -> None:
        """Neither any more."""
        self._joined.clear()
        self._members.pop(names.folded(user), None)

    def empty(self) -> None:
        """Who is in it is told anew."""
        self._joined.clear()
        self._members.clear()

    def state(self) -> wire.RoomState:
        """All of it as the server tells it."""
        head = self.header
        return wire.RoomState(
            room=head.name,
            id=head.id,
            scheme=head.scheme,
            policy=head.policy,
            history=head.history,
            ephemeral=head.ephemeral,
            open=head.open,
            owner=head.owner,
            version=self.version,
            members=list(self.members.values()),
        )

    def member(self, user: str) -> wire.Member | None:
        """What is known of a member or an invited account."""
        return self.members.get(names.folded(user))


@define(eq=False)
class Rooms:
    """The rooms of one account, and the invitations that wait for an answer."""

    _keep: Keep
    user: str = ""
    judge: Callable[[Room], None] = field(default=lambda room: None)
    """Finds out who of a room was put there by the server alone, before anything is said in it."""
    altered: Callable[[wire.RoomState, Settings], None] = field(default=lambda state, settings: None)
    """Is told of a state that has other settings than the room was opened with; they are not believed."""
    _rooms: dict[str, Room] = field(init=False, factory=dict)
    _invitations: dict[str, wire.Invited] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        for kept in self._keep.all(_KIND).values():
            header = msgspec.json.decode(kept, type=Header)
            self._rooms[names.folded(header.name)] = Room(header)

    # Looking up -----------------------------------------------------------------------------------
    def names(self) -> list[str]:
        """The rooms this account is in, by name."""
        return sorted((room.name for room in self._rooms.values()), key=names.folded)

    def invitations(self) -> list[wire.Invited]:
        """What waits for ``/join`` or ``/decline``, by room."""
        return sorted(self._invitations.values(), key=lambda invited: names.folded(invited.room))

    def invitation(self, name: str) -> wire.Invited | None:
        """The invitation to that room."""
        return self._invitations.get(names.folded(name))

    def known(self, name: str) -> Room | None:
        """The room of that name, if this account is in it."""
        return self._rooms.get(names.folded(name))

    def is_ephemeral(self, name: str) -> bool:
        """Whether what is said there is off the record."""
        room = self.known(name)
        return room is not None and room.header.ephemeral

    def get(self, name: str) -> Room:
        """The same as `known`; raise `UnknownConversationError`, which says what to do, if it is not."""
        room = self.known(name)
        if room is not None:
            return room
        shown = name[: MAX_NAME + 1]
        if self.invitation(name) is not None:
            raise UnknownConversationError(f"you are invited to {shown}: /join {shown} first")
        known = ", ".join(self.names()[:_SHOWN])
        there = f"you are in {known}" if known else "you are in none: /chat NAME... opens one"
        raise UnknownConversationError(f"you are not in {shown}; {there}")

    def conversation(self, name: str, *, surely: bool = False) -> Conversation:
        """The room as end-to-end encryption sees it; raise as `get` does.

        Those who are in it ``surely`` are encrypted for; of all others the keys are asked for before.
        """
        room = self.get(name)
        if room.judged != room.version:
            self.judge(room)
        head = room.header
        members = room.joined(surely=surely) or (self.user,)
        signed = head.policy == "signed"
        return Conversation(
            head.name,
            room.id,
            "room",
            head.scheme,
            members,
            version=room.version,
            signed=signed,
            history=head.history,
            witnesses=room.witnesses,
            ephemeral=head.ephemeral,
        )

    def of_id(self, id: str) -> Conversation | None:
        """Who is surely in it, by the conversation's id; None for what is no room this account is in."""
        room = next((room for room in self._rooms.values() if room.id == id), None)
        return None if room is None else self.conversation(room.name, surely=True)

    def doubt(self, id: str) -> None:
        """More is known of who is in the room of that conversation's id: it is judged anew."""
        for room in self._rooms.values():
            if room.id == id:
                room.judged = -1

    # What the server says -------------------------------------------------------------------------
    def take(self, state: wire.RoomState, *, first: bool = True) -> Room:
        """This account is in the room that ``state`` tells of; ``first``: it is the first page of its members."""
        state, key = self._settled(state), names.folded(state.room)
        room = self._rooms.get(key)
        topic = room.header.topic if room is not None and room.header.id == state.id else ""
        if room is None or room.header.id != state.id:
            room = self._rooms[key] = Room(_header(state, topic))
        if first:
            room.empty()
        room.judged = -1
        room.version = max(room.version, state.version)
        room.put(*state.members)
        self._invitations.pop(key, None)
        self._write(room, _header(state, topic))
        return room

    def open_as(self, id: str, settings: Settings) -> None:
        """This client opens a room of that id with these settings, whatever the server will say of it."""
        self._keep.put(_SETTINGS, id, msgspec.msgpack.encode(settings))

    def enter(self, room: Room) -> None:
        """Somebody here wants to be in that room, as it is."""
        settings = self._settings(room.header.id)
        if settings is not None and not settings.entered:
            self.open_as(room.header.id, msgspec.structs.replace(settings, entered=True))

    def correct(self, room: Room, opened: wire.RoomState) -> None:
        """The room is what ``opened`` says, as its owner has signed it, if the server has said something else here."""
        told, settings = room.state(), self._settings(room.header.id)
        signed = {name: getattr(opened, name) for name in ("scheme", "policy", "history", "ephemeral")}
        if settings is None or all(getattr(told, name) == value for name, value in signed.items()):
            return
        # Whoever joined a room that the server cannot read has not thereby agreed to one that it can.
        entered = settings.entered and opened.scheme == told.scheme
        settings = msgspec.structs.replace(settings, **signed, entered=entered)
        self.open_as(room.header.id, settings)
        self._write(room, msgspec.structs.replace(room.header, **signed))
        self.altered(told, settings)

    def was_opened(self, room: Room) -> bool:
        """Whether everybody may join it, as people here have been told."""
        settings = self._settings(room.header.id)
        return settings is not None and settings.open

    def may_speak(self, name: str) -> None:
        """Raise `NotEncryptedError` for a room that the server can read and this client did not enter itself.

        Else a server could put such a room in the place of one it cannot read.
        """
        room = self.get(name)
        settings = self._settings(room.header.id)
        if room.header.scheme != MEGOLM and not (settings is not None and settings.entered):
            raise NotEncryptedError(
                f"nothing was sent: the server says that {room.name} is a room of the scheme {room.header.scheme}, and"
                f" this device did not join it; /join {room.name} does, /leave {room.name} leaves it"
            )

    def _settled(self, state: wire.RoomState) -> wire.RoomState:
        """``state`` with the settings the room has had from the beginning."""
        settings = self._settings(state.id)
        if settings is None:
            settings = Settings(state.scheme, state.policy, state.history, open=state.open, ephemeral=state.ephemeral)
            self.open_as(state.id, settings)
            return state
        kept = {name: getattr(settings, name) for name in ("scheme", "policy", "history", "ephemeral")}
        settled = msgspec.structs.replace(state, **kept)
        if settled != state:
            self.altered(state, settings)
        return settled

    def _settings(self, id: str) -> Settings | None:
        kept = self._keep.get(_SETTINGS, id)
        return None if kept is None else msgspec.msgpack.decode(kept, type=Settings)

    def reconcile(self, joined: Iterable[str]) -> list[str]:
        """These are all the rooms this account is in; the names of those it is in no more."""
        there = {names.folded(name) for name in joined}
        gone = [room.name for key, room in self._rooms.items() if key not in there]
        for name in gone:
            self.remove(name)
        return gone

    def remove(self, name: str) -> None:
        """This account is not in that room any more."""
        if self._rooms.pop(names.folded(name), None) is not None:
            self._keep.put(_KIND, names.folded(name), None)

    def invite(self, invited: wire.Invited) -> None:
        """An invitation has come."""
        self._invitations[names.folded(invited.room)] = invited

    def forget_invitation(self, name: str) -> None:
        """It was answered, or taken back."""
        self._invitations.pop(names.folded(name), None)

    def apply(self, name: str, seq: int, change: wire.RoomEvent) -> bool:
        """A change from the log of a room; whether it is newer than what was known."""
        room = self.known(name)
        if room is None or seq <= room.version:
            return False
        _apply(room, seq, change)
        head = room.header
        if change.event == "open":
            self._write(room, msgspec.structs.replace(head, open=change.open))
            settings = self._settings(head.id)
            if settings is not None:
                self.open_as(head.id, msgspec.structs.replace(settings, open=change.open))
        elif change.event == "role" and change.role == "owner":
            self._write(room, msgspec.structs.replace(head, owner=change.user))
        return True

    def set_topic(self, name: str, topic: str) -> None:
        """Somebody has set the topic."""
        room = self.known(name)
        if room is not None:
            self._write(room, msgspec.structs.replace(room.header, topic=topic))

    def _write(self, room: Room, header: Header) -> None:
        if room.header != header or self._keep.get(_KIND, names.folded(header.name)) is None:
            room.header = header
            kept = msgspec.structs.replace(header, topic="") if header.ephemeral else header
            self._keep.put(_KIND, names.folded(header.name), msgspec.json.encode(kept))


_SHOWN = 5
"""Rooms that an error names."""


def _header(state: wire.RoomState, topic: str) -> Header:
    return Header(
        name=state.room,
        id=state.id,
        scheme=state.scheme,
        policy=state.policy,
        history=state.history,
        ephemeral=state.ephemeral,
        open=state.open,
        owner=state.owner,
        topic=topic,
    )


def _apply(room: Room, seq: int, change: wire.RoomEvent) -> None:
    now = room.member(change.user)
    match change.event:
        case "invited" | "joined":
            state: wire.MemberState = "joined" if change.event == "joined" else "invited"
            by = now.by if now is not None and change.event == "joined" else change.by
            role = "member" if now is None else now.role
            invitation = now.statement if now is not None and change.event == "joined" else ""
            statement = invitation or change.statement
            room.put(wire.Member(user=change.user, role=role, state=state, by=by, since=seq, statement=statement))
            room.version = seq
        case "declined" | "left" | "expelled":
            room.remove(change.user)
            room.version = seq
        case "role" if now is not None:
            room.put(msgspec.structs.replace(now, role=change.role))
        case _:
            pass


@lru_cache(maxsize=MAX_KEPT_MESSAGES)
def direct_conversation(user: str, partner: str) -> Conversation:
    """What two accounts say to each other; remembered, as every message asks."""
    pair = ":".join(sorted((names.folded(user), names.folded(partner))))
    return Conversation(f"@{partner}", f"direct:{pair}", "direct", "megolm", (user, partner))


def session_conversation(user: str, partner: str, session: str) -> Conversation:
    """What two accounts say to each other in the session of that id."""
    return Conversation(f"@{partner}", f"session:{session}", "session", "olm", (user, partner))
