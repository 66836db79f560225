"""What the server says, as the screen events that show it."""

from __future__ import annotations

from datetime import UTC, datetime

from encchat import wire
from encchat.client import events
from encchat.client.store.interface import StoredMessage


def message(said: StoredMessage, *, missed: bool = False) -> events.Message | events.Undecryptable:
    """A message, or that it could not be opened."""
    if said.content == "sealed":
        return events.Undecryptable(
            ulid=said.ulid,
            conversation=said.conversation,
            sender=said.sender,
            reason=said.reason,
            kind=said.kind,
            seq=said.seq,
            time=iso_time(said.time),
            missed=missed,
        )
    return events.Message(
        conversation=said.conversation,
        kind=said.kind,
        seq=said.seq,
        sender=said.sender,
        text=said.body,
        time=iso_time(said.time),
        ulid=said.ulid,
        encryption=said.encryption,
        signature=said.signature,
        signed=said.signed,
        trust=said.trust,
        missed=missed,
    )


def sent(result: wire.Sent) -> events.Sent:
    """This client's own message, accepted."""
    return events.Sent(ulid=result.ulid, conversation=result.conversation, seq=result.seq)


def status(result: wire.UserStatus) -> events.Status:
    """One account's presence."""
    seen = None if result.last_seen is None else iso_time(result.last_seen)
    return events.Status(user=result.user, presence=result.presence, last_seen=seen)


def iso_time(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, of ms since 1970; "unknown" for what no calendar has."""
    seconds, rest = divmod(milliseconds, 1000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "unknown"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
