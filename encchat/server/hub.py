"""Who is connected, and the loop that tells them: accounts to connections, each event encoded once.

The hub keeps no rules. A `Delivery` is encoded the first time somebody is there to hear it, and every
receiver's outbox is handed the same bytes object. Connections whose reader is behind (`pass_by`) are passed by
with messages; as long as there is none, that costs a delivery one test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeAlias

from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.server.chat import Delivery
from encchat.server.model import Account, Device
from encchat.server.traces import trace
from encchat.wire import Message, ServerLine, encode

log = Logger()


class Receiver(Protocol):
    """A connection that has logged in, as the hub sees it."""

    @property
    def device(self) -> Device:
        """The device it logged in from."""

    @property
    def write_line(self) -> Callable[[bytes], None]:
        """Take a line, without delimiter, to be sent at the end of the turn."""

    def become(self, account: Account) -> None:
        """The account has changed."""

    def leave(self, last: ServerLine | None = None) -> None:
        """Be gone now, hear ``last``, and be hung up at the end of the turn."""

    def break_off(self) -> None:
        """Hang up at once."""


_Way: TypeAlias = tuple[Receiver, Callable[[bytes], None]]
"""A connection, and its `Receiver.write_line`."""


class Hub:
    """The connections of every account; names as registered.

    Who is told is never changed while it is walked: a tuple, or a list that was made for the purpose.
    """

    def __init__(self) -> None:
        self._everybody: dict[Receiver, Callable[[bytes], None]] = {}
        self._of: dict[str, tuple[_Way, ...]] = {}
        self._behind: dict[Receiver, bool] = {}
        """Who is passed by with messages, and whether it has missed one."""

    def add(self, name: str, receiver: Receiver) -> bool:
        """A connection of ``name`` has logged in; True if it is the account's first."""
        others = self._of.get(name, ())
        self._everybody[receiver] = receiver.write_line
        self._of[name] = (*others, (receiver, receiver.write_line))
        return not others

    def remove(self, name: str, receiver: Receiver) -> bool:
        """A connection of ``name`` is gone; True if it was the account's last."""
        if self._everybody.pop(receiver, None) is None:
            return False
        left = tuple(way for way in self._of[name] if way[0] is not receiver)
        if left:
            self._of[name] = left
            return False
        del self._of[name]
        return True

    def of(self, name: str) -> tuple[Receiver, ...]:
        """The connections of ``name``."""
        return tuple(receiver for receiver, _ in self._of.get(name, ()))

    def has_several(self, name: str) -> bool:
        """Whether ``name`` has more than one connection."""
        return len(self._of.get(name, ())) > 1

    def pass_by(self, receiver: Receiver) -> None:
        """Deliver no messages to ``receiver`` until `follow`; it need not have logged in."""
        self._behind.setdefault(receiver, False)

    def follow(self, receiver: Receiver) -> bool:
        """Deliver to ``receiver`` again, or forget it; True if it missed a message meanwhile."""
        return self._behind.pop(receiver, False)

    def deliver(self, delivery: Delivery, skip: Receiver | None = None) -> None:
        """Give the event to all devices of its receivers, but not to the connection ``skip``."""
        ways = self._ways(delivery.to)
        if self._behind and type(delivery.event) is Message:
            ways = self._followers(ways, skip)
        if not ways or (len(ways) == 1 and ways[0][0] is skip):
            return
        line = encode(delivery.event)
        for receiver, write_line in ways:
            if receiver is skip:
                continue
            try:
                write_line(line)
            except Exception:  # noqa: BLE001 - one broken receiver must not cost the others their line
                where = trace(Failure())
                log.error("a receiver was hung up: {trace}", event="receiver_broke", trace=where)
                receiver.break_off()

    def tell_device(self, name: str, key: bytes, event: ServerLine) -> None:
        """Give the event to the connections of one device of ``name``; one that is behind has missed it."""
        for receiver, write_line in self._of.get(name, ()):
            if receiver.device.key != key:
                continue
            if receiver in self._behind:
                self._behind[receiver] = True
            else:
                write_line(encode(event))

    def _followers(self, ways: Sequence[_Way], skip: Receiver | None) -> Sequence[_Way]:
        """Those who are not behind; the others, but for ``skip``, have missed this message."""
        behind = self._behind
        behind.update({receiver: True for receiver, _ in ways if receiver in behind and receiver is not skip})
        return [way for way in ways if way[0] not in behind]

    def _ways(self, to: Collection[str] | None) -> Sequence[_Way]:
        if to is None:
            return list(self._everybody.items())
        of = self._of
        if len(to) == 1:
            (name,) = to
            return of.get(name, ())
        return [way for name in to if name in of for way in of[name]]
