"""Attackers that send what nobody asked for, at each phase, and come back when they are hung up."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial

from tests.hostile.connections import Guest, Visitor
from tests.hostile.ground import Ground, new_keys
from tests.hostile.slow import GREETING

SEED = 3
PATIENCE = 0.05
"""Seconds between two connections of one attacker, so that admission is not what is measured here."""

LINES = (
    b"\x00\xff\xfe" * 20,
    b"[" * 30_000,
    b'{"type":' * 3_000,
    b'{"type":"send","id":' + b"9" * 20_000 + b"}",
    b'{"type":"send","id":1e99999,"conversation":"lobby"}',
    b'{"type":"' + b"\\u0000" * 3_000 + b'","id":1}',
    b'{"type":"send","id":1,"id":2,"conversation":[],"ulid":{},"body":null}',
    b'{"id":1}',
    b"null",
    b"",
)
"""Lines that are no requests; each makes some JSON reader somewhere stumble."""


async def in_preamble(ground: Ground) -> None:
    """Random bytes, or another protocol's greeting, instead of the preamble."""
    await _again_and_again(ground, ground.visit, _bad_greeting)


async def in_handshake(ground: Ground) -> None:
    """A good preamble, then random bytes of the right length instead of message 1."""
    await _again_and_again(ground, ground.visit, _bad_message)


async def in_records(ground: Ground) -> None:
    """A finished handshake, then a record that is random bytes."""
    await _again_and_again(ground, partial(ground.enter, keys=new_keys()), _bad_record)


async def in_lines(ground: Ground) -> None:
    """A finished handshake, then lines that are no requests."""
    await _again_and_again(ground, partial(ground.enter, keys=new_keys()), _bad_lines)


async def _again_and_again(
    ground: Ground, come: Callable[[int], Awaitable[Visitor]], strike: Callable[[Visitor, random.Random], None]
) -> None:
    await ground.ready()

    async def one(number: int) -> None:
        source = random.Random(f"{SEED} {number}")  # noqa: S311 - garbage that is the same each time
        while ground.goes_on:
            visitor = await come(number)
            if not visitor.is_closed:
                strike(visitor, source)
                await ground.until([visitor])
            await ground.sleep(PATIENCE)

    await ground.at_once(one, ground.count, ground.count)


def _bad_greeting(visitor: Visitor, source: random.Random) -> None:
    kinds = (source.randbytes(4096), b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\x00\x00")
    visitor.write(source.choice(kinds) + source.randbytes(100))


def _bad_message(visitor: Visitor, source: random.Random) -> None:
    visitor.write(GREETING + b"\x04\xc0" + source.randbytes(0x4C0) + b"\x00\x40" + source.randbytes(64))


def _bad_record(visitor: Visitor, source: random.Random) -> None:
    length = source.choice((0, 1, 15, 16, 17, 300, 65_535))
    visitor.write(length.to_bytes(2, "big") + source.randbytes(length))


def _bad_lines(visitor: Visitor, source: random.Random) -> None:
    if isinstance(visitor, Guest):
        visitor.say(b"".join(line + b"\n" for line in source.choices(LINES, k=12)))
