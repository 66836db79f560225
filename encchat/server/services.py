"""The server's parts as commands reach them, and the two moments that concern several: arrival and departure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from attrs import Factory, define
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.net.outbox import TurnEnd
from encchat.net.timing import Scheduler
from encchat.server.auth import Authenticator
from encchat.server.chat import Chat, Delivery
from encchat.server.hub import Hub, Receiver
from encchat.server.model import Account
from encchat.server.settings import Settings
from encchat.server.traces import trace
from encchat.wire import Closing, CommandEntry, Role, ServerLine

log = Logger()


@define(eq=False, repr=False)
class Services:
    """One server's parts; ``store`` provides `IStore`, ``commands`` lists what a role (None: nobody yet) may use."""

    store: Any
    auth: Authenticator
    commands: Callable[[Role | None], list[CommandEntry]]
    clock: Scheduler
    turn: TurnEnd
    settings: Settings
    chat: Chat = Factory(Chat)
    hub: Hub = Factory(Hub)
    stopping: bool = False
    _announcing: bool = False

    def now(self) -> int:
        """Milliseconds since 1970 UTC."""
        return int(self.clock.seconds() * 1000)

    def carry_out(self, deliveries: Iterable[Delivery], skip: Receiver | None = None) -> None:
        """Deliver what the chat decided, and have presence announced at the end of the turn."""
        for delivery in deliveries:
            self.hub.deliver(delivery, skip)
        if self.chat.has_news and not self._announcing:
            self._announcing = True
            self.turn.call(self._announce)

    def _announce(self) -> None:
        self._announcing = False
        self.carry_out(self.chat.announcements())

    def arrive(self, account: Account, receiver: Receiver) -> None:
        """A connection has logged in. The account's contacts are read after it counts as here, so that one
        made in between is not missed."""
        first = self.hub.add(account.name, receiver)
        self._see_device(receiver)
        if not first:
            return
        self.chat.arrive(account)
        self.carry_out(())
        self._see(account)
        contacts: Deferred[list[str]] = self.store.contacts(account.id)
        contacts.addCallback(lambda names: self.carry_out(self.chat.meet(account.name, names)))
        contacts.addErrback(self._broke)

    def depart(self, account: Account, receiver: Receiver) -> None:
        """A connection is gone; with the last one the account is OFFLINE at once."""
        if self.hub.remove(account.name, receiver):
            self.carry_out(self.chat.depart(account.name))
            self._see(account)

    def expel(self, name: str, last: ServerLine) -> None:
        """Hang up all connections of ``name``; ``last`` is what they hear."""
        for receiver in self.hub.of(name):
            receiver.leave(last)

    def expel_device(self, name: str, key: bytes, last: ServerLine) -> None:
        """Hang up the connections of ``name`` that logged in from the device with that key."""
        for receiver in self.hub.of(name):
            if receiver.device.key == key:
                receiver.leave(last)

    def _see_device(self, receiver: Receiver) -> None:
        """Written after the connection is among those a revocation ends: one that the login crossed shows here."""
        seen: Deferred[bool] = self.store.mark_device_seen(receiver.device.key, self.now())
        seen.addCallback(self._check_device, receiver)
        seen.addErrback(self._broke)

    def _check_device(self, known: bool, receiver: Receiver) -> None:
        if known is False:
            receiver.leave(Closing(reason="this device was revoked: log in with the password"))

    def _see(self, account: Account) -> None:
        seen: Deferred[None] = self.store.mark_seen(account.id, self.now())
        seen.addErrback(self._broke)

    def _broke(self, failure: Failure) -> None:
        log.error("the store failed: {trace}", event="store_broke", trace=trace(failure))
