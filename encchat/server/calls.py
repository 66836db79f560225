"""What takes time in sessions: calls that ring, and sessions that wait for a lost partner."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, field

from encchat.limits import RING_SECONDS, SESSION_GRACE_SECONDS
from encchat.names import folded
from encchat.net.timing import Scheduler, Timer
from encchat.server.chat import Delivery
from encchat.server.chat.sessions import Answered, Sessions
from encchat.server.model import CallPolicy


@define(eq=False)
class Calls:
    """Keeps the time for `Sessions`; ``carry_out`` delivers what it decides, ``ulid`` makes ids."""

    _sessions: Sessions
    _clock: Scheduler
    _carry_out: Callable[[Iterable[Delivery]], None]
    _ulid: Callable[[], str]
    _timers: dict[str, Timer] = field(factory=dict, init=False)
    """By folded name: of the caller while it rings, of who was lost while a session waits."""

    def connect(self, caller: str, callee: str, policy: CallPolicy, answered: Answered) -> bool:
        """As `Sessions.connect`; whether it rings, so that ``answered`` will hear what becomes of it."""
        deliveries = self._sessions.connect(caller, callee, self._ulid(), policy, answered)
        call = self._sessions.call(caller)
        if call is not None:
            self._after(caller, RING_SECONDS, lambda: self._sessions.unanswered(call))
        self._carry_out(deliveries)
        return call is not None

    def answer(self, callee: str, caller: str, *, accept: bool) -> None:
        """As `Sessions.answer`."""
        self._carry_out(self._sessions.answer(callee, caller, accept=accept, id=self._ulid()))

    def goodbye(self, name: str) -> None:
        """As `Sessions.goodbye`."""
        self._carry_out(self._sessions.goodbye(name))

    def quit(self, name: str) -> None:
        """The account's last connection is about to leave on purpose: that is a goodbye."""
        if self._sessions.of(name) is not None:
            self.goodbye(name)

    def arrived(self, name: str) -> None:
        """The account is back: nobody waits for it any more."""
        self._cancel(name)

    def departed(self, name: str) -> None:
        """The account is gone; if a session waits for it, it does so for `SESSION_GRACE_SECONDS`."""
        self._cancel(name)
        session = self._sessions.of(name)
        if session is not None:
            self._after(name, SESSION_GRACE_SECONDS, lambda: self._sessions.give_up(name, session))

    def _after(self, name: str, seconds: float, decide: Callable[[], list[Delivery]]) -> None:
        self._cancel(name)

        def over() -> None:
            del self._timers[folded(name)]
            self._carry_out(decide())

        self._timers[folded(name)] = self._clock.callLater(seconds, over)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(folded(name), None)
        if timer is not None:
            timer.cancel()
