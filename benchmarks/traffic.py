"""The load of the relay benchmark: one thread, raw sockets and epoll, nothing but counting.

Theory of operation. Members are in groups. In a group at most ``window`` messages of each sender are under way: when
all receivers have one, the group's next sender may say another. So a window of 1 is lockstep, and a wider one
saturates the server, since nobody waits for a clock. Each message is a record of its own, as those of a real client
are; those that a member may say at once go out in one write, so that what limits is not this program's system calls.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from typing import Final

from attrs import define, field

from benchmarks.members import Member

_QUIET_SECONDS: Final = 0.3
_LOST_SECONDS: Final = 10.0
"""After which what has not come will not come any more."""
_EVENTS: Final = select.EPOLLIN


@define(eq=False)
class Group:
    """Who hears each other: ``says`` are the senders with the name of where each says it, ``fan`` who hears each."""

    members: Sequence[Member]
    says: Sequence[tuple[Member, str]]
    fan: int
    lanes: int = 0
    """How many of them talk at once; 0: all."""
    sent: int = field(init=False, default=0)
    heard: int = field(init=False, default=0)
    answers: int = field(init=False, default=0)
    _turns: cycle[tuple[Member, str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.talk_in(self.says)

    def talk_in(self, says: Sequence[tuple[Member, str]]) -> None:
        """Other senders or places from now on."""
        self.says, self._turns = says, cycle(says)

    def due(self, window: int) -> dict[tuple[Member, str], int]:
        """How many messages each may say now."""
        return self.take_turns(window * (self.lanes or len(self.says)) - (self.sent - self.heard // self.fan))

    def take_turns(self, free: int) -> dict[tuple[Member, str], int]:
        """Who says the next ``free`` messages."""
        shares: dict[tuple[Member, str], int] = {}
        for _ in range(free):
            turn = next(self._turns)
            shares[turn] = shares.get(turn, 0) + 1
        self.sent += free
        return shares


@define(eq=False)
class Traffic:
    """All groups on one epoll."""

    groups: Sequence[Group]
    heed: Callable[[bytes], None] | None = None
    """What is to look at all that comes, if it is not only to be counted."""
    _epoll: select.epoll = field(init=False, factory=select.epoll)
    _by_number: dict[int, tuple[Member, Group]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        for group in self.groups:
            for member in group.members:
                member.socket.setblocking(False)
                self._by_number[member.socket.fileno()] = member, group
                self._epoll.register(member.socket.fileno(), _EVENTS)

    def leave(self) -> None:
        """Look after them no more, and leave their connections as they are."""
        self._epoll.close()

    def close(self) -> None:
        """Hang up."""
        self.leave()
        for member, _ in self._by_number.values():
            member.socket.close()

    def quiet(self) -> None:
        """Take what comes until nothing does."""
        while self.poll(_QUIET_SECONDS):
            pass

    def pass_over(self) -> None:
        """Take what has come for what was to come: it was not all said in the talk."""
        for group in self.groups:
            group.heard = group.sent * group.fan

    def settle(self) -> None:
        """The same, and forget it."""
        self.quiet()
        for group in self.groups:
            group.sent = group.heard = group.answers = 0

    def run(self, window: int, seconds: float, at: Sequence[tuple[float, Callable[[], None]]] = ()) -> None:
        """Talk for so long, calling what is due ``at`` some second; then wait for what is under way."""
        began, calls = time.monotonic(), list(at)
        self._talk(self.groups, window)
        while (elapsed := time.monotonic() - began) < seconds:
            if calls and elapsed >= calls[0][0]:
                calls.pop(0)[1]()
            self._talk(self.poll(0.1), window)
        for _, call in calls:
            call()
        self.drain()

    def drain(self) -> None:
        """Wait for what is under way."""
        last = time.monotonic()
        while self.lost() and time.monotonic() - last < _LOST_SECONDS:
            if self.poll(0.1):
                last = time.monotonic()

    def sent(self) -> int:
        """Messages that were said."""
        return sum(group.sent for group in self.groups)

    def heard(self) -> int:
        """Messages that have come, each receiver's for itself."""
        return sum(group.heard for group in self.groups)

    def answers(self) -> int:
        """Messages whose sender was told that they are accepted."""
        return sum(group.answers for group in self.groups)

    def lost(self) -> int:
        """What has not come."""
        return sum(group.sent * group.fan - group.heard for group in self.groups)

    def _talk(self, groups: Iterable[Group], window: int) -> None:
        for group in groups:
            for (member, to), count in group.due(window).items():
                self.send(member, b"".join([member.said(to) for _ in range(count)]))

    def send(self, member: Member, data: bytes) -> None:
        """As much as the socket takes, the rest as soon as it takes more."""
        waiting = member.pending + data
        try:
            sent = member.socket.send(waiting)
        except BlockingIOError:
            sent = 0
        member.pending = waiting[sent:]
        if member.pending:
            self._epoll.modify(member.socket.fileno(), _EVENTS | select.EPOLLOUT)

    def rest(self, seconds: float) -> None:
        """Sleep until something has come, at most so long; unlike `poll` to the microsecond."""
        select.select([self._epoll], [], [], max(0.0, seconds))

    def poll(self, seconds: float) -> dict[Group, None]:
        """Wait, read, and say which groups have heard something."""
        heard: dict[Group, None] = {}
        for number, event in self._epoll.poll(seconds):
            member, group = self._by_number[number]
            if event & select.EPOLLOUT:
                self._epoll.modify(number, _EVENTS)
                self.send(member, b"")
            if event & _EVENTS:
                counted = member.take()
                if member.pending:
                    self.send(member, b"")
                if self.heed is not None:
                    self.heed(counted.text)
                group.heard += counted.messages
                group.answers += counted.answers
                heard[group] = None
        return heard
