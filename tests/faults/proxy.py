"""A bad line between clients and a server: segments cut, split, merged and delayed as a seed says.

Each connection draws its own faults from ``Random(f"{seed}:{number}")``, so that a seed gives the same ones again,
as far as the order of the connections is the same.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

from attrs import define, field, frozen
from twisted.internet import reactor as _reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

reactor: Any = _reactor


@frozen
class Weather:
    """How bad the line is; a probability of 0 leaves its fault out."""

    cut: float = 0.0
    """How likely a connection ends after a number of bytes drawn up to ``cut_within``."""
    cut_within: int = 20_000
    split: float = 0.0
    """How likely a piece of data is sent in up to eight pieces."""
    merge: float = 0.0
    """How likely a piece of data waits for the next ones."""
    delay: float = 0.0
    """Longest delay of a piece, in seconds; the order is kept."""


FINE = Weather()


@define(eq=False)
class Way:
    """One direction of a connection: what came in goes out, later and in other pieces."""

    _random: Random
    _weather: Weather
    _write: Any
    _cut: Any
    _left: int | None
    _waiting: list[bytes] = field(factory=list, init=False)
    _timers: list[Any] = field(factory=list, init=False)
    _queue: deque[tuple[float, Any, tuple[Any, ...]]] = field(factory=deque, init=False)

    def carry(self, data: bytes) -> None:
        """Take what one side sent."""
        if self._left is not None:
            data, self._left = data[: self._left], self._left - len(data)
        self._waiting.append(data)
        if self._left is not None and self._left <= 0:
            self._pass_on(self._cut)
        elif self._random.random() >= self._weather.merge:
            self._pass_on()
        else:
            self._timers.append(reactor.callLater(self._weather.delay or 0.02, self._pass_on))

    def _pass_on(self, then: Any = None) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        for piece in self._pieces(data):
            self._later(self._write, piece)
        if then is not None:
            self._later(then)

    def _pieces(self, data: bytes) -> list[bytes]:
        if len(data) < 2 or self._random.random() >= self._weather.split:
            return [data] if data else []
        places = sorted({self._random.randrange(1, len(data)) for _ in range(self._random.randint(1, 7))})
        return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]

    def _later(self, act: Any, *arguments: Any) -> None:
        """Each piece in a turn of its own, never before the one in front of it."""
        self._queue.append((self._random.uniform(0, self._weather.delay), act, arguments))
        if len(self._queue) == 1:
            self._timers.append(reactor.callLater(self._queue[0][0], self._next))

    def end(self) -> None:
        """Nothing more is delivered."""
        for timer in self._timers:
            if timer.active():
                timer.cancel()

    def _next(self) -> None:
        _, act, arguments = self._queue.popleft()
        act(*arguments)
        self._timers = [timer for timer in self._timers if timer.active()]
        if self._queue:
            self._timers.append(reactor.callLater(self._queue[0][0], self._next))


class _Side(Protocol):
    """One end of a proxied connection; ``way`` carries what it says to the other."""

    way: Way | None = None
    other: _Side | None = None
    early: bytes = b""
    is_gone = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        if self.way is None:
            self.early += data
        else:
            self.way.carry(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_gone = True
        if self.other is not None:
            self.other.end()

    def write(self, data: bytes) -> None:
        transport: Any = self.transport
        if not self.is_gone:
            transport.write(data)

    def end(self) -> None:
        transport: Any = self.transport
        if not self.is_gone:
            transport.loseConnection()

    def cut(self) -> None:
        """Both ends learn of it at once, and nothing more is delivered."""
        for side in (self, self.other):
            if side is None:
                continue
            if side.way is not None:
                side.way.end()
            if not side.is_gone:
                transport: Any = side.transport
                transport.abortConnection()


@define(eq=False, slots=False)
class Proxy(Factory):
    """Listens on 127.0.0.1 and passes on to a port there; ``weather`` counts for connections made from then on."""

    noisy = False
    target: int
    seed: str
    weather: Weather = FINE
    port: int = field(default=0, init=False)
    connections: int = field(default=0, init=False)
    cuts: int = field(default=0, init=False)
    _sides: list[_Side] = field(factory=list, init=False)

    async def start(self, test: Any) -> None:
        """Listen; the test's end stops it."""
        listening = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self)
        self.port = listening.getHost().port
        test.addCleanup(self.cut_all)
        test.addCleanup(listening.stopListening)

    def buildProtocol(self, addr: Any) -> _Side:
        near, far = _Side(), _Side()
        near.factory = far.factory = self
        self.connections += 1
        self._sides = [side for side in self._sides if not side.is_gone] + [near]
        upstream = Factory.forProtocol(lambda: far)
        upstream.noisy = False
        connected = TCP4ClientEndpoint(reactor, "127.0.0.1", self.target, timeout=5).connect(upstream)
        connected.addCallbacks(self._join, lambda _: near.end(), callbackArgs=(near, far, self.connections))
        return near

    def cut_all(self) -> None:
        """End every connection now."""
        for side in self._sides:
            side.cut()

    def _join(self, _: Any, near: _Side, far: _Side, number: int) -> None:
        if near.is_gone:
            far.end()
            return
        near.other, far.other = far, near
        for side, way in ((near, "up"), (far, "down")):
            chance = Random(f"{self.seed}:{number}:{way}")  # noqa: S311 - the same faults every time
            other = side.other
            assert other is not None
            side.way = Way(chance, self.weather, other.write, self._cut_later(side), self._life(chance))
            early, side.early = side.early, b""
            if early:
                side.way.carry(early)

    def _life(self, chance: Random) -> int | None:
        """After how many bytes this direction is cut."""
        if chance.random() >= self.weather.cut:
            return None
        return chance.randint(1, self.weather.cut_within)

    def _cut_later(self, side: _Side) -> Any:
        def cut() -> None:
            self.cuts += 1
            side.cut()

        return cut
