"""Attackers that are many."""

from __future__ import annotations

from tests.hostile.ground import SPREAD, Ground, new_keys


async def from_one_address(ground: Ground) -> None:
    """More connections of one address than it may have, each with its handshake made."""
    await _come(ground, ground.count)


async def idle(ground: Ground) -> None:
    """Connections from many addresses, each with its handshake made, that do nothing at all."""
    await _come(ground, SPREAD)


async def _come(ground: Ground, of_one_address: int) -> None:
    await ground.ready()
    keys = new_keys()
    guests = await ground.at_once(lambda number: ground.enter(number // of_one_address, keys), ground.count)
    ground.seen.add("held at once", sum(not guest.is_closed for guest in guests))
    await ground.rest()
