"""Fetching a file: its pieces are asked for in order, opened, and written behind one another into ``NAME.part``.

Theory of operation. Each piece is opened before it is written (`encchat.client.files.sealed`), so the part holds
nothing that the sender has not sealed, and never more than the size that was said. After a restart the part is
read again, as a disk can lose what was written last; a whole number of pieces of it counts. When all are there and the
SHA-256 is that of the message the part gets its name. If it is not, and some of the part is of an earlier process,
all is fetched once more; else nothing is kept. Whoever was killed after the part got its name, and before that was
kept, finds the file there, whole, and is done.
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
from encchat.client.files.sealed import ChunkSeal, Descriptor
from encchat.client.files.transfer import Step, Transfer, shown
from encchat.client.requests import Answer
from encchat.limits import FILE_CHUNK, FILE_HASH_SLICE, FILE_WINDOW
from encchat.wire.files import sealed_length

KIND: Final = "file-in"


class Inbound(Struct, frozen=True):
    """What is kept of a download: which message tells of it, and where it goes; ``begun``: the part is ours."""

    ulid: str
    conversation: str
    seq: int
    path: str
    begun: bool = False


_decoder: Final = msgspec.msgpack.Decoder(Inbound)


def kept(value: bytes) -> Inbound:
    """What an earlier process has kept."""
    return _decoder.decode(value)


@define(eq=False)
class Download(Transfer):
    """See the module's theory of operation."""

    _record: Inbound
    _file: Descriptor
    direction: ClassVar[events.Direction] = "in"
    _seal: ChunkSeal = field(init=False, repr=False)
    _hash: Any = field(init=False, factory=hashlib.sha256, repr=False)
    _here: int = field(init=False, default=-1)
    """Bytes of an earlier part that count; -1 before it was looked at."""
    _named: bool = field(init=False, default=False)
    """Whether they have the file's own name already."""
    _read: int = field(init=False, default=0)
    _written: int = field(init=False, default=0)
    _next: int = field(init=False, default=0)
    _came: dict[int, bytes] = field(init=False, factory=dict, repr=False)
    """Pieces that are not written yet."""

    def __attrs_post_init__(self) -> None:
        self._seal = self._file.seal()
        self._keep()

    @property
    def ulid(self) -> str:
        """That of the message."""
        return self._record.ulid

    @property
    def busy(self) -> bool:
        """Whether there is something to read or to write."""
        return self.step is Step.LOOKING or (self.step is Step.MOVING and self._written in self._came)

    def event(self) -> events.Transfer:
        """How far it is."""
        done = self._read if self.step is Step.LOOKING else self._written * FILE_CHUNK
        return events.Transfer(
            ulid=self.ulid,
            conversation=self._record.conversation,
            name=self._file.name,
            media=self._file.type,
            direction="in",
            done=min(done, self._file.size),
            size=self._file.size,
            state=shown(self.step, self._reason),
            reason=self._reason,
            path=self._record.path if self.step is Step.OVER and not self._reason else "",
        )

    def go(self) -> None:
        """Ask for the pieces."""
        self.step, self._reason, self._next = Step.MOVING, "", self._written
        self._round, self._flying = self._round + 1, 0
        self._came.clear()
        self._desk.tell(self)
        self._ask_on()
        self._end_if_through()

    def _keep(self) -> None:
        self._desk.keep.put(KIND, self.ulid, msgspec.msgpack.encode(self._record))

    # What is there already ----------------------------------------------------------------------
    def _look(self) -> None:
        if self._here < 0:
            self._here = self._begin()
        if self._read < self._here:
            read = self._desk.files.slice if self._named else self._desk.files.part
            piece = read(self._record.path, self._read, min(FILE_HASH_SLICE, self._here - self._read))
            self._hash.update(piece)
            self._read += len(piece)
            if not piece:
                self._here = self._read  # it has become shorter: what is there by now cannot be told
                self._anew()
            return
        self._written = -(-self._here // FILE_CHUNK)
        if self._named:
            self._finished("" if self._is_right else f"{self._record.path} is there already")
            return
        self._looked()

    def _begin(self) -> int:
        """The bytes of the part that count: whole pieces; there is a part then."""
        path, size = self._record.path, self._file.size
        got = self._desk.files.got(path) if self._record.begun else None
        if got is None and self._record.begun and self._desk.files.has(path, size):
            self._named = True
            return size
        if got is None:
            self._desk.files.begin(path)
            self._record = msgspec.structs.replace(self._record, begun=True)
            self._keep()
            return 0
        return 0 if got > size else got if got == size else got - got % FILE_CHUNK

    def _anew(self) -> None:
        """Fetch all of it again."""
        self._hash, self._here, self._read, self._written = hashlib.sha256(), 0, 0, 0

    # Over the wire ------------------------------------------------------------------------------
    def _ask_on(self) -> None:
        while self._flying + len(self._came) < FILE_WINDOW and self._next < self._file.count:
            number, self._next, self._flying = self._next, self._next + 1, self._flying + 1
            done = partial(self._answered, self._round, number)
            self._desk.ask(wire.GetChunk, done, file=self._file.file, number=number)

    def _answered(self, asked: int, number: int, answer: Answer) -> None:
        if self._is_late(asked):
            return
        self._flying -= 1
        if isinstance(answer, wire.Ok):
            self._take(number, answer.result)
        else:
            self._refused(answer)

    def _take(self, number: int, result: wire.Result | None) -> None:
        expected = sealed_length(self._file.size, number)
        if not isinstance(result, wire.Chunk) or (result.file, result.number) != (self._file.file, number):
            self._fail(f"the server gives another piece than number {number + 1}, which was asked for")
        elif len(result.data) != expected:
            self._fail(f"piece {number + 1} has {len(result.data)} bytes, {expected} were said")
        elif number >= self._written:
            self._came[number] = result.data

    def _move(self) -> None:
        """Open and write the next piece."""
        number = self._written
        plain = self._seal.open(number, self._came.pop(number))
        self._desk.files.put(self._record.path, number * FILE_CHUNK, plain)
        self._hash.update(plain)
        self._written = number + 1
        self._desk.tell(self, rarely=True)
        self._ask_on()
        self._end_if_through()

    # The end ------------------------------------------------------------------------------------
    def _end_if_through(self) -> None:
        if self.step is not Step.MOVING or self._written < self._file.count:
            return
        if self._is_right:
            self.step = Step.ENDING
            files, path = self._desk.files, self._record.path
            self._desk.aside(lambda: files.finish(path), self._finished)
        elif self._here > 0:
            self._anew()
            self.go()
        else:
            self._fail("its SHA-256 is not the one that was sent: it is not that file")

    @property
    def _is_right(self) -> bool:
        return bool(self._hash.digest() == self._file.digest)

    def _finished(self, trouble: str) -> None:
        self.step, self._reason = Step.OVER, trouble
        self._desk.keep.put(KIND, self.ulid, None)
        self._desk.tell(self)
        self._desk.moved_on()

    def _fail(self, reason: str) -> None:
        if self.step is Step.OVER:
            return
        self.step, self._reason = Step.OVER, reason
        self._came.clear()
        self._desk.keep.put(KIND, self.ulid, None)
        if self._record.begun:
            self._desk.files.drop(self._record.path)
        self._desk.tell(self)
        self._desk.moved_on()
