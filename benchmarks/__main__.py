"""``python -m benchmarks e2e``: measure, print, and with ``--write`` put the result into docs/performance.md."""

from __future__ import annotations

import argparse
import time

from benchmarks import e2e, report
from benchmarks.processes import ROOT


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what encchat costs.")
    parser.add_argument("what", choices=["e2e"], help="e2e: what end-to-end encryption costs a client")
    parser.add_argument("--write", action="store_true", help="put the result into docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it works")
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick shows that it works, not what it costs: leave out one of both")
    size = e2e.QUICK if options.quick else e2e.Size()
    if options.rounds:
        size = e2e.Size(size.rooms, options.rounds, size.messages)
    text = f"{_header(size)}\n\n{e2e.run(size)}"
    print(text)
    if options.write:
        report.write(ROOT / "docs" / "performance.md", options.what, text)


def _header(size: e2e.Size) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{day}, median (range) of {size.rounds} rounds, {size.messages:,} messages a talk. {report.machine()}."


if __name__ == "__main__":
    main()
