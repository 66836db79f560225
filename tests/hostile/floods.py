"""Attackers that are logged in and ask without end, one attack for each kind of request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from encchat.limits import FILE_CHUNK, TAG_LENGTH
from encchat.wire import (
    Ack,
    Admin,
    Answer,
    Ban,
    Calls,
    Commands,
    Connect,
    Conversations,
    Devices,
    GetChunk,
    Goodbye,
    OfferFile,
    PutChunk,
    Request,
    Send,
    SetPresence,
    Status,
    Sync,
    Users,
)
from tests.envelopes import content
from tests.hostile.connections import Guest
from tests.hostile.ground import Ground

AT_ONCE = 50
"""Requests in one write."""

CHUNKS = 600
"""Of each file."""

Fields = Callable[[int], Mapping[str, object]]

FLOODS: dict[str, tuple[type[Request], Fields]] = {
    "messages": (Send, lambda n: {"conversation": "lobby", "ulid": f"{n:026d}", "body": "flood"}),
    "long-messages": (Send, lambda n: {"conversation": "lobby", "ulid": f"{n:026d}", "body": "x" * 16_000}),
    "direct-messages": (Send, lambda n: {"conversation": "@anna", "ulid": f"{n:026d}", **content("@anna", "flood")}),
    "plain-messages": (Send, lambda n: {"conversation": "@anna", "ulid": f"{n:026d}", "body": "no envelope"}),
    "users": (Users, lambda n: {}),
    "status": (Status, lambda n: {"user": f"nobody{n}"}),
    "presence": (SetPresence, lambda n: {"presence": ("FREE", "AWAY")[n % 2]}),
    "commands": (Commands, lambda n: {}),
    "conversations": (Conversations, lambda n: {}),
    "sync": (Sync, lambda n: {"conversation": "lobby", "after": 0}),
    "ack": (Ack, lambda n: {"conversation": "lobby", "seq": n}),
    "devices": (Devices, lambda n: {}),
    "calls": (Connect, lambda n: {"user": "anna"}),
    "hang-ups": (Goodbye, lambda n: {}),
    "answers": (Answer, lambda n: {"user": "anna"}),
    "policies": (Calls, lambda n: {"policy": ("ask", "auto")[n % 2]}),
    "moderation": (Ban, lambda n: {"target": "anna"}),
    "confirmations": (Admin, lambda n: {"password": f"a guess, number {n}"}),
}
"""By name: the request, and its fields in the n-th one."""


def flood(name: str) -> Callable[[Ground], Awaitable[None]]:
    """The attack with this kind of request."""
    kind, fields = FLOODS[name]

    async def strike(ground: Ground) -> None:
        guests = await ground.log_in(ground.count)
        await ground.ready()

        async def one(number: int) -> None:
            await _pour(ground, guests[number], kind, fields, number * 10**9)

        await ground.at_once(one, ground.count, ground.count)

    return strike


async def _pour(ground: Ground, guest: Guest, kind: type[Request], fields: Fields, number: int) -> None:
    """As much as the server takes."""
    while ground.goes_on and not guest.is_closed:
        if guest.is_full:
            await ground.sleep(0.01)
            continue
        lines = []
        for _ in range(AT_ONCE):
            number += 1
            lines.append(guest.line(kind, **fields(number)))
        guest.say(b"".join(lines))
        ground.seen.add("requests", AT_ONCE)
        await ground.sleep()


async def files(ground: Ground) -> None:
    """Everybody uploads a large file as fast as it goes, then fetches it again and again."""
    guests = await ground.log_in(ground.count)
    await ground.ready()

    async def one(number: int) -> None:
        await _transfer(ground, guests[number], f"{number:026d}", f"@{ground.name(number % 5)}")

    await ground.at_once(one, ground.count, ground.count)


async def _transfer(ground: Ground, guest: Guest, file: str, to: str) -> None:
    offer = guest.ask(OfferFile, file=file, conversation=to, size=CHUNKS * FILE_CHUNK, chunks=CHUNKS)
    if await ground.first(offer) is None:
        return
    chunk = bytes(FILE_CHUNK + TAG_LENGTH)
    for number in range(CHUNKS):
        await _say(ground, guest, guest.line(PutChunk, file=file, number=number, data=chunk))
    number = 0
    while ground.goes_on and not guest.is_closed:
        number += 1
        await _say(ground, guest, guest.line(GetChunk, file=file, number=number % CHUNKS))


async def _say(ground: Ground, guest: Guest, line: bytes) -> None:
    while guest.is_full and ground.goes_on and not guest.is_closed:
        await ground.sleep(0.01)
    if ground.goes_on:
        guest.say(line)
        ground.seen.add("requests")
        await ground.sleep()
