"""``python -m benchmarks e2e`` or ``relay``: measure, print; ``--write`` puts the result into docs/performance.md."""

from __future__ import annotations

import argparse
import time

from benchmarks import e2e, relay, report
from benchmarks.processes import ROOT

_HELP = "e2e: what end-to-end encryption costs a client; relay: what a delivered message costs the server"


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what encchat costs.")
    parser.add_argument("what", choices=["e2e", "relay"], help=_HELP)
    parser.add_argument("--write", action="store_true", help="put the result into docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it works")
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick shows that it works, not what it costs: leave out one of both")
    text = (_e2e if options.what == "e2e" else _relay)(options.quick, options.rounds)
    print(text)
    if options.write:
        report.write(ROOT / "docs" / "performance.md", options.what, text)


def _e2e(quick: bool, rounds: int | None) -> str:
    size = e2e.QUICK if quick else e2e.Size()
    size = e2e.Size(size.rooms, rounds or size.rounds, size.messages)
    return f"{_header(size.rounds, f'{size.messages:,} messages a talk')}\n\n{e2e.run(size)}"


def _relay(quick: bool, rounds: int | None) -> str:
    size = relay.QUICK if quick else relay.Size()
    size = relay.Size(size.seconds, rounds or size.rounds, size.workloads)
    return f"{_header(size.rounds, f'{size.seconds:g} seconds a talk')}\n\n{relay.run(size)}"


def _header(rounds: int, what: str) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{day}, median (range) of {rounds} rounds, {what}. {report.machine()}."


if __name__ == "__main__":
    main()
