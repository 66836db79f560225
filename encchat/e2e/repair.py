"""Missing Megolm keys: asking for them, giving them to those they were for, and telling what is being done.

Theory of operation. A message whose key is not here leaves a `Missing` row. The key is mostly on its way, so a few
seconds pass before the device that owns the session, and this account's other devices, are asked; then longer and
longer. An answer counts only from those, for what was asked. Whoever is asked gives its own session's key to a device
it was shared with, from the index it was shared at, as long as the conversation still has that device in it; a device
that was to get the key of the session in use, and did not, gets it from now on; one's own devices get whatever is
here. Everybody else is told no, and so is who may not be written to under the policy of trust.
The same key goes to the same device only so often.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import limits
from encchat.e2e import letters
from encchat.e2e.inbound import Inbound, InboundSessions, Keeping, Session, exported, imported, keeping
from encchat.e2e.interfaces import Conversation, Device, Host, KeyArrived
from encchat.e2e.letters import Answer, Held, Request
from encchat.e2e.outbound import OutboundSessions, place
from encchat.names import folded

_KIND: Final = "megolm-missing"
_WORDS: Final = {
    "not-a-member": "it says that you were not in the conversation any more when it was asked",
    "not-for-you": "it says that the key was never for this device, which came into the conversation later",
    "untrusted": "its owner writes to nobody whose key was not verified, yours among them",
    "gone": "it does not have the key any more",
}


class Missing(Struct, frozen=True):
    """A key that messages at ``indexes`` wait for; times in seconds since 1970, ``next`` is when to ask."""

    conversation: str
    indexes: list[int]
    since: float
    next: float
    asked: int = 0
    refused: str = ""


@define
class Repair:
    """What is missing here, and what others miss."""

    host: Host
    inbound: InboundSessions
    outbound: OutboundSessions
    look_for: Callable[[Session], None] = lambda session: None
    """Looks for a missing key in the account's backup."""
    _missing: dict[Session, Missing] = field(init=False)
    _soonest: float = field(init=False, default=0.0)
    """Before then `work` has nothing to do; it is called after every message."""
    _answered: dict[str, tuple[float, dict[str, int]]] = field(init=False, factory=dict)
    """By the device that asks: since when it is counted, and how often it has asked for each session."""

    def __attrs_post_init__(self) -> None:
        rows = self.host.keep.all(_KIND)
        self._missing = {Session.at(row): msgspec.msgpack.decode(value, type=Missing) for row, value in rows.items()}

    # Missing here ------------------------------------------------------------------------------
    def miss(self, conversation: Conversation, session: Session, index: int) -> None:
        """A message at ``index`` waits for the key of ``session``."""
        now, known = self.host.clock(), self._missing.get(session)
        if known is None:
            if len(self._missing) < limits.MAX_MISSING:
                self._put(session, Missing(conversation.id, [index], now, now + limits.REPAIR_FIRST_SECONDS))
        elif index not in known.indexes and len(known.indexes) < limits.MAX_WAITING_INDEXES:
            self._put(session, msgspec.structs.replace(known, indexes=sorted([*known.indexes, index])))

    def take(self, session: Session, new: Inbound) -> bool:
        """A key came, from whoever may bring it: what waited for it can be opened. Whether it was new."""
        missing = self._missing.get(session)
        waiting = missing.indexes if missing and missing.conversation == new.conversation else []
        new = msgspec.structs.replace(new, waiting=waiting)
        added = self.inbound.add(session, new, self._keeping(new.conversation))
        if added:
            early = [index for index in waiting if index < new.first]
            self._put(session, msgspec.structs.replace(missing, indexes=early) if missing and early else None)
            self.host.tell(KeyArrived(session.id))
        return added

    def work(self) -> bool:
        """Ask for a slice of what is due; whether more is due now."""
        now = self.host.clock()
        if now < self._soonest:
            return False
        due = [each for each in self._missing.items() if each[1].next <= now and each[1].asked < limits.REPAIR_TIMES]
        for session, missing in due[: limits.REPAIR_SLICE]:
            wait = min(limits.REPAIR_FIRST_SECONDS * 5 ** (missing.asked + 1), limits.REPAIR_MAX_SECONDS)
            self._put(session, msgspec.structs.replace(missing, asked=missing.asked + 1, next=now + wait))
            self._ask(session, missing)
            self.look_for(session)
        self._soonest = self.next_at() or inf
        return len(due) > limits.REPAIR_SLICE

    def next_at(self) -> float | None:
        """When `work` has something to do, in seconds since 1970; None if nothing is missing."""
        return min((each.next for each in self._missing.values() if each.asked < limits.REPAIR_TIMES), default=None)

    def answered(self, answer: Answer | None, sender: Device, conversation: str) -> None:
        """An answer of the session's owner, or of an own device, to what was asked."""
        session = None if answer is None else self._asked_of(answer.session, sender, conversation)
        if answer is None or session is None:
            return
        if answer.held is None:
            if _owns(sender, session):
                self._put(session, msgspec.structs.replace(self._missing[session], refused=answer.refused))
            return
        new = opened_held(answer.held, conversation)
        if new is not None and Session.of(answer.held.user, answer.held.device, answer.held.session) == session:
            self.take(session, new)

    def why(self, id: str) -> str:
        """A sentence on the missing key of that Megolm session."""
        lines = [self._why(session, missing) for session, missing in self._missing.items() if session.id == id]
        return " ".join(lines)

    # Missing elsewhere -------------------------------------------------------------------------
    def asked(self, request: Request | None, sender: Device, conversation: str) -> None:
        """A vouched device asks for a key: it gets what is its due, or a word why not."""
        where = self.host.conversation(conversation)
        if request is None or where is None or not self._may_answer(sender, request.session):
            return
        answer = self._answer(request, sender, where)
        if answer is not None:
            self.host.send_parcels(where, [(sender, letters.ANSWER, letters.written(answer))])

    def _answer(self, request: Request, sender: Device, where: Conversation) -> Answer | None:
        """What to say; None if it is not for this device to say anything."""
        session = Session.of(request.user, request.device, request.session)
        if sender not in self.host.devices_of(where):
            return Answer(session=session.id, refused="not-a-member")
        if not self.host.may_give(sender.user):
            return Answer(session=session.id, refused="untrusted")
        if folded(sender.user) == folded(self.host.user):
            known = self.inbound.get(session)
            held = self.inbound.held(session) if known and known.conversation == where.id else None
            return None if held is None else Answer(session=session.id, held=held)
        if session != Session.of(self.host.user, self.host.device, session.id):
            return None
        return self._own(session, sender, where)

    def _own(self, session: Session, sender: Device, where: Conversation) -> Answer:
        shared, using = self.outbound.shared(session.id), self.outbound.get(where.id)
        if shared is None or shared.conversation != where.id:
            return Answer(session=session.id, refused="gone")
        index = shared.to.get(place(sender), shared.due.get(place(sender)))
        if index is None and using is not None and using.session == session.id:
            index = using.messages
            to = {**shared.to, place(sender): index}
            self.outbound.put_shared(session.id, msgspec.structs.replace(shared, to=to))
        live = imported(shared.key)
        if index is None or live is None:
            return Answer(session=session.id, refused="not-for-you")
        key = exported(live, index)
        return Answer(session=session.id, held=Held(session.user, session.device, session.id, key))

    # Inside ------------------------------------------------------------------------------------
    def _put(self, session: Session, missing: Missing | None) -> None:
        if missing is None:
            if self._missing.pop(session, None) is not None:
                self.host.keep.put(_KIND, session.row, None)
            return
        self._missing[session] = missing
        self._soonest = min(self._soonest, missing.next)
        self.host.keep.put(_KIND, session.row, msgspec.msgpack.encode(missing))

    def _keeping(self, conversation: str) -> Keeping:
        """Of its sessions; a room not known yet may well promise its history to new members."""
        where = self.host.conversation(conversation)
        if where is not None:
            return keeping(where)
        return "always" if conversation.startswith("room:") else "until-stored"

    def _ask(self, session: Session, missing: Missing) -> None:
        where = self.host.conversation(missing.conversation)
        if where is None:
            return
        if self.host.device_of(session.user, session.device) is None:
            self.host.learn(where, session.user)
        request = Request(session.user, session.device, session.id, missing.indexes[0])
        whom = [each for each in self.host.devices_of(where) if _owns(each, session) or self._is_own(each)]
        for start in range(0, len(whom), limits.MAX_PARCELS):
            part = whom[start : start + limits.MAX_PARCELS]
            parcels = [(each, letters.REQUEST, letters.written(request)) for each in part]
            for each in self.host.send_parcels(where, parcels):
                # There is an Olm session by the time it is asked again.
                self.host.renew_session(where, each)

    def _asked_of(self, id: str, sender: Device, conversation: str) -> Session | None:
        """The missing session of that id that ``sender`` may answer for."""
        for session, missing in self._missing.items():
            asked = session.id == id and missing.conversation == conversation and missing.asked
            if asked and (_owns(sender, session) or self._is_own(sender)):
                return session
        return None

    def _is_own(self, device: Device) -> bool:
        return folded(device.user) == folded(self.host.user)

    def _may_answer(self, sender: Device, session: str) -> bool:
        now, key = self.host.clock(), place(sender)
        since, counts = self._answered.get(key, (now, {}))
        if not 0 <= now - since < limits.REPAIR_ANSWER_SECONDS:
            since, counts = now, {}
        if session not in counts and len(counts) >= limits.REPAIR_KEYS:
            return False
        counts[session] = counts.get(session, 0) + 1
        self._answered[key] = since, counts
        return counts[session] <= limits.REPAIR_ANSWERS

    def _why(self, session: Session, missing: Missing) -> str:
        count = len(missing.indexes)
        text = f"The key of session {session.id[:8]} of {session.user}'s device {session.device} is missing"
        text += f" ({count} {'messages wait' if count > 1 else 'message waits'} for it)."
        if missing.refused:
            return f"{text} That device was asked: {_WORDS.get(missing.refused, 'it refused')}."
        if missing.asked >= limits.REPAIR_TIMES:
            return f"{text} It was asked for {_times(missing.asked)} without an answer; it is not asked for any more."
        if missing.asked:
            wait = max(0, round(missing.next - self.host.clock()))
            return f"{text} That device and your own were asked {_times(missing.asked)}; again in {wait} seconds."
        return f"{text} It is mostly on its way; that device will be asked in a few seconds."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _owns(device: Device, session: Session) -> bool:
    return folded(device.user) == session.user and device.device == session.device


def opened_held(held: Held, conversation: str) -> Inbound | None:
    """An exported key as it is kept; None if it is none of that session."""
    live = imported(held.key)
    if live is None or live.session_id != held.session:
        return None
    return Inbound(conversation=conversation, key=held.key, first=live.first_known_index, origin="answer")
