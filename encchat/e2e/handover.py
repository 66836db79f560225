"""A room's history for its new members: keys of sessions, handed over by the client of who invited them, signed.

``all``: from each session's beginning, as far as this client has it; ``since-invite``: from where each session stood
when the invitation was made, which `invited` notes. A new member takes them from a member of the room only, if the room
promises its history, and knows whose word it is (`Decrypted.handed_by`): a key of somebody else's session is believed
as far as the messages' own signatures go.

By the same ways, waiting for the same, goes who else is in the room (`encchat.e2e.introductions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import limits
from encchat.e2e import introductions, letters
from encchat.e2e.identity import verify
from encchat.e2e.inbound import Inbound, InboundSessions, Session, exported, imported
from encchat.e2e.interfaces import Conversation, Device, Host, Introduced
from encchat.e2e.letters import Held
from encchat.e2e.outbound import OutboundSessions
from encchat.e2e.repair import Repair, opened_held
from encchat.e2e.statements import handover
from encchat.names import folded

_MARKS: Final = "megolm-invited"
_QUEUE: Final = "megolm-handover"
_EARLY: Final = "megolm-early"


class Queued(Struct, frozen=True, omit_defaults=True):
    """A letter to be sent: keys, or names of members, for one account."""

    conversation: str
    user: str
    held: list[Held] = []
    names: list[str] = []


class Early(Struct, frozen=True, omit_defaults=True):
    """A letter that came before this client knew of the room."""

    conversation: str
    sender: str
    device: str
    payload: bytes
    kind: str = letters.HISTORY


@define
class Handover:
    """Both sides of it."""

    host: Host
    inbound: InboundSessions
    outbound: OutboundSessions
    repair: Repair
    _early: dict[str, Early] = field(init=False)
    _queue: dict[str, Queued] = field(init=False)
    _learned: dict[str, float] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        """What is left to do is looked at after every message, so it is held here as well."""
        early, queued = self.host.keep.all(_EARLY), self.host.keep.all(_QUEUE)
        self._early = {row: msgspec.msgpack.decode(value, type=Early) for row, value in early.items()}
        self._queue = {row: msgspec.msgpack.decode(value, type=Queued) for row, value in sorted(queued.items())}

    # Who invites -------------------------------------------------------------------------------
    def invited(self, conversation: Conversation, user: str) -> None:
        """An invitation is made now: what is said from here on is its history ``since-invite``."""
        marks = {session.row: self._next(session, known) for session, known in self._sessions(conversation).items()}
        self.host.keep.put(_MARKS, _row(conversation.id, user), msgspec.msgpack.encode(marks))

    def hand_over(self, conversation: Conversation, user: str) -> int:
        """``user`` has joined: queue what the room's setting promises; how many keys that are."""
        if conversation.history == "none":
            return 0
        held = self._due(conversation, user)
        for start in range(0, len(held), limits.HANDOVER_SLICE):
            part = Queued(conversation.id, user, held[start : start + limits.HANDOVER_SLICE])
            self._put(f"{_row(conversation.id, user)} {start:08}", part)
        self.host.keep.put(_MARKS, _row(conversation.id, user), None)
        return len(held)

    def introduce(self, conversation: Conversation, user: str, names: Sequence[str]) -> None:
        """``user`` has joined, and has no other way to know that those of ``names`` are members: queue that."""
        for start in range(0, len(names), limits.NAMES_SLICE):
            part = Queued(conversation.id, user, names=list(names[start : start + limits.NAMES_SLICE]))
            self._put(f"{_row(conversation.id, user)} names {start:08}", part)
            self.host.tell(Introduced(conversation.id))

    def _put(self, row: str, part: Queued) -> None:
        self._queue[row] = part
        self.host.keep.put(_QUEUE, row, msgspec.msgpack.encode(part))

    def _due(self, conversation: Conversation, user: str) -> list[Held]:
        marks: dict[str, int] = {}
        if conversation.history == "since-invite":
            kept = self.host.keep.get(_MARKS, _row(conversation.id, user))
            if kept is None:
                return []
            marks = msgspec.msgpack.decode(kept, type=dict[str, int])
        found = [self._from(session, marks.get(session.row, 0)) for session in self._sessions(conversation)]
        return [held for held in found if held is not None]

    def _from(self, session: Session, index: int) -> Held | None:
        """Its key from ``index`` on, or from the first one there is after it."""
        held = self.inbound.held(session)
        live = None if held is None else imported(held.key)
        if held is None or live is None:
            return None
        return msgspec.structs.replace(held, key=exported(live, max(index, live.first_known_index)))

    def _next(self, session: Session, known: Inbound) -> int:
        """The index the session's next message will have."""
        if session.user == folded(self.host.user) and session.device == self.host.device:
            using = self.outbound.get(known.conversation)
            if using is not None and using.session == session.id:
                return using.messages
        return max(known.first, known.count)

    def _sessions(self, conversation: Conversation) -> dict[Session, Inbound]:
        return {key: known for key, known in self.inbound.all().items() if known.conversation == conversation.id}

    # Who is new --------------------------------------------------------------------------------
    def arrived(self, payload: bytes, sender: Device, conversation: str, kind: str = letters.HISTORY) -> None:
        """A letter with a room's history, or with names of its members."""
        where = self._ready(conversation, kind)
        if where is None:
            self._make_room(sender)
            row = sha256(payload).hexdigest()
            self._early[row] = Early(conversation, sender.user, sender.device, payload, kind)
            self.host.keep.put(_EARLY, row, msgspec.msgpack.encode(self._early[row]))
        elif kind == letters.KNOWN:
            introductions.take(self.host, conversation, payload, sender)
        else:
            self._take(letters.read(letters.History, payload), sender, where)

    def _ready(self, conversation: str, kind: str) -> Conversation | None:
        """The room, as soon as enough is known of it here."""
        where = self.host.conversation(conversation)
        return where if kind != letters.KNOWN or introductions.is_ready(self.host, conversation) else None

    def _make_room(self, sender: Device) -> None:
        """The sender's own oldest letter goes first: nobody fills the place of what others send."""
        if len(self._early) < limits.MAX_EARLY:
            return
        mine = (row for row, each in self._early.items() if folded(each.sender) == folded(sender.user))
        row = next(mine, None) or next(iter(self._early))
        del self._early[row]
        self.host.keep.put(_EARLY, row, None)

    def _take(self, letter: letters.History | None, sender: Device, where: Conversation) -> None:
        members = {folded(name) for name in where.members}
        if letter is None or where.history == "none" or folded(sender.user) not in members:
            return
        own = _statement(where.id, sender.user, self.host.user, self.host.device, letter.held)
        if not any(verify(key, own, letter.signature) for key in self.host.identities_of(sender.user)):
            return
        for held in letter.held:
            new, session = opened_held(held, where.id), Session.of(held.user, held.device, held.session)
            by = "" if session.user == folded(sender.user) else sender.user
            if new is not None:
                self.repair.take(session, msgspec.structs.replace(new, origin="history", by=by))

    # Both --------------------------------------------------------------------------------------
    def work(self) -> bool:
        """Send one letter, or look at one that came early; whether more is left that can be done now."""
        for row, early in self._early.items():
            sender = self.host.device_of(early.sender, early.device)
            if sender is not None and self._ready(early.conversation, early.kind) is not None:
                del self._early[row]
                self.host.keep.put(_EARLY, row, None)
                self.arrived(early.payload, sender, early.conversation, early.kind)
                return True
        for row, queued in self._queue.items():
            if self._send(queued):
                del self._queue[row]
                self.host.keep.put(_QUEUE, row, None)
                return True
        return False

    def _send(self, queued: Queued) -> bool:
        """To each of the account's devices there is; whether it is done with."""
        where = self.host.conversation(queued.conversation)
        if where is None or folded(queued.user) not in {folded(name) for name in where.members}:
            return where is not None
        if not self.host.may_give(queued.user):
            return False  # it waits until a person has verified or accepted the key, as a message would
        devices = [each for each in self.host.devices_of(where) if folded(each.user) == folded(queued.user)]
        if not devices:
            self._learn(where, queued.user)
        kind = letters.KNOWN if queued.names else letters.HISTORY
        parcels = [(device, kind, self._letter(queued, device)) for device in devices]
        if not parcels or any(not letter for _, _, letter in parcels):
            return False
        missed = self.host.send_parcels(where, parcels)
        for device in missed:
            self.host.renew_session(where, device)
        return len(missed) < len(parcels)

    def _learn(self, where: Conversation, user: str) -> None:
        """Ask for the new member's devices, now and then."""
        now, key = self.host.clock(), folded(user)
        if now >= self._learned.get(key, 0.0) + limits.REPAIR_FIRST_SECONDS:
            self._learned[key] = now
            self.host.learn(where, user)

    def _letter(self, queued: Queued, device: Device) -> bytes:
        if queued.names:
            return introductions.letter(self.host, queued.conversation, queued.names, device)
        said = _statement(queued.conversation, self.host.user, device.user, device.device, queued.held)
        identity = self.host.identity
        return b"" if identity is None else letters.written(letters.History(queued.held, identity.sign(said)))


def _statement(room: str, by: str, user: str, device: str, held: list[Held]) -> bytes:
    return handover(room, by, user, device, sha256(msgspec.json.encode(held)).digest())


def _row(conversation: str, user: str) -> str:
    return f"{conversation} {folded(user)}"
