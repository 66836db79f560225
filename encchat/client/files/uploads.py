"""Sending a file: it is read once to know it, then sealed piece by piece to the server, then the message about it goes.

Theory of operation. The first reading takes the SHA-256 of the whole and of each piece; both are in the store before
the first piece is sealed. A piece is sealed again after a lost connection or a restart, under the same key and nonce,
which gives nothing away as long as its bytes are the same: a piece whose digest is another one is never sealed, and the
upload fails, as the file was changed meanwhile. The server says how many pieces it has; `FILE_WINDOW` are under way.
When it has all, the message about the file enters the outbox in the same transaction in which the upload is forgotten,
so it is sent once.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, ClassVar, Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import wire
from encchat.client import events
from encchat.client.files.sealed import HASH_BYTES, ChunkSeal, description
from encchat.client.files.transfer import NO_CONNECTION, PASSING, Step, Transfer, shown
from encchat.client.requests import Answer
from encchat.errors import EncchatError, NotConnectedError
from encchat.limits import FILE_AGAIN, FILE_CHUNK, FILE_HASH_SLICE, FILE_WINDOW
from encchat.wire.files import chunks_of

KIND: Final = "file-out"
_CHANGED: Final = "it was changed while it was being sent"


class Outbound(Struct, frozen=True):
    """What is kept of an upload; ``digests``: SHA-256 of each piece, empty before the file was read."""

    file: str
    conversation: str
    path: str
    name: str
    size: int
    media: str
    key: bytes
    sha256: bytes = b""
    digests: bytes = b""

    def __repr__(self) -> str:
        """Not the key."""
        return f"Outbound({self.file}, {self.name!r}, {self.size})"


_decoder: Final = msgspec.msgpack.Decoder(Outbound)


def kept(value: bytes) -> Outbound:
    """What an earlier process has kept."""
    return _decoder.decode(value)


@define(eq=False)
class Upload(Transfer):
    """See the module's theory of operation."""

    _record: Outbound
    direction: ClassVar[events.Direction] = "out"
    _seal: ChunkSeal = field(init=False, repr=False)
    _hash: Any = field(init=False, factory=hashlib.sha256, repr=False)
    _digests: bytearray = field(init=False, factory=bytearray, repr=False)
    _read: int = field(init=False, default=0)
    _sent: int = field(init=False, default=0)
    """Pieces the server has."""
    _next: int = field(init=False, default=0)
    _offered: bool = field(init=False, default=False)
    _broken: bool = field(init=False, default=False)
    _tries: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        record = self._record
        self._seal = ChunkSeal(record.file, self.count, record.key)
        if record.sha256:
            self.step, self._reason = Step.READY, NO_CONNECTION
        else:
            self._keep()

    @property
    def ulid(self) -> str:
        """The file's, which its message will have too."""
        return self._record.file

    @property
    def count(self) -> int:
        """How many pieces it has."""
        return chunks_of(self._record.size)

    @property
    def busy(self) -> bool:
        """Whether there is something to read, to hash or to seal."""
        if self.step is Step.LOOKING:
            return True
        moving = self.step is Step.MOVING and self._offered and not self._broken
        return moving and self._flying < FILE_WINDOW and self._next < self.count

    def event(self) -> events.Transfer:
        """How far it is."""
        record = self._record
        return events.Transfer(
            ulid=record.file,
            conversation=record.conversation,
            name=record.name,
            media=record.media,
            direction="out",
            done=min(self._sent * FILE_CHUNK, record.size),
            size=record.size,
            state=shown(self.step, self._reason),
            reason=self._reason,
        )

    def go(self) -> None:
        """Ask how far the server is."""
        record = self._record
        self.step, self._reason = Step.MOVING, ""
        self._offered = self._broken = False
        self._round, self._flying = self._round + 1, 0
        self._desk.ask(
            wire.OfferFile,
            partial(self._told, self._round),
            file=record.file,
            conversation=record.conversation,
            size=record.size,
            chunks=self.count,
        )

    # Reading it to know it ----------------------------------------------------------------------
    def _look(self) -> None:
        record = self._record
        data = self._desk.files.slice(record.path, self._read, FILE_HASH_SLICE)
        self._read += len(data)
        if self._read > record.size or (self._read < record.size and len(data) < FILE_HASH_SLICE):
            self._fail(_CHANGED)
            return
        self._hash.update(data)
        for begin in range(0, len(data), FILE_CHUNK):
            self._digests += hashlib.sha256(data[begin : begin + FILE_CHUNK]).digest()
        if self._read == record.size:
            self._record = msgspec.structs.replace(record, sha256=self._hash.digest(), digests=bytes(self._digests))
            self._keep()
            self._looked()

    def _keep(self) -> None:
        self._desk.keep.put(KIND, self.ulid, msgspec.msgpack.encode(self._record))

    # Over the wire ------------------------------------------------------------------------------
    def _told(self, number: int, answer: Answer) -> None:
        """How far the server is, or why it does not want it."""
        if self._is_late(number):
            return
        if isinstance(answer, wire.Error):
            self._refused(answer)
        elif isinstance(answer.result, wire.FileState) and 0 <= answer.result.received <= self.count:
            self._sent = self._next = answer.result.received
            self._offered = True
            self._desk.tell(self)
            self._end_if_through()
        else:
            self._fail("the server does not say how much of it it has")

    def _move(self) -> None:
        """Seal and send the next piece."""
        number = self._next
        plain = self._desk.files.slice(self._record.path, number * FILE_CHUNK, FILE_CHUNK)
        begin = number * HASH_BYTES
        if hashlib.sha256(plain).digest() != self._record.digests[begin : begin + HASH_BYTES]:
            self._fail(_CHANGED)  # another text under the same nonce would give both away
            return
        self._next, self._flying = number + 1, self._flying + 1
        sealed = self._seal.seal(number, plain)
        done = partial(self._taken, self._round, number)
        self._desk.ask(wire.PutChunk, done, file=self.ulid, number=number, data=sealed)

    def _taken(self, asked: int, number: int, answer: Answer) -> None:
        if self._is_late(asked):
            return
        self._flying -= 1
        if isinstance(answer, wire.Error):
            if answer.code == NotConnectedError.code:
                return
            self._broken = True
            if answer.code in PASSING:
                self._refused(answer)
        elif number >= self._sent:
            self._sent, self._tries = number + 1, 0
            self._desk.tell(self, rarely=True)
        if self._broken and not self._flying and self.step is Step.MOVING:
            self._begin_again(answer)
        self._end_if_through()

    def _begin_again(self, answer: Answer) -> None:
        """The server has not taken a piece: how far it is, or what is wrong, it says when it is asked."""
        self._tries += 1
        if self._tries > FILE_AGAIN and isinstance(answer, wire.Error):
            self._refused(answer)
        else:
            self.go()

    def _end_if_through(self) -> None:
        if self.step is Step.MOVING and self._offered and not self._broken and self._sent == self.count:
            self.step = Step.ENDING
            self._end()

    # The message about it -----------------------------------------------------------------------
    def _end(self) -> None:
        record = self._record
        text = description(record.file, record.name, record.size, record.media, record.key, record.sha256)
        try:
            self._desk.say(record.conversation, text, record.file, self._said)
        except EncchatError as error:
            self._fail(error.text)
            return
        self._desk.keep.put(KIND, self.ulid, None)
        self._desk.moved_on()

    def _said(self, answer: Answer) -> None:
        """The message was taken, or is not sent."""
        if isinstance(answer, wire.Error):
            self._fail(answer.text)
        else:
            self.step = Step.OVER
            self._desk.tell(self)

    def _fail(self, reason: str) -> None:
        if self.step is Step.OVER:
            return
        had = self._offered
        self.step, self._reason = Step.OVER, reason
        self._desk.keep.put(KIND, self.ulid, None)
        if had:
            self._desk.ask(wire.DropFile, lambda answer: None, file=self.ulid)
        self._desk.tell(self)
        self._desk.moved_on()
