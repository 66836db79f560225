"""Promises about peers that misbehave, through real sockets on the loopback, while a good one goes on talking."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from encchat.errors import EncchatError, RecordError
from encchat.limits import MAX_HANDSHAKE_MESSAGE
from encchat.net.admission import Admission
from encchat.net.endpoints import SecureClientEndpoint, SecureServerEndpoint
from encchat.net.lines import LineReceiver
from encchat.net.outbox import Outbox, TurnEnd
from encchat.net.secure import ConnectionLimits
from encchat.secure import Plaintext, Secured
from tests.net.pairs import Recorders, client_channel, server_channel

WAIT = 10.0
"""Seconds until a test that waits for something in vain fails."""

QUICK = ConnectionLimits(handshake_seconds=1.0, keepalive=0.2)
PATIENT = ConnectionLimits(handshake_seconds=WAIT, keepalive=WAIT)
LIMIT = 200_000
"""Bytes that may wait for a connection in these tests."""


class EchoLines(LineReceiver):
    """Answers each line with itself, through an outbox."""

    def connectionMade(self) -> None:
        self.overflowed = False
        self.lost: Deferred[Failure] = Deferred()
        self.outbox = Outbox(self.transport, TurnEnd(reactor), LIMIT, self._overflow)

    def lineReceived(self, line: bytes) -> None:
        self.outbox.write_line(line)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost.callback(reason.value)

    def _overflow(self) -> None:
        self.overflowed = True
        self.transport.abortConnection()


@implementer(IHalfCloseableProtocol)
class LastWord(EchoLines):
    """Answers after its peer has stopped speaking."""

    def readConnectionLost(self) -> None:
        self.outbox.write_line(b"last word")
        self.outbox.close()

    def writeConnectionLost(self) -> None: ...


class Talker(LineReceiver):
    """A well-behaved client."""

    def connectionMade(self) -> None:
        self.lines: list[bytes] = []
        self.lost: Deferred[Any] = Deferred()
        self._waiting: Deferred[bytes] | None = None

    def say(self, line: bytes) -> Deferred[bytes]:
        """Send ``line``; fires with the answer."""
        self.transport.write(line + b"\n")
        waiting = self._waiting = Deferred()
        return waiting.addTimeout(WAIT, reactor)

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(line)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost.callback(reason.value)


class RawPeer(Protocol):
    """A client whose every byte a test decides; `shake_hands` behaves until it is secured."""

    def __init__(self) -> None:
        self.channel = client_channel()
        self.received = b""
        self.plaintext = b""
        self.secured: Deferred[None] = Deferred()
        self.lost: Deferred[Any] = Deferred()
        self._polite = False

    def shake_hands(self) -> Deferred[None]:
        self._polite = True
        self.transport.write(self.channel.data_to_send())
        return self.secured.addTimeout(WAIT, reactor)

    def say(self, data: bytes) -> None:
        self.channel.send(data)
        self.transport.write(self.channel.data_to_send())

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if not self._polite:
            return
        for event in self.channel.receive_data(data):
            match event:
                case Secured():
                    self.transport.write(self.channel.data_to_send())
                    self.secured.callback(None)
                case Plaintext(data):
                    self.plaintext += data

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.lost.callback(reason.value)


def moment(seconds: float = 0.0) -> Deferred[None]:
    """Let the reactor go on for a bounded time."""
    return deferLater(reactor, seconds, lambda: None)


class SocketCase(TestCase):
    """A line echo server on the loopback."""

    timeout = 30

    async def listen(
        self, limits: ConnectionLimits = PATIENT, protocol: Any = EchoLines, admission: Admission | None = None
    ) -> None:
        self.servers = Recorders(protocol)
        below = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        endpoint = SecureServerEndpoint(reactor, below, server_channel, limits, admission)
        port = await endpoint.listen(self.servers)
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        self.addCleanup(self._hang_up)
        self.peers: list[Any] = []

    async def raw(self, shake_hands: bool = True) -> RawPeer:
        peer: RawPeer = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port), RawPeer())
        self.peers.append(peer)
        if shake_hands:
            await peer.shake_hands()
            await self._until(lambda: bool(self.servers.built) and self.servers.built[-1].connected)
        return peer

    async def talker(self) -> Talker:
        below = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        talker: Talker = await connectProtocol(SecureClientEndpoint(reactor, below, client_channel), Talker())
        self.peers.append(talker)
        return talker

    async def good_one_goes_on(self) -> None:
        """Somebody else connects and is served."""
        talker = await self.talker()
        self.assertEqual(await talker.say(b"still here?"), b"still here?")

    async def end_of(self, protocol: Any) -> Any:
        """The exception the connection of ``protocol`` ended with."""
        error = await protocol.lost.addTimeout(WAIT, reactor)
        self.assertNotIsInstance(error, Failure)
        return error

    async def _until(self, condition: Any) -> None:
        give_up = reactor.seconds() + WAIT
        while not condition():
            self.assertLess(reactor.seconds(), give_up, "it did not happen")
            await moment(0.002)

    async def _hang_up(self) -> None:
        for peer in self.peers:
            if not peer.lost.called:
                peer.transport.abortConnection()
                await peer.lost.addTimeout(WAIT, reactor)
        await self._until(lambda: all(inner.lost.called for inner in self.servers.built))
        await moment()


class StrangerTests(SocketCase):
    """Peers that never become one."""

    async def test_garbage_at_the_handshake_ends_only_its_own_connection(self) -> None:
        """A browser, a scanner or noise on the line is hung up on without an answer; everybody else is served."""
        await self.listen()
        for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, b"\xff" * 65_536, bytes(range(256))):
            peer = await self.raw(shake_hands=False)
            peer.transport.write(garbage)
            await self.end_of(peer)
            self.assertEqual(peer.received, b"")
        await self.good_one_goes_on()
        self.assertEqual(len(self.servers.built), 1)

    async def test_announced_length_is_refused_before_it_is_sent(self) -> None:
        """A frame that says it will be too long ends the connection on its two length bytes."""
        await self.listen()
        peer = await self.raw(shake_hands=False)
        peer.transport.write((MAX_HANDSHAKE_MESSAGE + 1).to_bytes(2, "big"))
        await self.end_of(peer)

    async def test_connect_and_close_is_harmless(self) -> None:
        """Connections that close at once, politely or not, cost nobody anything."""
        await self.listen()
        for number in range(20):
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                if number % 2:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await self.good_one_goes_on()
        self.assertEqual(len(self.servers.built), 1)

    async def test_silent_stranger_is_hung_up_after_the_handshake_time(self) -> None:
        """Whoever connects and says nothing, or only half a handshake, is gone when its time is over."""
        await self.listen(QUICK)
        silent, half = await self.raw(shake_hands=False), await self.raw(shake_hands=False)
        half.transport.write(half.channel.data_to_send()[:20])
        await self.end_of(silent)
        await self.end_of(half)
        self.assertEqual(self.servers.built, [])

    async def test_too_many_connections_of_one_address_are_closed_at_once(self) -> None:
        """Over the limit of an address the next one is closed; those before it go on, and ending one makes room."""
        await self.listen(admission=Admission(1, 1000.0, 1000.0, reactor.seconds))
        first = await self.talker()
        refused = await self.raw(shake_hands=False)
        await self.end_of(refused)
        self.assertEqual(await first.say(b"fine"), b"fine")
        first.transport.loseConnection()
        await self.end_of(self.servers.built[0])
        await self.good_one_goes_on()


class LostPeerTests(SocketCase):
    """Peers that vanish after they were one."""

    async def test_reset_is_noticed_at_once(self) -> None:
        """A peer whose connection is reset is lost in the same moment, not at the next keepalive."""
        await self.listen()
        peer = await self.raw()
        peer.transport.abortConnection()
        self.assertIsInstance(await self.end_of(self.servers.built[0]), ConnectionLost)

    async def test_clean_end_is_noticed_at_once(self) -> None:
        """A peer that closes is lost with ConnectionDone."""
        await self.listen()
        peer = await self.raw()
        peer.transport.loseConnection()
        self.assertIsInstance(await self.end_of(self.servers.built[0]), ConnectionDone)

    async def test_stopped_process_is_lost_past_the_keepalive(self) -> None:
        """A peer whose kernel still acknowledges but whose process is stopped answers no probe, and is dropped."""
        await self.listen(QUICK)
        peer = await self.raw()
        peer.transport.pauseProducing()
        error = await self.end_of(self.servers.built[0])
        self.assertIn("no sign of life", str(error))
        peer.transport.resumeProducing()
        await self.end_of(peer)

    async def test_idle_peer_that_answers_is_kept(self) -> None:
        """Saying nothing for many periods is no reason to be dropped."""
        await self.listen(QUICK)
        talker = await self.talker()
        await moment(6 * QUICK.keepalive)
        self.assertEqual(await talker.say(b"awake"), b"awake")

    async def test_forged_record_ends_the_connection(self) -> None:
        """Bytes put into the connection from outside end it with RecordError, and nothing of them is delivered."""
        await self.listen()
        peer = await self.raw()
        peer.transport.write(b"\x00\x30" + b"f" * 0x30)
        self.assertIsInstance(await self.end_of(self.servers.built[0]), RecordError)
        await self.end_of(peer)
        self.assertEqual(peer.plaintext, b"")

    async def test_peer_may_stop_speaking_and_go_on_listening(self) -> None:
        """Where the protocol knows of half-closed connections, its last words arrive after the peer's end."""
        await self.listen(protocol=LastWord)
        peer = await self.raw()
        peer.say(b"goodbye\n")
        peer.transport.loseWriteConnection()
        await self.end_of(peer)
        self.assertEqual(peer.plaintext, b"goodbye\nlast word\n")


class SlowPeerTests(SocketCase):
    """Peers that do not read."""

    async def test_one_reader_who_stopped_reading_blocks_nobody(self) -> None:
        """A reader that stopped costs a bounded number of bytes, is dropped over it, and others are served."""
        await self.listen()
        peer = await self.raw()
        peer.transport.pauseProducing()
        server = self.servers.built[0]
        talker = await self.talker()
        while not server.overflowed:
            for _ in range(16):
                server.outbox.write_line(b"x" * 4096)
            self.assertLessEqual(server.outbox.waiting, LIMIT)
            self.assertEqual(await talker.say(b"quick?"), b"quick?")
        await self.end_of(server)

    async def test_slow_reader_gets_everything_in_order(self) -> None:
        """A reader that stops and goes on within the limit loses nothing."""
        await self.listen()
        peer = await self.raw()
        peer.transport.pauseProducing()
        server = self.servers.built[0]
        lines = 0
        while not server.outbox.waiting:
            for _ in range(64):
                server.outbox.write_line(b"%d" % lines + b"x" * 1000)
                lines += 1
            await moment()
        server.outbox.close()
        peer.transport.resumeProducing()
        await self.end_of(peer)
        numbers = [int(line.rstrip(b"x")) for line in peer.plaintext.splitlines()]
        self.assertEqual(numbers, list(range(lines)))


class SegmentTests(SocketCase):
    """How the network cuts."""

    async def test_burst_in_one_segment_loses_nothing(self) -> None:
        """A thousand lines that arrive at once are a thousand answers."""
        await self.listen()
        peer = await self.raw()
        burst = b"".join(b"%d\n" % number for number in range(1000))
        peer.say(burst)
        await self._until(lambda: len(peer.plaintext) >= len(burst))
        self.assertEqual(peer.plaintext, burst)

    async def test_frame_split_over_segments_stays_in_step(self) -> None:
        """A record that arrives byte by byte is the record that was sent."""
        await self.listen()
        peer = await self.raw()
        peer.channel.send(b"split\n")
        for byte in peer.channel.data_to_send():
            peer.transport.write(bytes([byte]))
            await moment()
        peer.say(b"whole\n")
        await self._until(lambda: len(peer.plaintext) >= 12)
        self.assertEqual(peer.plaintext, b"split\nwhole\n")

    async def test_socket_options_are_those_of_the_socket(self) -> None:
        """The inner protocol reaches the TCP options below; small writes are not held back for Nagle."""
        await self.listen()
        transport = (await self.talker()).transport
        await self._until(lambda: self.servers.built)
        self.assertTrue(transport.getTcpNoDelay())
        transport.setTcpNoDelay(False)
        transport.setTcpKeepAlive(True)
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY), (socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        self.assertEqual([bool(transport.getHandle().getsockopt(*option)) for option in options], [False, True])
        self.assertEqual((transport.getTcpNoDelay(), transport.getTcpKeepAlive()), (False, True))

    async def test_encchats_errors_are_all_that_ends_a_connection(self) -> None:
        """Every prefix of a good handshake followed by garbage ends in the server's own way, never in a traceback."""
        await self.listen(QUICK)
        flight = client_channel().data_to_send()
        for length in range(0, len(flight), 7):
            peer = await self.raw(shake_hands=False)
            peer.transport.write(flight[:length] + b"\xff" * 64)
            await self.end_of(peer)
        self.assertEqual(self.flushLoggedErrors(EncchatError), [])
        self.assertEqual(self.servers.built, [])
