"""One stopped reader in a room of a hundred, under load, against a real server process."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from encchat.secure import DEFAULT_SUITE, Channel, ClientKeys, default_suites
from encchat.wire import Behind, Message, Ok, Page, Send, Sent, ServerLine, Sync
from tests.processes import ServerProcess, reactor, start_server
from tests.raw import RawClient

READERS = 100
RATE = 40
"""Messages a second to all of them."""
PADDING = "x" * 8_000
WINDOW = 1.0
"""Seconds over which one p99 is taken."""
MAX_UNSENT = 262_144
FLOOR = 0.15
"""Seconds of delay that say nothing on a busy machine; who waits for a stopped reader waits longer."""
FLOOD = 2_500
"""Messages for the stopped reader alone: 40 MB, of which the server's memory must show nothing."""


@define(eq=False, slots=False)
class Reader(RawClient):
    """Keeps of lobby messages only how long they took, and their numbers."""

    delays: list[float] = field(factory=list)
    seqs: list[int] = field(factory=list)

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.received.clear()

    def _line(self, line: ServerLine) -> None:
        if isinstance(line, Message):
            if line.kind == "lobby":
                self.delays.append(time.monotonic() - float(line.body.split()[0]))
                self.seqs.append(line.seq)
        else:
            super()._line(line)

    def take_p99(self) -> float:
        """Of the delays since the last call."""
        delays, self.delays = self.delays, []
        return quantiles(delays, n=100)[-1]

    def take_small_pieces(self) -> None:
        """Have the kernel hold little, so that a stop shows soon."""
        transport: Any = self.transport
        transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


class SlowReaderTests(TestCase):
    timeout = 120
    server: ServerProcess

    async def reader(self, name: str) -> Reader:
        """Somebody who is here."""
        channel = Channel.initiator(default_suites()[DEFAULT_SUITE], ClientKeys(X25519PrivateKey.generate()))
        client: Reader = await connectProtocol(
            TCP4ClientEndpoint(reactor, "127.0.0.1", self.server.port), Reader(channel)
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(client.leave()))
        client.take_small_pieces()
        await client.secured
        await client.register(name)
        return client

    async def talk(self, seconds: float) -> None:
        """Say `RATE` things a second in the lobby, at even distances, whatever becomes of them."""
        begin = time.monotonic()
        for number in range(int(seconds * RATE)):
            await deferLater(reactor, max(0.0, begin + number / RATE - time.monotonic()))
            self.said += 1
            body = f"{time.monotonic()} {PADDING}"
            self.talker.ask(Send, conversation="lobby", ulid=self.talker.ulid(), body=body)
        await self.all_heard()

    async def all_heard(self) -> None:
        """Wait until everybody who reads has everything."""
        await self.until(lambda: all(reader.seqs[-1:] == [self.said] for reader in self.readers), "everybody heard")
        self.talker.lines.clear()

    async def until(self, true: Any, what: str) -> None:
        """Wait for it, twenty seconds at most."""
        end = time.monotonic() + 20
        while not true():
            self.assertLess(time.monotonic(), end, f"not in time: {what}")
            await deferLater(reactor, 0.01)

    async def windows(self, count: int) -> list[float]:
        """Each reader's p99: the median of so many windows."""
        taken = []
        for _ in range(count):
            for reader in self.readers:
                reader.delays.clear()
            await self.talk(WINDOW)
            taken.append([reader.take_p99() for reader in self.readers])
        return [median(of_one) for of_one in zip(*taken, strict=True)]

    async def flood(self, name: str) -> None:
        """Say `FLOOD` long things to ``name`` alone, fifty at a time."""
        for _ in range(FLOOD // 50):
            ids = [self.talker.ask(Send, **self.talker.message(f"@{name}", PADDING * 2)) for _ in range(50)]
            for id_ in ids:
                answer = await self.talker.answer(id_)
                assert isinstance(answer, Ok), answer
                assert isinstance(answer.result, Sent), answer

    def memory(self) -> float:
        """The server's resident megabytes."""
        transport: Any = self.server.transport
        status = Path(f"/proc/{transport.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1_024

    async def read_up(self, reader: Reader, conversation: str, after: int) -> list[int]:
        """The seqs of all pages from there to the end."""
        seqs: list[int] = []
        while True:
            answer = await reader.request(Sync, conversation=conversation, after=after)
            assert isinstance(answer, Ok), answer
            page = answer.result
            assert isinstance(page, Page), page
            seqs += [message.seq for message in page.messages]
            if not page.messages or seqs[-1] >= page.last_seq:
                return seqs
            after = seqs[-1]

    async def stop(self, sleeper: Reader) -> None:
        """It reads no more, and is behind when this returns."""
        sleeper.stop_reading()
        times = self.times_behind + 1
        while self.times_behind < times:
            self.assertLess(self.said, 5_000, "the stopped reader never fell behind")
            await self.talk(0.5)

    @property
    def times_behind(self) -> int:
        """How often the server has found somebody behind."""
        return [line["event"] for line in self.server.seen].count("slow_reader")

    async def wake(self, sleeper: Reader) -> None:
        """It reads what waited for it, hears that it was behind, and reads up on what it missed."""
        sleeper.resume_reading()
        await sleeper.hears(Behind)
        heard = sleeper.seqs[-1]
        self.assertLess(heard, self.said, "it missed nothing")
        sleeper.seqs += await self.read_up(sleeper, "lobby", heard)
        self.assertEqual(sleeper.seqs, list(range(1, self.said + 1)))

    def moved(self, reading: list[float], stopped: list[float], again: list[float]) -> list[str]:
        """Whose p99 was more than half as long again while one had stopped."""
        return [
            f"{slow:.3f} s, but {one:.3f} s before and {other:.3f} s after"
            for one, slow, other in zip(reading, stopped, again, strict=True)
            if slow > max(1.5 * max(one, other), FLOOR)
        ]

    async def test_one_stopped_reader_of_a_hundred_costs_the_others_nothing_and_misses_nothing(self) -> None:
        """Nobody else's p99 moves by more than half, memory stays flat, it has all messages in order at the end."""
        options = ("--request-rate=1000000", "--request-burst=1000000", f"--max-unsent={MAX_UNSENT}")
        self.server = await start_server(self, "--registration=open", *options)
        self.said = 0
        self.talker = await self.reader("talker")
        names = [f"reader{number}" for number in range(READERS)]
        sleeper, *self.readers = await gatherResults([Deferred.fromCoroutine(self.reader(name)) for name in names])
        await self.talk(1.0)
        reading = await self.windows(4)

        await self.stop(sleeper)
        before = self.memory()
        stopped = await self.windows(4)
        await self.flood(names[0])
        self.assertLess(self.memory() - before, 15.0, "the server's memory grew")
        await self.wake(sleeper)
        self.assertEqual(await self.read_up(sleeper, "@talker", 0), list(range(1, FLOOD + 1)))

        again = await self.windows(4)
        moved = self.moved(reading, stopped, again)
        for _ in range(2):  # a busy machine moves them as well, but not each time at the same moment
            if moved:
                reading = again
                await self.stop(sleeper)
                stopped = await self.windows(4)
                await self.wake(sleeper)
                again = await self.windows(4)
                moved = self.moved(reading, stopped, again)
        self.assertEqual(moved, [])
        for reader in (sleeper, *self.readers):
            self.assertEqual(reader.seqs, list(range(1, self.said + 1)))
