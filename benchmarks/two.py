"""What a second core gives: to one server, whose store has a thread of its own, and to two servers.

Theory of operation. encchat is one process with one reactor; beside it run the store's writer and, rarely, other
threads, and Python lets one of them compute at a time unless it is in SQLite or waits for the disk. So the same talk is
measured with the server on one core and on two, by threads; and with two servers, each on a core of its own, each with
as many people, who know nothing of the others. The generator is on one of these cores in any case and takes its part.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from time import monotonic, process_time
from typing import Final

from attrs import frozen

from benchmarks import cores
from benchmarks.places import ENCCHAT, W1, W2, W3, Workload
from benchmarks.relay import Scene, quick, scene
from benchmarks.report import middle, table
from benchmarks.traffic import Traffic

_BOTH: Final = (cores.SERVER_CORE, cores.GENERATOR_CORE)
_Marks = list[tuple[float, float, float, float, int]]


@frozen
class Size:
    """Seconds of each talk, and rounds."""

    seconds: float = 1.6
    rounds: int = 3
    workloads: Sequence[Workload] = (W1, W2, W3)


QUICK: Final = Size(0.4, 1, (quick(W2),))


@frozen
class Figures:
    """Messages a second; of each us in the reactor's thread and in others; the generator's share."""

    rate: float
    reactor: float
    others: float
    generator: float


def run(size: Size) -> str:
    """Measure; the table in Markdown."""
    cores.prepare_generator()
    rows = [row for workload in size.workloads for row in _rows(workload, size)]
    head = (
        "workload, saturated",
        "servers",
        "messages a second",
        "us of a message in the reactor's thread",
        "in other threads",
        "generator's share",
    )
    return table(head, rows)


def _rows(workload: Workload, size: Size) -> list[Sequence[str]]:
    plans = (
        ("one, on one core", [(cores.SERVER_CORE,)]),
        ("one, on both cores", [_BOTH]),
        ("two, on a core each", [(core,) for core in _BOTH]),
    )
    with ExitStack() as stack:
        teams = [[scene(stack, ENCCHAT, workload, *on) for on in plan] for _, plan in plans]
        found: list[list[Figures]] = [[] for _ in plans]
        for _ in range(size.rounds):
            for team, figures in zip(teams, found, strict=True):
                figures.append(_talk(team, workload.window, size.seconds))
    name = f"{workload.name} {workload.words}"
    return [(name, words, *_cells(figures)) for (words, _), figures in zip(plans, found, strict=True)]


def _cells(of: Sequence[Figures]) -> list[str]:
    parts = [[one.rate for one in of], [one.reactor for one in of], [one.others for one in of]]
    return [*map(middle, parts), f"{100 * max(one.generator for one in of):.0f} %"]


def _talk(team: Sequence[Scene], window: int, seconds: float) -> Figures:
    """All of them at once, from one generator."""
    marks: _Marks = []
    traffic = Traffic([group for one in team for group in one.traffic.groups])
    processes = [one.place.process for one in team]

    def mark() -> None:
        threads = [cores.cpu_by_thread(process) for process in processes]
        reactors = sum(of[process] for of, process in zip(threads, processes, strict=True))
        rest = sum(sum(of.values()) for of in threads) - reactors
        marks.append((reactors, rest, process_time(), monotonic(), traffic.heard()))

    traffic.run(window, seconds, [(seconds / 4, mark), (seconds * 0.95, mark)])
    traffic.leave()
    for one in team:
        one.check()
    reactor, rest, own, clock, heard = (late - early for early, late in zip(*marks, strict=True))
    return Figures(heard / clock, reactor / heard * 1e6, rest / heard * 1e6, own / clock)
