"""Files on their way, in both directions: each has its turn, goes on after a lost connection and after a restart.

Theory of operation. One upload and one download move at a time, in the order they were begun: a file is through sooner
than when all are half through, and what people say is never behind more than `FILE_WINDOW` pieces. Slices of reading,
hashing, sealing and writing are done by `work`, one at a time. How far a file is is told at most four times a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from attrs import define, field

from encchat import wire
from encchat.client import events
from encchat.client.files import downloads, uploads
from encchat.client.files.disk import Files, Found
from encchat.client.files.downloads import Download, Inbound
from encchat.client.files.sealed import KEY_BYTES, Descriptor, clean_name, described
from encchat.client.files.transfer import Step, Transfer
from encchat.client.files.uploads import Outbound, Upload
from encchat.client.floor import Floor
from encchat.client.ledger import Ledger
from encchat.client.requests import Done
from encchat.client.store import StoredMessage
from encchat.e2e.interfaces import Aside
from encchat.errors import FileRefusedError, OverloadedError, StoreError, UsageError
from encchat.limits import MAX_TRANSFERS, TRANSFER_SHOWN_SECONDS

_DIRECTIONS: Final[tuple[events.Direction, ...]] = ("out", "in")


@define(eq=False)
class Transfers:
    """See the module's theory of operation; ``clock`` gives seconds, ``settled`` is told when one is over."""

    _floor: Floor
    _ledger: Ledger
    _clock: Callable[[], float]
    aside: Aside
    _settled: Callable[[], None]
    online: bool = field(init=False, default=False)
    _all: dict[tuple[events.Direction, str], Transfer] = field(init=False, factory=dict)
    _told: dict[tuple[events.Direction, str], float] = field(init=False, factory=dict)
    _moving: bool = field(init=False, default=False)

    # The life of the client -----------------------------------------------------------------------
    def use(self) -> None:
        """The ledger has another store now: take up what an earlier process has left."""
        for value in self._ledger.all(uploads.KIND).values():
            self._add(Upload(self, _kept(uploads.kept, value)))
        for name, value in self._ledger.all(downloads.KIND).items():
            record = _kept(downloads.kept, value)
            message = self._ledger.at(record.conversation, record.seq)
            try:
                file = described("" if message is None else message.body)
            except FileRefusedError:
                self._ledger.put(downloads.KIND, name, None)
            else:
                self._add(Download(self, record, file))
        for transfer in self._all.values():
            if transfer.step is not Step.LOOKING:  # else it tells when it knows how far it is
                self.tell(transfer)

    def connected(self) -> None:
        """A login is through."""
        self.online = True
        self.moved_on()

    def lost(self) -> None:
        """The connection is gone."""
        self.online = False
        for transfer in list(self._all.values()):
            transfer.lost()

    def retry(self) -> None:
        """Ask again what was refused for a while."""
        for transfer in self._all.values():
            transfer.again()
        self.moved_on()

    @property
    def stuck(self) -> bool:
        """Whether something waits for `retry`."""
        return any(transfer.step is Step.STUCK for transfer in self._all.values())

    @property
    def active(self) -> int:
        """How many there are."""
        return len(self._all)

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        return any(transfer.busy for transfer in self._all.values())

    def work(self) -> None:
        """One slice of the first that has something to do; it is behind the others then."""
        for key, transfer in self._all.items():
            if transfer.busy:
                transfer.work()
                if self._all.get(key) is transfer and transfer.step is Step.LOOKING:
                    self._all[key] = self._all.pop(key)
                return

    # What commands do -----------------------------------------------------------------------------
    def send(self, conversation: str, found: Found, media: str) -> str:
        """Send a file; its ULID, and that of its message."""
        self._has_room()
        ulid = self._floor.new_ulid()
        key = self._floor.random(KEY_BYTES)
        record = Outbound(ulid, conversation, found.path, clean_name(found.name), found.size, media, key)
        self._add(Upload(self, record))
        return ulid

    def fetch(self, message: StoredMessage, file: Descriptor, path: str) -> None:
        """Fetch the file that ``message`` tells of to ``path``."""
        if ("in", message.ulid) in self._all:
            raise UsageError(f"{file.name} is being fetched already: /files shows how far it is")
        self._has_room()
        self._add(Download(self, Inbound(message.ulid, message.conversation, message.seq, path), file))

    def stop(self, ulid: str) -> bool:
        """Give up what is under way by that ULID; whether there was anything."""
        found = [transfer for (_, name), transfer in self._all.items() if name == ulid]
        for transfer in found:
            transfer.stop()
        return bool(found)

    def under_way(self) -> list[events.Transfer]:
        """How far each is."""
        return [transfer.event() for transfer in self._all.values()]

    def left_behind(self) -> str:
        """What becomes of them if this client ends now."""
        names = ", ".join(transfer.event().name for transfer in self._all.values())
        return (
            f"{names}: not through; goes on at the next start" if self._ledger.store.durable else f"{names}: given up"
        )

    def _has_room(self) -> None:
        if len(self._all) >= MAX_TRANSFERS:
            raise OverloadedError(f"{MAX_TRANSFERS} files are on their way already: wait for some of them")

    def _add(self, transfer: Transfer) -> None:
        self._all[transfer.direction, transfer.ulid] = transfer

    # What a transfer gets (encchat.client.files.transfer.Desk) ------------------------------------------
    @property
    def files(self) -> Files:
        """The files of whoever sits here."""
        return self._floor.files

    @property
    def keep(self) -> Ledger:
        """The client's store."""
        return self._ledger

    def ask(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """Send a request that no line typed waits for."""
        self._floor.ask_quietly(kind, done, **fields)

    def say(self, conversation: str, text: str, ulid: str, done: Done) -> None:
        """Send the message about a file."""
        self._floor.say("/send", conversation, text, done, content="file", ulid=ulid)

    def tell(self, transfer: Transfer, *, rarely: bool = False) -> None:
        """Show how far it is; one that is over is forgotten."""
        key, now = (transfer.direction, transfer.ulid), self._clock()
        if rarely and 0 <= now - self._told.get(key, 0.0) < TRANSFER_SHOWN_SECONDS:
            return
        self._told[key] = now
        self._floor.show(transfer.event())
        if transfer.step is Step.OVER:
            self._all.pop(key, None)
            self._told.pop(key, None)
            self._ledger.afterwards(self._settled)

    def moved_on(self) -> None:
        """Let those go whose turn it is; not from within another's going, which may end at once."""
        if self._moving:
            return
        self._moving = True
        for direction in _DIRECTIONS:
            while (ready := self._next(direction)) is not None:
                ready.go()
        self._moving = False

    def _next(self, direction: events.Direction) -> Transfer | None:
        """Who may go now: nobody without a connection, or while another moves."""
        there = [transfer for transfer in self._all.values() if transfer.direction == direction]
        if not self.online or any(transfer.step is Step.MOVING for transfer in there):
            return None
        return next((transfer for transfer in there if transfer.step is Step.READY), None)


def _kept(read: Callable[[bytes], Any], value: bytes) -> Any:
    try:
        return read(value)
    except msgspec.MsgspecError as error:
        raise StoreError(f"what is kept of a file on its way cannot be read: {error}") from None
