"""What the server costs a delivered message, beside what other chat servers cost on the same machine.

Theory of operation. The server is pinned to one core, this program to another. The servers take turns, round by
round, each with one process for all rounds of a workload. What is said is the server's CPU time of a stretch in the
middle of the talk, threads and kernel included, by the messages that arrived in it; and this program's own share of
its core, so that it shows when the generator was what limited. In the end every message must have arrived, and of
encchat it must be in the database, or in an ephemeral room in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from time import monotonic, process_time
from typing import Final

from attrs import evolve, frozen

from benchmarks import cores, peers
from benchmarks.places import ENCCHAT, OFF_THE_RECORD, W1, W2, W3, Place, Server, Workload, others
from benchmarks.report import middle, table
from benchmarks.traffic import Traffic

WORKLOADS: Final = (W1, W2, W3)


@frozen
class Size:
    """Seconds of each talk, rounds, and the servers to measure (a part of each one's name; none: all)."""

    seconds: float = 1.2
    rounds: int = 3
    only: Sequence[str] = ()
    workloads: Sequence[Workload] = WORKLOADS


def quick(workload: Workload) -> Workload:
    """The same with few."""
    members = workload.members // 5 or 2
    return evolve(workload, rooms=1, members=members, senders=min(workload.senders, members), window=4)


QUICK: Final = Size(0.4, 1, (), tuple(quick(workload) for workload in WORKLOADS))


@frozen
class Figures:
    """Of one talk: microseconds of the server a delivered message, messages a second, the generator's share."""

    cost: float
    rate: float
    generator: float


@frozen
class Scene:
    """A place with everybody in it and their traffic."""

    place: Place
    traffic: Traffic

    def check(self) -> None:
        """Raise `RuntimeError` unless all was delivered and is kept, where the server keeps what is said."""
        sent, lost = self.traffic.sent(), self.traffic.lost()
        if lost or not sent:
            raise RuntimeError(f"of {sent} messages {lost} deliveries were lost")
        if self.place.stored is None:
            return
        stored, promised = self.place.stored(), 0 if self.place.ephemeral else sent
        if stored != promised:
            raise RuntimeError(f"of {sent} messages {stored} are in the database, not {promised}")


def run(size: Size) -> str:
    """Measure; the table in Markdown."""
    cores.prepare_generator()
    servers = chosen([ENCCHAT, OFF_THE_RECORD, *others()], size.only)
    rows = [row for workload in size.workloads for row in _rows(workload, servers, size)]
    head = ("workload", *(server.name for server in servers))
    note = "A cell: us of CPU a delivered message; messages a second; the generator's share of its core."
    return f"{peers.described()}\n\n{note}\n\n{table(head, rows)}"


def chosen(servers: Sequence[Server], only: Sequence[str]) -> list[Server]:
    """Those that are named, or all."""
    return [one for one in servers if not only or any(word.lower() in one.name.lower() for word in only)]


def _rows(workload: Workload, servers: Sequence[Server], size: Size) -> list[Sequence[str]]:
    with ExitStack() as stack:
        scenes = [scene(stack, server, workload) for server in servers]
        found = [_rounds(scenes, window, size) for window in (workload.window, 1)]
    words = ("saturated", "window 1")
    return [_row(f"{workload.name} {workload.words}, {word}", of) for word, of in zip(words, found, strict=True)]


def scene(stack: ExitStack, server: Server, workload: Workload, *on: int) -> Scene:
    """Start it and bring everybody in place, until ``stack`` is closed."""
    place = stack.enter_context(server.start(workload.everybody, *on))
    traffic = Traffic(place.gather(workload))
    stack.callback(traffic.close)
    traffic.settle()
    return Scene(place, traffic)


def _row(name: str, found: list[list[Figures]]) -> Sequence[str]:
    return name, *(cell(of) for of in found)


def cell(of: Sequence[Figures]) -> str:
    """The three figures."""
    cost, rate = middle([one.cost for one in of]), round(sum(one.rate for one in of) / len(of))
    return f"{cost}; {rate:,}; {100 * max(one.generator for one in of):.0f} %"


def _rounds(scenes: Sequence[Scene], window: int, size: Size) -> list[list[Figures]]:
    found: list[list[Figures]] = [[] for _ in scenes]
    for _ in range(size.rounds):
        for one, figures in zip(scenes, found, strict=True):
            figures.append(talk(one, window, size.seconds))
    return found


def talk(one: Scene, window: int, seconds: float) -> Figures:
    """Once, and see that nothing was lost."""
    marks: list[tuple[float, float, float, int]] = []

    def mark() -> None:
        marks.append((cores.cpu(one.place.process), process_time(), monotonic(), one.traffic.heard()))

    one.traffic.run(window, seconds, [(seconds / 4, mark), (seconds * 0.95, mark)])
    one.check()
    server, own, clock, heard = (late - early for early, late in zip(*marks, strict=True))
    return Figures(server / heard * 1e6, heard / clock, own / clock)
