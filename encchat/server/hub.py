"""Who is connected, and the loop that tells them: accounts to connections, each event encoded once.

The hub keeps no rules. A `Delivery` is encoded the first time somebody is there to hear it, and every
receiver's outbox is handed the same bytes object. Connections whose reader is behind (`pass_by`) are passed by
with messages; as long as there is none, that costs a delivery one test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

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


class Hub:
    """The connections of every account; names as registered."""

    def __init__(self) -> None:
        self._everybody: dict[Receiver, Callable[[bytes], None]] = {}
        self._of: dict[str, dict[Receiver, Callable[[bytes], None]]] = {}
        self._behind: dict[Receiver, bool] = {}
        """Who is passed by with messages, and whether it has missed one."""

    def add(self, name: str, receiver: Receiver) -> bool:
        """A connection of ``name`` has logged in; True if it is the account's first."""
        mine = self._of.setdefault(name, {})
        mine[receiver] = self._everybody[receiver] = receiver.write_line
        return len(mine) == 1

    def remove(self, name: str, receiver: Receiver) -> bool:
        """A connection of ``name`` is gone; True if it was the account's last."""
        mine = self._of.get(name, {})
        if mine.pop(receiver, None) is None:
            return False
        del self._everybody[receiver]
        if mine:
            return False
        del self._of[name]
        return True

    def of(self, name: str) -> tuple[Receiver, ...]:
        """The connections of ``name``."""
        return tuple(self._of.get(name, ()))

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
        receivers = self._receivers(delivery.to)
        if self._behind and type(delivery.event) is Message:
            receivers = self._followers(receivers, skip)
        if not receivers or (len(receivers) == 1 and receivers[0][0] is skip):
            return
        line = encode(delivery.event)
        for receiver, write_line in receivers:
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
        for receiver, write_line in list(self._of.get(name, {}).items()):
            if receiver.device.key != key:
                continue
            if receiver in self._behind:
                self._behind[receiver] = True
            else:
                write_line(encode(event))

    def _followers(
        self, receivers: list[tuple[Receiver, Callable[[bytes], None]]], skip: Receiver | None
    ) -> list[tuple[Receiver, Callable[[bytes], None]]]:
        """Those who are not behind; the others, but for ``skip``, have missed this message."""
        behind = self._behind
        behind.update({receiver: True for receiver, _ in receivers if receiver in behind and receiver is not skip})
        return [item for item in receivers if item[0] not in behind]

    def _receivers(self, to: Collection[str] | None) -> list[tuple[Receiver, Callable[[bytes], None]]]:
        if to is None:
            return list(self._everybody.items())
        return [item for name in to if name in self._of for item in self._of[name].items()]
