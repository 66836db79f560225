"""One connection of the client: the core's lines on a secured transport, and how such a connection is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    ConnectionDone,
    DNSLookupError,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from encchat import wire
from encchat.client.core import ClientCore
from encchat.client.login import error_from
from encchat.client.requests import Answer
from encchat.errors import CannotConnectError, ChannelError, ConfigurationError
from encchat.limits import CLOSE_SECONDS, CONNECT_SECONDS, MAX_SERVER_LINE
from encchat.links import Address
from encchat.net.endpoints import SecureClientEndpoint
from encchat.net.interfaces import find_suites
from encchat.net.lines import LineReceiver
from encchat.secure import Channel, ClientKeys, Peer


@frozen
class Server:
    """Where to connect and what must be there; ``pin`` None accepts any identity, ``rsa_pin`` is for RSA suites."""

    address: Address
    suite: str
    pin: str | None = None
    rsa_pin: RSAPublicKey | None = None


class ClientConnection(LineReceiver):
    """Hands the server's lines, and the end of the connection, to the core; ``changed`` is called after both."""

    MAX_LENGTH = MAX_SERVER_LINE

    def __init__(self, core: ClientCore, changed: Callable[[], None]) -> None:
        self._core = core
        self._changed = changed
        self._closing = False
        self._reason: str | None = None
        self._waiting: list[Deferred[str]] = []

    @property
    def peer(self) -> Peer:
        """The server as the channel has proven it."""
        peer: Peer = self.transport.peer
        return peer

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self._changed()

    def lineReceived(self, line: bytes) -> None:
        self._core.receive_line(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        clean = isinstance(reason.value, ConnectionDone)
        self._reason = "the server closed it" if clean else reason.getErrorMessage().rstrip(".")
        self._core.lost("" if self._closing else self._reason)
        self._changed()
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(self._reason)

    def when_gone(self) -> Deferred[str]:
        """Fires with the reason when the connection is gone, or at once if it is."""
        if self._reason is not None:
            return succeed(self._reason)
        self._waiting.append(Deferred())
        return self._waiting[-1]

    async def hang_up(self, reactor: Any) -> None:
        """Close when all is sent; a server that does not take it is left after `CLOSE_SECONDS`."""
        self._closing = True
        self.transport.loseConnection()
        try:
            await self.when_gone().addTimeout(CLOSE_SECONDS, reactor)
        except TimeoutError:
            self.transport.abortConnection()

    def send_lines(self, lines: list[bytes]) -> None:
        """Send them in one write."""
        self.transport.write(b"\n".join([*lines, b""]))

    def ask(self, kind: type[wire.Request], **fields: Any) -> Deferred[wire.Result | None]:
        """Send a request; fires with its result or fails with the refusal as its class."""
        result: Deferred[wire.Result | None] = Deferred()

        def done(answer: Answer) -> None:
            if isinstance(answer, wire.Ok):
                result.callback(answer.result)
            else:
                result.errback(error_from(answer))

        self._core.request(kind, done, **fields)
        self._changed()
        return result


async def open_connection(
    reactor: Any, server: Server, key: X25519PrivateKey, core: ClientCore, changed: Callable[[], None]
) -> ClientConnection:
    """Connect and finish the handshake; raise `CannotConnectError` or the `ChannelError` that ended it."""
    suite = find_suites().get(server.suite)
    if suite is None:
        raise ConfigurationError(f"there is no suite {server.suite}; there are {', '.join(find_suites())}")
    keys = ClientKeys(static=key, pin=server.pin, rsa_pin=server.rsa_pin)
    tcp = HostnameEndpoint(reactor, server.address.host, server.address.port, timeout=CONNECT_SECONDS)
    endpoint = SecureClientEndpoint(reactor, tcp, lambda: Channel.initiator(suite, keys))
    factory = Factory.forProtocol(lambda: ClientConnection(core, changed))
    factory.noisy = False
    try:
        connection: ClientConnection = await endpoint.connect(factory)
    except (ChannelError, CancelledError, ConnectingCancelledError):
        raise
    except (ConnectError, ConnectionClosed, DNSLookupError, OSError, ValueError) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise CannotConnectError(f"cannot connect to {server.address}: {reason}") from None
    return connection
