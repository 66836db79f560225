"""What the server says, as the screen events that show it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from encchat import wire
from encchat.client import events
from encchat.client.store.interface import StoredMessage
from encchat.limits import MAX_KEPT_MESSAGES


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
        ephemeral=said.seq == 0,
    )


def sent(result: wire.Sent) -> events.Sent:
    """This client's own message, accepted."""
    return events.Sent(ulid=result.ulid, conversation=result.conversation, seq=result.seq, ephemeral=result.seq == 0)


def status(result: wire.UserStatus) -> events.Status:
    """One account's presence."""
    seen = None if result.last_seen is None else iso_time(result.last_seen)
    return events.Status(user=result.user, presence=result.presence, last_seen=seen)


def iso_time(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, of ms since 1970; "unknown" for what no calendar has."""
    seconds, rest = divmod(milliseconds, 1000)
    try:
        return f"{_to_the_second(seconds)}.{rest:03d}Z"
    except (ValueError, OverflowError, OSError):
        return "unknown"


@lru_cache(maxsize=MAX_KEPT_MESSAGES)
def _to_the_second(seconds: int) -> str:
    """Remembered: what is said at the same time begins with the same time."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
