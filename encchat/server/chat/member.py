"""An account that is here: its presence, its session and the people it shares a conversation with."""

from __future__ import annotations

from attrs import Factory, define

from encchat.server.model import Account
from encchat.wire import Presence


@define(eq=False)
class Member:
    """``contacts`` are account names, folded; ``announced`` is the presence they were last told of."""

    account: Account
    presence: Presence = "FREE"
    partner: Member | None = None
    contacts: set[str] = Factory(set)
    announced: Presence = "OFFLINE"

    @property
    def name(self) -> str:
        """The name as it was registered."""
        return self.account.name
