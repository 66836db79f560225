"""One encrypted connection: to the transport below a protocol, to the protocol above a transport.

Bytes go ``dataReceived -> Channel.receive_data -> one dataReceived of the inner protocol`` and back ``write ->
Channel.send -> one write of the transport``. The inner protocol is built, and its `makeConnection` called, when the
peer is proven and not before: for it connectionMade means secured, and a connection that was not made is not lost.

A connection ends in one of these ways, and the inner protocol's `connectionLost` names which: the transport's own
reason; the `ChannelError` of bytes that do not belong to the channel; `ConnectionLost` when the peer was silent for
two keepalive periods. The peer is told nothing but the end, and which suites there are if it asked for another.

As with any Twisted transport the end of the peer's bytes ends the connection, unless the inner protocol provides
IHalfCloseableProtocol; that end is the network's word, it is not authenticated.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from twisted.internet import error, protocol
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    ILoggingContext,
    IPushProducer,
    ISystemHandle,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from encchat.errors import ChannelError, HandshakeError, SuiteRefusedError
from encchat.limits import HANDSHAKE_READ
from encchat.net.direct import send
from encchat.net.keepalive import VISITS
from encchat.net.timing import Timer
from encchat.secure import Channel, Peer, Plaintext, Secured


class Owner(Protocol):
    """What a connection asks of the factory that made it."""

    def start_timer(self, late: Callable[[], None]) -> Timer:
        """Call ``late`` when the time for a handshake is over."""

    def start_soon(self, function: Callable[[], None]) -> object:
        """Call ``function`` in the next reactor turn."""

    def may_step(self, connection: SecureProtocol) -> bool:
        """Whether a step of the handshake may be computed now; if not, `SecureProtocol.take_step` comes later."""

    def build_inner(self, address: Any) -> Any:
        """The protocol that is to see the plaintext, or None if nobody wants this connection."""

    def opened(self, connection: SecureProtocol, inner: Any) -> None:
        """The peer is proven and ``inner`` has its connection."""

    def failed(self, connection: SecureProtocol, broken: ChannelError) -> None:
        """The peer's bytes broke the channel, or its handshake took too long."""

    def lost(self, connection: SecureProtocol, reason: Failure) -> None:
        """The transport is gone."""

    def logPrefix(self) -> str: ...


class _State(Enum):
    HANDSHAKING = "there is no inner protocol yet"
    OPEN = "the inner protocol has its connection"
    FAILED = "broken or unwanted: what the peer still sends is not looked at"
    LOST = "the transport is gone"


@implementer(ITCPTransport, IPushProducer, ISystemHandle, ILoggingContext)
class SecureProtocol(protocol.Protocol):
    """Wraps one connection; ``peer`` is who was proven to be there, from the inner connectionMade on.

    What does not differ between idle connections stands on the class, so that each costs little.
    """

    transport: Any
    peer: Peer
    disconnecting = False
    bytes_read = 0
    """Off the wire, frames and all: what reading this peer has cost."""

    _state = _State.HANDSHAKING
    _inner: Any = None
    _reason: Failure | None = None
    _timer: Timer | None = None
    _silent_visits = 0
    _paused = False
    _held = b""
    """Plaintext that was decrypted when the inner protocol had paused; the transport is paused while it waits."""

    _early = b""
    """What came of the handshake while others' were computed: two reads at most, then the transport is paused."""

    def __init__(self, owner: Owner, channel: Channel, address: Any) -> None:
        self.owner = owner
        self.address = address
        self._channel = channel

    # What the transport calls

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)  # writes are gathered already; Nagle only adds a round trip
            self.transport.bufferSize = HANDSHAKE_READ  # what Twisted's transports read at once
        self._timer = self.owner.start_timer(self._handshake_is_late)
        self._send_queued()

    def dataReceived(self, data: bytes) -> None:
        if self._state is not _State.OPEN and not self._may_compute(data):
            return
        self.bytes_read += len(data)
        try:
            events = self._channel.receive_data(data)
        except ChannelError as broken:
            self._fail(broken)
            return
        self._silent_visits = 0
        if queued := self._channel.data_to_send():
            send(self.transport, queued)
        for event in events:
            if type(event) is Plaintext:
                self._deliver(event.data)
            elif type(event) is Secured:
                self._open(event.peer)

    def readConnectionLost(self) -> None:
        """The peer will say no more, so its silence is no sign any longer; TCP has to find out if it is gone."""
        self._silent_visits = -1
        self.setTcpKeepAlive(True)
        self._inner.readConnectionLost()

    def writeConnectionLost(self) -> None:
        self._inner.writeConnectionLost()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        inner, self._inner = self._inner, None
        reason = self._reason or reason
        self._state, self.disconnecting, self._held, self._early = _State.LOST, True, b"", b""
        self._stop_timer()
        self.owner.lost(self, reason)
        if inner is not None:
            inner.connectionLost(reason)

    def logPrefix(self) -> str:
        return self.owner.logPrefix()

    # What the inner protocol calls

    def write(self, data: bytes) -> None:
        if self._state is not _State.OPEN:
            return
        try:
            self._channel.send(data)
        except ChannelError as broken:
            self._fail(broken)
        else:
            send(self.transport, self._channel.data_to_send())

    def writeSequence(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def loseConnection(self) -> None:
        """Close when all that was written has been sent; nothing is delivered from here on."""
        self.disconnecting = True
        self.transport.loseConnection()

    def abortConnection(self) -> None:
        """Close at once; what was not sent is dropped."""
        self.disconnecting = True
        self.transport.abortConnection()

    def pauseProducing(self) -> None:
        self._paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        if self._held:
            self.owner.start_soon(self._release)  # not from inside the inner protocol's own call
        elif not self.disconnecting:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        self.loseConnection()

    def stopConsuming(self) -> None:
        self.transport.unregisterProducer()
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.transport.unregisterProducer()

    def getPeer(self) -> Any:
        return self.transport.getPeer()

    def getHost(self) -> Any:
        return self.transport.getHost()

    def getHandle(self) -> Any:
        return self.transport.getHandle()

    def loseWriteConnection(self) -> None:
        self.transport.loseWriteConnection()

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.transport.setTcpNoDelay(enabled)

    def getTcpNoDelay(self) -> bool:
        return bool(self.transport.getTcpNoDelay())

    def setTcpKeepAlive(self, enabled: bool) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(enabled)

    def getTcpKeepAlive(self) -> bool:
        return bool(self.transport.getTcpKeepAlive())

    # What the owner calls

    def take_step(self) -> None:
        """Go on with the handshake, which had to wait for others."""
        early, self._early = self._early, b""
        self.dataReceived(early)
        if not (self._paused or self._held or self.disconnecting):
            self.transport.resumeProducing()

    # What the sweep calls

    def visited(self) -> None:
        """Another part of a keepalive period is over (see `encchat.net.keepalive`).

        While we do not read, the silence is ours and nobody's fault; once we are closing it is the peer that
        has to take what was sent, or leave.
        """
        if not self.disconnecting and (self._paused or self._held or self._silent_visits < 0):
            return
        self._silent_visits += 1
        if self._silent_visits > 2 * VISITS:
            self._give_up()
        elif self._silent_visits == VISITS + 1 and not self.disconnecting:
            self._probe()

    # The rest

    def _may_compute(self, data: bytes) -> bool:
        """Whether a connection that is not open may have the channel look at ``data`` now."""
        if self._state is not _State.HANDSHAKING:
            return False
        if not self._early and self.owner.may_step(self):
            return True
        if self._early:  # it says more than its turn is for
            self.transport.pauseProducing()
        self._early += data
        return False

    def _deliver(self, data: bytes) -> None:
        if self.disconnecting:
            return
        if self._paused or self._held:
            self._held += data
        else:
            self._inner.dataReceived(data)

    def _release(self) -> None:
        if self._paused or self.disconnecting or not self._held:
            return
        held, self._held = self._held, b""
        self._inner.dataReceived(held)
        if not self._paused and not self.disconnecting:
            self.transport.resumeProducing()

    def _open(self, peer: Peer) -> None:
        self.peer = peer
        self._stop_timer()
        vars(self.transport).pop("bufferSize", None)  # from here on as its class has it
        inner = self.owner.build_inner(self.address)
        if inner is None:
            self._state, self._reason = _State.FAILED, Failure(error.NoProtocol())
            self.loseConnection()
            return
        self._state, self._inner = _State.OPEN, inner
        if IHalfCloseableProtocol.providedBy(inner):
            alsoProvides(self, IHalfCloseableProtocol)
        inner.makeConnection(self)
        self.owner.opened(self, inner)

    def _send_queued(self) -> None:
        data = self._channel.data_to_send()
        if data:
            send(self.transport, data)

    def _fail(self, broken: ChannelError) -> None:
        """End it without a word, except that a refused suite is answered with those there are."""
        self._state, self._reason = _State.FAILED, Failure(broken)
        self.owner.failed(self, broken)
        if isinstance(broken, SuiteRefusedError):
            self._send_queued()
            self.loseConnection()
        else:
            self.abortConnection()

    def _handshake_is_late(self) -> None:
        self._timer = None
        if self._state is _State.HANDSHAKING:
            self._fail(HandshakeError("the handshake took too long"))
        else:  # failed, and does not even take the refusal
            self.abortConnection()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _probe(self) -> None:
        try:
            self._channel.probe()
        except ChannelError as broken:
            self._fail(broken)
        else:
            self._send_queued()

    def _give_up(self) -> None:
        self._reason = self._reason or Failure(error.ConnectionLost("the peer gave no sign of life"))
        self.abortConnection()
