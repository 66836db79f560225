"""What the commands about rooms do, and what is shown of what others do in rooms; knows no sockets.

Changes of a room come twice to the client that made them: as the answer to its request and as an event in the room's
log. They are shown at the answer; the event, known by the request's ULID, is then only applied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
from attrs import define, field

from encchat import names, wire
from encchat.client import events
from encchat.client.floor import Floor
from encchat.client.requests import Answer
from encchat.client.rooms.known import Settings
from encchat.client.rooms.names import RANDOM_BYTES, made_up
from encchat.client.rooms.trust import RoomTrust
from encchat.client.screen import iso_time
from encchat.client.store.interface import StoredMessage, Trust
from encchat.errors import NameRefusedError, RequestError, UsageError

_TRIES: Final = 5
"""Names that are made up until the person is asked for one."""
_REMEMBERED: Final = 1_000
"""Own changes whose events may still come."""


@define(eq=False)
class RoomActions:
    """See the module's docstring. Each method may raise `EncchatError`, which is shown under the command's name."""

    _floor: Floor
    _trust: RoomTrust = field(init=False)
    _own: deque[str] = field(init=False, factory=lambda: deque(maxlen=_REMEMBERED))
    _before: dict[str, str] = field(init=False, factory=dict)
    """Where bare lines went before each room was entered."""

    def __attrs_post_init__(self) -> None:
        self._trust = RoomTrust(self._floor, self._put_there)

    # Commands -------------------------------------------------------------------------------------
    def joined(self, name: str) -> str:
        """The name, as it was opened, of a room this account is in; raise `UnknownConversationError` for others."""
        return self._floor.rooms.get(name).name

    def chat(self, name: str, users: list[str], **settings: Any) -> None:
        """Open a room, go there, and invite; without a name one is made up."""
        tries = 1 if name else _TRIES
        self._open(name or self._made_up(), users, settings, tries)

    def invite(self, name: str, users: list[str]) -> None:
        """Invite into the named or the current room; who is in no room at all opens one."""
        if not name and not self._current() and not self._floor.rooms.names():
            self.chat("", users, scheme="megolm", policy="signed", history="none", open=False)
            return
        room = self._named(name, "/invite #ROOM NAME...")
        for user in users:
            self._invite(room, user)

    def join(self, name: str) -> None:
        """Join; without a name, the one room this account is invited to."""
        room = name or self._one_invitation("/join #ROOM")
        known = self._floor.rooms.known(room)
        if known is not None:
            self._floor.rooms.enter(known)
            self._go(known.name)
            return
        invitation = self._floor.rooms.invitation(room)
        if invitation is not None:
            self._trust.accepted(invitation.id, invitation.by)
            self._join(room, invitation.id, 0)
            return
        # What is signed of a joining names the room's id, which an invitation has brought and an open room must tell.
        self._floor.ask(
            f"/join {room}",
            wire.Who,
            then=partial(self._join_open, room),
            failed=lambda _: self._join(room, "", 0),
            room=room,
        )

    def decline(self, name: str) -> None:
        """Decline; without a name, the one invitation there is."""
        room = name or self._one_invitation("/decline #ROOM")
        self._change(f"/decline {room}", wire.Decline, lambda _: self._declined(room), room=room)

    def leave(self, name: str) -> None:
        """Leave the named or the current room."""
        room = self._named(name, "/leave #ROOM")
        self._change(f"/leave {room}", wire.Leave, lambda _: self._left(room), room=room)

    def expel(self, name: str, user: str) -> None:
        """Remove somebody from the named or the current room."""
        room = self._named(name, "/expel #ROOM NAME")
        then = partial(self._done, room, "expelled", user)
        self._change(f"/expel {user}", wire.Expel, then, room=room, user=user)

    def set_role(self, name: str, user: str, role: str) -> None:
        """Make a member a moderator of the named or the current room, or no more."""
        room = self._named(name, "/moderator #ROOM NAME")
        said = f"{user} is {role} of {room} now"
        self._change(
            f"/moderator {user}", wire.SetMemberRole, lambda _: self._noted(room, said), room=room, user=user, role=role
        )

    def set_open(self, name: str, open: bool) -> None:
        """Let everybody join the named or the current room, or only who is invited."""
        room = self._named(name, "/open #ROOM")
        said = _open_text(room, open)
        self._change("/open", wire.SetRoomOpen, lambda _: self._noted(room, said), room=room, open=open)

    def topic(self, text: str) -> None:
        """Say what the current room is about, or show it."""
        room = self._floor.rooms.get(self._named("", "/go #ROOM first"))
        if text:
            self._floor.say("/topic", room.name, text, content="topic")
        else:
            topic = room.header.topic
            self._floor.notice(f"{room.name} is about: {topic}" if topic else f"{room.name} has no topic: /topic TEXT")

    def who(self, name: str) -> None:
        """Show the named or the current room and everybody in it."""
        room = name or self._named("", "/who #ROOM")
        self._floor.ask(f"/who {room}", wire.Who, then=partial(self._who, []), room=room)

    def list_rooms(self) -> None:
        """Show this account's rooms, invitations, and the open rooms."""
        self._floor.ask("/rooms", wire.Rooms, then=self._listed)

    def work(self) -> None:
        """A slice of what is left to do about who is really in a room."""
        self._trust.weigh()

    # The connection's life ------------------------------------------------------------------------
    def catch_up(self, then: Callable[[], None]) -> None:
        """After a login: learn which rooms there are and who is in them, show invitations; then call ``then``."""
        self._floor.rooms.judge = self._trust.judge
        self._floor.rooms.altered = self._altered
        self._floor.ask_quietly(wire.Rooms, partial(self._caught_up, then))

    def invited(self, said: wire.Invited, *, missed: bool = False) -> None:
        """Somebody invites this account."""
        self._floor.meet(said.by)
        self._floor.rooms.invite(said)
        self._show(said.room, "invited", self._floor.user, said.by, missed=missed, ephemeral=said.ephemeral)
        self._floor.notice(f"/join {said.room} joins, /decline {said.room} declines")

    def heard(self, message: StoredMessage, *, missed: bool = False) -> None:
        """A change of a room has come in its log; a body that is none is passed over."""
        try:
            change = msgspec.json.decode(message.body, type=wire.RoomEvent)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        rooms, name = self._floor.rooms, message.conversation
        room = rooms.known(name)
        if room is not None:
            self._trust.changed(room, message.seq, change)
        newer = rooms.apply(name, message.seq, change)
        if message.ulid in self._own:
            return  # its answer says the rest
        self._announce(message, change, missed=missed)
        if not self._is_me(change.user):
            if change.event == "joined" and rooms.known(name) is not None:
                self._trust.joined(name, change.user)
            return
        if change.event in ("left", "expelled") and newer:
            self._out(name)
        elif change.event in ("opened", "joined") and rooms.known(name) is None and not missed:
            self._floor.ask_quietly(wire.Who, partial(self._learned, None), room=name)  # another device of ours did it

    def topic_set(self, conversation: str, user: str, topic: str, *, missed: bool = False) -> None:
        """A member has said what the room is about."""
        self._floor.rooms.set_topic(conversation, topic)
        self._show(conversation, "topic", user, user, text=topic, missed=missed)

    # Opening and inviting -------------------------------------------------------------------------
    def _open(self, name: str, users: list[str], settings: dict[str, Any], tries: int) -> None:
        def refused(error: wire.Error) -> bool:
            if tries <= 1 or error.code != NameRefusedError.code:
                return False
            self._open(self._made_up(), users, settings, tries - 1)
            return True

        def opened(result: wire.Result | None) -> None:
            state = _state(name, result, ulid)
            self._floor.rooms.judge(self._floor.rooms.take(state))  # whose opening it is will be needed to invite
            self._show(state.room, "opened", self._floor.user, self._floor.user)
            self._explain(state.room)
            self._go(state.room)
            for user in users:
                self._invite(state.room, user)

        ulid = self._floor.new_ulid()
        asked = wire.OpenRoom(id=0, room=name, ulid=ulid, **settings)
        statement = self._trust.opening(asked)
        self._floor.rooms.open_as(
            ulid,
            Settings(
                asked.scheme, asked.policy, asked.history, entered=True, open=asked.open, ephemeral=asked.ephemeral
            ),
        )
        fields = settings | {"ulid": ulid, "statement": statement}
        self._change(f"/chat {name}", wire.OpenRoom, opened, refused, room=name, **fields)

    def _made_up(self) -> str:
        return made_up(self._floor.random(RANDOM_BYTES))

    def _invite(self, room: str, user: str) -> None:
        self._trust.when_known(room, lambda: self._invite_now(room, user))

    def _invite_now(self, room: str, user: str) -> None:
        if self._floor.rooms.known(room) is None:
            return  # left meanwhile
        then = partial(self._was_invited, room, user)
        statement = self._trust.invitation(self._floor.rooms.get(room), user)
        self._change(f"/invite {user}", wire.Invite, then, room=room, user=user, statement=statement)

    def _was_invited(self, room: str, user: str, result: wire.Result | None) -> None:
        known = result.user if isinstance(result, wire.UserStatus) else user
        self._floor.meet(known)
        self._trust.invited(room, known)
        self._show(room, "invited", known, self._floor.user)
        if isinstance(result, wire.UserStatus) and result.presence == "OFFLINE":
            self._floor.notice(f"{known} is OFFLINE and finds the invitation to {room} when coming online")

    # Entering and leaving -------------------------------------------------------------------------
    def _join(self, room: str, room_id: str, version: int) -> bool:
        statement = self._trust.joining(room_id, version)
        self._change(f"/join {room}", wire.Join, partial(self._entered, room, room_id), room=room, statement=statement)
        return True

    def _join_open(self, room: str, result: wire.Result | None) -> None:
        state = _state(room, result)
        self._join(room, state.id, state.version)

    def _entered(self, room: str, room_id: str, result: wire.Result | None) -> None:
        state = _state(room, result, room_id)
        self._learned(None, wire.Ok(id=0, result=state))
        self._show(state.room, "joined", self._floor.user, self._floor.user)
        self._explain(state.room)
        self._floor.rooms.enter(self._floor.rooms.get(state.room))
        self._go(state.room)

    def _explain(self, room: str) -> None:
        if self._floor.rooms.is_ephemeral(room):
            self._floor.notice(
                f"{room} is off the record: what is said there is stored nowhere, neither on the server nor here, and"
                " whoever is away misses it"
            )

    def _go(self, room: str) -> None:
        if names.folded(self._floor.conversation) != names.folded(room):
            self._before[names.folded(room)] = self._floor.conversation
            self._floor.go(room)

    def _declined(self, room: str) -> None:
        self._floor.rooms.forget_invitation(room)
        self._show(room, "declined", self._floor.user, self._floor.user)

    def _left(self, room: str) -> None:
        self._remove(room)
        self._show(room, "left", self._floor.user, self._floor.user)
        back = self._before.pop(names.folded(room), names.LOBBY)
        if names.folded(self._floor.conversation) == names.folded(room):
            gone = back.startswith("#") and self._floor.rooms.known(back) is None
            self._floor.go(names.LOBBY if gone else back)

    def _out(self, room: str) -> None:
        """This account was put out, or left by another device: what is typed for the room must not reach the lobby."""
        self._remove(room)
        if names.folded(self._floor.conversation) == names.folded(room):
            self._floor.notice(f"you are not in {room} any more; /go lobby, or /go @NAME")

    def _remove(self, name: str) -> None:
        room = self._floor.rooms.known(name)
        if room is not None:
            self._trust.forget(room)
            self._floor.rooms.remove(name)

    def _put_there(self, room: str, user: str) -> None:
        self._floor.show(
            events.Warned(
                code="injected-member",
                text=f"WARNING: the server says that {user} is in {room}, but nobody there has signed an invitation of"
                f" {user}. Nothing you say in {room} is encrypted for {user}.",
            )
        )

    def _altered(self, state: wire.RoomState, settings: Settings) -> None:
        self._floor.show(
            events.Warned(
                code="room-altered",
                text=f"WARNING: the server says that {state.room} is {_settings_text(state)} now. It was opened as"
                f" {_settings_text(settings)}, and stays so here: somebody wants to read along.",
            )
        )

    # Answers and events ---------------------------------------------------------------------------
    def _change(
        self,
        label: str,
        kind: type[wire.Request],
        then: Callable[[wire.Result | None], None],
        failed: Callable[[wire.Error], bool] | None = None,
        **fields: Any,
    ) -> None:
        """Ask for a change of a room under a ULID of its own."""
        fields.setdefault("ulid", self._floor.new_ulid())
        self._floor.ask(label, kind, then=then, failed=failed, **fields)
        self._own.append(fields["ulid"])

    def _done(self, room: str, event: events.RoomChange, user: str, _result: wire.Result | None) -> None:
        self._show(room, event, user, self._floor.user)

    def _noted(self, _room: str, said: str) -> None:
        self._floor.notice(said)

    def _show(
        self,
        room: str,
        event: events.RoomChange,
        user: str,
        by: str,
        *,
        text: str = "",
        missed: bool = False,
        time: str = "",
        ephemeral: bool = False,
    ) -> None:
        ephemeral = ephemeral or self._floor.rooms.is_ephemeral(room)
        self._floor.show(
            events.Room(
                room=room, event_=event, user=user, by=by, text=text, missed=missed, time=time, ephemeral=ephemeral
            )
        )

    def _announce(self, message: StoredMessage, change: wire.RoomEvent, *, missed: bool) -> None:
        room = message.conversation
        self._floor.meet(change.user)
        if change.event == "role":
            self._floor.notice(f"{change.user} is {change.role} of {room} now, says {change.by}")
        elif change.event == "open":
            self._floor.notice(f"{_open_text(room, change.open)}, says {change.by}")
        else:
            self._show(room, change.event, change.user, change.by, missed=missed, time=iso_time(message.time))

    def _listed(self, result: wire.Result | None) -> None:
        if isinstance(result, wire.RoomList):
            self._floor.show(events.Rooms(rooms=result.rooms))

    def _who(self, before: list[wire.Member], result: wire.Result | None) -> None:
        """One page of the members; the last one shows them all."""
        if not isinstance(result, wire.RoomState):
            return
        members = before + result.members
        room = self._floor.rooms.known(result.room)
        if room is not None:
            room = self._floor.rooms.take(result, first=not before)
        if result.more and result.members:
            then, after = partial(self._who, members), result.members[-1].user
            self._floor.ask(f"/who {result.room}", wire.Who, then=then, room=result.room, after=after)
            return
        self._floor.show(
            events.Who(
                room=result.room,
                scheme=result.scheme,
                policy=result.policy,
                history=result.history,
                ephemeral=result.ephemeral if room is None else room.header.ephemeral,
                open=result.open,
                owner=result.owner,
                topic="" if room is None else room.header.topic,
                members=[self._who_member(member) for member in members],
            )
        )

    def _who_member(self, member: wire.Member) -> events.WhoMember:
        machine = self._floor.machine
        trust: Trust = "none" if machine is None else machine.trust_of(member.user)
        return events.WhoMember(
            user=member.user, role=member.role, state=member.state, presence=member.presence, trust=trust
        )

    # Learning after a login -----------------------------------------------------------------------
    def _caught_up(self, then: Callable[[], None], answer: Answer) -> None:
        result = answer.result if isinstance(answer, wire.Ok) else None
        if not isinstance(result, wire.RoomList):
            then()
            return
        mine = [entry for entry in result.rooms if entry.state == "joined"]
        for gone in self._floor.rooms.reconcile(entry.room for entry in mine):
            self._floor.notice(f"you are not in {gone} any more")
        for entry in result.rooms:
            if entry.state == "invited":
                self.invited(
                    wire.Invited(room=entry.room, id=entry.id, by=entry.by, ephemeral=entry.ephemeral), missed=True
                )
        self._learn_all([entry.room for entry in mine], then)

    def _learn_all(self, rooms: list[str], then: Callable[[], None]) -> None:
        left = set(rooms)

        def learned(room: str) -> None:
            left.discard(room)
            if not left:
                then()

        if not left:
            then()
        for room in dict.fromkeys(rooms):
            self._floor.ask_quietly(wire.Who, partial(self._learned, partial(learned, room)), room=room)

    def _learned(self, then: Callable[[], None] | None, answer: Answer, first: bool = True) -> None:
        """A page about a room this account is in; asks for the next one, or calls ``then``."""
        result = answer.result if isinstance(answer, wire.Ok) else None
        if isinstance(result, wire.RoomState):
            self._floor.rooms.take(result, first=first)
            for member in result.members:
                self._floor.meet(member.user)
            if result.more and result.members:
                done = partial(self._learned, then, first=False)
                self._floor.ask_quietly(wire.Who, done, room=result.room, after=result.members[-1].user)
                return
        if then is not None:
            then()

    # Which room is meant --------------------------------------------------------------------------
    def _current(self) -> str:
        here = self._floor.conversation
        return here if here.startswith("#") else ""

    def _named(self, name: str, usage: str) -> str:
        """The named room, else the current one."""
        room = name or self._current()
        if room:
            return self._floor.rooms.get(room).name
        there = self._floor.rooms.names()
        if not there:
            raise UsageError("you are in no room: /chat NAME... opens one, /rooms lists those you may join")
        raise UsageError(f"you are in {', '.join(there)}, say which: {usage}")

    def _one_invitation(self, usage: str) -> str:
        there = [invited.room for invited in self._floor.rooms.invitations()]
        if len(there) == 1:
            return there[0]
        if not there:
            raise UsageError(f"no invitation waits for you: {usage}; /rooms lists the rooms there are")
        raise UsageError(f"you are invited to {', '.join(there)}, say which: {usage}")

    def _is_me(self, user: str) -> bool:
        return names.folded(user) == names.folded(self._floor.user)


def _state(room: str, result: wire.Result | None, id: str = "") -> wire.RoomState:
    """What the server has answered; an error if it is not that room, so that nothing typed for it goes elsewhere."""
    is_it = isinstance(result, wire.RoomState) and names.folded(result.room) == names.folded(room)
    if not isinstance(result, wire.RoomState) or not is_it or (id and result.id != id):
        raise RequestError(f"the server's answer is not the room {room}")
    return result


def _settings_text(settings: wire.RoomState | Settings) -> str:
    record = "off the record" if settings.ephemeral else "on the record"
    return f"{settings.scheme}, {settings.policy}, {record}, with history {settings.history}"


def _open_text(room: str, open: bool) -> str:
    return f"everybody may join {room} now" if open else f"only who is invited may join {room} now"
