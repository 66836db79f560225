"""What end-to-end encryption costs a client: the first message to a room, and messages one after another.

Theory of operation. Server and clients are processes: the server real, as ``twistd`` runs it, the clients real ones
with sealed stores on the disk, over the hybrid channel. CPU time is the whole process', so it is TCP, channel, JSON,
ratchets, signatures, store and the face together. For the room, the server's rates are the default ones; for talk they
are out of the way, as it is the client that is measured.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.processes import Child, server
from benchmarks.report import middle, table

Row = dict[str, Any]


@frozen
class Size:
    """How much is measured: devices of each room, rounds of everything, messages of each talk."""

    rooms: Sequence[int] = (10, 100, 1_000)
    rounds: int = 5
    messages: int = 5_000


QUICK = Size((10,), 1, 50)


def run(size: Size) -> str:
    """Measure; the tables in Markdown."""
    with tempfile.TemporaryDirectory(prefix="encchat-bench-") as place:
        rooms = {devices: _shares(Path(place), devices, size.rounds) for devices in size.rooms}
        talks = [_talk(Path(place) / f"talk{number}", size.messages) for number in range(size.rounds)]
    return f"{_room_table(rooms)}\n\n{_talk_table(talks, size.messages)}"


def _shares(place: Path, devices: int, rounds: int) -> list[Row]:
    """The rows of ``rounds``, two each."""
    room = place / f"room{devices}"
    Child("populate", str(room), str(devices)).rest()
    return [row for number in range(rounds) for row in _share(room, place / f"share{devices}-{number}")]


def _share(room: Path, place: Path) -> list[Row]:
    """On a copy of ``room``, as its one-time keys are used up."""
    place.mkdir()
    shutil.copytree(room, place / "data")
    with server(place / "data", registration="open") as address:
        return Child("share", address, str(place / "home")).rest()


def talk(place: Path, messages: int, parts: int = 1) -> dict[str, list[Row]]:
    """What the receiver and the sender of so many messages measure, after each of ``parts``."""
    place.mkdir()
    free = {"registration": "open", "request_rate": 1e9, "request_burst": 1e9}
    with server(place / "data", **free) as address:
        receiver = Child("receive", address, str(place / "receiver"), str(messages), str(parts))
        try:
            receiver.line()
            sender = Child("send", address, str(place / "sender"), str(messages), str(parts))
            received = [receiver.line() for _ in range(parts)]
            receiver.rest()
            return {"sends": sender.rest(), "receives": received}
        except RuntimeError:
            receiver.kill()
            raise


def _talk(place: Path, messages: int) -> dict[str, Row]:
    return {role: rows[-1] for role, rows in talk(place, messages).items()}


def _room_table(rooms: dict[int, list[Row]]) -> str:
    head = (
        "devices",
        "message",
        "CPU of the client, ms",
        "until accepted, s",
        "longest turn, ms of CPU",
        "requests",
        "kilobytes sent",
    )
    rows = []
    for devices, all_rows in rooms.items():
        for message in ("first", "second"):
            of = [row for row in all_rows if row["message"] == message]
            rows.append(
                (
                    f"{devices:,}",
                    message,
                    middle([row["cpu"] * 1e3 for row in of]),
                    middle([row["seconds"] for row in of]),
                    middle([row["longest"] * 1e3 for row in of]),
                    middle([row["requests"] for row in of]),
                    middle([row["bytes"] / 1e3 for row in of]),
                )
            )
    return table(head, rows)


def _talk_table(talks: list[dict[str, Row]], messages: int) -> str:
    head = ("one client", "messages a second and core", "CPU a message, us", "messages a second, as it went")
    rows = [
        (
            word,
            middle([messages / talk[role]["cpu"] for talk in talks]),
            middle([talk[role]["cpu"] / messages * 1e6 for talk in talks]),
            middle([messages / talk[role]["seconds"] for talk in talks]),
        )
        for role, word in (
            ("sends", "keeps, signs, encrypts, sends"),
            ("receives", "receives, decrypts, verifies, keeps, shows"),
        )
    ]
    return table(head, rows)
