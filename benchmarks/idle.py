"""What connections cost that say nothing: memory, CPU of their own, and what they make of the talk of others.

Theory of operation. So many connections log in and stay, as those who only read do. Memory is what the server has more
of its own (PSS) than when the first few were in, by the connections that came since; what the kernel holds for each
socket is not in it. The server's signs of life go out and are answered meanwhile. For the last table two servers talk
by turns, one of which has the idle connections too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from time import monotonic, process_time
from typing import Final

from attrs import evolve, frozen

from benchmarks import cores, peers
from benchmarks.places import ENCCHAT, W2, Server, Workload, others
from benchmarks.relay import Figures, Scene, cell, chosen, talk
from benchmarks.report import middle, table
from benchmarks.traffic import Group, Traffic

_FIRST: Final = 100
"""Connections after which the server has loaded and made what it needs but once."""

_PEERS_PART: Final = 6
"""Of the time that encchat idles the others get so small a part: none of them asks whether anybody is there."""


@frozen
class Size:
    """``connections`` of the upper table and how many ``seconds`` they idle; ``beside`` how many others talk."""

    seconds: float = 1.6
    rounds: int = 3
    only: Sequence[str] = ()
    connections: int = 5_000
    idle_seconds: float = 31.0
    """A little more than `encchat.limits.KEEPALIVE_SECONDS`."""
    beside: int = 10_000
    workload: Workload = W2


QUICK: Final = Size(0.4, 1, (), 150, 0.5, 150, evolve(W2, rooms=2))


def run(size: Size) -> str:
    """Measure; the tables in Markdown."""
    cores.prepare_generator()
    servers = chosen([ENCCHAT, *others()], size.only)
    head = ("server", "connections", "KiB each", "its CPU while they idle, %", "us each a second", "generator's share")
    memory = table(head, [_row(server, size) for server in servers])
    return f"{peers.described()}\n\n{memory}\n\n{_beside(size)}"


def _row(server: Server, size: Size) -> Sequence[str]:
    count = min(server.connections, size.connections)
    with ExitStack() as stack:
        place = stack.enter_context(server.start(count))
        members = place.log_in(range(_FIRST))
        before = cores.memory(place.process)
        members += place.log_in(range(_FIRST, count))
        traffic = Traffic([Group(members, [], 1)])
        stack.callback(traffic.close)
        traffic.settle()
        each = (cores.memory(place.process) - before) / (count - _FIRST) / 1024
        began, spent, own = monotonic(), cores.cpu(place.process), process_time()
        traffic.run(0, size.idle_seconds if server is ENCCHAT else size.idle_seconds / _PEERS_PART)
        seconds = monotonic() - began
        share, own = (cores.cpu(place.process) - spent) / seconds, (process_time() - own) / seconds
    cpu = f"{100 * share:.2f}", f"{share / count * 1e6:.2f}"
    return server.name, f"{count:,}", f"{each:.1f}", *cpu, f"{100 * own:.1f} %"


def _beside(size: Size) -> str:
    with ExitStack() as stack:
        scenes = [_scene(stack, idle, size.workload) for idle in (0, size.beside)]
        rows = [_pair(scenes, window, size) for window in (size.workload.window, 1)]
    head = (size.workload.name, "nobody else", f"beside {size.beside:,} idle connections", "cost more, %")
    return table(head, rows)


def _scene(stack: ExitStack, idle: int, workload: Workload) -> Scene:
    talking = workload.everybody
    place = stack.enter_context(ENCCHAT.start(talking + idle))
    groups = [*place.gather(workload), Group(place.log_in(range(talking, talking + idle)), [], 1)]
    traffic = Traffic(groups)
    stack.callback(traffic.close)
    traffic.settle()
    return Scene(place, traffic)


def _pair(scenes: Sequence[Scene], window: int, size: Size) -> Sequence[str]:
    found: list[list[Figures]] = [[talk(one, window, size.seconds) for one in scenes] for _ in range(size.rounds)]
    alone, beside = [one for one, _ in found], [other for _, other in found]
    more = [100 * (other.cost / one.cost - 1) for one, other in found]
    return "window 1" if window == 1 else "saturated", cell(alone), cell(beside), middle(more)
