"""One connection's place in the live feed: it leaves while its reader is behind, and is back when it has caught up.

Theory of operation. The outbox says when more than `Settings.max_unsent` bytes wait. From then on the hub passes
this connection by with messages, and nothing more is read from it, so that it cannot ask for answers that it does
not take; what was asked before and what concerns presence and sessions still comes. When everything that waited
has been taken it is told `behind`, if it missed a message, and is live again: it syncs from its cursors. Nothing is
lost, since the store has it all, and nothing piles up. A peer that takes nothing for `SLOW_READER_SECONDS` is hung up.
"""

from __future__ import annotations

from attrs import define, field
from twisted.logger import Logger

from encchat.limits import SLOW_READER_SECONDS
from encchat.net.timing import Timer
from encchat.server.context import Context, Hold, State
from encchat.server.services import Services
from encchat.wire import Behind, encode

log = Logger()


@define(eq=False)
class LivePlace:
    """The `encchat.net.outbox.Watcher` of one connection."""

    _services: Services
    _context: Context
    _deadline: Timer | None = field(init=False, default=None)

    def fell_behind(self) -> None:
        """Leave the feed."""
        self._services.hub.pass_by(self._context)
        self._context.connection.hold(Hold.UNSENT)
        self._wait()
        log.info("{user} reads too slowly to be fed live", event="slow_reader", user=self._context.name)

    def took_some(self) -> None:
        """It reads: it has all the time again."""
        self._wait()

    def caught_up(self) -> None:
        """Be live again; the line comes before any message that follows what was missed."""
        if self._leave() and self._context.state is State.LOGGED_IN:
            self._context.write_line(encode(Behind()))
        self._context.connection.release(Hold.UNSENT)

    def overflowed(self) -> None:
        """What waits is over the outbox's limit, although nothing more is read from this peer."""
        log.warn("too much waits for {user}, who is hung up", event="stopped_reader", user=self._context.name)
        self._context.break_off()

    def lost(self) -> None:
        """The connection is gone."""
        self._leave()

    def _leave(self) -> bool:
        self._stop()
        return self._services.hub.follow(self._context)

    def _wait(self) -> None:
        self._stop()
        self._deadline = self._services.clock.callLater(SLOW_READER_SECONDS, self._give_up)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        log.warn("{user} does not read at all and is hung up", event="stopped_reader", user=self._context.name)
        self._context.break_off()
