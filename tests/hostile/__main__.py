"""``python -m tests.hostile [--only NAME] [--write]``: the long form, one attack after the other."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import react

from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.report import table, write
from tests.hostile.run import LONG, Outcome, run


@define(eq=False)
class Run:
    """Stands in for a test: directories, and what is to be done at the end."""

    _directory: str
    _made: int = 0
    _cleanups: list[Callable[[], Any]] = field(factory=list)

    def mktemp(self) -> str:
        """A path where nothing is yet."""
        self._made += 1
        return f"{self._directory}/{self._made}"

    def addCleanup(self, function: Callable[..., Any], *args: Any) -> None:
        """Call it at the end, the last one first."""
        self._cleanups.append(lambda: function(*args))

    async def end(self) -> None:
        """Do so."""
        while self._cleanups:
            await maybeDeferred(self._cleanups.pop())


async def measure(attacks: list[Attack]) -> list[Outcome]:
    """Each against a server of its own."""
    outcomes = []
    for attack in attacks:
        with tempfile.TemporaryDirectory(prefix="encchat-hostile-") as directory:
            place = Run(directory)
            try:
                outcome = await run(place, [(attack, attack.long)], attack.options, LONG)
            finally:
                await place.end()
        outcomes.append(outcome)
        print(table([outcome], heading=len(outcomes) == 1), end="", flush=True)
    return outcomes


async def command(only: list[str], writes: bool) -> None:
    """What the command line asks for."""
    load = os.getloadavg()[0]
    outcomes = await measure([ATTACKS[name] for name in only or ATTACKS])
    if writes:
        write(outcomes, load)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(ATTACKS), default=[], help="run this one (repeatable)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write writes the whole table: leave --only away")
    react(lambda _: Deferred.fromCoroutine(command(options.only, options.write)))


if __name__ == "__main__":
    sys.exit(main())
