"""Many worlds, one after the other, and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic

from attrs import define, evolve, field
from twisted.internet.defer import execute
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from tests.simulation.world import Options, Outcome, World


def run(seed: int, options: Options | None = None) -> Outcome:
    """One world; what is raised in it, or logged as critical, is a broken promise too."""
    logged: list[LogEvent] = []
    globalLogPublisher.addObserver(logged.append)
    world = World(seed, options or Options())
    ended: list[Outcome | Failure] = []
    execute(world.run).addBoth(ended.append)
    globalLogPublisher.removeObserver(logged.append)
    critical = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.critical]
    [outcome] = ended
    if isinstance(outcome, Failure):
        return world.outcome([outcome.getTraceback(), *critical])
    return evolve(outcome, broken=(*outcome.broken, *critical))


@define
class Totals:
    """Sums over runs; ``failed`` holds the first outcome of each seed that broke a promise."""

    runs: int = 0
    messages: int = 0
    deliveries: int = 0
    steps: int = 0
    seconds: float = 0.0
    slowest_recovery: float = 0.0
    faults: Counter[str] = field(factory=Counter)
    failed: list[Outcome] = field(factory=list)

    @property
    def runs_a_minute(self) -> int:
        """As fast as they went."""
        return int(self.runs / max(self.seconds, 0.001) * 60)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the seconds spent inside."""
        began = monotonic()
        yield
        self.seconds += monotonic() - began

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.messages += outcome.messages
        self.deliveries += outcome.deliveries
        self.steps += outcome.steps
        self.slowest_recovery = max(self.slowest_recovery, outcome.recovery)
        self.faults += outcome.faults
        if outcome.broken:
            self.failed.append(outcome)


def run_all(seeds: Iterable[int], options: Options | None = None) -> Totals:
    """Run a world for each seed."""
    totals = Totals()
    with totals.timed():
        for seed in seeds:
            totals.add(run(seed, options))
    return totals
