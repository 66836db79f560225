"""The Megolm session this device sends with in a conversation, and with whom its key was shared.

A session ends, and a fresh one begins, when a device that has its key is not among the conversation's any more
(somebody left, was removed, or a device was revoked), after `ROTATE_AFTER_MESSAGES`, and after `ROTATE_AFTER_SECONDS`.
The session is pickled under a key of its own each time, because the library's pickles have a fixed IV per key
(facts.md, vodozemac 4); the store seals both. It is kept before the message made with it goes out: a session that is
rolled back uses its message keys twice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Final

import msgspec
import vodozemac
from attrs import define, field
from msgspec import Struct

from encchat import limits
from encchat.e2e.interfaces import Device, Keep
from encchat.names import folded

_OUT: Final = "megolm-out"
_SHARED: Final = "megolm-shared"


class Outbound(Struct, frozen=True):
    """A session for sending: ``pickle`` under ``pickle_key``; ``made`` in seconds since 1970."""

    session: str
    pickle: str
    pickle_key: bytes
    made: float
    messages: int = 0


class Shared(Struct, frozen=True):
    """To whom the key of an own session went, and from which index on, by `place`.

    ``missed``: devices there was no way to reach, and when that was tried; ``due``: from which index on the key was to
    be theirs by then. ``key`` opens all messages of the session.
    """

    conversation: str
    key: str
    made: float
    to: dict[str, int] = {}
    missed: dict[str, float] = {}
    due: dict[str, int] = {}


def place(device: Device) -> str:
    """A device as `Shared` names it; one that has made new keys is another."""
    return f"{device.device} {folded(device.user)} {device.curve25519}"


@define
class OutboundSessions:
    """All of them, in the client's store."""

    keep: Keep
    random: Callable[[int], bytes]
    _last: tuple[str, vodozemac.GroupSession] | None = field(init=False, default=None)
    """The session that was kept last, behind its pickle: whoever reads that very pickle need not unpickle it."""

    def get(self, conversation: str) -> Outbound | None:
        """The session in use in the conversation of that id."""
        found = self.keep.get(_OUT, conversation)
        return None if found is None else msgspec.msgpack.decode(found, type=Outbound)

    def shared(self, session: str) -> Shared | None:
        """To whom the key went, for sessions in use and for those before."""
        found = self.keep.get(_SHARED, session)
        return None if found is None else msgspec.msgpack.decode(found, type=Shared)

    def put_shared(self, session: str, shared: Shared) -> None:
        """Remember to whom the key went."""
        self.keep.put(_SHARED, session, msgspec.msgpack.encode(shared))

    def begin(self, conversation: str, now: float, export: Callable[[str], str]) -> tuple[Outbound, str]:
        """A fresh session takes the place of the one before; also its key. ``export`` makes the key one to keep."""
        session = vodozemac.GroupSession()
        key = session.session_key.to_base64()
        began = self._put(conversation, session, now, 0)
        self.put_shared(began.session, Shared(conversation=conversation, key=export(key), made=now))
        return began, key

    def drop(self, conversation: str) -> None:
        """The next message needs a fresh session."""
        self.keep.put(_OUT, conversation, None)

    def drop_all(self) -> None:
        """The same for every conversation."""
        for conversation in self.keep.all(_OUT):
            self.keep.put(_OUT, conversation, None)

    def key(self, session: Outbound) -> str:
        """The key that opens what is said from now on."""
        return str(self._unpickled(session).session_key.to_base64())

    def encrypt(self, conversation: str, using: Outbound, payload: bytes) -> str:
        """The next message, in base64."""
        session = self._unpickled(using)
        message = session.encrypt(payload)
        self._put(conversation, session, using.made, using.messages + 1)
        return str(message.to_base64())

    def forget_before(self, time: float) -> None:
        """Keys of sessions that were made before ``time`` and are not in use any more are gone."""
        in_use = {msgspec.msgpack.decode(value, type=Outbound).session for value in self.keep.all(_OUT).values()}
        for session, value in self.keep.all(_SHARED).items():
            if session not in in_use and msgspec.msgpack.decode(value, type=Shared).made < time:
                self.keep.put(_SHARED, session, None)

    def _put(self, conversation: str, session: vodozemac.GroupSession, made: float, messages: int) -> Outbound:
        key = self.random(32)
        row = Outbound(
            session=session.session_id, pickle=session.pickle(key), pickle_key=key, made=made, messages=messages
        )
        self.keep.put(_OUT, conversation, msgspec.msgpack.encode(row))
        self._last = row.pickle, session
        return row

    def _unpickled(self, row: Outbound) -> vodozemac.GroupSession:
        """A session that is used is kept anew before anything else is done: it is never ahead of its pickle."""
        if self._last is not None and self._last[0] == row.pickle:
            return self._last[1]
        return vodozemac.GroupSession.from_pickle(row.pickle, row.pickle_key)


def is_spent(session: Outbound, now: float) -> bool:
    """Whether it has been in use for long enough; a clock that was set back counts as well."""
    return (
        session.messages >= limits.ROTATE_AFTER_MESSAGES
        or now - session.made >= limits.ROTATE_AFTER_SECONDS
        or now < session.made - limits.ROTATE_AFTER_SECONDS
    )


def has_left(shared: Shared, devices: Sequence[Device]) -> bool:
    """Whether a device that has the key is not among ``devices`` any more."""
    return not shared.to.keys() <= {place(device) for device in devices}


def lacking(shared: Shared, devices: Sequence[Device], now: float, tried: Container[str] = ()) -> list[Device]:
    """The devices that have yet to get the key.

    One that could not be reached is tried again after a while, or if it is not among the places ``tried`` since the
    login.
    """
    return [
        device
        for device in devices
        if place(device) not in shared.to and not (place(device) in tried and _missed_lately(shared, device, now))
    ]


def _missed_lately(shared: Shared, device: Device, now: float) -> bool:
    missed = shared.missed.get(place(device))
    return missed is not None and 0 <= now - missed < limits.SHARE_AGAIN_SECONDS
