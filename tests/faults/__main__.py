"""``python -m tests.faults``: every fault, many rounds, one table."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred

from tests.faults import table
from tests.faults.bench import Shelter
from tests.faults.faults import FAULTS, Fault
from tests.faults.run import Result, run_fault


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    made.add_argument("--rounds", type=int, metavar="N", help="rounds of each fault; default: as many as the fault has")
    made.add_argument("--seed", default=secrets.token_hex(4), help="what decides all chance; default: a new one")
    names = [fault.name for fault in FAULTS]
    made.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    made.add_argument("--write", action="store_true", help=f"put the table into docs/{table.PAGE.name}")
    return made


async def run(reactor: Any, faults: Sequence[Fault], rounds: int | None, seed: str) -> list[Result]:
    """Each in its own directory, one after the other; tells of each on stderr. Ctrl+C leaves nothing behind."""
    results = []
    interrupted: list[bool] = []
    reactor.addSystemEventTrigger("before", "shutdown", interrupted.append, True)
    for fault in faults:
        shelter = Shelter()
        reactor.addSystemEventTrigger("before", "shutdown", lambda it=shelter: Deferred.fromCoroutine(it.close()))
        try:
            result = await run_fault(shelter, fault, rounds or fault.rounds, seed)
        finally:
            await shelter.close()
        if interrupted:
            raise SystemExit("interrupted: nothing is decided or written")
        results.append(result)
        state = result.skipped or ("good" if result.good else result.report())
        print(f"{fault.name}: {result.rounds} rounds in {result.took:.0f} s: {state}", file=sys.stderr, flush=True)
    return results


async def main(reactor: Any) -> None:
    """Run what the command line says; the exit code is 1 if a promise was broken."""
    options = parser().parse_args()
    faults = [fault for fault in FAULTS if options.only is None or fault.name in options.only]
    results = await run(reactor, faults, options.rounds, options.seed)
    print(table.table(results))
    if options.write:
        table.write(results)
    if not all(result.good for result in results):
        raise SystemExit(1)


if __name__ == "__main__":
    task.react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
