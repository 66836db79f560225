"""What is sent in one reactor turn goes out as one write: the end of a turn, and the lines that wait for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from attrs import define, field
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from encchat.net.timing import Scheduler, TurnScheduler

_PIECE: Final = 2**17
"""Bytes handed to the transport before it is asked again whether it wants more: what it gives the kernel at once."""


@define(eq=False)
class TurnEnd:
    """Runs functions at the end of the present reactor turn, in the order of their first mention, each once."""

    _reactor: Scheduler
    _ask: Callable[[Callable[[], object]], object] = field(init=False)
    _calls: dict[Callable[[], object], None] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        reactor = self._reactor
        self._ask = reactor.call_at_turn_end if isinstance(reactor, TurnScheduler) else partial(reactor.callLater, 0)

    def call(self, function: Callable[[], object]) -> None:
        """Run ``function`` when everything that is ready in this turn has been read."""
        if not self._calls:
            self._ask(self._run)
        self._calls[function] = None

    def _run(self) -> None:
        calls, self._calls = self._calls, {}
        rest = iter(calls)
        try:
            for function in rest:
                function()
        finally:
            for function in rest:  # only when one of them raised: its neighbours keep their turn
                self.call(function)


class Watcher(Protocol):
    """Who wants to know how a slow reader gets on (`Outbox.watch`)."""

    def fell_behind(self) -> None:
        """More waits than the mark; told once until `caught_up`."""

    def took_some(self) -> None:
        """The transport, which was full, has sent what it held; told only while behind."""

    def caught_up(self) -> None:
        """Everything that waited has been taken."""


class LineTransport(Protocol):
    """What an outbox needs of a transport; camelCase because it is Twisted's."""

    def write(self, data: bytes, /) -> None: ...

    def loseConnection(self) -> None: ...

    def registerProducer(self, producer: Any, streaming: bool, /) -> None: ...

    def unregisterProducer(self) -> None: ...


@implementer(IPushProducer)
@define(eq=False)
class Outbox:
    """The lines one connection has yet to be sent, as references to bytes that all receivers share.

    While the transport is full (it called `pauseProducing`) lines stay here, ``limit`` bytes of them with their
    newlines; the line that goes over it is dropped with all others and ``overflow`` is called, once. So a reader that
    stopped costs ``limit`` and the few pieces the transport holds, whatever is sent to it.

    With `watch` there is a mark below the limit, past which the owner is told that the reader is behind, so that it
    may send less; ``_bound`` is the next of the two to be crossed, the one thing a line is compared with.
    """

    _transport: LineTransport
    _turn: TurnEnd
    _limit: int
    _overflow: Callable[[], None]
    _lines: list[bytes] = field(init=False, factory=list)
    _size: int = field(init=False, default=0)
    _bound: int = field(init=False)
    _mark: int = field(init=False)
    _watcher: Watcher | None = field(init=False, default=None)
    _behind: bool = field(init=False, default=False)
    _scheduled: bool = field(init=False, default=False)
    _paused: bool = field(init=False, default=False)
    _open: bool = field(init=False, default=True)

    def __attrs_post_init__(self) -> None:
        self._bound = self._mark = self._limit
        self._transport.registerProducer(self, True)

    def watch(self, mark: int, watcher: Watcher) -> None:
        """Tell ``watcher`` when more than ``mark`` bytes wait, and of the way back from there."""
        self._watcher = watcher
        self._bound = self._mark = min(mark, self._limit)

    @property
    def waiting(self) -> int:
        """Bytes that wait here, for the end of the turn or for the transport."""
        return self._size

    def write_line(self, line: bytes) -> None:
        """Send ``line`` and a newline at the end of this turn, or when the transport wants more."""
        if not self._open:
            return
        self._lines.append(line)
        self._size += len(line) + 1
        if not self._scheduled:
            self._scheduled = True
            self._turn.call(self.flush)
        if self._size > self._bound:
            self._crossed()

    def flush(self) -> None:
        """Hand over now what the transport takes."""
        self._scheduled = False
        while self._lines and not self._paused:
            self._transport.write(self._next_piece())
        if self._behind and not self._paused:
            self._catch_up()

    def close(self) -> None:
        """Hand over everything, whether it is wanted or not, and lose the connection when it is sent."""
        if not self._open:
            return
        self._paused = False
        while self._lines:
            self._transport.write(self._next_piece())
        self._drop()
        self._transport.unregisterProducer()
        self._transport.loseConnection()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        if self._behind and self._watcher is not None:
            self._watcher.took_some()
        self.flush()

    def stopProducing(self) -> None:
        """The connection is gone: so is what waited for it."""
        self._drop()

    def _crossed(self) -> None:
        if self._size > self._limit:
            self._drop()
            self._overflow()
        elif self._watcher is not None:
            self._bound, self._behind = self._limit, True
            self._watcher.fell_behind()

    def _catch_up(self) -> None:
        self._bound, self._behind = self._mark, False
        if self._open and self._watcher is not None:
            self._watcher.caught_up()

    def _next_piece(self) -> bytes:
        lines = self._lines
        if self._size <= _PIECE:
            self._lines, self._size = [], 0
        else:
            count = self._count_of_piece()
            lines, self._lines = lines[:count], lines[count:]
            self._size -= sum(map(len, lines)) + count
        lines.append(b"")  # join then ends the last line too
        return b"\n".join(lines)

    def _count_of_piece(self) -> int:
        size = 0
        for count, line in enumerate(self._lines, 1):
            size += len(line) + 1
            if size >= _PIECE:
                return count
        return len(self._lines)

    def _drop(self) -> None:
        self._open = False
        self._lines, self._size = [], 0
