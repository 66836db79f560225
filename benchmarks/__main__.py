"""``python -m benchmarks WHAT``: measure, print; ``--write`` puts the result into docs/performance.md."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

from attrs import evolve, fields, frozen

from benchmarks import e2e, floor, growth, idle, latency, logins, memory, relay, report, store, tty, two
from benchmarks.processes import ROOT


@frozen
class Command:
    """What can be measured: in one line, its sizes (values with ``rounds``), and what gives the result of one."""

    words: str
    usual: Any
    quick: Any
    run: Callable[[Any], str]


COMMANDS: Final = {
    "client-memory": Command("a client's memory over a million messages", memory.Size(), memory.QUICK, memory.run),
    "e2e": Command("what end-to-end encryption costs a client", e2e.Size(), e2e.QUICK, e2e.run),
    "floor": Command("below which a delivered message cannot go", floor.Size(), floor.QUICK, floor.run),
    "growth": Command("what gets dearer as rooms grow", growth.Size(), growth.QUICK, growth.run),
    "idle": Command("what connections cost that say nothing", idle.Size(), idle.QUICK, idle.run),
    "latency": Command("how long a message is under way", latency.Size(), latency.QUICK, latency.run),
    "logins": Command("what log-ins cost, and others beside them", logins.Size(), logins.QUICK, logins.run),
    "relay": Command("what a delivered message costs the server", relay.Size(), relay.QUICK, relay.run),
    "store": Command("what the store costs, also when millions are in it", store.Size(), store.QUICK, store.run),
    "tty": Command("how soon a key is on the screen, and a prompt", tty.Size(), tty.QUICK, tty.run),
    "two": Command("what a second core gives", two.Size(), two.QUICK, two.run),
}


def main() -> None:
    """Run what the command line names."""
    lines = "\n".join(f"  {name:13} {command.words}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure what encchat costs.\n\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--write", action="store_true", help="put the result into docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it works")
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    parser.add_argument("--seconds", type=float, help="how long each talk is")
    parser.add_argument("--only", action="append", help="a server by a part of its name; may be said several times")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick shows that it works, not what it costs: leave out one of both")
    command = COMMANDS[options.what]
    size = _size(parser, command.quick if options.quick else command.usual, options)
    text = f"{_header(size)}\n\n{command.run(size)}"
    print(text)
    if options.write:
        report.write(ROOT / "docs" / "performance.md", options.what, text)


def _size(parser: argparse.ArgumentParser, size: Any, options: argparse.Namespace) -> Any:
    """With what was asked for in its place."""
    asked = {name: value for name in ("rounds", "seconds", "only") if (value := getattr(options, name))}
    for name in asked.keys() - {field.name for field in fields(type(size))}:
        parser.error(f"{options.what} has no --{name}")
    return evolve(size, **asked)


def _header(size: Any) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    counts = [f"{getattr(size, word):g} {word} a talk" for word in ("messages", "seconds") if hasattr(size, word)]
    rounds = "round" if size.rounds == 1 else "rounds"
    return f"{day}, median (range) of {', '.join([f'{size.rounds} {rounds}', *counts])}. {report.machine()}."


if __name__ == "__main__":
    main()
