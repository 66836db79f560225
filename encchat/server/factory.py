"""The chat server as a Twisted factory: it makes connections, holds them, and says goodbye to them."""

from __future__ import annotations

from collections.abc import Iterable
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
from encchat.server.registry import default_registry, find_commands
from encchat.server.services import Services
from encchat.server.settings import Settings
from encchat.wire import Closing


class ChatFactory(Factory):
    """Holds the connected users.

    ``store`` provides `IStore`; it is open before the first connection and closed after `say_goodbye`.
    ``plugins`` are more commands, by default those that `find_commands` finds.
    """

    noisy = False

    def __init__(
        self,
        reactor: Scheduler,
        store: Any,
        auth: Authenticator,
        settings: Settings,
        plugins: Iterable[Command] | None = None,
    ) -> None:
        self.registry = default_registry(find_commands() if plugins is None else plugins)
        self.services = Services(
            store=store,
            auth=auth,
            commands=self.registry.entries,
            clock=reactor,
            turn=TurnEnd(reactor),
            settings=settings,
        )
        self.connections: set[ChatConnection] = set()
        self._dispatcher = Dispatcher(self.registry)
        self._empty: Deferred[None] | None = None
        self._limit: Timer | None = None

    @property
    def settings(self) -> Settings:
        """What is in force; new ones hold for all that happens from then on, rates for new connections."""
        return self.services.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self.services.settings = settings

    def buildProtocol(self, addr: IAddress | None) -> ChatConnection:
        """A connection, secured already when it begins."""
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
