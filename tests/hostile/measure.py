"""What a process costs, read from /proc, and percentiles."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

_TICKS = os.sysconf("SC_CLK_TCK")
_MEGABYTE = 1024
"""Kilobytes, the unit of /proc."""


@frozen
class Usage:
    """Of one process: megabytes now and at most since `forget_peak`, processor seconds so far, open files."""

    megabytes: float
    peak: float
    processor: float
    files: int


def usage(pid: int) -> Usage:
    """Read it."""
    place = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    # Fields 14 and 15 of proc(5) stat; the name before them may hold anything but ends at the last bracket.
    fields = (place / "stat").read_text().rpartition(")")[2].split()
    return Usage(
        int(status["VmRSS"].split()[0]) / _MEGABYTE,
        int(status["VmHWM"].split()[0]) / _MEGABYTE,
        (int(fields[11]) + int(fields[12])) / _TICKS,
        len(os.listdir(place / "fd")),
    )


def forget_peak(pid: int) -> None:
    """Let the peak begin anew: 5 in clear_refs, see proc(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest of ``values`` that ``part`` of them do not exceed; nan if there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
