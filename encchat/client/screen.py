"""What the server says, as the screen events that show it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from encchat import wire
from encchat.client import events
from encchat.client.files.sealed import described
from encchat.client.store.interface import NEWER, StoredMessage
from encchat.errors import FileRefusedError
from encchat.limits import MAX_KEPT_MESSAGES


def message(said: StoredMessage, *, missed: bool = False) -> events.Said:
    """A message or a file, or that it could not be opened or is none of what this client knows."""
    if said.content == "sealed":
        return _unreadable(said, said.reason, missed)
    if said.content == "file":
        return _file(said, missed)
    if said.content.startswith(NEWER):
        return _unreadable(said, "newer", missed)
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


def _unreadable(said: StoredMessage, reason: str, missed: bool) -> events.Undecryptable:
    return events.Undecryptable(
        ulid=said.ulid,
        conversation=said.conversation,
        sender=said.sender,
        reason=reason,
        kind=said.kind,
        seq=said.seq,
        time=iso_time(said.time),
        missed=missed,
    )


def _file(said: StoredMessage, missed: bool) -> events.File | events.Undecryptable:
    try:
        file = described(said.body)
    except FileRefusedError:
        return _unreadable(said, "bad-file", missed)
    if not said.seq:  # off the record there are no files: the server keeps nothing of such a room
        return _unreadable(said, "bad-file", missed)
    return events.File(
        conversation=said.conversation,
        kind=said.kind,
        seq=said.seq,
        sender=said.sender,
        name=file.name,
        size=file.size,
        media=file.type,
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
