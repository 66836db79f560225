"""The server's process: the real factory, chat, hub, dispatcher and authenticator over a `SlowStore`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from encchat.errors import StoreError
from encchat.net.secure import ConnectionLimits, SecureServerFactory
from encchat.secure import Channel
from encchat.server.auth import Authenticator
from encchat.server.connection import ChatConnection
from encchat.server.factory import ChatFactory
from encchat.server.passwords import PasswordHasher
from encchat.server.settings import Settings
from encchat.server.store.memory import MemoryStore
from tests.simulation.disk import SlowStore
from tests.simulation.network import End
from tests.simulation.timing import SkewedClock, WorldClock

MAX_UNSENT = 300
"""Bytes for one slow reader: two messages, so that readers fall behind often."""


class InOrder(dict[ChatConnection, None]):
    """A set that is walked in the order of entry: addresses in memory, which differ between runs, decide nothing."""

    def add(self, connection: ChatConnection) -> None:
        """As a set's."""
        self[connection] = None

    def discard(self, connection: ChatConnection) -> None:
        """As a set's."""
        self.pop(connection, None)


@define(eq=False)
class ServerProcess:
    """Starts, dies and starts again; ``disk`` stays."""

    disk: MemoryStore
    _clock: WorldClock
    _random: Random
    lie: str = ""
    error: float = 0.0
    make_channel: Callable[[], Channel] | None = None
    factory: ChatFactory | None = field(init=False, default=None)
    _front: Factory | None = field(init=False, default=None)
    store: SlowStore | None = field(init=False, default=None)
    clock: SkewedClock | None = field(init=False, default=None)
    _ends: list[End] = field(init=False, factory=list)

    def start(self) -> None:
        """A new process over the old disk, unless there is one."""
        if self.clock is not None:
            return
        clock = self.clock = SkewedClock(self._clock, self.error)
        self.store = SlowStore(self.disk, clock, self._random, self.lie)
        settings = Settings(registration="closed", max_unsent=MAX_UNSENT, request_rate=1e6, request_burst=1e6)
        auth = Authenticator(self.store, PasswordHasher(clock), clock.seconds, lambda: settings.registration)
        factory = ChatFactory(clock, self.store, auth, settings, plugins=())
        connections: Any = InOrder()
        factory.connections = connections
        opened = Deferred.fromCoroutine(factory.open())
        opened.addCallbacks(lambda _: self._listen(factory), lambda failure: self._failed(failure, clock))

    def _failed(self, failure: Failure, clock: SkewedClock) -> None:
        """The disk is full: the process ends with an error, and somebody starts it again."""
        failure.trap(StoreError)
        if clock is self.clock:
            self.kill()
            self._clock.callLater(1.0, self.start)

    def _listen(self, factory: ChatFactory) -> None:
        self.factory = self._front = factory
        if self.make_channel is not None and self.clock is not None:
            self._front = SecureServerFactory(factory, self.make_channel, ConnectionLimits(), self.clock, None)

    def accept(self, client: End) -> Any:
        """A protocol for a new connection, which dies with this process."""
        if self._front is None:
            raise RuntimeError("there is no server to connect to")
        self._ends = [end for end in self._ends if not end.disconnected]
        self._ends.append(client)
        return self._front.buildProtocol(client.getPeer())

    def kill(self) -> None:
        """Without any warning: what was not committed is gone, connections end at the other side."""
        if self.clock is None or self.store is None:
            return
        self.clock.die()
        self.store.power_fails()
        self.factory = self._front = self.store = self.clock = None
        ends, self._ends = self._ends, []
        for end in ends:
            end.other.die()

    def stop(self, then: Callable[[], object]) -> None:
        """As told by SIGTERM: goodbye to all, then the end; ``then`` is called after it."""
        factory = self.factory
        if factory is not None:
            self.factory = None
            factory.say_goodbye("the server stops").addCallback(lambda _: self.kill()).addCallback(lambda _: then())

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self.error += seconds
        if self.clock is not None:
            self.clock.error = self.error
