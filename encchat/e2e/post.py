"""Parcels on their way: kept until the server has them, asked for again with the same ULID after every loss.

A batch goes once as far as inboxes are concerned, however often it is sent: the server remembers its ULID.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import wire
from encchat.e2e.interfaces import Ask, Keep, Tell, Warned
from encchat.e2e.refusals import TRANSIENT
from encchat.limits import MAX_ENVELOPE, MAX_PARCELS

_KIND: Final = "parcels"
_AROUND: Final = 160
"""Bytes of JSON around a parcel's body, its two names included."""


class _Batch(Struct, frozen=True, array_like=True):
    conversation: str
    parcels: list[wire.Parcel]


@define
class Post:
    """Batches by ULID, the oldest first."""

    _keep: Keep
    _ask: Ask
    _tell: Tell
    _ulid: Callable[[], str]
    _flying: set[str] = field(init=False, factory=set)
    _waiting: set[str] = field(init=False)
    """What the store has of that kind: it is asked for with every message."""

    def __attrs_post_init__(self) -> None:
        self._waiting = set(self._keep.all(_KIND))

    def send(self, conversation: str, parcels: Sequence[wire.Parcel]) -> None:
        """Keep and send them, in as many batches as lines need."""
        for batch in _batches(parcels):
            ulid = self._ulid()
            self._put(ulid, msgspec.msgpack.encode(_Batch(conversation, batch)))
            self._fly(ulid, conversation, batch)

    def resend(self) -> None:
        """Send again what has not been accepted."""
        for ulid in sorted(self._waiting - self._flying):
            if (kept := self._keep.get(_KIND, ulid)) is not None:
                batch = msgspec.msgpack.decode(kept, type=_Batch)
                self._fly(ulid, batch.conversation, batch.parcels)

    def lost(self) -> None:
        """The connection is gone."""
        self._flying.clear()

    def drop(self) -> None:
        """What waits was made with ratchets that are gone."""
        for ulid in list(self._waiting):
            self._put(ulid, None)

    @property
    def waiting(self) -> int:
        """Batches that are not accepted yet."""
        return len(self._waiting)

    def _put(self, ulid: str, batch: bytes | None) -> None:
        if batch is None:
            self._waiting.discard(ulid)
        else:
            self._waiting.add(ulid)
        self._keep.put(_KIND, ulid, batch)

    def _fly(self, ulid: str, conversation: str, parcels: Sequence[wire.Parcel]) -> None:
        self._flying.add(ulid)
        done = partial(self._landed, ulid)
        self._ask(wire.SendParcels, done, conversation=conversation, ulid=ulid, parcels=list(parcels))

    def _landed(self, ulid: str, answer: wire.Ok | wire.Error) -> None:
        self._flying.discard(ulid)
        if isinstance(answer, wire.Error) and answer.code in TRANSIENT:
            return
        self._put(ulid, None)
        if isinstance(answer, wire.Error):
            self._tell(Warned("parcels-refused", f"the server did not take keys for other devices: {answer.text}"))


def _batches(parcels: Sequence[wire.Parcel]) -> Iterator[list[wire.Parcel]]:
    """As many as one request and one line hold."""
    batch: list[wire.Parcel] = []
    size = 0
    for parcel in parcels:
        more = len(parcel.body) + _AROUND
        if batch and (len(batch) >= MAX_PARCELS or size + more > MAX_ENVELOPE):
            yield batch
            batch, size = [], 0
        batch.append(parcel)
        size += more
    if batch:
        yield batch
