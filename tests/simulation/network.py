"""Connections in memory that are slow, cut in pieces and broken off: what TCP does to two protocols."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from attrs import define, frozen
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from encchat.errors import StoreError
from tests.simulation.timing import WorldClock

_FULL: Final = 600
"""Bytes on the way before the writer is asked to pause."""

_LATE_NOTICE: Final = 20.0
"""Seconds after which the side that was not told of a cut finds out."""


@frozen
class ProvenPeer:
    """Of a proven peer, what server and client look at."""

    static: bytes
    suite: str = "none"
    identity: bytes | None = None


@define
class Weather:
    """How the network is: seconds of delay, and how often what is written arrives in pieces."""

    random: Random
    delay: float = 0.02
    splitting: float = 0.2
    splits: int = 0


class Crashed(BaseException):
    """A process dies in the middle of what it does; no code of ours may catch it."""


class End:
    """One side's transport; what is written here waits in ``_way`` until it is delivered to the ``other`` side."""

    disconnecting = False
    disconnected = False

    def __init__(self, clock: WorldClock, weather: Weather, peer: ProvenPeer) -> None:
        self.peer = peer
        self.other: End = self
        self.protocol: Any = None
        self.slow = 0.0
        self.bytes_read = 0
        self._clock = clock
        self._weather = weather
        self._way = bytearray()
        self._moving = False
        self._reading = True
        self._producer: Any = None
        self._producer_paused = False
        self._cut = False
        self.crashed: Callable[[], None] | None = None
        self.lost: Callable[[], None] | None = None

    # What a protocol calls -----------------------------------------------------------------------
    def write(self, data: bytes) -> None:
        """Put it on the way; into the void once the connection is cut."""
        if self.disconnected or self._cut:
            return
        self._way += data
        if len(self._way) > _FULL and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()
        self._move()

    def writeSequence(self, data: list[bytes]) -> None:
        """As `write`."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Once everything has arrived."""
        self.disconnecting = True
        if not self._way:
            self._close()
        else:
            self._move()

    def abortConnection(self) -> None:
        """At once; the other side hears of it a little later."""
        self.disconnecting = True
        self.sever(0.0, ConnectionAborted(), self._weather.random.uniform(0.0, 1.0))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """A push producer, as everybody's here."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Nobody is asked to pause any more."""
        self._producer = None

    def pauseProducing(self) -> None:
        """The protocol here reads nothing for now."""
        self._reading = False

    def resumeProducing(self) -> None:
        """It reads again."""
        self._reading = True
        self.other._move()

    def stopProducing(self) -> None:
        """As a producer is told."""
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        """Everybody is at the same place."""
        return IPv4Address("TCP", "192.0.2.1", 54321)

    getHost = getPeer

    # The way -------------------------------------------------------------------------------------
    def _move(self) -> None:
        if self._way and not self._moving and self.other._reading:
            self._moving = True
            weather = self._weather
            delay = self.other.slow or weather.random.random() * weather.delay
            self._clock.callLater(delay, self._arrive)

    def _arrive(self) -> None:
        self._moving = False
        other = self.other
        if self._cut or other.disconnected or not other._reading:
            return
        data = self._take()
        if self._producer_paused and len(self._way) <= _FULL // 2:
            self._producer_paused = False
            if self._producer is not None:
                self._producer.resumeProducing()
        if data and not other.disconnected:
            other.deliver(data)
        if self._way:
            self._move()
        elif self.disconnecting and not self._cut:
            self._close()

    def deliver(self, data: bytes) -> None:
        """Bytes arrive at this side; what they make its protocol do may kill its process."""
        self.bytes_read += len(data)
        self._guarded(self.protocol.dataReceived, data)

    def _guarded(self, call: Callable[[Any], object], argument: object) -> None:
        try:
            call(argument)
        except (Crashed, StoreError):
            if self.crashed is None:
                raise
            self.crashed()

    def _take(self) -> bytes:
        size, random = len(self._way), self._weather.random
        if self.other.slow:
            size = min(size, random.randint(1, 200))
        elif size > 1 and random.random() < self._weather.splitting:
            self._weather.splits += 1
            size = random.randint(1, size - 1)
        data = bytes(self._way[:size])
        del self._way[:size]
        return data

    # The end -------------------------------------------------------------------------------------
    def _close(self) -> None:
        if not self._cut:
            self.sever(0.0, ConnectionDone(), self._weather.random.uniform(0.0, 0.2), ConnectionDone())

    def sever(
        self, soon: float, reason: Exception, later: float, other_reason: Exception | None = None, *, dead: bool = False
    ) -> None:
        """End both directions; this side is told in ``soon`` seconds (``dead``: never), the other in ``later``."""
        if self._cut or self.disconnected:
            return
        self._cut = self.other._cut = True
        if dead:
            self.disconnected = True
        else:
            self._clock.callLater(soon, self._tell, reason)
        self._clock.callLater(later, self.other._tell, other_reason or ConnectionLost())

    def _tell(self, reason: Exception) -> None:
        if not self.disconnected:
            self.disconnected = self.disconnecting = True
            self._producer = None
            self._guarded(self.protocol.connectionLost, Failure(reason))
            if self.lost is not None:
                self.lost()

    def die(self) -> None:
        """The process on this side is gone, the other learns it when the kernel's FIN arrives."""
        if self._cut:
            self.disconnected = True
        elif self._weather.random.random() < 0.5:
            self._flush_some()
        self.sever(0.0, ConnectionLost(), self._weather.random.uniform(0.0, 0.5), dead=True)

    def _flush_some(self) -> None:
        """A part of what is on the way arrives, the rest never will."""
        size = self._weather.random.randint(0, len(self._way))
        data, self._way = bytes(self._way[:size]), bytearray()
        if data and self.other._reading and not self.other.disconnected and not self._cut:
            self.other.deliver(data)

    def cut(self) -> None:
        """The line breaks: what is on the way arrives in part, one of the sides may long not notice."""
        random = self._weather.random
        for end in (self, self.other):
            end._flush_some()
        late = random.random() < 0.3
        self.sever(random.uniform(0.0, 0.2), ConnectionLost(), _LATE_NOTICE if late else random.uniform(0.0, 0.5))


def connect(clock: WorldClock, weather: Weather, client: Any, server: Callable[[End], Any], device_key: bytes) -> End:
    """Join a client's protocol and a fresh one of the server's; returns the client's end."""
    ours = End(clock, weather, ProvenPeer(b"server", identity=b"server"))
    theirs = End(clock, weather, ProvenPeer(device_key))
    ours.other, theirs.other = theirs, ours
    ours.protocol, theirs.protocol = client, server(ours)
    theirs.protocol.makeConnection(theirs)
    client.makeConnection(ours)
    return ours
