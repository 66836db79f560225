"""`python -m tests.simulation`: many worlds from consecutive seeds, a report, and its line in docs/reliability.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.runs import Totals, run
from tests.simulation.seeds import remember
from tests.simulation.world import Options, Outcome

PAGE = Path(__file__).parent.parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: simulation -->", "<!-- end measured: simulation -->"


def main(words: Sequence[str] | None = None) -> int:
    """Run; 1 if a promise was broken."""
    chosen = _parser().parse_args(words)
    options = Options(messages=chosen.messages, faults=chosen.faults, channel=chosen.channel)
    totals = Totals()
    with totals.timed():
        for seed in range(chosen.seed, chosen.seed + chosen.runs):
            outcome = run(seed, options)
            totals.add(outcome)
            if outcome.broken:
                print(failure(outcome), flush=True)
    print(report(totals))
    if totals.failed and chosen.remember:
        remember(outcome.seed for outcome in totals.failed)
    if chosen.write:
        write(PAGE, totals)
    return 1 if totals.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, metavar="N", help="worlds to run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the first one (%(default)s)")
    parser.add_argument("--messages", type=int, default=Options().messages, help="typed in each (%(default)s)")
    parser.add_argument("--faults", type=int, default=Options().faults, help="at most, in each (%(default)s)")
    parser.add_argument("--channel", action="store_true", help="through the encrypted channel; slower")
    parser.add_argument("--remember", action="store_true", help="add failing seeds to tests/simulation/seeds.txt")
    parser.add_argument("--write", action="store_true", help="write the result into docs/reliability.md")
    return parser


def failure(outcome: Outcome) -> str:
    """What a seed broke, and how to see it again."""
    lines = [f"seed {outcome.seed} broke a promise: python -m tests.simulation --runs 1 --seed {outcome.seed}"]
    return "\n  ".join([*lines, *(text.rstrip().replace("\n", "\n  ") for text in outcome.broken)])


def report(totals: Totals) -> str:
    """For people."""
    faults = ", ".join(f"{count:,} x {name}" for name, count in sorted(totals.faults.items()))
    return (
        f"{totals.runs:,} runs in {totals.seconds:.1f} s ({totals.runs_a_minute:,} a minute),"
        f" {totals.messages:,} messages stored, {totals.deliveries:,} shown to others\n"
        f"faults: {faults}\n"
        f"longest recovery {totals.slowest_recovery:.1f} s of simulated time; runs that broke a promise:"
        f" {len(totals.failed)}"
    )


def table(totals: Totals) -> str:
    """For docs/reliability.md."""
    rows = [
        "Made by `python -m tests.simulation --write`: server, clients, network and faults in one process, from one",
        "seed a run; slow, cut and jumping as each seed draws it. `--runs 1 --seed S` replays a run exactly.",
        "",
        "| runs | a minute | messages | shown to others | faults | longest recovery | runs that broke a promise |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| {totals.runs:,} | {totals.runs_a_minute:,} | {totals.messages:,} | {totals.deliveries:,} |"
        f" {totals.faults.total():,} | {totals.slowest_recovery:.1f} s simulated | {len(totals.failed)} |",
        "",
        "| fault | times |",
        "| --- | ---: |",
        *(f"| {name} | {count:,} |" for name, count in sorted(totals.faults.items())),
    ]
    return "\n".join(rows)


def write(page: Path, totals: Totals) -> None:
    """Put the table between its markers, which are added at the end of the page if there are none."""
    text = page.read_text(encoding="utf-8") if page.exists() else "# Reliability\n"
    if BEGIN not in text:
        text += f"\n## Simulation\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{table(totals)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
