"""Where an attack stands: the server's port, addresses of its own, time, and what it has seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, TimeoutError, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater

from encchat.secure import ClientKeys
from tests.hostile.connections import Guest, Visitor
from tests.hostile.seen import Seen

reactor: Any = _reactor
Answer = TypeVar("Answer")
AnyVisitor = TypeVar("AnyVisitor", bound=Visitor)

HONEST = ("anna", "boris", "clara", "dmitri", "emma-lou")
"""The accounts of the honest clients."""

SPREAD = 200
"""Connections an attack makes from one address, unless it means to offend there."""


@define(eq=False)
class Ground:
    """``network`` is the third byte of its addresses 127.0.X.1 to 127.0.X.254; ``seconds`` count from the signal."""

    port: int
    network: int
    count: int
    seconds: float
    signal: Callable[[], Deferred[None]]
    """Says that the preparation is over; fires when the attack shall begin."""
    seen: Seen = field(factory=Seen)
    visitors: list[Visitor] = field(factory=list)
    _end: float = float("inf")

    async def ready(self) -> None:
        """Wait for the signal; what happened before does not count as seen."""
        self.seen.counts.clear()
        await self.signal()
        self._end = reactor.seconds() + self.seconds

    @property
    def goes_on(self) -> bool:
        """Whether there is time left."""
        return bool(reactor.seconds() < self._end)

    async def sleep(self, seconds: float = 0.0) -> None:
        """Let the others run."""
        await deferLater(reactor, seconds)

    async def until(self, closed: Iterable[Visitor]) -> None:
        """Wait until all of these are closed, or the time is over."""
        waiting = list(closed)
        while self.goes_on and not all(one.is_closed for one in waiting):
            await self.sleep(0.05)

    async def rest(self) -> None:
        """Wait until the time is over."""
        while self.goes_on:
            await self.sleep(0.05)

    async def first(self, answer: Awaitable[Answer]) -> Answer | None:
        """What comes of ``answer``, or None if the time is over first."""
        left = max(0.01, self._end - reactor.seconds())
        try:
            return await Deferred.fromCoroutine(_wait(answer)).addTimeout(left, reactor)
        except TimeoutError:
            return None

    async def dial(self, visitor: AnyVisitor, place: int) -> AnyVisitor:
        """Connect from the address with this number; one that fails is closed."""
        bind = (f"127.0.{self.network}.{1 + place % 254}", 0)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port, timeout=30, bindAddress=bind)
        self.visitors.append(visitor)
        try:
            await connectProtocol(endpoint, visitor)
        except (ConnectError, OSError):
            self.seen.add("not connected")
            visitor.is_closed = True
        return visitor

    async def visit(self, place: int = 0) -> Visitor:
        """A bare connection."""
        return await self.dial(Visitor(self.seen), place)

    async def enter(self, place: int = 0, keys: ClientKeys | None = None) -> Guest:
        """A connection with its handshake made; closed if the server would not have it."""
        guest = await self.dial(Guest(self.seen, keys or new_keys()), place)
        if not guest.is_closed:
            await guest.secured
        return guest

    async def log_in(self, count: int, accounts: int = 5) -> list[Guest]:
        """Guests that are logged in, of so many accounts; each account's are one device."""
        accounts = min(accounts, count)
        keys = [new_keys() for _ in range(accounts)]
        for number, key in enumerate(keys):
            first = await self.enter(number, key)
            await first.register(self.name(number))
            first.leave()

        async def one(number: int) -> Guest:
            guest = await self.enter(number, keys[number % accounts])
            await guest.enter(self.name(number % accounts))
            return guest

        return await self.at_once(one, count, 10)

    def name(self, number: int) -> str:
        """An account of this attack's."""
        return f"mallory-{self.network}-{chr(ord('a') + number)}"

    async def at_once(self, one: Callable[[int], Awaitable[Any]], count: int, width: int = 50) -> list[Any]:
        """Run ``one(0)`` to ``one(count - 1)``, ``width`` of them at a time."""
        results: list[Any] = [None] * count
        numbers = iter(range(count))

        async def work() -> None:
            for number in numbers:
                results[number] = await one(number)

        await gatherResults([Deferred.fromCoroutine(work()) for _ in range(min(width, count))])
        return results

    def leave(self) -> None:
        """End all connections."""
        for visitor in self.visitors:
            visitor.leave()


async def _wait(answer: Awaitable[Answer]) -> Answer:
    return await answer


def new_keys() -> ClientKeys:
    """A device nobody knows."""
    return ClientKeys(X25519PrivateKey.generate())
