"""Both sides of an encrypted connection in memory: keys, recorders, and a pipe that can be cut."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.test import iosim

from encchat.net.admission import Admission
from encchat.net.secure import ConnectionLimits, SecureFactory, SecureProtocol, SecureServerFactory
from encchat.secure import Channel, ClientKeys, ServerKeys, default_suites, fingerprint

SERVER_KEYS = ServerKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
IDENTITY = SERVER_KEYS.identity.public_key().public_bytes_raw()
PIN = fingerprint(IDENTITY)
DEVICE_KEY = X25519PrivateKey.generate()
DEVICE = DEVICE_KEY.public_key().public_bytes_raw()
ADDRESS = IPv4Address("TCP", "192.0.2.1", 4711)
SUITES = default_suites()


def server_channel(*offer: str) -> Channel:
    """The server's side, offering ``noise`` (it is quick) or what is named."""
    return Channel.responder({name: SUITES[name] for name in offer or ("noise",)}, SERVER_KEYS)


def client_channel(suite: str = "noise", pin: str | None = PIN) -> Channel:
    return Channel.initiator(SUITES[suite], ClientKeys(DEVICE_KEY, pin))


class Recorder(Protocol):
    """An inner protocol that notes what happens to it."""

    def __init__(self) -> None:
        self.made = 0
        self.received: list[bytes] = []
        self.lost: list[Failure] = []

    def connectionMade(self) -> None:
        self.made += 1

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost.append(reason)

    @property
    def data(self) -> bytes:
        return b"".join(self.received)


class Recorders(Factory):
    """Builds recorders and keeps them."""

    noisy = False

    def __init__(self, protocol: Any = Recorder) -> None:
        self.protocol = protocol
        self.built: list[Any] = []

    def buildProtocol(self, addr: Any) -> Any:
        self.built.append(self.protocol())
        return self.built[-1]


class Wire(iosim.FakeTransport):
    """A transport that counts its writes, and of which a test can take or forge what is on the way."""

    def __init__(self, protocol: Any, isServer: bool) -> None:
        super().__init__(protocol, isServer)
        self.written: list[bytes] = []
        self.aborted = False
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written.append(data)
        super().write(data)

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class Pair:
    """A client and a server, connected; `flush` moves bytes until there are none."""

    def __init__(
        self,
        server_protocol: Any = Recorder,
        client_protocol: Any = Recorder,
        make_server_channel: Any = server_channel,
        make_client_channel: Any = client_channel,
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008
        admission: Admission | None = None,
        shake_hands: bool = True,
    ) -> None:
        self.clock = Clock()
        self.servers, self.clients = Recorders(server_protocol), Recorders(client_protocol)
        self.server_factory = SecureServerFactory(self.servers, make_server_channel, limits, self.clock, admission)
        self.client_factory = SecureFactory(self.clients, make_client_channel, limits, self.clock)
        self.server = self._build(self.server_factory)
        self.client = self._build(self.client_factory)
        self.server_wire, self.client_wire = Wire(self.server, True), Wire(self.client, False)
        self.pump = iosim.connect(
            self.server, self.server_wire, self.client, self.client_wire, greet=shake_hands, clock=self.clock
        )

    @property
    def server_inner(self) -> Any:
        return self.servers.built[0]

    @property
    def client_inner(self) -> Any:
        return self.clients.built[0]

    def flush(self) -> None:
        self.pump.flush()

    def wait(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass on both sides while bytes move."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.flush()

    def _build(self, factory: SecureFactory) -> SecureProtocol:
        connection = factory.buildProtocol(ADDRESS)
        if connection is None:
            raise LookupError("the factory let nobody in")
        return connection
