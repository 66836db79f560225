"""The proxy changes where bytes are cut and when they come, and nothing else."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.faults.proxy import FINE, Proxy, Weather
from tests.processes import SECONDS

reactor: Any = _reactor
SENT = Random(1).randbytes(200_000)  # noqa: S311 - any bytes will do


class Echo(Protocol):
    """Says everything back."""

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)


class Caller(Protocol):
    """Says `SENT` and hears what comes back."""

    def __init__(self) -> None:
        self.heard = b""
        self.reads = 0
        self.done: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(SENT)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        self.reads += 1
        if len(self.heard) >= len(SENT):
            transport: Any = self.transport
            transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.done.callback(self.heard)


class ProxyTests(TestCase):
    timeout = 60

    async def through(self, weather: Weather, seed: str = "seed") -> tuple[bytes, int, Proxy]:
        """What comes back through this weather, in how many reads."""
        echo = Factory.forProtocol(Echo)
        echo.noisy = False
        listening = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(echo)
        self.addCleanup(listening.stopListening)
        proxy = Proxy(listening.getHost().port, seed, weather)
        await proxy.start(self)
        caller: Caller = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", proxy.port), Caller())
        return await caller.done.addTimeout(SECONDS, reactor), caller.reads, proxy

    async def test_fine_weather_changes_nothing(self) -> None:
        """What goes in comes out."""
        heard, _, proxy = await self.through(FINE)
        self.assertEqual(heard, SENT)
        self.assertEqual((proxy.connections, proxy.cuts), (1, 0))

    async def test_split_merged_and_delayed_bytes_are_the_same(self) -> None:
        """None is lost, none changes places."""
        heard, _, _ = await self.through(Weather(split=0.9, merge=0.5, delay=0.003))
        self.assertEqual(heard, SENT)

    async def test_a_split_makes_more_reads(self) -> None:
        """It does what it is for."""
        _, whole, _ = await self.through(FINE)
        _, split, _ = await self.through(Weather(split=1.0, delay=0.002))
        self.assertGreater(split, whole)

    async def test_a_cut_delivers_a_beginning_and_no_more(self) -> None:
        """Both ends lose the connection."""
        heard, _, proxy = await self.through(Weather(cut=1.0, cut_within=50_000))
        self.assertLess(len(heard), len(SENT))
        self.assertTrue(SENT.startswith(heard))
        self.assertEqual(proxy.cuts, 1)
