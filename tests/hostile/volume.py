"""Attackers that make the server work on what is very small or very large."""

from __future__ import annotations

from encchat.wire import Error, Ok, Send, Users
from tests.hostile.connections import Guest, Visitor
from tests.hostile.ground import SPREAD, Ground, new_keys
from tests.hostile.slow import GREETING

BATCH = 1_000
"""Records sealed before the other connections get their turn."""

ASKING = 20
"""Connections that send empty records."""


async def tiny_records(ground: Ground) -> None:
    """Logged in: good messages, a byte a record."""
    guests = await ground.log_in(min(10, ground.count))
    await ground.ready()

    def batch(guest: Guest, room: int) -> int:
        text = guest.line(Send, conversation="lobby", ulid=f"{id(guest):020d}{guest.next_id:06d}", body="x" * BATCH)
        for byte in text:
            guest.channel.send(bytes([byte]))
        guest.flush()
        return len(text)

    await _count_up(ground, guests, batch)


async def empty_records(ground: Ground) -> None:
    """Not logged in: records with nothing in them, each of which asks for a sign of life."""
    guests = await ground.at_once(lambda number: ground.enter(number), ASKING)
    await ground.ready()

    def batch(guest: Guest, room: int) -> int:
        for _ in range(min(BATCH, room)):
            guest.channel._seal(b"", guest.channel._session())  # `probe` sends one at a time
        guest.flush()
        return min(BATCH, room)

    await _count_up(ground, guests, batch)


async def _count_up(ground: Ground, guests: list[Guest], batch) -> None:  # type: ignore[no-untyped-def]
    """Until ``ground.count`` records are sent, the time is over or nobody is left."""
    sent = 0
    while sent < ground.count and ground.goes_on and not all(guest.is_closed for guest in guests):
        before = sent
        for guest in guests:
            if not guest.is_closed and not guest.is_full:
                sent += batch(guest, ground.count - sent)
        await ground.sleep(0 if sent > before else 0.01)
    ground.seen.add("records sent", sent)
    for guest in guests:  # whoever has an answer to this has been read to the end
        if isinstance(await ground.first(guest.ask(Users)), Ok | Error) and not guest.is_closed:
            ground.seen.add("read to the end")


async def huge_preambles(ground: Ground) -> None:
    """The first frame declares 65,535 bytes, and some of them follow."""
    await ground.ready()
    await ground.until(await _lengths(ground, b""))


async def huge_messages(ground: Ground) -> None:
    """The handshake message declares 65,535 bytes."""
    await ground.ready()
    await ground.until(await _lengths(ground, GREETING))


async def huge_records(ground: Ground) -> None:
    """A finished handshake, then all but the last byte of the longest record, which is held back."""
    await ground.ready()
    keys = new_keys()
    guests = await ground.at_once(lambda number: ground.enter(number // SPREAD, keys), ground.count)
    for guest in guests:
        if not guest.is_closed:
            guest.write(b"\xff\xff" + bytes(65_534))
        await ground.sleep()
    await ground.until(guests)


async def endless_lines(ground: Ground) -> None:
    """Logged in: a line that never ends, as fast as it is taken."""
    guests = await ground.log_in(ground.count)
    await ground.ready()
    piece = b"x" * 60_000
    sent = 0
    while ground.goes_on and not all(guest.is_closed for guest in guests):
        before = sent
        for guest in guests:
            if not guest.is_closed and not guest.is_full:
                guest.say(piece)
                sent += len(piece)
        await ground.sleep(0 if sent > before else 0.01)
    ground.seen.add("megabytes", sent // 2**20)


async def _lengths(ground: Ground, before: bytes) -> list[Visitor]:
    visitors: list[Visitor] = await ground.at_once(lambda number: ground.visit(number // SPREAD), ground.count)
    for visitor in visitors:
        if not visitor.is_closed:
            visitor.write(before + b"\xff\xff" + bytes(1_000))
    return visitors
