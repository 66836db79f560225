"""The table of docs/reliability.md, made from what was measured."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import encchat
from tests.faults.run import Result

PAGE: Final = Path(__file__).resolve().parent.parent.parent / "docs" / "reliability.md"
BEGIN: Final = "<!-- measured: faults -->"
END: Final = "<!-- end -->"


def table(results: Sequence[Result]) -> str:
    """Rows in the order of the results, the machine and the versions below."""
    rows = ["| fault | rounds | messages sent | lost | duplicated | time to recover |", "|---|--:|--:|--:|--:|--:|"]
    rows += [_row(result) for result in results]
    return "\n".join([*rows, "", _circumstances(results)])


def _row(result: Result) -> str:
    title = result.fault.title
    if result.skipped:
        return f"| {title} | not run: {result.skipped} | | | | |"
    if result.broke:
        return f"| {title} | {result.rounds}, not to the end | {result.verdict.sent} | | | did not |"
    verdict = result.verdict
    lost, duplicated = verdict.count("lost"), verdict.count("duplicated")
    others = len(verdict.problems) - lost - duplicated
    wrong = f" ({others} otherwise wrong)" if others else ""
    recovery = f"{median(result.seconds):.2f} s, at most {max(result.seconds):.2f} s"
    return f"| {title} | {result.rounds} | {verdict.sent:,} | {lost} | {duplicated}{wrong} | {recovery} |"


def _circumstances(results: Sequence[Result]) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("Twisted", "cryptography"))
    seeds = ", ".join(sorted({result.seed for result in results}))
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} in {sum(result.took for result in results):.0f} s, seed {seeds}, by"
        f" encchat {encchat.__version__}, Python {platform.python_version()}, {packages},"
        f" SQLite {sqlite3.sqlite_version} on {platform.system()} {platform.release()}, {platform.machine()},"
        f" {_processor()}, {os.cpu_count()} cores that other programs use too."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def put_into(page: str, text: str) -> str:
    """The page with ``text`` between its markers; ValueError if it has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no {BEGIN} with an {END} behind it")
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


def write(results: Sequence[Result]) -> None:
    """Put the table into the page."""
    PAGE.write_text(put_into(PAGE.read_text("utf-8"), table(results)), "utf-8")
