"""The device's inbox: parcels opened in order, once each, acknowledged when what they brought is kept.

Theory of operation. A parcel is from a device of the sender's that its identity key vouches for, or it is dropped; one
whose device is not known here waits until the sender's list is up to date, and those behind it wait with it. What a
parcel brings is kept in the same transaction as the ratchet it was opened with, and the acknowledgement leaves after
that. Until the server has confirmed it, the parcel's digest is kept, so that one that comes again is not taken for
one that cannot be opened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Final

from attrs import define, field

from encchat import wire
from encchat.e2e import payload
from encchat.e2e.base64s import from_base64
from encchat.e2e.devices import DeviceLists
from encchat.e2e.interfaces import Ask, Device, Keep
from encchat.e2e.olm import OlmSessions
from encchat.e2e.payload import Parcel
from encchat.e2e.refusals import TRANSIENT
from encchat.errors import EncchatError, NotConnectedError, UndecryptableError
from encchat.limits import PARCELS_SLICE

_SEEN: Final = "inbox-seen"


@define
class Arrivals:
    """``deliver`` takes what a parcel held and its device; ``failed`` a device whose parcel could not be opened."""

    _keep: Keep
    _ask: Ask
    _lists: DeviceLists
    _sessions: OlmSessions
    _me: Callable[[], Device]
    _deliver: Callable[[Parcel, Device], None]
    _failed: Callable[[Device], None]
    _queue: deque[wire.InboxItem] = field(init=False, factory=deque)
    _queued: set[int] = field(init=False, factory=set)
    _asking: bool = field(init=False, default=False)
    _taken: int = field(init=False, default=0)
    _reading: bool = field(init=False, default=False)
    """Whether the inbox may have something before what was taken: an acknowledgement would drop that."""
    _refused: bool = field(init=False, default=False)
    """The server refused, for a while, to show the inbox or a sender's keys: `look` tries again."""

    def begin(self) -> None:
        """Read the inbox from its beginning: what is in it has not been acknowledged."""
        self.lost()
        self._read(0)

    def lost(self) -> None:
        """The connection is gone."""
        self._queue.clear()
        self._queued.clear()
        self._asking, self._taken, self._refused, self._reading = False, 0, False, False

    def look(self) -> None:
        """Some time has passed: what was refused for a while is asked for again."""
        if self._refused:
            self.read_again()

    def read_again(self) -> None:
        """Something in the inbox was not pushed; what comes twice is taken once."""
        self._refused = False
        self._read(0)

    def receive(self, item: wire.InboxItem) -> None:
        """One more, pushed or read; the same may come in both ways."""
        if item.seq not in self._queued:
            self._queued.add(item.seq)
            self._queue.append(item)

    def work(self) -> bool:
        """Open a slice; whether more is left that can be opened now."""
        for _ in range(PARCELS_SLICE):
            if not self._queue or self._asking or self._refused or not self._took(self._queue[0]):
                break
            self._taken = max(self._taken, self._queue.popleft().seq)
        self._acknowledge()
        return bool(self._queue) and not self._asking and not self._refused

    def _read(self, after: int) -> None:
        self._reading = True
        self._ask(wire.Inbox, self._page, after=after)

    def _page(self, answer: wire.Ok | wire.Error) -> None:
        page = answer.result if isinstance(answer, wire.Ok) else None
        if not isinstance(page, wire.InboxPage):
            self._refused = not (isinstance(answer, wire.Error) and answer.code == NotConnectedError.code)
            return
        for item in page.items:
            self.receive(item)
        if page.more and page.items:
            self._read(page.items[-1].seq)
        else:
            self._reading = False

    def _took(self, item: wire.InboxItem) -> bool:
        """Whether the item is done with; else it waits for its sender's devices."""
        digest, name = sha256(item.body.encode()).digest(), str(item.seq)
        if self._keep.get(_SEEN, name) == digest:
            return True
        sender = self._lists.find(item.sender, item.device)
        if sender is None and not self._lists.is_fresh(item.sender):
            self._asking = True
            self._lists.ensure(f"@{item.sender}", [item.sender], partial(self._known, item))
            return False
        self._keep.put(_SEEN, name, digest)
        if sender is not None:
            self._open(item, sender)
        return True

    def _known(self, item: wire.InboxItem, error: EncchatError | None) -> None:
        """The list is up to date, or cannot be had: then nobody vouches for that device."""
        if not self._asking or isinstance(error, NotConnectedError):
            return
        self._asking = False
        if error is not None and error.code in TRANSIENT:
            self._refused = True
        elif error is not None and self._queue and self._queue[0] is item:
            self._taken = max(self._taken, self._queue.popleft().seq)

    def _open(self, item: wire.InboxItem, sender: Device) -> None:
        data = from_base64(item.body[1:])
        try:
            if data is None or item.body[:1] not in ("0", "1"):
                raise UndecryptableError("broken")
            plaintext = self._sessions.decrypt(sender.peer, int(item.body[0]), data)
        except UndecryptableError:
            self._failed(sender)
            return
        try:
            parcel = payload.parse_parcel(plaintext, sender, self._me())
        except UndecryptableError:
            return  # it was made for somebody else, or by somebody else: nothing in it is believed
        self._deliver(parcel, sender)

    def _acknowledge(self) -> None:
        if self._taken and not self._reading:
            self._ask(wire.AckInbox, partial(self._acknowledged, self._taken), seq=self._taken)
            self._taken = 0

    def _acknowledged(self, seq: int, answer: wire.Ok | wire.Error) -> None:
        if isinstance(answer, wire.Ok):
            for name in self._keep.all(_SEEN):
                if int(name) <= seq:
                    self._keep.put(_SEEN, name, None)
                    self._queued.discard(int(name))
