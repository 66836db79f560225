"""The outcomes as a table, and the table in docs/reliability.md between its markers."""

from __future__ import annotations

import datetime
import math
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tests.hostile.honest import HONEST, INTERVAL
from tests.hostile.run import ROOT, Outcome

PAGE = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- measured: hostile -->"
END = "<!-- end measured: hostile -->"
HEADING = "# Reliability\n"
_COLUMNS = (
    "attack",
    "what it does",
    "server MB before / peak / after",
    "server CPU s",
    "honest p50 ms",
    "honest p99 ms",
    "slowest newcomer ms",
    "lost",
    "caught up",
    "log lines",
    "the attacker saw",
)


def table(outcomes: Sequence[Outcome], heading: bool = True) -> str:
    """Markdown; one row an outcome."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS)] if heading else []
    rows += [_row(outcome) for outcome in outcomes]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(outcome: Outcome) -> tuple[str, ...]:
    attack = outcome.attacks[0]
    options = f" (server with `{' '.join(attack.options)}`)" if attack.options else ""
    return (
        attack.name,
        attack.what + options,
        f"{outcome.before.megabytes:.0f} / {outcome.during.peak:.0f} / {outcome.after.megabytes:.0f}",
        f"{outcome.processor:.1f} in {outcome.seconds:.0f}",
        f"{outcome.calm.p50:.1f} -> {outcome.stormy.p50:.1f}",
        f"{outcome.calm.p99:.1f} -> {outcome.stormy.p99:.1f}",
        "not let in" if math.isinf(outcome.slowest_entry) else f"{outcome.slowest_entry:.0f}",
        str(outcome.lost),
        str(outcome.caught_up),
        str(outcome.log_lines),
        outcome.saw[attack.name].text(),
    )


def write(outcomes: Sequence[Outcome], load: float, page: Path = PAGE) -> None:
    """Put the table between the markers, which are made if they are missing; ``load`` is the machine's at the start."""
    text = page.read_text(encoding="utf-8") if page.exists() else HEADING
    if BEGIN not in text:
        text += f"\n## Hostile clients\n\n{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{_said(outcomes, load)}\n{table(outcomes)}{END}{tail}", encoding="utf-8")


def _said(outcomes: Sequence[Outcome], load: float) -> str:
    when = datetime.datetime.now(datetime.UTC).date().isoformat()
    rate = round(len(HONEST) / INTERVAL)
    return (
        f"Made by `python -m tests.hostile --write` on {when}: {platform.machine()}, {os.cpu_count()} processors"
        f" ({_processor()}), Linux {platform.release()}, Python {platform.python_version()},"
        f" Twisted {version('Twisted')}, cryptography {version('cryptography')}, encchat {version('encchat')};"
        f" others kept {load:.1f} of the processors busy when it began.\n\n"
        "Server, attackers (one process, nice 5) and honest clients share this machine. Each attack meets a new server"
        f" with default limits but for the options named and open registration. {len(HONEST)} honest clients send"
        f" {rate} messages a second to the lobby all the time; before -> during the attack, milliseconds are from"
        " sending to hearing. A newcomer connects and logs in by its device's key every second. Lost counts messages"
        f" not heard by somebody or not accepted, caught up how often one of them was too slow for the live feed, was"
        f" told so and read on from the store; {sum(outcome.disordered for outcome in outcomes)} came twice or out"
        " of order in all runs together.\n"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
