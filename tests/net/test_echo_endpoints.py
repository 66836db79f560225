"""The channel around any Twisted program: an echo server and its clients by endpoint strings, over real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.application.internet import ClientService
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import (
    clientFromString,
    connectProtocol,
    quoteStringArgument,
    serverFromString,
)
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError, NoProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.protocols.wire import Echo
from twisted.trial.unittest import TestCase

from encchat.errors import ConfigurationError, HandshakeError, PinMismatchError, SuiteRefusedError
from encchat.net.endpoints import SecureClientEndpoint
from encchat.secure import DEFAULT_SUITE, fingerprint
from encchat.secure.keys import load_or_make_identity, make_rsa
from tests.net.pairs import client_channel

WAIT = 10.0
"""Seconds until a test that waits for something in vain fails."""


class Listener(Protocol):
    """Collects what it receives and can be waited for."""

    def __init__(self) -> None:
        self.received = b""
        self.closed: Deferred[Any] = Deferred()
        self._wanted: tuple[int, Deferred[bytes]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._wanted is not None and len(self.received) >= self._wanted[0]:
            (_, waiting), self._wanted = self._wanted, None
            waiting.callback(self.received)

    def connectionLost(self, reason: Any) -> None:  # type: ignore[override]
        self.closed.callback(reason.value)

    def hear(self, size: int) -> Deferred[bytes]:
        """Fires with all that was received once it has ``size`` bytes."""
        if len(self.received) >= size:
            return succeed(self.received)
        waiting: Deferred[bytes] = Deferred()
        self._wanted = (size, waiting)
        return waiting.addTimeout(WAIT, reactor)


class EchoFactory(Factory):
    """Echo, and who is connected."""

    noisy = False

    def __init__(self) -> None:
        self.connected: list[Echo] = []

    def buildProtocol(self, addr: Any) -> Echo:
        self.connected.append(Echo())
        return self.connected[-1]


def next_turn() -> Deferred[None]:
    return deferLater(reactor, 0, lambda: None)


class EchoCase(TestCase):
    """An echo server on a free port, with keys in a directory of its own."""

    timeout = 30

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.identity = self.directory / "identity"
        self.pin = fingerprint(load_or_make_identity(self.identity).public_key().public_bytes_raw())

    async def listen(self, options: str = "") -> EchoFactory:
        """Start the server and have the test stop it."""
        description = rf"noise:tcp\:0\:interface=127.0.0.1:identity={quoteStringArgument(str(self.identity))}{options}"
        factory = EchoFactory()
        self.port = await serverFromString(reactor, description).listen(factory)
        self.addCleanup(self.port.stopListening)
        return factory

    def client(self, options: str = "", pin: str | None = None) -> Any:
        quoted = quoteStringArgument(self.pin if pin is None else pin)
        return clientFromString(reactor, rf"noise:tcp\:127.0.0.1\:{self.port.getHost().port}:pin={quoted}{options}")

    async def connect(self, options: str = "", pin: str | None = None) -> Listener:
        """A client that is hung up when the test ends."""
        listener: Listener = await connectProtocol(self.client(options, pin), Listener()).addTimeout(WAIT, reactor)
        self.addCleanup(self.hang_up, listener)
        return listener

    async def hang_up(self, listener: Listener) -> None:
        if not listener.closed.called:
            listener.transport.loseConnection()
            await listener.closed.addTimeout(WAIT, reactor)

    async def fails(self, connecting: Any, error: type[BaseException]) -> Any:
        """The error of type ``error`` that ``connecting`` ends with."""
        try:
            await connecting
        except error as failed:
            return failed
        self.fail(f"{error.__name__} was expected")


class EchoTests(EchoCase):
    """A program that is not chat."""

    async def test_echo_over_the_default_suite(self) -> None:
        """What a client says through the endpoint comes back, and both know the other's key."""
        factory = await self.listen()
        listener = await self.connect()
        listener.transport.write(b"hello")
        self.assertEqual(await listener.hear(5), b"hello")
        self.assertEqual(listener.transport.peer.suite, DEFAULT_SUITE)
        self.assertEqual(fingerprint(listener.transport.peer.identity), self.pin)
        self.assertEqual(len(factory.connected[0].transport.peer.static), 32)

    async def test_megabytes_come_back_whole(self) -> None:
        """Much data in both directions at once arrives whole and in order."""
        await self.listen()
        listener = await self.connect()
        data = bytes(range(256)) * 16_384
        listener.transport.write(data)
        self.assertEqual(await listener.hear(len(data)), data)

    async def test_every_suite_of_the_offer(self) -> None:
        """Each suite the string names is there, also the one that needs an RSA key."""
        rsa = self.directory / "rsa.pem"
        make_rsa(rsa)
        offer = ("noise", "noise-hybrid", "rsa-aes128gcm")
        await self.listen(f":suites={','.join(offer)}:rsa={quoteStringArgument(str(rsa))}")
        for suite in offer:
            listener = await self.connect(f":suite={suite}")
            listener.transport.write(suite.encode())
            self.assertEqual(await listener.hear(len(suite)), suite.encode())
            self.assertEqual(listener.transport.peer.suite, suite)

    async def test_client_key_of_a_file_is_the_same_each_time(self) -> None:
        """With key=FILE the server sees the same static key again, without it a new one."""
        factory = await self.listen()
        key = quoteStringArgument(str(self.directory / "device"))
        for options in (f":key={key}", f":key={key}", ""):
            listener = await self.connect(options)
            listener.transport.write(b"x")
            await listener.hear(1)
        first, second, third = (echo.transport.peer.static for echo in factory.connected)
        self.assertEqual(first, second)
        self.assertNotEqual(second, third)

    async def test_pin_may_be_written_without_its_prefix_or_not_given_on_purpose(self) -> None:
        """`pin=any` and the bare 43 characters connect too."""
        await self.listen()
        for pin in ("any", self.pin.removeprefix("SHA256:")):
            listener = await self.connect(pin=pin)
            self.assertEqual(fingerprint(listener.transport.peer.identity), self.pin)

    async def test_server_makes_its_keys_once(self) -> None:
        """Missing key files are made, for nobody else to read, and used again."""
        self.identity = self.directory / "new identity"
        static = quoteStringArgument(str(self.directory / "static"))
        await self.listen(f":static={static}")
        listener = await self.connect(pin="any")
        shown = fingerprint(listener.transport.peer.identity), listener.transport.peer.static
        await self.listen(f":static={static}")
        again = await self.connect(pin=shown[0])
        self.assertEqual((fingerprint(again.transport.peer.identity), again.transport.peer.static), shown)
        self.assertEqual(self.identity.stat().st_mode & 0o777, 0o600)


class RefusalTests(EchoCase):
    """Clients that do not get through."""

    async def test_wrong_pin_fails_before_the_server_has_a_connection(self) -> None:
        """A client that pinned another identity fails with both fingerprints; the server builds no protocol."""
        factory = await self.listen()
        other = fingerprint(Ed25519PrivateKey.generate().public_key().public_bytes_raw())
        error = await self.fails(self.connect(pin=other), PinMismatchError)
        self.assertEqual((error.expected, error.shown), (other, self.pin))
        self.assertEqual(factory.connected, [])

    async def test_suite_the_server_does_not_offer_fails_with_those_it_does(self) -> None:
        """The client never falls back by itself; it is told what there is."""
        await self.listen(":suites=noise-hybrid")
        error = await self.fails(self.connect(":suite=noise"), SuiteRefusedError)
        self.assertEqual((error.wanted, error.offered), ("noise", ("noise-hybrid",)))

    async def test_server_that_hangs_up_in_the_handshake(self) -> None:
        """A server that closes before it is proven is a HandshakeError that says so."""

        class HangUp(Protocol):
            def connectionMade(self) -> None:
                self.transport.loseConnection()

        self.port = await serverFromString(reactor, r"tcp:0:interface=127.0.0.1").listen(Factory.forProtocol(HangUp))
        self.addCleanup(self.port.stopListening)
        error = await self.fails(self.connect(), HandshakeError)
        self.assertEqual(error.text, "the connection closed during the handshake")

    async def test_server_that_is_no_encchat(self) -> None:
        """A server that speaks something else is a HandshakeError or FrameError, not a protocol with garbage."""

        class Greeting(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 10)

        self.port = await serverFromString(reactor, r"tcp:0:interface=127.0.0.1").listen(Factory.forProtocol(Greeting))
        self.addCleanup(self.port.stopListening)
        error = await self.fails(self.connect(), Exception)
        self.assertIn(error.code, ("handshake", "frame"))

    async def test_nobody_listening(self) -> None:
        """Without a server the error is that of the endpoint below."""
        await self.listen()
        endpoint = self.client()
        await self.port.stopListening()
        await self.fails(connectProtocol(endpoint, Listener()), ConnectionRefusedError)

    async def test_factory_that_builds_no_protocol(self) -> None:
        """As with any endpoint that is NoProtocol."""

        class Nobody(Factory):
            noisy = False

            def buildProtocol(self, addr: Any) -> None:
                return None

        await self.listen()
        await self.fails(self.client().connect(Nobody()), NoProtocol)

    async def test_cancelled_in_the_handshake(self) -> None:
        """Cancelling gives up an attempt whose server never answers, and closes its connection."""
        asked: Deferred[Listener] = Deferred()

        class Silent(Listener):
            def dataReceived(self, data: bytes) -> None:
                if not asked.called:
                    asked.callback(self)

        self.port = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(Factory.forProtocol(Silent))
        self.addCleanup(self.port.stopListening)
        connecting = connectProtocol(self.client(), Listener())
        server = await asked.addTimeout(WAIT, reactor)
        connecting.cancel()
        await self.fails(connecting, ConnectingCancelledError)
        await server.closed.addTimeout(WAIT, reactor)

    async def test_cancelled_while_connecting(self) -> None:
        """Cancelling before there is a connection below cancels that."""
        below: Deferred[Any] = Deferred()

        class Never:
            def connect(self, factory: Any) -> Deferred[Any]:
                return below

        connecting = SecureClientEndpoint(reactor, Never(), client_channel).connect(Factory())
        connecting.cancel()
        self.failureResultOf(connecting)
        self.assertTrue(below.called)


class ReconnectingTests(EchoCase):
    """Twisted's ClientService over the client endpoint."""

    async def test_client_service_connects_again(self) -> None:
        """After the server has hung up, ClientService has a secured connection again."""
        factory = await self.listen()
        service = ClientService(self.client(), Factory.forProtocol(Listener), retryPolicy=lambda attempt: 0.01)
        service.startService()
        self.addCleanup(service.stopService)
        first = await service.whenConnected().addTimeout(WAIT, reactor)
        first.transport.write(b"one")
        await first.hear(3)
        factory.connected[0].transport.loseConnection()
        await first.closed.addTimeout(WAIT, reactor)
        await next_turn()  # ClientService hears of it after the protocol
        second = await service.whenConnected().addTimeout(WAIT, reactor)
        second.transport.write(b"two")
        self.assertEqual(await second.hear(3), b"two")
        self.assertIsNot(first, second)

    async def test_client_service_hears_why_it_cannot(self) -> None:
        """A wrong pin is the failure ClientService reports, as often as it was asked to try."""
        await self.listen()
        endpoint = self.client(pin="A" * 43)
        service = ClientService(endpoint, Factory.forProtocol(Listener), retryPolicy=lambda attempt: 0.01)
        service.startService()
        self.addCleanup(service.stopService)
        await self.fails(service.whenConnected(failAfterFailures=2).addTimeout(WAIT, reactor), PinMismatchError)
        await next_turn()  # the service cannot be stopped from inside its own report


class DescriptionTests(EchoCase):
    """Endpoint strings that cannot be used say what would be right."""

    def _server_error(self, options: str) -> str:
        error = self.assertRaises(ConfigurationError, serverFromString, reactor, r"noise:tcp\:0" + options)
        return error.text

    def _client_error(self, options: str) -> str:
        error = self.assertRaises(ConfigurationError, clientFromString, reactor, r"noise:tcp\:h\:1" + options)
        return error.text

    def test_server_without_an_identity(self) -> None:
        """A server has to say which identity it is."""
        self.assertIn("identity=FILE", self._server_error(""))

    def test_client_without_a_pin(self) -> None:
        """There is no silent trust: who accepts any server has to say so."""
        self.assertIn("pin=any", self._client_error(""))

    def test_pin_that_is_no_fingerprint(self) -> None:
        """A pin that nobody can have is refused before anybody connects."""
        for pin in ("ANY", "A" * 42, "A" * 44, r"MD5\:" + "A" * 43):
            self.assertIn("no fingerprint", self._client_error(f":pin={pin}"))

    def test_pin_whose_colon_is_not_escaped(self) -> None:
        """The usual mistake is named."""
        self.assertIn(r"\:", self._client_error(":pin=" + self.pin))

    def test_unknown_suite(self) -> None:
        """A suite that does not exist is named, with those that do."""
        identity = quoteStringArgument(str(self.identity))
        for text in (
            self._server_error(f":identity={identity}:suites=rot13"),
            self._client_error(":pin=any:suite=rot13"),
        ):
            self.assertIn("rot13", text)
            self.assertIn("noise-hybrid", text)

    def test_unknown_option(self) -> None:
        """A misspelt option is not ignored."""
        self.assertIn("idenity", self._server_error(":idenity=x"))
        self.assertIn("pins", self._client_error(":pins=x"))

    def test_rsa_suite_without_a_key(self) -> None:
        """The RSA suite cannot be offered without its key."""
        identity = quoteStringArgument(str(self.identity))
        self.assertIn("rsa=FILE", self._server_error(f":identity={identity}:suites=rsa-aes128gcm"))
