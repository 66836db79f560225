"""One client's connection: lines in to the dispatcher, lines out through the outbox, and the limits on both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from encchat import __version__
from encchat.limits import HANG_UP_SECONDS, UNSENT_RESERVE
from encchat.net.lines import LineReceiver
from encchat.net.outbox import Outbox
from encchat.net.timing import Timer
from encchat.server.context import Context, Hold, State
from encchat.server.dispatch import Dispatcher
from encchat.server.live import LivePlace
from encchat.server.services import Services
from encchat.wire import Closing, Welcome, encode


class ChatConnection(LineReceiver):
    """The transport has ``peer`` and ``bytes_read``, as `encchat.net.secure.SecureProtocol`; ``gone`` hears the end."""

    transport: Any

    def __init__(self, services: Services, dispatcher: Dispatcher, gone: Callable[[ChatConnection], None]) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._gone = gone
        self._holds = Hold.NOTHING
        self._stranger_bytes = 0
        self._weighed = 0
        self._deadline: Timer | None = None
        self._rate_timer: Timer | None = None
        self._lost = False

    # From Twisted ------------------------------------------------------------------------------
    def connectionMade(self) -> None:
        """The channel is secured: greet, and give a stranger a limited time."""
        services, settings = self._services, self._services.settings
        self.context = Context(services, self, services.meters.connection(self.address))
        self._place = LivePlace(services, self.context)
        self._outbox = Outbox(
            self.transport, services.turn, settings.max_unsent + UNSENT_RESERVE, self._place.overflowed
        )
        self._outbox.watch(settings.max_unsent, self._place)
        self.write_line = self._outbox.write_line
        self.write_line(
            encode(
                Welcome(
                    server=settings.server_name,
                    version=__version__,
                    registration=settings.registration,
                    motd=settings.motd,
                )
            )
        )
        self._limit(settings.unauthenticated_seconds, self._not_logged_in)
        if services.stopping:
            self.context.leave(Closing(reason="the server is stopping"))

    def dataReceived(self, data: bytes) -> None:
        """Count what a stranger sends, weigh what others do."""
        if self.paused and self.context.state is State.STRANGER:  # it says more while its login is looked at
            self.transport.pauseProducing()
            super().dataReceived(data)
            return
        total = self.transport.bytes_read
        read, self._weighed = total - self._weighed, total
        if self.context.state is State.STRANGER:
            self._stranger_bytes += len(data)
            limit = self._services.settings.unauthenticated_bytes
            if self._stranger_bytes > limit:
                self.context.leave(Closing(reason=f"more than {limit} bytes came before a login"))
        else:
            self._dispatcher.weigh(self.context, read)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """One request."""
        self._dispatcher.receive(self.context, line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Its rest is skipped by the line receiver."""
        self._dispatcher.too_long(self.context)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """However it ended: whoever it was is not here any more."""
        self._lost = True
        self._cancel()
        self._place.lost()
        self.context.lost()
        self._gone(self)

    # For the context ---------------------------------------------------------------------------
    @property
    def address(self) -> str:
        """The peer's host; a peer without one (a Unix socket) is as local as it gets."""
        return str(getattr(self.transport.getPeer(), "host", "localhost"))

    @property
    def device_key(self) -> bytes:
        """Raw 32 bytes."""
        key: bytes = self.transport.peer.static
        return key

    def logged_in(self) -> None:
        """No deadline any more."""
        self._limit(None)

    def hold(self, reason: Hold) -> None:
        """Stop reading, if this is the first reason to.

        A login takes a moment in which hardly anybody says more, so the transport goes on until somebody does.
        """
        if not self._holds:
            if reason is Hold.ORDER and self.context.state is State.STRANGER:
                self.paused = True
            else:
                self.pauseProducing()  # type: ignore[no-untyped-call]
        self._holds |= reason

    def hold_for(self, reason: Hold, seconds: float) -> None:
        """The one timed reason is the rate: a timer that runs already is enough, what is owed then holds again."""
        self.hold(reason)
        if self._rate_timer is None:
            self._rate_timer = self._services.clock.callLater(seconds, lambda: self._release_rate(reason))

    def _release_rate(self, reason: Hold) -> None:
        self._rate_timer = None
        self.release(reason)

    def release(self, reason: Hold) -> None:
        """Read again, if this was the last reason not to."""
        held, self._holds = self._holds, self._holds & ~reason
        if held and not self._holds and not self._lost and not self.transport.disconnecting:
            self.resumeProducing()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Whoever does not take its last lines within `HANG_UP_SECONDS` is cut off."""
        self._services.turn.call(self._outbox.close)
        self._limit(HANG_UP_SECONDS, self.break_off)

    def break_off(self) -> None:
        """`connectionLost` follows."""
        self.transport.abortConnection()

    # Limits ------------------------------------------------------------------------------------
    def _limit(self, seconds: float | None, then: Callable[[], None] | None = None) -> None:
        """Set the one deadline of this connection anew."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is not None and then is not None:
            self._deadline = self._services.clock.callLater(seconds, lambda: self._expired(then))

    def _expired(self, then: Callable[[], None]) -> None:
        self._deadline = None
        then()

    def _cancel(self) -> None:
        self._limit(None)
        if self._rate_timer is not None:
            self._rate_timer.cancel()
            self._rate_timer = None

    def _not_logged_in(self) -> None:
        seconds = self._services.settings.unauthenticated_seconds
        self.context.leave(Closing(reason=f"no login came within {seconds:g} seconds"))
