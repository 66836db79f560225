"""The attackers' process, ``PORT NAME:NETWORK:COUNT:SECONDS...``: it waits for a line, strikes, says what it saw.

It is a process of its own so that its work does not stand in the honest clients' way.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

from attrs import define, field
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure

from tests.hostile.attacks import ATTACKS
from tests.hostile.ground import Ground

reactor: Any = _reactor

NICENESS = 5
"""Attackers would not use the server's processors, so here they come after it."""

LONGEST = 300.0
"""Seconds after which it ends whatever happens."""


def say(**fields: object) -> None:
    """Write one JSON line."""
    print(json.dumps(fields), flush=True)


@define(eq=False)
class Signal:
    """Fires for everybody when everybody is ready and a line has come."""

    _missing: int
    _waiting: list[Deferred[None]] = field(factory=list)

    def wait(self) -> Deferred[None]:
        """One more is ready."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if len(self._waiting) == self._missing:
            say(event="ready")
        return waiting

    def strike(self) -> None:
        """Let them go."""
        for one in self._waiting:
            one.callback(None)


class Input(Protocol):
    """Any line on stdin is the signal; its end is the end."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal

    def dataReceived(self, data: bytes) -> None:
        """Strike."""
        self._signal.strike()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Whoever started us is gone."""
        if reactor.running:
            reactor.stop()


async def attack(name: str, ground: Ground) -> None:
    """Run one and say what it saw."""
    await ATTACKS[name].strike(ground)
    saw = ground.seen.saw()
    say(event="saw", attack=name, counts=saw.counts, hang_ups=saw.hang_ups)
    ground.leave()


def failed(failure: Failure) -> None:
    """An attack that breaks is a fault of the suite."""
    say(event="broke", trace=failure.getTraceback())


def main() -> None:
    """Run the attacks named on the command line."""
    os.nice(NICENESS)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, *words = sys.argv[1:]
    signal = Signal(len(words))
    StandardIO(Input(signal))
    runs = []
    for word in words:
        name, network, count, seconds = word.split(":")
        ground = Ground(int(port), int(network), int(count), float(seconds), signal.wait)
        runs.append(Deferred.fromCoroutine(attack(name, ground)).addErrback(failed))
    gatherResults(runs).addCallback(lambda _: say(event="over"))
    reactor.callLater(LONGEST, reactor.stop)
    reactor.run()
