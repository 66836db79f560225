"""Who has to hear that somebody's keys are others than before.

All who are here and share a direct conversation or a room with that account, all who have asked for its keys since
they came (they may be about to write to it for the first time), and its own other devices. Who is not here asks anew
after coming back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define, field

from encchat.names import folded
from encchat.server.chat import Chat, Delivery
from encchat.server.hub import Receiver
from encchat.wire import KeysChanged


@define(eq=False)
class KeyWatch:
    """``carry_out`` delivers, but not to the connection that is its second argument."""

    _chat: Chat
    _carry_out: Callable[[Iterable[Delivery], Receiver | None], None]
    _askers: dict[str, set[str]] = field(init=False, factory=dict)
    """By whom each account's keys were asked for."""
    _asked: dict[str, set[str]] = field(init=False, factory=dict)
    """The same the other way round."""

    @property
    def asking(self) -> int:
        """How many accounts' keys somebody who is here has asked for."""
        return len(self._askers)

    def asked(self, asker: str, users: Iterable[str]) -> None:
        """``asker`` has been told the keys of ``users``."""
        for user in map(folded, users):
            self._askers.setdefault(user, set()).add(asker)
            self._asked.setdefault(asker, set()).add(user)

    def departed(self, asker: str) -> None:
        """Its last connection is gone."""
        for user in self._asked.pop(asker, ()):
            self._askers[user].discard(asker)
            if not self._askers[user]:
                del self._askers[user]

    def changed(self, name: str, by: Receiver | None = None) -> None:
        """The identity or the devices of ``name`` are others; the connection ``by`` knows it already."""
        to = {name} | self._chat.acquainted(name) | self._chat.rooms.companions(name)
        to |= self._askers.get(folded(name), set())
        self._carry_out([Delivery(tuple(sorted(to)), KeysChanged(user=name))], by)
