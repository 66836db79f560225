"""The chat server as a Twisted factory: it makes connections, holds them, and says goodbye to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from encchat.net.outbox import TurnEnd
from encchat.net.timing import Scheduler, Timer
from encchat.server.auth import Authenticator
from encchat.server.command import Command
from encchat.server.connection import ChatConnection
from encchat.server.dispatch import Dispatcher
from encchat.server.meters import Meters
from encchat.server.policy import RegistrationPolicy
from encchat.server.registry import default_registry, find_commands
from encchat.server.sanctions import Sanctions
from encchat.server.services import Home, Services
from encchat.server.settings import Settings
from encchat.server.trail import Trail
from encchat.wire import Closing


class ChatFactory(Factory):
    """Holds the connected users.

    ``store`` provides `IStore`; it is open before the first connection and closed after `say_goodbye`.
    ``plugins`` are more commands, by default those that `find_commands` finds. ``wall`` gives the time of day in
    seconds since 1970 UTC; by default it is the reactor's.
    """

    noisy = False

    def __init__(
        self,
        reactor: Scheduler,
        store: Any,
        auth: Authenticator,
        settings: Settings,
        plugins: Iterable[Command] | None = None,
        wall: Callable[[], float] | None = None,
    ) -> None:
        wall = wall or reactor.seconds
        self.connections: set[ChatConnection] = set()
        self.registry = default_registry(find_commands() if plugins is None else plugins)
        self.services = Services(
            store=store,
            auth=auth,
            commands=self.registry.entries,
            clock=reactor,
            wall=wall,
            turn=TurnEnd(reactor),
            settings=settings,
            sanctions=Sanctions(store, self._now),
            policy=RegistrationPolicy(store, settings.registration),
            trail=Trail(store, wall),
            meters=Meters(settings.request_rate, settings.request_burst, reactor.seconds),
            visitors=lambda: [connection.context for connection in self.connections],
        )
        self._configured = settings
        self._dispatcher = Dispatcher(self.registry)
        self._empty: Deferred[None] | None = None
        self._limit: Timer | None = None

    @property
    def settings(self) -> Settings:
        """What is in force: what was configured, but for the registration policy that an admin has set since.

        New ones hold for all that happens from then on.
        """
        return self.services.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._configured = settings
        self.services.put_in_force(settings)

    async def open(self, home: Home | None = None) -> None:
        """Take what the store knows, which is open, before the first connection; ``home`` goes into invite links."""
        self.services.home = home
        await self.services.sanctions.load()
        await self.services.policy.load()
        await self.services.room_keeper.load()
        self.services.put_in_force(self._configured)

    def buildProtocol(self, addr: IAddress | None) -> ChatConnection | None:
        """A connection, secured already when it begins; None for an address banned since the handshake began."""
        if self.services.sanctions.bars(getattr(addr, "host", "")):
            return None
        connection = ChatConnection(self.services, self._dispatcher, self._gone)
        connection.factory = self
        self.connections.add(connection)
        return connection

    def say_goodbye(self, reason: str) -> Deferred[None]:
        """Tell all, flush, close; fires when everybody is gone, at the latest after `Settings.stop_seconds`."""
        self.services.stopping = True
        for connection in tuple(self.connections):
            connection.context.leave(Closing(reason=reason))
        if not self.connections:
            return succeed(None)
        self._empty = Deferred()
        self._limit = self.services.clock.callLater(self.settings.stop_seconds, self._cut_off)
        return self._empty

    def _now(self) -> int:
        return self.services.now()

    def _gone(self, connection: ChatConnection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._all_gone()

    def _cut_off(self) -> None:
        for connection in tuple(self.connections):
            connection.break_off()
        self._all_gone()

    def _all_gone(self) -> None:
        empty, self._empty = self._empty, None
        if empty is not None and self._limit is not None:
            if self._limit.active():
                self._limit.cancel()
            empty.callback(None)
