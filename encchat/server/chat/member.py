"""An account that is here, and its presence."""

from __future__ import annotations

from attrs import define, field

from encchat.server.chat.routes import Route
from encchat.server.model import Account
from encchat.wire import Presence


@define(eq=False)
class Member:
    """``announced`` is the presence that contacts were last told of."""

    account: Account
    presence: Presence = "FREE"
    announced: Presence = "OFFLINE"
    ways: dict[int, Route] = field(factory=dict)
    """How others' direct messages go to it, by the id of who writes (`encchat.server.chat.chat.Chat.way`)."""

    @property
    def name(self) -> str:
        """The name as it was registered."""
        return self.account.name
