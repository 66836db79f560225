"""Factories that wrap the protocols of another factory in the encrypted channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Attribute, field, frozen
from twisted.internet.interfaces import ILoggingContext
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.errors import ChannelError, ConfigurationError
from encchat.limits import HANDSHAKE_SECONDS, KEEPALIVE_SECONDS
from encchat.net.admission import Admission
from encchat.net.connection import SecureProtocol
from encchat.net.handshakes import HandshakeQueue
from encchat.net.keepalive import SLICES, Sweep
from encchat.net.tally import OF_MANY, Tally
from encchat.net.timing import Scheduler, Timer
from encchat.secure import Channel

__all__ = ["ConnectionLimits", "SecureFactory", "SecureProtocol", "SecureServerFactory"]


def _positive(_: object, attribute: Attribute[float], value: float) -> None:
    if not value > 0:
        raise ConfigurationError(f"{attribute.name} is {value}: it has to be more than 0 seconds")


@frozen
class ConnectionLimits:
    """Seconds for the whole handshake, and seconds of silence after which the peer is probed."""

    handshake_seconds: float = field(default=HANDSHAKE_SECONDS, validator=_positive)
    keepalive: float = field(default=KEEPALIVE_SECONDS, validator=_positive)


class SecureFactory(Factory):
    """Wraps what ``wrapped_factory`` builds; a connection's channel comes from ``make_channel``.

    ``settings`` may be replaced at any time. It is an IProtocolFactory for `SecureProtocol.owner`'s sake and
    keeps the connections that are open, for the keepalive.
    """

    noisy = False

    def __init__(
        self,
        wrapped_factory: Any,
        make_channel: Callable[[], Channel],
        settings: ConnectionLimits,
        reactor: Scheduler,
        slices: int = 1,
    ) -> None:
        self.wrapped_factory = wrapped_factory
        self.settings = settings
        self._make_channel = make_channel
        self._reactor = reactor
        self._sweep = Sweep(reactor, lambda: self.settings.keepalive, slices)

    def doStart(self) -> None:
        self.wrapped_factory.doStart()
        super().doStart()

    def doStop(self) -> None:
        self.wrapped_factory.doStop()
        super().doStop()

    def logPrefix(self) -> str:
        wrapped = self.wrapped_factory
        name = wrapped.logPrefix() if ILoggingContext.providedBy(wrapped) else type(wrapped).__name__
        return f"{name} (encchat)"

    def buildProtocol(self, addr: Any) -> SecureProtocol | None:
        connection = SecureProtocol(self, self._make_channel(), addr)
        connection.factory = self
        return connection

    def start_timer(self, late: Callable[[], None]) -> Timer:
        return self._reactor.callLater(self.settings.handshake_seconds, late)

    def start_soon(self, function: Callable[[], None]) -> Timer:
        return self._reactor.callLater(0, function)

    def may_step(self, connection: SecureProtocol) -> bool:
        """Always: who opens connections computes its own handshakes only."""
        return True

    def build_inner(self, address: Any) -> Any:
        return self.wrapped_factory.buildProtocol(address)

    def opened(self, connection: SecureProtocol, inner: Any) -> None:
        self._sweep.add(connection)

    def failed(self, connection: SecureProtocol, broken: ChannelError) -> None:
        """Nothing here: the reason goes to the protocol, or to who waits for one."""

    def lost(self, connection: SecureProtocol, reason: Failure) -> None:
        self._sweep.remove(connection)


class SecureServerFactory(SecureFactory):
    """Wraps a server's protocols; ``admission`` says who may connect, None lets everybody in."""

    _log = Logger()

    def __init__(
        self,
        wrapped_factory: Any,
        make_channel: Callable[[], Channel],
        settings: ConnectionLimits,
        reactor: Scheduler,
        admission: Admission | None,
    ) -> None:
        super().__init__(wrapped_factory, make_channel, settings, reactor, SLICES)
        self.admission = admission
        self._handshakes = HandshakeQueue(self.start_soon)
        self._not_admitted, self._failures = Tally(reactor.seconds), Tally(reactor.seconds)

    def buildProtocol(self, addr: Any) -> SecureProtocol | None:
        host = _host(addr)
        if self.admission is not None and host is not None and not self.admission.admit(host):
            self._refuse(host)
            return None
        return super().buildProtocol(addr)

    def may_step(self, connection: SecureProtocol) -> bool:
        return self._handshakes.enter(connection)

    def failed(self, connection: SecureProtocol, broken: ChannelError) -> None:
        if count := self._failures.count():
            self._log.warn(
                "the channel with {address} failed: {code}" + (OF_MANY if count > 1 else ""),
                event="channel_failed",
                address=_text(connection.address),
                code=broken.code,
                count=count,
            )

    def lost(self, connection: SecureProtocol, reason: Failure) -> None:
        super().lost(connection, reason)
        self._handshakes.leave(connection)
        host = _host(connection.address)
        if self.admission is not None and host is not None:
            self.admission.released(host)

    def _refuse(self, host: str) -> None:
        if count := self._not_admitted.count():
            self._log.warn(
                "connections not admitted: {count}, the last from {address}",
                event="not_admitted",
                count=count,
                address=host,
            )


def _host(address: Any) -> str | None:
    """The address to count by; None where there is none, as on a unix socket."""
    return getattr(address, "host", None)


def _text(address: Any) -> str:
    host = _host(address)
    return str(address) if host is None else f"{host}:{address.port}"
