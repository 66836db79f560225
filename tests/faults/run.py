"""Runs one fault from a seed and judges it."""

from __future__ import annotations

import time
from typing import Any
from unittest import SkipTest

from attrs import frozen
from twisted.internet.error import ConnectError

from tests.faults.bench import Bench
from tests.faults.checker import Problem, Verdict
from tests.faults.faults import Fault

NOTHING = Verdict(0, ())


@frozen
class Result:
    """What one fault did; ``seconds`` to recover, one for each round."""

    fault: Fault
    seed: str
    rounds: int
    verdict: Verdict = NOTHING
    seconds: tuple[float, ...] = ()
    took: float = 0.0
    skipped: str = ""
    broke: str = ""
    """Why the run did not come to its end: somebody was never whole again."""

    @property
    def good(self) -> bool:
        """Whether every promise was kept, or the fault could not be made here."""
        return not self.broke and not self.verdict.problems

    def report(self) -> str:
        """What is wrong, and how to see it again."""
        again = f"python -m tests.faults --only {self.fault.name} --rounds {self.rounds} --seed {self.seed}"
        return f"{self.fault.name}, seed {self.seed} (again: {again})\n{self.broke}\n{self.verdict.report()}"


async def run_fault(test: Any, fault: Fault, rounds: int, seed: str) -> Result:
    """Do it; ``test`` is a TestCase or a `tests.faults.bench.Shelter`."""
    bench = Bench(test, f"{fault.name}:{seed}")
    began = time.monotonic()
    try:
        seconds = await fault.run(bench, fault.crew, rounds)
        verdict = await bench.verdict()
    except SkipTest as skip:
        return Result(fault, seed, rounds, skipped=str(skip))
    except AssertionError as error:
        return Result(fault, seed, rounds, await _judged(bench), took=time.monotonic() - began, broke=str(error))
    return Result(fault, seed, rounds, verdict, tuple(seconds), time.monotonic() - began)


async def _judged(bench: Bench) -> Verdict:
    """What can be said of a run that broke off: the server may not even answer."""
    try:
        return await bench.verdict()
    except (AssertionError, ConnectError):
        sent = sum(len(device.told.sent) for device in bench.devices)
        return Verdict(sent, (Problem("lost", "the server does not show its log"),))
