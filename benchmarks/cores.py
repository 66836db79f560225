"""Which core is whose, and what the kernel says a process has cost.

Servers are pinned to one core and whatever makes the load to another, in every benchmark; on a machine with a single
core both share it, and the generator's share of it, shown beside each figure, says so.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 1
GENERATOR_CORE: Final = 0
_FILES: Final = 20_000
"""Connections one process may hold: ten thousand idle ones, twice."""


def pin(process: int, *cores: int) -> None:
    """Every thread of it, now; the threads it starts later inherit that of theirs."""
    for task in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(task), _here(cores or (SERVER_CORE,)))


def prepare_generator() -> None:
    """This process makes the load: on its core, with as many open files as it may have."""
    os.sched_setaffinity(0, _here((GENERATOR_CORE,)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _here(cores: tuple[int, ...]) -> set[int]:
    """Those of them that there are; else the first one."""
    return {core for core in cores if core < (os.cpu_count() or 1)} or {0}


def cpu(process: int) -> float:
    """Seconds of all threads, the kernel's work for them included."""
    return sum(cpu_by_thread(process).values())


def cpu_by_thread(process: int) -> dict[int, float]:
    """The same of each thread by its id; the first one's id is the process'."""
    found = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        found[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


def memory(process: int) -> int:
    """Bytes that are its own, and its part of those it shares."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
