"""Attackers that take their time: slowloris at each phase, readers that do not read, peers that vanish."""

from __future__ import annotations

from collections.abc import Sequence

from encchat.secure import DEFAULT_SUITE
from encchat.secure.channel import PREAMBLE
from encchat.wire import Commands
from tests.hostile.connections import Guest, Visitor
from tests.hostile.ground import SPREAD, Ground, new_keys

TRICKLE_SECONDS = 0.5
"""Between two bytes of one slow connection."""

_NAME = PREAMBLE + DEFAULT_SUITE.encode()
GREETING = len(_NAME).to_bytes(2, "big") + _NAME
"""The preamble's frame as the server wants it."""


async def before_preamble(ground: Ground) -> None:
    """Connect and say nothing."""
    await ground.ready()
    await ground.until(await _visitors(ground))


async def in_preamble(ground: Ground) -> None:
    """The preamble a byte at a time, and never its end."""
    await ground.ready()
    await _trickle(ground, await _visitors(ground), GREETING[:-1])


async def in_handshake(ground: Ground) -> None:
    """A good preamble, then message 1 a byte at a time."""
    await ground.ready()
    visitors = await _visitors(ground)
    for visitor in visitors:
        visitor.write(GREETING)
    await _trickle(ground, visitors, b"\x04\xc0" + bytes(1000))


async def in_record(ground: Ground) -> None:
    """A finished handshake, then the longest record a byte at a time; no login."""
    await ground.ready()
    await _trickle(ground, await _guests(ground), b"\xff\xff" + bytes(1000))


async def in_line(ground: Ground) -> None:
    """A finished handshake, then an endless line a byte a record; no login."""
    await ground.ready()
    guests = await _guests(ground)
    while ground.goes_on and not all(guest.is_closed for guest in guests):
        for guest in guests:
            guest.say(b"x")
        await ground.sleep(TRICKLE_SECONDS)


async def not_reading(ground: Ground) -> None:
    """Log in, ask for long answers without end, read none of them."""
    guests = await ground.log_in(ground.count)
    await ground.ready()
    for guest in guests:
        guest.transport.pauseProducing()
    while ground.goes_on:
        for guest in guests:
            if not guest.is_closed and not guest.is_full:
                guest.say(b"".join(guest.line(Commands) for _ in range(20)))
                ground.seen.add("requests", 20)
        await ground.sleep(0.05)


async def half_open(ground: Ground) -> None:
    """Log in, then be stopped by the runner's SIGSTOP: nothing is answered any more, not even a FIN is sent."""
    guests = await ground.log_in(ground.count)
    await ground.ready()
    ground.seen.add("logged in", sum(not guest.is_closed for guest in guests))
    await ground.rest()
    await ground.sleep(1)  # the process runs again and is told what has happened to its connections


async def _visitors(ground: Ground) -> list[Visitor]:
    return await ground.at_once(lambda number: ground.visit(number // SPREAD), ground.count)


async def _guests(ground: Ground) -> list[Guest]:
    keys = new_keys()  # one device for all: making keys is not the attack
    return await ground.at_once(lambda number: ground.enter(number // SPREAD, keys), ground.count)


async def _trickle(ground: Ground, visitors: Sequence[Visitor], data: bytes) -> None:
    for byte in data:
        if not ground.goes_on or all(visitor.is_closed for visitor in visitors):
            return
        for visitor in visitors:
            if not visitor.is_closed:
                visitor.write(bytes([byte]))
        await ground.sleep(TRICKLE_SECONDS)
    await ground.until(visitors)
