"""One run: a server, honest clients, attackers in a process of their own, and what it cost whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
from attrs import frozen
from twisted.internet import reactor as _reactor
from twisted.internet.task import deferLater

from tests.hostile.attacks import Attack, Size
from tests.hostile.honest import Crowd, Window
from tests.hostile.measure import Usage, forget_peak, usage
from tests.hostile.seen import Saw
from tests.processes import JsonProcess, directory, spawn, start_server

reactor: Any = _reactor

ROOT = Path(__file__).resolve().parent.parent.parent
_ATTACKER = "from tests.hostile.attacker import main; main()"
GRACE = 30.0
"""Seconds an attack may take beyond its own, because the server lets it wait."""

FIRST_NETWORK = 10
"""The attackers' addresses begin at 127.0.10.1; honest clients come from 127.0.0.1."""


class Place(Protocol):
    """What a run needs of a test."""

    def mktemp(self) -> str: ...

    def addCleanup(self, function: Any, /, *args: Any) -> None: ...


@frozen
class Pace:
    """Seconds of honest chat before and after the attack, and between two newcomers."""

    before: float
    after: float
    newcomers: float


LONG = Pace(2.0, 0.5, 1.0)
SHORT = Pace(1.0, 0.2, 0.5)


@frozen
class Outcome:
    """What one run showed."""

    attacks: tuple[Attack, ...]
    saw: dict[str, Saw]
    seconds: float
    before: Usage
    during: Usage
    after: Usage
    calm: Window
    """Honest clients before the attack."""
    stormy: Window
    """The same during it."""
    slowest_entry: float
    """Milliseconds."""
    lost: int
    disordered: int
    caught_up: int
    """How often honest clients were told that they are behind, and synced."""
    refused: tuple[str, ...]
    """Codes of errors that honest clients were answered."""
    log_lines: int
    """What the server logged meanwhile."""
    server_alive: bool

    @property
    def processor(self) -> float:
        """Seconds of the server during the attack."""
        return self.during.processor - self.before.processor

    @property
    def growth(self) -> float:
        """Megabytes at the peak over those before."""
        return self.during.peak - self.before.megabytes

    def text(self) -> str:
        """For who wants to know why it was not good enough."""
        saw = "; ".join(f"{name}: {saw.text()}" for name, saw in self.saw.items())
        figures = attrs.asdict(self, filter=lambda which, _: which.name not in ("attacks", "saw"))
        return f"{figures}; {saw}"


async def run(place: Any, attacks: Sequence[tuple[Attack, Size]], options: Sequence[str], pace: Pace) -> Outcome:
    """Run ``attacks`` at once against a new server with ``options``."""
    server = await start_server(place, "--registration", "open", *options)
    pid: int = server.transport.pid  # type: ignore[union-attr]
    crowd = Crowd(server.port)
    place.addCleanup(crowd.leave)
    await crowd.gather()
    attackers = await _attackers(place, server.port, attacks)
    crowd.send_newcomers(pace.newcomers)
    await deferLater(reactor, 0.3)  # what came before the attack is not to be measured with it
    calm_since = reactor.seconds()
    await deferLater(reactor, pace.before)
    lines, before, began = len(server.seen), usage(pid), reactor.seconds()
    forget_peak(pid)
    attackers.type("go")
    saw = await _saw(attackers, attacks)
    ended, during = reactor.seconds(), usage(pid)
    logged = len(server.seen) - lines
    await attackers.ends()
    await deferLater(reactor, pace.after)
    await crowd.finish()
    after = usage(pid)
    return Outcome(
        tuple(attack for attack, _ in attacks),
        saw,
        ended - began,
        before,
        during,
        after,
        crowd.window(calm_since, began),
        crowd.window(began, ended),
        crowd.slowest_entry(began, ended),
        crowd.lost(),
        crowd.disordered(),
        crowd.caught_up(),
        tuple(code for client in crowd.clients for code in client.refused),
        logged,
        server.exit_code is None,
    )


async def _attackers(place: Any, port: int, attacks: Sequence[tuple[Attack, Size]]) -> JsonProcess:
    process = JsonProcess()
    words = [
        f"{attack.name}:{FIRST_NETWORK + number}:{size.count}:{size.seconds}"
        for number, (attack, size) in enumerate(attacks)
    ]
    spawn(place, process, _ATTACKER, [str(port), *words], directory(place), {"PYTHONPATH": str(ROOT)})
    await process.wait_for("ready")
    return process


async def _saw(attackers: JsonProcess, attacks: Sequence[tuple[Attack, Size]]) -> dict[str, Saw]:
    """Wait until all attackers have said what they saw; those that are to be stopped are let go on at their end."""
    longest = max(size.seconds for _, size in attacks)
    if any(attack.stopped for attack, _ in attacks):
        await deferLater(reactor, 0.2)
        attackers.signal("STOP")
        await deferLater(reactor, longest)
        attackers.signal("CONT")
    end = reactor.seconds() + longest + GRACE
    while reactor.seconds() < end and not any(line["event"] in ("over", "broke") for line in attackers.seen):
        await deferLater(reactor, 0.02)
    said = {line["attack"]: Saw(line["counts"], line["hang_ups"]) for line in attackers.seen if line["event"] == "saw"}
    if len(said) < len(attacks):
        raise AssertionError(f"the attackers did not finish: {attackers.seen} {attackers.errors}")
    return said
