"""One client under measurement, a process of its own: ``python -m benchmarks.client ROLE ...``; prints JSON lines.

Roles: ``populate DIRECTORY MEMBERS`` makes a room; ``share ADDRESS HOME`` joins it and says two things; ``send ADDRESS
HOME COUNT PARTS`` and ``receive ADDRESS HOME COUNT PARTS`` are bots, one that says so much to the other; ``talk ADDRESS
HOME NAME CONVERSATION RATE`` is one that says so many things a second until it is killed.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults, succeed
from twisted.internet.task import LoopingCall, deferLater, react

from benchmarks.populace import ROOM, populate
from benchmarks.turns import Turns
from encchat import wire
from encchat.client import Client, events
from encchat.client.connection import Server
from encchat.client.core import ClientCore, Question
from encchat.client.home import Home
from encchat.client.login import Credentials
from encchat.client.runner import Patience, Runner
from encchat.links import parse_address
from encchat.secure import DEFAULT_SUITE

reactor: Any = _reactor
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of accounts that exist for a minute
_WINDOW: Final = 100
"""Messages a sending bot has under way."""
_REST_SECONDS: Final = 0.05


class Counted(ClientCore):
    """A core that counts what it gives to the network."""

    requests = 0
    bytes = 0

    def lines_to_send(self) -> list[bytes]:
        """As ever."""
        lines = super().lines_to_send()
        self.requests += len(lines)
        self.bytes += sum(len(line) + 1 for line in lines)
        return lines


class Front:
    """Nobody: the program is the one who types."""

    def show(self, event: events.ScreenEvent) -> None:
        """Errors are not expected."""
        if isinstance(event, events.Error):
            raise RuntimeError(event.text)

    def changed(self) -> None:
        """Whoever waits looks again by itself."""

    def password(self, *, new: bool) -> Deferred[str]:
        """It is given."""
        return succeed(PASSWORD)

    def unlock(self, prompt: str) -> Deferred[str]:
        """The same."""
        return succeed(PASSWORD)

    def answer(self, question: Question) -> None:
        """Nothing is asked."""


def say(**fields: object) -> None:
    """A line for who started this process."""
    print(json.dumps(fields), flush=True)


class Began:
    """When this process began to be measured."""

    def __init__(self) -> None:
        self._seconds, self._cpu = time.perf_counter(), time.process_time()

    def say(self) -> None:
        """What it has taken until now, and its resident memory in bytes."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        now, cpu = time.perf_counter() - self._seconds, time.process_time() - self._cpu
        say(seconds=now, cpu=cpu, memory=pages * resource.getpagesize())


async def until(true: Callable[[], object]) -> None:
    """Wait for it."""
    while not true():
        await deferLater(reactor, 0.001)


async def share(address: str, home: str) -> None:
    """Join the room as somebody new, then measure a first message and a second."""
    core, turns = Counted(time.time, os.urandom), Turns()
    turns.watch(reactor)
    server = Server(parse_address(address), DEFAULT_SUITE)
    who = Credentials("alice", register=True)
    runner = Runner(reactor, Home(Path(home)), server, who, core, Front(), Patience(), password=PASSWORD)
    over = runner.run()
    await until(lambda: core.user and core.machine is not None and core.idle and not core.busy)
    core.typed(f"/join {ROOM}")
    runner.pump()
    await until(lambda: core.rooms.known(ROOM) is not None and core.idle and not core.busy)
    await deferLater(reactor, _REST_SECONDS)
    for number in ("first", "second"):
        turns.begin()
        requests, size = core.requests, core.bytes
        began, cpu = time.perf_counter(), time.process_time()
        answers: list[wire.Ok | wire.Error] = []
        core.say("", ROOM, f"the {number} message, of a length that people write", answers.append)
        runner.pump()
        await until(lambda answers=answers: answers)
        if isinstance(answers[0], wire.Error):
            raise RuntimeError(answers[0].text)
        wall = time.perf_counter() - began
        await until(lambda: core.idle and not core.busy)
        say(
            message=number,
            seconds=wall,
            cpu=time.process_time() - cpu,
            longest=turns.longest,
            requests=core.requests - requests,
            bytes=core.bytes - size,
        )
    core.leave()
    runner.pump()
    await over


async def send(address: str, home: str, count: str, parts: str) -> None:
    """Say ``count`` things to the receiver, `_WINDOW` at a time, after one that prepares the keys."""
    async with Client(address, "sender", PASSWORD, register=True, home=home) as client:
        await client.send("@receiver", "begin")
        began, left, part = Began(), int(count), int(count) // int(parts)
        while left:
            now = min(_WINDOW, left, left % part or part)
            sends = [
                client.send("@receiver", f"message {left - one}, as long as people write them") for one in range(now)
            ]
            await gatherResults([ensureDeferred(one) for one in sends])
            left -= now
            if left % part == 0:
                began.say()


async def receive(address: str, home: str, count: str, parts: str) -> None:
    """Read ``count`` messages of the sender as a bot does, after one that brings the keys."""
    async with Client(address, "receiver", PASSWORD, register=True, home=home) as client:
        say(ready=True)
        left, part, began = int(count), int(count) // int(parts), None
        async for event in client.events():
            if not isinstance(event, events.Message):
                continue
            if event.signed != "valid":
                raise RuntimeError(f"a message was not verified: {event}")
            if began is None:
                began = Began()
                continue
            left -= 1
            if left % part == 0:
                began.say()
            if not left:
                break


async def talk(address: str, home: str, name: str, conversation: str, rate: str) -> None:
    """Say so many numbered things a second, whether or not they are accepted; the first refusal ends it."""
    async with Client(address, name, PASSWORD, register=True, home=home) as client:
        numbers = itertools.count()
        refused: Deferred[None] = Deferred()

        def speak(due: int) -> None:
            for _ in range(due):
                told = client.send(conversation, f"this is the {next(numbers):06}th thing that is said here")
                ensureDeferred(told).addErrback(lambda failure: None if refused.called else refused.errback(failure))

        clock = LoopingCall.withCount(speak)
        clock.start(1 / float(rate)).chainDeferred(refused)
        say(ready=True)
        await refused


async def _populate(directory: str, members: str) -> None:
    await populate(reactor, Path(directory), int(members))


_ROLES: Final[dict[str, Callable[..., Coroutine[Any, Any, None]]]] = {
    "populate": _populate,
    "share": share,
    "send": send,
    "receive": receive,
    "talk": talk,
}


def main() -> None:
    """Play the role; BENCH_PROFILE=FILE keeps a profile of it there."""
    role, *arguments = sys.argv[1:]

    def run(_: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(_ROLES[role](*arguments))

    profile = os.environ.get("BENCH_PROFILE")
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        try:
            profiler.runcall(react, run)
        finally:
            profiler.dump_stats(f"{profile}.{role}")
    else:
        react(run)


if __name__ == "__main__":
    main()
