"""Honest clients: they chat all the time, number what they say, and measure how long it takes to be heard."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from attrs import define, field, frozen
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import LoopingCall, deferLater

from encchat.secure import ClientKeys
from encchat.wire import Behind, Error, LoginDevice, Message, Ok, Page, Send, Sent, ServerLine, Sync
from tests.hostile.ground import HONEST, new_keys
from tests.hostile.measure import percentile
from tests.raw import RawClient, new_client

reactor: Any = _reactor

INTERVAL = 0.05
"""Seconds between two messages of one client: five of them make 100 messages and 400 deliveries a second."""

DRAIN_SECONDS = 15.0
"""How long what is under way at the end may take; what has not come by then is lost."""

NEWCOMER_SECONDS = 10.0
"""How long somebody waits to get in before it counts as a failure."""


@frozen
class Window:
    """What honest clients felt in a stretch of time: milliseconds from sending to hearing."""

    p50: float
    p99: float
    count: int


class Honest(RawClient):
    """One of them; ``heard`` are the numbers of each other one's messages in the order they came."""

    name: str
    crowd: Crowd

    def begin(self, name: str, crowd: Crowd) -> None:
        """Chat from now on."""
        self.name, self.crowd = name, crowd
        self.sent = 0
        self.accepted = 0
        self.refused: list[str] = []
        self.heard: dict[str, list[int]] = defaultdict(list)
        self.caught_up = 0
        self._last_seq = 0
        self._newest = 0
        self._syncing = False

    def say_next(self) -> None:
        """One more message to the lobby."""
        if self.is_closed:
            return
        self.sent += 1
        body = f"{self.sent} {reactor.seconds()!r}"
        self.ask(Send, conversation="lobby", ulid=f"{self.sent:026d}", body=body)

    def dataReceived(self, data: bytes) -> None:
        """Keep no copy of the bytes: this goes on for long."""
        super().dataReceived(data)
        self.received.clear()

    def _line(self, line: ServerLine) -> None:
        crowd = getattr(self, "crowd", None)
        if crowd is None:
            super()._line(line)
        elif isinstance(line, Message):
            self._newest = max(self._newest, line.seq)
            if not self._syncing:  # else it comes with a page
                self._message(line)
        elif isinstance(line, Behind):
            self.caught_up += 1
            if not self._syncing:
                self._sync()
        elif isinstance(line, Ok) and isinstance(line.result, Page):
            self._page(line.result)
        elif isinstance(line, Ok) and isinstance(line.result, Sent):
            self.accepted += 1
        elif isinstance(line, Error):
            self.refused.append(line.code)

    def _message(self, message: Message) -> None:
        self._last_seq = max(self._last_seq, message.seq)
        if message.sender in HONEST and message.sender != self.name:
            number, _, then = message.body.partition(" ")
            self.heard[message.sender].append(int(number))
            self.crowd.latencies.append((float(then), reactor.seconds() - float(then)))

    def _sync(self) -> None:
        """The server left us out for a while: read on from the last message that came."""
        self._syncing = True
        self.ask(Sync, conversation="lobby", after=self._last_seq)

    def _page(self, page: Page) -> None:
        for message in page.messages:
            self._message(message)
        if page.messages and self._last_seq < max(page.last_seq, self._newest):
            self._sync()
        else:
            self._syncing = False


@define(eq=False)
class Crowd:
    """The honest clients, and newcomers that log in by a device's key every now and then."""

    port: int
    clients: list[Honest] = field(factory=list)
    latencies: list[tuple[float, float]] = field(factory=list)
    """When it was sent, and how many seconds it took; reactor time."""
    entries: list[tuple[float, float]] = field(factory=list)
    """When a newcomer set out, and how many seconds it took until it was logged in; infinite if it was not."""
    _calls: list[LoopingCall] = field(factory=list)
    _keys: ClientKeys = field(factory=new_keys)

    async def gather(self) -> None:
        """Make the accounts and begin to chat."""
        newcomer = await self._connect(self._keys)
        await newcomer.register("newcomer")
        newcomer.reset()
        self.clients.extend([await self._connect(new_keys()) for _ in HONEST])
        for client, name in zip(self.clients, HONEST, strict=True):
            await client.register(name)
            client.begin(name, self)
        for number, client in enumerate(self.clients):
            call = LoopingCall(client.say_next)
            self._calls.append(call)
            reactor.callLater(INTERVAL * number / len(HONEST), call.start, INTERVAL)

    async def _connect(self, keys: ClientKeys) -> Honest:
        template = new_client(keys=keys)
        client: Honest = await connectProtocol(
            TCP4ClientEndpoint(reactor, "127.0.0.1", self.port, timeout=NEWCOMER_SECONDS), Honest(template.channel)
        )
        await client.secured
        return client

    def send_newcomers(self, interval: float) -> None:
        """One every ``interval`` seconds from now on."""
        call = LoopingCall(self._newcomer)
        self._calls.append(call)
        call.start(interval)

    def _newcomer(self) -> None:
        began = reactor.seconds()
        entered = Deferred.fromCoroutine(self._enter()).addTimeout(NEWCOMER_SECONDS, reactor)
        entered.addCallbacks(
            lambda _: self.entries.append((began, reactor.seconds() - began)),
            lambda _: self.entries.append((began, float("inf"))),
        )

    async def _enter(self) -> None:
        client = await self._connect(self._keys)
        try:
            answer = await client.request(LoginDevice, user="newcomer")
            if not isinstance(answer, Ok):
                raise RuntimeError(f"the newcomer was refused: {answer}")
        finally:
            client.reset()

    def window(self, begin: float, end: float) -> Window:
        """Of the messages sent between these reactor times."""
        values = [1000 * seconds for sent, seconds in self.latencies if begin <= sent < end]
        return Window(percentile(values, 0.5), percentile(values, 0.99), len(values))

    def slowest_entry(self, begin: float, end: float) -> float:
        """Milliseconds of the slowest newcomer between these times; infinite if one was not let in."""
        return max((1000 * seconds for then, seconds in self.entries if begin <= then < end), default=0.0)

    async def finish(self) -> None:
        """Say no more, and wait until everything has been heard or the time for it is over."""
        for call in self._calls:
            if call.running:
                call.stop()
        end = reactor.seconds() + DRAIN_SECONDS
        while self.lost() and reactor.seconds() < end:
            await deferLater(reactor, 0.05)

    def lost(self) -> int:
        """Messages that somebody has not heard, or whose sender was not told that they are accepted."""
        pairs = ((a, b) for a in self.clients for b in self.clients if a is not b)
        unheard = sum(len(set(range(1, a.sent + 1)) - set(b.heard[a.name])) for a, b in pairs)
        return unheard + sum(client.sent - client.accepted for client in self.clients)

    def caught_up(self) -> int:
        """How often one of them was behind and read on from the store."""
        return sum(client.caught_up for client in self.clients)

    def disordered(self) -> int:
        """Messages that came twice or after a later one."""
        lists = (numbers for client in self.clients for numbers in client.heard.values())
        return sum(b <= a for numbers in lists for a, b in pairwise(numbers))

    def leave(self) -> None:
        """Be gone."""
        for client in self.clients:
            if not client.is_closed:
                client.reset()
