"""The server's parts as commands reach them, and the two moments that concern several: arrival and departure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from attrs import Factory, define, evolve, frozen
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.limits import CHUNKS_AT_ONCE
from encchat.links import Address
from encchat.net.outbox import TurnEnd
from encchat.net.tally import Tallies
from encchat.net.timing import Scheduler
from encchat.server.auth import Authenticator
from encchat.server.calls import Calls
from encchat.server.chat import Chat, Delivery
from encchat.server.hub import Hub, Receiver
from encchat.server.key_watch import KeyWatch
from encchat.server.last_seen import LastSeen
from encchat.server.meters import Meters
from encchat.server.model import Account
from encchat.server.policy import RegistrationPolicy
from encchat.server.room_keeper import RoomKeeper
from encchat.server.sanctions import Sanctions
from encchat.server.settings import Settings
from encchat.server.traces import trace
from encchat.server.trail import Trail
from encchat.ulids import UlidMaker
from encchat.wire import Closing, CommandEntry, Registration, Role, ServerLine, encode

log = Logger()


class Visitor(Protocol):
    """A connection, logged in or not."""

    @property
    def address(self) -> str:
        """The peer's host."""

    @property
    def here(self) -> Account | None:
        """The account that is logged in, if one is."""

    def leave(self, last: ServerLine | None = None) -> None:
        """As `Receiver.leave`."""


@frozen
class Home:
    """Where people find this server, and the identity they pin: what invite links are made of."""

    address: Address
    identity: bytes


@define(eq=False, repr=False)
class Services:
    """One server's parts; ``store`` provides `IStore`, ``commands`` lists what a role (None: nobody yet) may use."""

    store: Any
    auth: Authenticator
    commands: Callable[[Role | None], list[CommandEntry]]
    clock: Scheduler
    """For what takes time; it goes on whatever the time of day is set to."""
    wall: Callable[[], float]
    """The time of day, in seconds since 1970 UTC."""
    turn: TurnEnd
    settings: Settings
    sanctions: Sanctions
    policy: RegistrationPolicy
    trail: Trail
    meters: Meters
    visitors: Callable[[], Iterable[Visitor]]
    """All connections, strangers among them."""
    home: Home | None = None
    chat: Chat = Factory(Chat)
    hub: Hub = Factory(Hub)
    ulid: Callable[[], str] = Factory(lambda services: UlidMaker(services.wall, os.urandom), takes_self=True)
    """Makes ids for what the server itself begins."""
    calls: Calls = Factory(
        lambda services: Calls(services.chat.sessions, services.clock, services.carry_out, services.ulid),
        takes_self=True,
    )
    room_keeper: RoomKeeper = Factory(
        lambda services: RoomKeeper(
            services.store, services.chat.rooms, services.carry_out, services.now, services.ulid
        ),
        takes_self=True,
    )
    last_seen: LastSeen = Factory(
        lambda services: LastSeen(services.store, services.clock, services.now), takes_self=True
    )
    key_watch: KeyWatch = Factory(lambda services: KeyWatch(services.chat, services.carry_out), takes_self=True)
    refusals: Tallies = Factory(lambda services: Tallies(services.clock.seconds), takes_self=True)
    """What was forbidden, by who asked and what for."""
    chunks: DeferredSemaphore = Factory(lambda: DeferredSemaphore(CHUNKS_AT_ONCE))
    """Who reads or writes a chunk of a file waits for it; in the order of asking."""
    stopping: bool = False
    _announcing: bool = False

    def now(self) -> int:
        """Milliseconds since 1970 UTC."""
        return int(self.wall() * 1000)

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
        self.last_seen.device(receiver.device)
        self._check_device(receiver)
        if first:
            self._begin(account)
        if self.chat.sessions.standing(account.name) is not None:
            self.turn.call(lambda: self._remind(account.name, receiver))

    def _remind(self, name: str, receiver: Receiver) -> None:
        """At the end of the turn, so that the login is answered first."""
        standing = self.chat.sessions.standing(name)
        if standing is not None and receiver in self.hub.of(name):
            receiver.write_line(encode(standing))

    def _begin(self, account: Account) -> None:
        self.chat.arrive(account)
        self.calls.arrived(account.name)
        self.carry_out(())
        contacts: Deferred[list[str]] = self.store.contacts(account.id)
        contacts.addCallback(lambda names: self.carry_out(self.chat.meet(account.name, names)))
        contacts.addErrback(self._broke)

    def depart(self, account: Account, receiver: Receiver, *, lost: bool = False) -> None:
        """A connection is gone, on purpose or ``lost``; with the last one the account is OFFLINE at once."""
        if self.hub.remove(account.name, receiver):
            deliveries = self.chat.depart(account.name, lost=lost)
            self.calls.departed(account.name)
            self.key_watch.departed(account.name)
            self.carry_out(deliveries)
            self.last_seen.account(account.id)

    def expel_address(self, last: ServerLine) -> None:
        """Hang up all connections from where nobody may connect."""
        for visitor in tuple(self.visitors()):
            if self.sanctions.bars(visitor.address):
                visitor.leave(last)

    def change(self, account: Account) -> None:
        """The account has changed in the store: at once it is so for its connections too."""
        self.chat.change(account)
        for receiver in self.hub.of(account.name):
            receiver.become(account)

    async def say_registration(self, policy: Registration) -> None:
        """An admin has said who may make an account; in force once it is stored."""
        await self.policy.say(policy)
        self.settings = evolve(self.settings, registration=policy)

    def put_in_force(self, configured: Settings) -> None:
        """These settings, as they came from the configuration."""
        self.settings = self.policy.over(configured)
        self.meters.change(configured.request_rate, configured.request_burst)

    def expel(self, name: str, last: ServerLine) -> None:
        """Hang up all connections of ``name``; ``last`` is what they hear."""
        for receiver in self.hub.of(name):
            receiver.leave(last)

    def expel_device(self, name: str, key: bytes, last: ServerLine) -> None:
        """Hang up the connections of ``name`` that logged in from the device with that key."""
        for receiver in self.hub.of(name):
            if receiver.device.key == key:
                receiver.leave(last)

    def _check_device(self, receiver: Receiver) -> None:
        """Asked after the connection is among those a revocation ends: one that the login crossed shows here."""
        known: Deferred[bool] = self.store.knows_device(receiver.device.key)
        known.addCallback(self._end_revoked, receiver)
        known.addErrback(self._broke)

    def _end_revoked(self, known: bool, receiver: Receiver) -> None:
        if not known:
            receiver.leave(Closing(reason="this device was revoked: log in with the password"))

    def _broke(self, failure: Failure) -> None:
        log.error("the store failed: {trace}", event="store_broke", trace=trace(failure))
