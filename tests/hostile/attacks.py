"""All attacks: their names, sizes, and the server's options that let a run see the end of what it began."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from tests.hostile import crowds, floods, garbage, slow, storms, volume
from tests.hostile.ground import Ground


@frozen
class Size:
    """``count`` of whatever the attack counts, and how many seconds it lasts at most."""

    count: int
    seconds: float


@frozen
class Attack:
    """``stopped``: its process gets a SIGSTOP when it begins and a SIGCONT at its end."""

    name: str
    what: str
    strike: Callable[[Ground], Awaitable[None]]
    long: Size
    short: Size
    options: tuple[str, ...] = ()
    """Of the server, in the long form; otherwise the defaults are attacked."""
    stopped: bool = False


NO_LOGIN = ("--unauthenticated-seconds", "15")
ONE_ADDRESS = ("--handshakes-burst", "2000")
KEEPALIVE = ("--keepalive", "5")

_SLOW = [
    Attack(
        "slow-preamble-0",
        "connects, says nothing",
        slow.before_preamble,
        Size(1_000, 18),
        Size(50, 4),
    ),
    Attack(
        "slow-preamble",
        "the preamble a byte at a time",
        slow.in_preamble,
        Size(1_000, 18),
        Size(50, 4),
    ),
    Attack("slow-handshake", "message 1 a byte at a time", slow.in_handshake, Size(1_000, 18), Size(50, 4)),
    Attack(
        "slow-record", "no login; one record a byte at a time", slow.in_record, Size(1_000, 20), Size(50, 4), NO_LOGIN
    ),
    Attack("slow-line", "no login; one line a byte a record", slow.in_line, Size(1_000, 20), Size(50, 4), NO_LOGIN),
    Attack("not-reading", "logged in, asks much, reads nothing", slow.not_reading, Size(20, 20), Size(5, 4)),
    Attack(
        "half-open",
        "logged in, then its process is stopped",
        slow.half_open,
        Size(200, 15),
        Size(20, 4),
        KEEPALIVE,
        stopped=True,
    ),
]
_GARBAGE = [
    Attack("garbage-preamble", "random first bytes, again and again", garbage.in_preamble, Size(20, 8), Size(5, 3)),
    Attack("garbage-handshake", "random message 1, again and again", garbage.in_handshake, Size(20, 8), Size(5, 3)),
    Attack("garbage-records", "random records after a handshake", garbage.in_records, Size(20, 8), Size(5, 3)),
    Attack("garbage-lines", "lines that are no requests", garbage.in_lines, Size(20, 8), Size(5, 3)),
]
_VOLUME = [
    Attack(
        "tiny-records", "logged in; messages a byte a record", volume.tiny_records, Size(1_000_000, 30), Size(40_000, 4)
    ),
    Attack("empty-records", "no login; empty records", volume.empty_records, Size(1_000_000, 30), Size(40_000, 4)),
    Attack(
        "huge-preambles", "65,535 bytes declared as the preamble", volume.huge_preambles, Size(1_000, 8), Size(50, 3)
    ),
    Attack("huge-messages", "65,535 bytes declared as message 1", volume.huge_messages, Size(1_000, 8), Size(50, 3)),
    Attack(
        "huge-records",
        "no login; 65,534 bytes of a record",
        volume.huge_records,
        Size(1_000, 20),
        Size(50, 4),
        NO_LOGIN,
    ),
    Attack("endless-lines", "logged in; lines that never end", volume.endless_lines, Size(5, 10), Size(2, 3)),
]
_STORMS = [
    Attack("logins", "wrong passwords from many connections", storms.logins, Size(200, 12), Size(40, 3)),
    Attack("device-logins", "device logins with unknown keys", storms.devices, Size(200, 12), Size(40, 3)),
    Attack("handshakes", "one address, beyond its rate", storms.handshakes, Size(100, 12), Size(30, 3)),
    Attack("handshakes-spread", "the same from 40 addresses", storms.spread_handshakes, Size(200, 12), Size(30, 3)),
    Attack("squatting", "names that look like others' names", storms.squatting, Size(100, 10), Size(100, 4)),
]
_CROWDS = [
    Attack(
        "one-address",
        "1,200 connections of one address",
        crowds.from_one_address,
        Size(1_200, 12),
        Size(300, 3),
        ONE_ADDRESS,
    ),
    Attack("idle", "connections that do nothing", crowds.idle, Size(10_000, 25), Size(500, 4)),
]
_FLOODS = [
    Attack(
        f"flood-{name}",
        f"logged in; {name} without end",
        floods.flood(name),
        Size(10, 12 if name == "messages" else 5),
        Size(1, 3),
    )
    for name in floods.FLOODS
]
_FLOODS.append(
    Attack("flood-files", "logged in; a large file up, then down without end", floods.files, Size(10, 12), Size(1, 3))
)

ATTACKS = {attack.name: attack for attack in (*_SLOW, *_GARBAGE, *_VOLUME, *_STORMS, *_CROWDS, *_FLOODS)}
"""By name, in the order of the table."""
