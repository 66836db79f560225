"""What the rules decided somebody is to be told."""

from __future__ import annotations

from attrs import frozen

from encchat.wire import Message, Notice, PresenceChanged, Ringing, SessionEnded, SessionStarted


@frozen
class Delivery:
    """``event`` for every device of the accounts named in ``to`` (as registered); None means everybody."""

    to: tuple[str, ...] | None
    event: Message | Notice | PresenceChanged | SessionStarted | SessionEnded | Ringing
