"""What a log-in costs the server, and what a storm of passwords does to the talk of others.

Theory of operation. By device key: as many at once as `benchmarks.places` opens, each a new connection with the whole
handshake of ``noise-hybrid``; what a client can compute before it connects is computed before. What counts is the
server's CPU time by the log-ins, so it does not matter that the generator computes as much for each as the server: the
log-ins a second and core follow from it. By password: another process logs in without end while twenty rooms of ten
talk at a fixed rate, and what the storm does is the change of their delays. There the generator rests when it has
nothing to do: where both cores of a virtual machine are kept busy the disk itself may be slow, and the storm alone
keeps one of them busy.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic, process_time
from typing import Final

from attrs import evolve, frozen

from benchmarks import cores, peers
from benchmarks.latency import Delay, delay
from benchmarks.latency import cell as delays_cell
from benchmarks.places import ENCCHAT, W2, Place, Server, Workload, log_in, others
from benchmarks.processes import ROOT
from benchmarks.relay import Scene, chosen
from benchmarks.report import middle, table
from benchmarks.traffic import Traffic


@frozen
class Size:
    """``logins`` of a round, and of the talk beside a storm its ``seconds`` and ``rate`` in deliveries a second."""

    seconds: float = 3.0
    rounds: int = 3
    only: Sequence[str] = ()
    logins: int = 1_500
    rate: int = 5_000
    workload: Workload = W2


QUICK: Final = Size(0.5, 1, (), 30, 1_000, evolve(W2, rooms=2))


@frozen
class Cost:
    """Of one round: microseconds of the server's CPU a log-in, log-ins a second, the generator's share."""

    cost: float
    rate: float
    generator: float


def run(size: Size) -> str:
    """Measure; the tables in Markdown."""
    cores.prepare_generator()
    servers = chosen([ENCCHAT, *others()], size.only)
    head = (
        "server",
        "ms of CPU a log-in",
        "log-ins a second and core",
        "log-ins a second, as it went",
        "generator's share",
    )
    return f"{peers.described()}\n\n{table(head, _rows(servers, size))}\n\n{_storm(size)}"


def _rows(servers: Sequence[Server], size: Size) -> list[Sequence[str]]:
    counts = [min(server.connections // 4, size.logins) for server in servers]
    found: list[list[Cost]] = [[] for _ in servers]
    with ExitStack() as stack:
        places = [stack.enter_context(one.start(count)) for one, count in zip(servers, counts, strict=True)]
        for _ in range(size.rounds):
            for place, count, costs in zip(places, counts, found, strict=True):
                costs.append(_round(place, count))
    return [_row(server.name, costs) for server, costs in zip(servers, found, strict=True)]


def _row(name: str, costs: Sequence[Cost]) -> Sequence[str]:
    each, rate = middle([one.cost / 1e3 for one in costs]), middle([1e6 / one.cost for one in costs])
    return name, each, rate, middle([one.rate for one in costs]), f"{100 * max(one.generator for one in costs):.0f} %"


def _round(place: Place, count: int) -> Cost:
    members = [place.member(number) for number in range(count)]
    for member in members:
        member.prepare()
    began, spent, own = monotonic(), cores.cpu(place.process), process_time()
    log_in(members)
    seconds, own = monotonic() - began, process_time() - own
    cost = (cores.cpu(place.process) - spent) / count * 1e6
    for member in members:
        member.socket.close()
    return Cost(cost, count / seconds, own / seconds)


def _storm(size: Size) -> str:
    with ExitStack() as stack:
        place = stack.enter_context(ENCCHAT.start(size.workload.everybody + STRANGERS))
        scene = Scene(place, Traffic(place.gather(size.workload)))
        stack.callback(scene.traffic.close)
        scene.traffic.settle()
        found: list[tuple[Delay | None, Delay | None]] = []
        passwords: list[float] = []
        for _ in range(size.rounds):
            calm = delay(scene, size.rate, size.seconds, rests=True)
            with storm(place.member(0).address[1], size.workload.everybody) as told:
                found.append((calm, delay(scene, size.rate, size.seconds, rests=True)))
            passwords += told
    head = (f"{size.workload.name}, {size.rate:,} deliveries a second", "ms until half; until 99 %; generator's share")
    rows = [("calm", delays_cell([calm for calm, _ in found])), ("storm", delays_cell([late for _, late in found]))]
    return f"Passwords checked a second during the storm: {middle(passwords)}.\n\n{table(head, rows)}"


STRANGERS: Final = 20
"""Accounts whose passwords are given all the time."""


@contextmanager
def storm(port: int, first: int) -> Iterator[list[float]]:
    """Password log-ins by another process of the generator's core; on leaving, how many a second were answered."""
    command = [sys.executable, "-m", "benchmarks.storm", str(port), str(first), str(STRANGERS)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
    told: list[float] = []
    try:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the storm has not begun")
        yield told
        output, _ = process.communicate("stop\n", timeout=60)
        told.append(float(output))
    finally:
        process.kill()
        process.communicate()
