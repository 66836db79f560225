"""The promises, held against what everybody was told and what is on the disks once the world is at rest.

A promise that is broken is one line of text; no lines mean that all were kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import frozen

from encchat.client import events

Row = tuple[int, str, str, str]
"""Seq, sender, ULID and body of a message."""


@frozen
class Told:
    """What one device's person was told, in order, and what its storage holds.

    Conversations are the store's keys. ``unopened`` says why of each message that is still shut, ``again`` are the
    places of messages shown as perhaps not shown before, ``first`` the cursor each conversation began with;
    ``cursors`` and ``acknowledged`` are where the device's own cursors and the server's for it stand at the end.
    ``refused`` is how many of its messages the server may have refused.
    """

    name: str
    user: str
    shown: Sequence[tuple[str, events.Message | events.Sent | events.Undecryptable]]
    again: Collection[tuple[str, int]]
    kept: Mapping[str, Sequence[Row]]
    first: Mapping[str, int]
    cursors: Mapping[str, int]
    acknowledged: Mapping[str, int]
    typed: Sequence[tuple[str, str]]
    refused: int
    waiting: int
    unopened: Sequence[str] = ()


def check(
    logs: Mapping[str, Sequence[Row]], removed: Collection[tuple[str, int]], devices: Sequence[Told]
) -> list[str]:
    """Hold ``logs`` (of the server's disk, all of them) against every device; the promises that were broken.

    ``removed`` are the places of what retention took away: whoever was not there in time may have missed it.
    """
    broken = list(_logs(logs))
    for device in devices:
        mine = {key: log for key, log in logs.items() if key in device.first}
        for promise in (_sent, _once_and_in_order, _converged):
            broken += (f"{device.name}: {text}" for text in promise(mine, device))
        broken += (f"{device.name}: {text}" for text in _nothing_missing(mine, removed, device))
        broken += (f"{device.name}: cannot read {text}" for text in device.unopened)
    broken += _typed(logs, devices)
    return broken


def _logs(logs: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Seqs count from 1 without gaps, and nothing is stored twice."""
    for key, log in logs.items():
        seqs = [seq for seq, *_ in log]
        if seqs != list(range(1, len(log) + 1)):
            yield f"{key}: seqs are {seqs}"
        twice = [name for name, count in Counter((sender, body) for _, sender, _, body in log).items() if count > 1]
        if twice:
            yield f"{key}: stored twice: {twice}"


def _sent(logs: Mapping[str, Sequence[Row]], device: Told) -> Iterator[str]:
    """What was told to be sent is in its log, under the seq that was told."""
    places = {(key, seq): (sender, ulid) for key, log in logs.items() for seq, sender, ulid, _ in log}
    for key, event in device.shown:
        if isinstance(event, events.Sent) and places.get((key, event.seq)) != (device.user, event.ulid):
            yield f"sent as {key} {event.seq} ({event.ulid}), where there is {places.get((key, event.seq))}"


def _once_and_in_order(logs: Mapping[str, Sequence[Row]], device: Told) -> Iterator[str]:
    """Every message is shown once at most, as it was said, after those before it.

    What had no key yet has been told of in its place, and is shown later.
    """
    rows = {(key, row[0]): row for key, log in logs.items() for row in log}
    last: dict[str, int] = {}
    late: set[tuple[str, int]] = set()
    for key, event in device.shown:
        place = (key, event.seq)
        if isinstance(event, events.Sent):
            continue
        if isinstance(event, events.Message):
            row = (event.seq, event.sender, event.ulid, event.text)
            if rows.get(place) != row:
                yield f"{key}: shown {row}, said was {rows.get(place)}"
            if place in late:
                late.remove(place)
                continue
        if event.seq <= last.get(key, 0):
            yield f"{key}: {event.seq} shown after {last[key]}"
        last[key] = max(last.get(key, 0), event.seq)
        if isinstance(event, events.Undecryptable):
            late.add(place)


def _nothing_missing(
    logs: Mapping[str, Sequence[Row]], removed: Collection[tuple[str, int]], device: Told
) -> Iterator[str]:
    """The device keeps every message, and its person was shown every one."""
    read = (key_event for key_event in device.shown if not isinstance(key_event[1], events.Undecryptable))
    shown = {(key, event.seq) for key, event in read} | set(device.again)
    for key, log in logs.items():
        kept = list(device.kept.get(key, ()))
        may_lack = {row for row in log if (key, row[0]) in removed}.difference(kept)
        wanted = [row for row in log if row[0] > device.first[key] and row not in may_lack]
        if kept != wanted:
            yield f"{key}: keeps {_difference(kept, wanted)}"
        missing = [row[0] for row in wanted if (key, row[0]) not in shown]
        if missing:
            yield f"{key}: never shown {missing}"


def _difference(kept: Sequence[Row], wanted: Sequence[Row]) -> str:
    lacking, more = [row for row in wanted if row not in kept], [row for row in kept if row not in wanted]
    if not lacking and not more:
        return f"its messages in the order {[seq for seq, *_ in kept]}"
    return f"not {lacking} but {more}"


def _converged(logs: Mapping[str, Sequence[Row]], device: Told) -> Iterator[str]:
    """Its cursors, and the server's for it, stand at the end of every log; nothing waits to be sent."""
    for key, log in logs.items():
        end = log[-1][0] if log else 0
        for whose, cursors in (("its", device.cursors), ("the server's", device.acknowledged)):
            if max(cursors.get(key, 0), device.first[key]) != end:
                yield f"{key}: {whose} cursor is at {cursors.get(key, 0)} of {end}"
    if device.waiting:
        yield f"{device.waiting} messages still wait to be sent"


def _typed(logs: Mapping[str, Sequence[Row]], devices: Sequence[Told]) -> Iterator[str]:
    """What a client took into its outbox is said, unless the server refused it."""
    said = {(key, body) for key, log in logs.items() for *_, body in log}
    for device in devices:
        lost = [typed for typed in device.typed if typed not in said]
        if len(lost) > device.refused:
            yield f"{device.name}: typed, kept in the outbox, never said: {lost}"
