"""The encrypted channel around any Twisted endpoint, for servers and for clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectingCancelledError, NoProtocol
from twisted.internet.interfaces import IStreamClientEndpoint, IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from encchat.errors import ChannelError, HandshakeError
from encchat.net.admission import Admission
from encchat.net.connection import SecureProtocol
from encchat.net.secure import ConnectionLimits, SecureFactory, SecureServerFactory
from encchat.net.timing import Scheduler
from encchat.secure import Channel


@implementer(IStreamServerEndpoint)
@define(eq=False)
class SecureServerEndpoint:
    """Listens on ``endpoint``; protocols there get an encrypted transport once their peer is proven."""

    _reactor: Scheduler
    _endpoint: Any
    _make_channel: Callable[[], Channel]
    _limits: ConnectionLimits = Factory(ConnectionLimits)
    _admission: Admission | None = None

    def listen(self, factory: Any) -> Deferred[Any]:
        """Fires with the IListeningPort of the endpoint below."""
        secure = SecureServerFactory(factory, self._make_channel, self._limits, self._reactor, self._admission)
        listening: Deferred[Any] = self._endpoint.listen(secure)
        return listening


@implementer(IStreamClientEndpoint)
@define(eq=False)
class SecureClientEndpoint:
    """Connects through ``endpoint``."""

    _reactor: Scheduler
    _endpoint: Any
    _make_channel: Callable[[], Channel]
    _limits: ConnectionLimits = Factory(ConnectionLimits)

    def connect(self, factory: Any) -> Deferred[Any]:
        """Fires with the protocol ``factory`` built, when the server is proven and the protocol connected.

        Fails with the `ChannelError` that ended the handshake (`PinMismatchError`, `SuiteRefusedError`,
        `HandshakeError` when the connection closed in the middle of it), with NoProtocol when ``factory`` builds
        none, or as the endpoint below does. Cancelling it gives up the attempt, wherever it stands.
        """
        secure = _SecureClientFactory(factory, self._make_channel, self._limits, self._reactor)
        connecting: Deferred[Any] = self._endpoint.connect(secure)
        return connecting.addCallback(secure.secured)


class _SecureClientFactory(SecureFactory):
    """The factory of one attempt to connect."""

    def __init__(
        self, wrapped_factory: Any, make_channel: Callable[[], Channel], settings: ConnectionLimits, reactor: Scheduler
    ) -> None:
        super().__init__(wrapped_factory, make_channel, settings, reactor)
        self._attempt = _Attempt()

    def secured(self, connection: SecureProtocol) -> Deferred[Any]:
        """Fires with the inner protocol of ``connection``, which has just been made."""
        return self._attempt.watch(connection)

    def opened(self, connection: SecureProtocol, inner: Any) -> None:
        super().opened(connection, inner)
        self._attempt.succeeded(inner)

    def lost(self, connection: SecureProtocol, reason: Failure) -> None:
        super().lost(connection, reason)
        if reason.check(ChannelError, NoProtocol) is None:
            reason = Failure(HandshakeError("the connection closed during the handshake"))
        self._attempt.failed(reason)


@define(eq=False)
class _Attempt:
    """A Deferred that fires once, with whichever comes first: secured, lost or cancelled."""

    _result: Deferred[Any] = field(init=False)
    _connection: SecureProtocol | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._result = Deferred(self._cancel)

    def watch(self, connection: SecureProtocol) -> Deferred[Any]:
        self._connection = connection
        return self._result

    def succeeded(self, inner: Any) -> None:
        if not self._result.called:
            self._result.callback(inner)

    def failed(self, reason: Failure) -> None:
        if not self._result.called:
            self._result.errback(reason)

    def _cancel(self, result: Deferred[Any]) -> None:
        connection = self._connection
        if connection is not None:
            result.errback(ConnectingCancelledError(connection.address))
            connection.abortConnection()
