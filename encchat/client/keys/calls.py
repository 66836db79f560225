"""Which session this client is in, and which earlier ones it still has keys of.

Theory of operation. Each session has keys of its own, which go when it is over. Not at once: what the partner said last
may still be on its way, and a client that was away reads what it missed only after the login at which it finds the
session ended. So the keys stay for `SESSION_KEYS_SECONDS` after whichever of the two came later, time without a
connection not counted. A session that is known from one of its messages only, as it ran while this device was away, is
one that is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from encchat import names
from encchat.client.ledger import Ledger
from encchat.limits import SESSION_KEYS_SECONDS

_KIND: Final = "call"


@define(eq=False)
class CallKeys:
    """``partner`` and ``session`` are of the session this client is in; what is over is remembered in ``ledger``."""

    _ledger: Ledger
    _clock: Callable[[], float]
    partner: str = field(init=False, default="")
    session: str = field(init=False, default="")
    _due: dict[str, float] = field(init=False, factory=dict)
    """When the keys of sessions that are over go."""

    def login(self) -> None:
        """What the server says of sessions at a login has come: all but the one taken up again are over."""
        self._due.clear()
        if self.session:
            self._ledger.put(_KIND, self.session, b"")  # the store may be another one now
        for session in self._ledger.all(_KIND):
            if session != self.session:
                self._over(session)

    def lost(self) -> None:
        """The connection is gone: the server tells at the next login whether the session goes on."""
        self.partner = self.session = ""
        self._due.clear()

    def started(self, partner: str, session: str) -> None:
        """Both say what they say under the keys of that session from now on."""
        if self.session and self.session != session:
            self._over(self.session)
        self.partner, self.session = partner, session
        self._due.pop(session, None)
        self._ledger.put(_KIND, session, b"")

    def ended(self) -> None:
        """Nothing more is said in it."""
        if self.session:
            self._over(self.session)
        self.partner = self.session = ""

    def met(self, session: str) -> None:
        """A message was of that session."""
        if session != self.session and session not in self._due:
            self._ledger.put(_KIND, session, b"")
            self._over(session)

    def is_with(self, conversation: str) -> bool:
        """Whether this client is in a session with the partner of that direct conversation."""
        return bool(self.session) and names.folded(conversation) == names.folded(f"@{self.partner}")

    def take_due(self) -> list[str]:
        """The sessions whose keys are to go now; they are forgotten here."""
        now = self._clock()
        due = [session for session, when in self._due.items() if when <= now]
        for session in due:
            del self._due[session]
            self._ledger.put(_KIND, session, None)
        return due

    def _over(self, session: str) -> None:
        self._due[session] = self._clock() + SESSION_KEYS_SECONDS
