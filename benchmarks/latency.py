"""How long a message is under way at a rate that the server can keep up with, beside what a store's commit takes.

Theory of operation. Twenty rooms of ten, all talk, at a fixed rate: what is due is sent whether or not anything has
come back, and carries the time at which it was due, so that whoever is late, server or generator, does not hide it. The
generator never sleeps, unless it is asked to; its share is that of the time in which it had something to do. The
commits are those of an otherwise idle store, measured in turn with the talks: a message is delivered after one, and
waits for the one before.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Final

from attrs import define, evolve, field, frozen

from benchmarks import cores, peers
from benchmarks.places import ENCCHAT, OFF_THE_RECORD, W2, Workload, others
from benchmarks.relay import Scene, chosen, scene
from benchmarks.report import middle, table
from encchat.server.store import accounts, database

_STAMP: Final = re.compile(rb"STAMP(\d{20})")
_WARM: Final = 0.25
"""The part of a talk that is not counted."""
_BEHIND_SECONDS: Final = 0.5
"""As much as may be under way before a server counts as one that does not keep up."""
_COMMITS: Final = 200


@frozen
class Size:
    """Seconds of each talk, rounds, deliveries a second, and the servers to measure (none named: all)."""

    seconds: float = 2.0
    rounds: int = 3
    only: Sequence[str] = ()
    rates: Sequence[int] = (5_000, 20_000)
    workload: Workload = W2


QUICK: Final = Size(0.5, 1, (), (1_000,), evolve(W2, rooms=2))


@frozen
class Delay:
    """Of one talk: milliseconds from when a message was due until it was read, and the generator's share."""

    half: float
    most: float
    """The 99th percentile."""
    generator: float


@define
class Watch:
    """Collects delays; whatever was due before ``since`` (of the monotonic clock, ns) is not counted."""

    since: int
    found: list[int] = field(factory=list)

    def __call__(self, text: bytes) -> None:
        now, since = time.monotonic_ns(), self.since
        self.found += [now - due for due in map(int, _STAMP.findall(text)) if due >= since]


def run(size: Size) -> str:
    """Measure; the table in Markdown."""
    cores.prepare_generator()
    servers = chosen([ENCCHAT, OFF_THE_RECORD, *others()], size.only)
    with ExitStack() as stack:
        scenes = [scene(stack, server, size.workload) for server in servers]
        commits: list[float] = []
        rows = [_row(rate, scenes, size, commits) for rate in size.rates]
    head = ("deliveries a second", *(server.name for server in servers))
    note = "A cell: ms until half has come; until 99 % has come; the generator's share of its core."
    return f"{peers.described()}\n\n{note} {_commits_told(commits)}\n\n{table(head, rows)}"


def _commits_told(commits: Sequence[float]) -> str:
    cuts = statistics.quantiles(commits, n=100)
    return f"A commit of the store in the same run: half within {cuts[49]:.2f} ms, 99 % within {cuts[98]:.2f} ms."


def _row(rate: int, scenes: Sequence[Scene], size: Size, commits: list[float]) -> Sequence[str]:
    found: list[list[Delay | None]] = [[] for _ in scenes]
    for _ in range(size.rounds):
        commits += commit_times()
        for one, delays in zip(scenes, found, strict=True):
            delays.append(delay(one, rate, size.seconds))
    return f"{rate:,}", *map(cell, found)


def cell(of: Sequence[Delay | None]) -> str:
    """The three figures, if they were reached in all rounds."""
    kept = [one for one in of if one is not None]
    if len(kept) < len(of):
        return "does not keep up"
    half, most = middle([one.half for one in kept]), middle([one.most for one in kept])
    return f"{half}; {most}; {100 * max(one.generator for one in kept):.0f} %"


def delay(one: Scene, rate: int, seconds: float, *, rests: bool = False) -> Delay | None:
    """Talk at that rate; None if the server does not keep up. ``rests``: leave the generator's core when idle."""
    began = time.monotonic_ns()
    watch = Watch(began + int(seconds * _WARM * 1e9))
    one.traffic.heed = watch
    share = _flow(one, rate, began, seconds, rests)
    one.traffic.drain()
    one.traffic.heed = None
    one.check()
    if share is None:
        return None
    cuts = statistics.quantiles(watch.found, n=100)
    return Delay(cuts[49] / 1e6, cuts[98] / 1e6, share)


def _flow(one: Scene, rate: int, began: int, seconds: float, rests: bool) -> float | None:
    """The share of the time in which there was something to do."""
    groups, traffic = cycle(one.traffic.groups), one.traffic
    gap, due, empty = int(one.traffic.groups[0].fan / rate * 1e9), began, 0
    behind, end = rate * _BEHIND_SECONDS, began + int(seconds * 1e9)
    while (now := time.monotonic_ns()) < end:
        for at in range(due, now + 1, gap):
            for (member, to), _ in next(groups).take_turns(1).items():
                traffic.send(member, member.said(to, f"STAMP{at:020d}"))
            due = at + gap
        looked = time.monotonic_ns()
        if rests:
            traffic.rest((due - looked) / 1e9)
            empty, looked = empty + time.monotonic_ns() - looked, time.monotonic_ns()
        if not traffic.poll(0):
            empty += time.monotonic_ns() - looked
        elif traffic.lost() > behind:
            return None
    return 1 - empty / (end - began)


def commit_times(count: int = _COMMITS) -> list[float]:
    """Milliseconds of each of so many commits, one after another, of a store of its own."""
    found = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="encchat-bench-")))
        connection = stack.enter_context(closing(database.connect(directory / "store.db")))
        for number in range(count):
            began = time.perf_counter()
            with database.transaction(connection):
                accounts.set_meta(connection, "benchmark", str(number))
            found.append((time.perf_counter() - began) * 1e3)
    return found
