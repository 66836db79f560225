"""Where bare lines go: a conversation, which a session changes while it lasts, and the names met on the way."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from encchat import names
from encchat.limits import MAX_KNOWN_NAMES


@define
class Place:
    """``partner`` is who this client is in a session with, empty outside of one."""

    conversation: str = names.LOBBY
    partner: str = ""
    _before: str = names.LOBBY

    def enter_session(self, partner: str) -> None:
        """Bare lines go to the partner; said twice it is the same."""
        if not self.partner:
            self._before = self.conversation
            self.partner, self.conversation = partner, f"@{partner}"

    def leave_session(self) -> None:
        """This client ended it: back to where bare lines went before, unless the person went elsewhere since."""
        if self.conversation == f"@{self.partner}":
            self.conversation = self._before
        self.partner = ""

    def session_lost(self, partner: str) -> bool:
        """The other side ended it; whether bare lines still go to the partner.

        They do, for a line typed for one person must not reach the lobby because that person left a moment
        earlier.
        """
        self.partner = ""
        return self.conversation == f"@{partner}"


@define
class KnownNames:
    """Names for completion, bounded; the one not met for longest goes first."""

    _by_folded: dict[str, str] = field(factory=dict)

    def meet(self, name: str) -> None:
        """Remember an account name or the name of a direct conversation."""
        name = name.removeprefix("@")
        if name == names.LOBBY:
            return
        self._by_folded.pop(names.folded(name), None)
        self._by_folded[names.folded(name)] = name
        if len(self._by_folded) > MAX_KNOWN_NAMES:
            del self._by_folded[next(iter(self._by_folded))]

    def all(self) -> Iterable[str]:
        """Every known name, the latest last."""
        return self._by_folded.values()
