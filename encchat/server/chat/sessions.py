"""One-to-one sessions, and the calls that lead to them.

Theory of operation: an account is in one session at most, and in one call that rings at most; neither belongs to
a connection. A call to somebody who wants to be asked rings at all his devices until one of them answers, the
caller hangs up, one of the two is gone, or the time is over; then its `Call.answered` is called, once. While it
rings nobody is BUSY. A session makes both BUSY. When the last connection of one of the two is lost, it waits: that
one is OFFLINE, the other stays BUSY. Who comes back is in the same session; who does not is given up
(`give_up`), and then it is over for both. Time is not kept here: whoever calls `connect` and `depart` says when
it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from attrs import define, field, frozen

from encchat.errors import UnavailableError
from encchat.limits import RING_SECONDS
from encchat.names import folded
from encchat.server.chat.delivery import Delivery
from encchat.server.chat.member import Member
from encchat.server.model import CallPolicy
from encchat.wire import Ringing, SessionEnded, SessionStarted

Answered = Callable[[UnavailableError | None], None]
"""Hears what became of a call: None if there is a session now, else why not."""


@frozen(eq=False)
class Call:
    """``caller`` waits for an answer of ``callee``; names as registered."""

    caller: str
    callee: str
    answered: Answered


@define(eq=False)
class Session:
    """``one`` has called ``other``; names as registered. ``lost`` are those, folded, that it waits for."""

    id: str
    one: str
    other: str
    lost: set[str] = field(factory=set)

    def partner_of(self, name: str) -> str:
        """The other one of the two."""
        return self.other if folded(name) == folded(self.one) else self.one


@define(eq=False)
class Sessions:
    """All sessions and calls; ``members`` are here, ``touch`` hears whose presence changed, ``acquaint`` who met."""

    _members: Mapping[str, Member]
    _touch: Callable[[Member], None]
    _acquaint: Callable[[str, str], None]
    _of: dict[str, Session] = field(factory=dict, init=False)
    _calls: dict[str, Call] = field(factory=dict, init=False)

    def of(self, name: str) -> Session | None:
        """The session that account is in, here or lost."""
        return self._of.get(folded(name))

    def partner(self, name: str) -> str | None:
        """Whom that account is in a session with."""
        session = self.of(name)
        return session.partner_of(name) if session else None

    def call(self, name: str) -> Call | None:
        """The call in which that account calls or is called."""
        return self._calls.get(folded(name))

    # Calling -----------------------------------------------------------------------------------
    def connect(
        self, caller: str, callee: str, id: str, policy: CallPolicy = "auto", answered: Answered = lambda outcome: None
    ) -> list[Delivery]:
        """Open the session ``id``, or let it ring if ``callee``'s policy is ``ask``: then `call` is what rings.

        To call back whoever rings is to accept. `UnavailableError` says why it cannot be; then ``answered`` never
        hears of it, and neither does it if there is a session at once.
        """
        one, other = self._here(caller), self._here(callee)
        if one is other:
            raise UnavailableError("you cannot open a session with yourself")
        call = self.call(one.name)
        if call is not None and call.caller == other.name:
            return self.answer(one.name, other.name, accept=True, id=id)
        self._check_caller(one, call)
        self._check_callee(other, policy)
        if policy == "ask":
            self._calls[folded(one.name)] = self._calls[folded(other.name)] = Call(one.name, other.name, answered)
            return [Delivery((other.name,), Ringing(sender=one.name))]
        return self._begin(one, other, id)

    def _check_caller(self, one: Member, call: Call | None) -> None:
        if (partner := self.partner(one.name)) is not None:
            raise UnavailableError(f"you are in a session with {partner}; say goodbye first")
        if call is not None and call.caller == one.name:
            raise UnavailableError(f"you are calling {call.callee}; say goodbye first")
        if call is not None:
            raise UnavailableError(f"{call.caller} is calling you; answer that first")

    def _check_callee(self, other: Member, policy: CallPolicy) -> None:
        if other.presence == "BUSY":
            raise UnavailableError(f"{other.name} is BUSY")
        if policy == "never":
            raise UnavailableError(f"{other.name} takes no calls; send a message instead")
        if self.call(other.name) is not None:
            raise UnavailableError(f"{other.name} is in another call just now; try again in a minute")

    def answer(self, callee: str, caller: str, *, accept: bool, id: str) -> list[Delivery]:
        """``callee`` says whether there is to be a session; `UnavailableError` if ``caller`` is not calling."""
        call = self.call(callee)
        if call is None or folded(call.caller) != folded(caller) or folded(call.callee) != folded(callee):
            raise UnavailableError(f"{caller} is not calling you, or not any more")
        if not accept:
            return self._fail(call, f"{call.callee} refused the call")
        self._settle(call, None)
        return self._begin(self._here(call.caller), self._here(call.callee), id)

    def unanswered(self, call: Call) -> list[Delivery]:
        """The time for an answer is over; nothing if there was one."""
        if self._calls.get(folded(call.caller)) is not call:
            return []
        return self._fail(call, f"{call.callee} did not answer within {RING_SECONDS:g} seconds")

    def _fail(self, call: Call, why: str) -> list[Delivery]:
        self._settle(call, UnavailableError(why))
        return [Delivery((call.callee,), Ringing(sender=call.caller, over=True))]

    def _settle(self, call: Call, outcome: UnavailableError | None) -> None:
        for name in (call.caller, call.callee):
            del self._calls[folded(name)]
        call.answered(outcome)

    # The session -------------------------------------------------------------------------------
    def _begin(self, one: Member, other: Member, id: str) -> list[Delivery]:
        session = Session(id, one.name, other.name)
        for member in (one, other):
            self._of[folded(member.name)] = session
            member.presence = "BUSY"
            self._touch(member)
        self._acquaint(one.name, other.name)
        return [Delivery((member.name,), _started(session, member.name)) for member in (one, other)]

    def goodbye(self, name: str) -> list[Delivery]:
        """End the session ``name`` is in, or the call it makes; `UnavailableError` if there is neither."""
        member = self._here(name)
        call = self.call(name)
        if call is not None and call.caller == member.name:
            return self._fail(call, "you hung up")
        session = self.of(name)
        if session is None:
            raise UnavailableError("you are in no session")
        return self._end(session, "goodbye")

    def _end(self, session: Session, reason: Literal["goodbye", "lost"]) -> list[Delivery]:
        deliveries = []
        for name in (session.one, session.other):
            del self._of[folded(name)]
            member = self._members.get(folded(name))
            if member is not None:
                member.presence = "FREE"
                self._touch(member)
                deliveries.append(
                    Delivery((member.name,), SessionEnded(partner=session.partner_of(name), reason=reason))
                )
        return deliveries

    def _here(self, name: str) -> Member:
        member = self._members.get(folded(name))
        if member is None:
            raise UnavailableError(f"{name} is OFFLINE")
        return member

    # Coming and going --------------------------------------------------------------------------
    def arrive(self, member: Member) -> None:
        """The account is here again: if a session waits for it, it is in it."""
        session = self.of(member.name)
        if session is not None:
            session.lost.discard(folded(member.name))
            member.presence = "BUSY"
            self._acquaint(session.one, session.other)

    def standing(self, name: str) -> SessionStarted | Ringing | None:
        """What a new connection of that account must be told: the session it is in, or the call that rings for it."""
        session, call = self.of(name), self.call(name)
        if session is not None:
            return _started(session, name, resumed=True)
        if call is not None and folded(call.callee) == folded(name):
            return Ringing(sender=call.caller)
        return None

    def depart(self, name: str, *, lost: bool) -> list[Delivery]:
        """The account, out of ``members`` already, is gone; ``lost``: it may come back, so its session waits."""
        call, session = self.call(name), self.of(name)
        if call is not None:
            over = self._fail(call, f"{call.callee} is OFFLINE")
            return [] if folded(call.callee) == folded(name) else over
        if session is None:
            return []
        if not lost:
            return self._end(session, "lost")
        session.lost.add(folded(name))
        return []

    def give_up(self, name: str, session: Session) -> list[Delivery]:
        """``session`` has waited long enough for ``name``; nothing if it is over, or ``name`` is back."""
        if self.of(name) is not session or folded(name) not in session.lost:
            return []
        return self._end(session, "lost")


def _started(session: Session, name: str, *, resumed: bool = False) -> SessionStarted:
    partner = session.partner_of(name)
    return SessionStarted(partner=partner, by=session.one, session=session.id, resumed=resumed)
