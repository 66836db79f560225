"""What gets dearer as rooms grow and as they become many: a delivered message, and who comes and goes.

Theory of operation. For the upper table each size has a server of its own: all join a room at once, one talks, all but
one leave at once. Everybody in the room is told of everybody who comes and goes, so that there are as many lines to
deliver as the square of the size; the cost of a joining or leaving is the server's CPU for all of that by how many have
come or gone. For the lower table one server gets more and more rooms of five, of ten groups of people, and each group
talks in all of its rooms in turn, with as many messages under way whatever the number of rooms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from attrs import frozen

from benchmarks import cores
from benchmarks.places import ENCCHAT, Place
from benchmarks.relay import Scene, cell, talk
from benchmarks.report import table
from benchmarks.traffic import Group, Traffic

_WINDOW: Final = 16
_GROUPS: Final = 10
_TOGETHER: Final = 5
"""People of a group; one that has them all in a thousand rooms is at `encchat.limits.MAX_ROOMS`."""
_LANES: Final = 5
_SECONDS: Final = 60.0
"""Without any sign of the server, after which it is not waited for any more."""


@frozen
class Size:
    """Seconds of each talk, talks for each row, how big the rooms are, and how many rooms there are."""

    seconds: float = 1.6
    rounds: int = 3
    members: Sequence[int] = (10, 100, 1_000, 5_000)
    rooms: Sequence[int] = (10, 100, 1_000, 10_000)


QUICK: Final = Size(0.4, 1, (5, 10), (10, 20))


def run(size: Size) -> str:
    """Measure; the tables in Markdown."""
    cores.prepare_generator()
    head = ("members of a room", "a delivered message", "a joining, us", "all of them, s", "a leaving, us")
    big = table(head, [_big(count, size) for count in size.members])
    many = table(("rooms of 5", "a delivered message", "opening and filling one, us"), _many(size))
    note = "A delivered message: us of the server's CPU; messages a second; the generator's share of its core."
    return f"{note}\n\n{big}\n\n{many}"


def _big(count: int, size: Size) -> Sequence[str]:
    with ExitStack() as stack:
        place = stack.enter_context(ENCCHAT.start(count))
        members = place.log_in(range(count))
        owner, *others = members
        owner.enter("big", first=True)
        traffic = Traffic([Group(members, [(owner, owner.to_room("big"))], count - 1)])
        stack.callback(traffic.close)
        traffic.settle()
        joining = _cost(place, traffic, [(one, one.request_to_enter("big", first=False)) for one in others])
        told = cell([talk(Scene(place, traffic), _WINDOW, size.seconds) for _ in range(size.rounds)])
        leaving = _cost(place, traffic, [(one, one.request_to_leave("big")) for one in others])
    each = len(others) / 1e6
    return f"{count:,}", told, f"{joining / each:,.0f}", f"{joining:.3g}", f"{leaving / each:,.0f}"


def _cost(place: Place, traffic: Traffic, requests: Iterable[tuple[Any, bytes]]) -> float:
    """Seconds of the server's CPU until all are answered and nothing more comes."""
    before, waiting = cores.cpu(place.process), traffic.answers()
    for member, data in requests:
        traffic.send(member, data)
        waiting += 1
    while traffic.answers() < waiting:
        if not traffic.poll(_SECONDS):
            raise RuntimeError(f"{waiting - traffic.answers()} requests have no answer")
    traffic.quiet()
    traffic.pass_over()  # the joinings themselves are messages of the room
    return cores.cpu(place.process) - before


def _many(size: Size) -> list[Sequence[str]]:
    with ExitStack() as stack:
        place = stack.enter_context(ENCCHAT.start(_GROUPS * _TOGETHER))
        members = place.log_in(range(_GROUPS * _TOGETHER))
        people = [members[at::_GROUPS] for at in range(_GROUPS)]
        groups = [Group(of, [], _TOGETHER - 1, _LANES) for of in people]
        traffic = Traffic(groups)
        stack.callback(traffic.close)
        rows: list[Sequence[str]] = []
        before = 0
        for count in size.rooms:
            cost = _fill(place, traffic, people, range(before, count)) / (count - before)
            for at, group in enumerate(groups):
                group.talk_in(_says(group.members, range(at, count, _GROUPS)))
            figures = [talk(Scene(place, traffic), 1, size.seconds) for _ in range(size.rounds)]
            rows.append((f"{count:,}", cell(figures), f"{cost * 1e6:,.0f}"))
            before = count
    return rows


def _says(members: Sequence[Any], rooms: Sequence[int]) -> list[tuple[Any, str]]:
    """Each room's turn, and each time another's."""
    return [(members[turn % len(members)], f"#room{room}") for turn, room in enumerate(rooms)]


def _fill(place: Place, traffic: Traffic, people: Sequence[Sequence[Any]], rooms: Sequence[int]) -> float:
    """The first of a group opens its rooms, then the others join them."""
    opening = [(people[room % _GROUPS][0], room) for room in rooms]
    joining = [(one, room) for room in rooms for one in people[room % _GROUPS][1:]]
    cost = _cost(place, traffic, ((one, one.request_to_enter(f"room{room}", first=True)) for one, room in opening))
    return cost + _cost(
        place, traffic, ((one, one.request_to_enter(f"room{room}", first=False)) for one, room in joining)
    )
