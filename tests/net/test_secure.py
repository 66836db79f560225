"""Promises of a secured connection: when the inner protocol is called, what it may ask, and how it ends."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost, NoProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITCPTransport
from twisted.internet.protocol import Factory
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from encchat.errors import (
    ConfigurationError,
    CounterExhaustedError,
    FrameError,
    HandshakeError,
    PinMismatchError,
    RecordError,
    SuiteRefusedError,
)
from encchat.net.admission import Admission
from encchat.net.keepalive import VISITS
from encchat.net.secure import ConnectionLimits, SecureServerFactory
from encchat.secure import Channel, ClientKeys, Peer, ServerKeys
from tests.net.pairs import (
    ADDRESS,
    DEVICE,
    DEVICE_KEY,
    IDENTITY,
    PIN,
    SERVER_KEYS,
    Pair,
    Recorder,
    client_channel,
    server_channel,
)

LIMITS = ConnectionLimits(handshake_seconds=10.0, keepalive=8.0)
SLACK = LIMITS.keepalive / VISITS


class Closer(Recorder):
    """Closes as soon as it is connected."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.loseConnection()


class Pauser(Recorder):
    """Wants nothing yet when it is connected."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.pauseProducing()


class Greeter(Recorder):
    """Says something as soon as it is connected."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.write(b"hello")


@implementer(IHalfCloseableProtocol)
class HalfCloser(Recorder):
    """Knows that a peer may stop speaking and go on listening."""

    half_closed = ""

    def readConnectionLost(self) -> None:
        self.half_closed += "read"

    def writeConnectionLost(self) -> None:
        self.half_closed += "write"


class NoProtocols(Factory):
    """Wants nobody."""

    noisy = False

    def buildProtocol(self, addr: Any) -> None:
        return None


def ended_by(recorder: Recorder) -> type[BaseException]:
    (reason,) = recorder.lost
    return type(reason.value)


class ConnectingTests(SynchronousTestCase):
    """The beginning."""

    def test_connection_made_means_secured(self) -> None:
        """Both inner protocols are connected once each, and know whom they have at the other end."""
        pair = Pair()
        self.assertEqual((pair.server_inner.made, pair.client_inner.made), (1, 1))
        self.assertEqual(pair.server_inner.transport.peer.static, DEVICE)
        self.assertEqual(pair.client_inner.transport.peer.identity, IDENTITY)
        self.assertEqual(pair.client_inner.transport.peer.suite, "noise")

    def test_no_inner_protocol_is_built_for_a_stranger(self) -> None:
        """Until the peer is proven nothing of the wrapped factory is touched."""
        pair = Pair(shake_hands=False)
        pair.pump.pump()
        self.assertEqual((pair.servers.built, pair.clients.built), ([], []))

    def test_connect_and_close_is_nothing_to_the_inner_protocol(self) -> None:
        """A connection that goes before it was secured is neither made nor lost, nor worth a log line."""
        pair = Pair(shake_hands=False)
        with capturedLogs() as logs:
            pair.server.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((pair.servers.built, logs), ([], []))
        self.assertEqual(len(pair.clock.getDelayedCalls()), 1, "only the client's timer may still run")

    def test_what_is_written_in_connection_made_arrives(self) -> None:
        """Both sides may speak first."""
        pair = Pair(Greeter, Greeter)
        self.assertEqual((pair.server_inner.data, pair.client_inner.data), (b"hello", b"hello"))

    def test_unwanted_connection_is_closed(self) -> None:
        """A wrapped factory that builds no protocol ends the connection in peace."""
        pair = Pair(shake_hands=False)
        pair.server_factory.wrapped_factory = NoProtocols()
        pair.flush()
        self.assertEqual(ended_by(pair.client_inner), ConnectionDone)

    def test_pinned_server_only(self) -> None:
        """A client that pinned another identity goes before the server learns who it is."""
        pair = Pair(make_client_channel=lambda: client_channel(pin="SHA256:" + "A" * 43))
        self.assertEqual((pair.servers.built, pair.clients.built), ([], []))
        self.assertTrue(pair.client_wire.aborted)


class SpeakingTests(SynchronousTestCase):
    """Data both ways."""

    @given(st.lists(st.tuples(st.booleans(), st.one_of(st.binary(max_size=40), st.just(b"x" * 200_000))), max_size=8))
    @settings(deadline=None)
    def test_all_that_is_written_arrives_in_order(self, writes: list[tuple[bool, bytes]]) -> None:
        """Any writes by either side arrive whole, whatever their size, and nothing else does."""
        pair = Pair()
        said: dict[bool, bytes] = {True: b"", False: b""}
        for by_client, data in writes:
            (pair.client_inner if by_client else pair.server_inner).transport.write(data)
            said[by_client] += data
        pair.flush()
        self.assertEqual((pair.server_inner.data, pair.client_inner.data), (said[True], said[False]))

    def test_buffer_of_many_records_is_one_delivery(self) -> None:
        """What arrives together is handed on together: the lines in it are split once."""
        pair = Pair()
        for _ in range(50):
            pair.client_inner.transport.write(b"line\n")
        pair.flush()
        self.assertEqual(pair.server_inner.received, [b"line\n" * 50])

    def test_one_write_is_one_write(self) -> None:
        """A write becomes one write of the transport below, also when it is large and given in pieces."""
        pair = Pair()
        pair.client_wire.written.clear()
        pair.client_inner.transport.writeSequence([b"a" * 100_000, b"b" * 100_000])
        self.assertEqual(len(pair.client_wire.written), 1)

    def test_empty_write_is_no_write(self) -> None:
        """Writing nothing sends nothing: an empty record would be taken for a probe."""
        pair = Pair()
        pair.client_wire.written.clear()
        pair.client_inner.transport.write(b"")
        pair.client_inner.transport.writeSequence([])
        self.assertEqual(pair.client_wire.written, [])

    def test_nothing_readable_is_on_the_wire(self) -> None:
        """What is written does not appear in what is sent."""
        pair = Pair()
        pair.client_inner.transport.write(b"canary" * 10)
        self.assertNotIn(b"canary", b"".join(pair.client_wire.written))


class ClosingTests(SynchronousTestCase):
    """The end, when everything is in order."""

    def test_lose_connection_sends_everything_first(self) -> None:
        """What was written before closing arrives, and both sides see a clean end."""
        pair = Pair()
        pair.client_inner.transport.write(b"goodbye")
        pair.client_inner.transport.loseConnection()
        pair.flush()
        self.assertEqual(pair.server_inner.data, b"goodbye")
        self.assertEqual((ended_by(pair.server_inner), ended_by(pair.client_inner)), (ConnectionDone, ConnectionDone))

    def test_disconnecting_is_true_from_the_moment_it_is(self) -> None:
        """The inner protocol's transport says `disconnecting` as soon as somebody asked to close, whoever it was."""
        for ask in ("loseConnection", "abortConnection", "stopProducing", "stopConsuming"):
            pair = Pair()
            self.assertFalse(pair.client_inner.transport.disconnecting)
            getattr(pair.client_inner.transport, ask)()
            self.assertTrue(pair.client_inner.transport.disconnecting)

    def test_nothing_is_delivered_after_closing(self) -> None:
        """What came in the same segment as the last handshake message is not for a protocol that has closed."""
        pair = Pair(server_protocol=Closer, client_protocol=Greeter)
        self.assertEqual((pair.server_inner.made, pair.server_inner.received), (1, []))

    def test_nothing_is_delivered_after_closing_during_a_delivery(self) -> None:
        """A later segment is not delivered either, while the connection is on its way to its end."""
        pair = Pair()
        pair.client_inner.transport.write(b"late")
        pair.server_inner.transport.disconnecting = True
        pair.flush()
        self.assertEqual(pair.server_inner.received, [])

    def test_writing_to_a_lost_connection_is_nothing(self) -> None:
        """As with any Twisted transport, what is written too late is dropped in silence."""
        pair = Pair()
        transport = pair.client_inner.transport
        transport.abortConnection()
        pair.flush()
        transport.write(b"late")
        self.assertEqual(pair.server_inner.received, [])

    def test_nothing_lingers(self) -> None:
        """After the end no timer runs and no connection is kept."""
        pair = Pair(limits=LIMITS)
        pair.client_inner.transport.loseConnection()
        pair.flush()
        pair.clock.advance(0)
        self.assertEqual(pair.clock.getDelayedCalls(), [])


class FailingTests(SynchronousTestCase):
    """Bytes that do not belong to the channel."""

    def _fails_on(self, data: bytes, shake_hands: bool) -> Pair:
        pair = Pair(shake_hands=shake_hands)
        pair.server_wire.written.clear()
        with capturedLogs() as self.logs:
            pair.server.dataReceived(data)
            pair.server.dataReceived(b"more of it")
        return pair

    def test_garbage_at_the_handshake_ends_one_connection_with_one_log_line(self) -> None:
        """Garbage is answered with the end and nothing else; the log says the code and the address, once."""
        pair = self._fails_on(b"GET / HTTP/1.1\r\n\r\n", shake_hands=False)
        self.assertTrue(pair.server_wire.aborted)
        self.assertEqual((pair.server_wire.written, pair.servers.built), ([], []))
        (line,) = self.logs
        self.assertEqual((line["code"], line["address"]), (FrameError.code, "192.0.2.1:4711"))
        self.assertEqual(line["log_level"].name, "warn")

    def test_flood_of_garbage_does_not_flood_the_log(self) -> None:
        """The first broken channels make a line each, then there is one a second, with their number."""
        pair = Pair(shake_hands=False)
        with capturedLogs() as logs:
            for _ in range(50):
                self._garbage(pair)
            pair.clock.advance(1)
            self._garbage(pair)
        self.assertEqual([line["count"] for line in logs], [1] * 10 + [41])

    def _garbage(self, pair: Pair) -> None:
        connection = pair.server_factory.buildProtocol(ADDRESS)
        self.assertIsNotNone(connection)
        connection.makeConnection(StringTransport())
        connection.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
        pair.clock.advance(0)

    def test_forged_record_ends_the_connection_without_a_word(self) -> None:
        """A record that does not authenticate is told to the inner protocol and to the log, not to the peer."""
        pair = self._fails_on(b"\x00\x20" + b"f" * 32, shake_hands=True)
        self.assertTrue(pair.server_wire.aborted)
        self.assertEqual(pair.server_wire.written, [])
        pair.flush()
        self.assertEqual((ended_by(pair.server_inner), pair.server_inner.received), (RecordError, []))
        self.assertEqual([line["code"] for line in self.logs], [RecordError.code])

    def test_inner_protocol_cannot_speak_into_a_broken_channel(self) -> None:
        """After a failure nothing more is written, whatever the inner protocol does before it hears of it."""
        pair = self._fails_on(b"\x00\x20" + b"f" * 32, shake_hands=True)
        pair.server_inner.transport.write(b"still here")
        self.assertEqual(pair.server_wire.written, [])
        self.assertTrue(pair.server_inner.transport.disconnecting)

    def test_refused_suite_is_answered_before_the_end(self) -> None:
        """A client that asks for a suite that is not offered learns which are, then both connections end."""
        failures: list[Failure] = []
        pair = Pair(make_server_channel=lambda: server_channel("noise-hybrid"), shake_hands=False)
        pair.client_factory.lost = lambda connection, reason: failures.append(reason)  # type: ignore[method-assign]
        pair.flush()
        (failure,) = failures
        self.assertEqual(failure.type, SuiteRefusedError)
        self.assertEqual(failure.value.offered, ("noise-hybrid",))
        self.assertFalse(pair.server_wire.aborted)

    def test_wrong_pin_is_the_clients_reason(self) -> None:
        """The client's side knows what was wrong with the server."""
        failures: list[Failure] = []
        pair = Pair(make_client_channel=lambda: client_channel(pin="SHA256:" + "A" * 43), shake_hands=False)
        pair.client_factory.lost = lambda connection, reason: failures.append(reason)  # type: ignore[method-assign]
        pair.flush()
        self.assertEqual(failures[0].type, PinMismatchError)
        self.assertEqual(failures[0].value.shown, PIN)


class TiredSession:
    """A session that has used its last nonce."""

    peer = Peer("tired", DEVICE, IDENTITY, b"")
    max_plaintext = 100

    def seal(self, plaintext: bytes) -> bytes:
        raise CounterExhaustedError("the last nonce is used")

    def open(self, record: bytes) -> bytes:
        return record


class TiredHandshake:
    """A handshake of two messages that proves nothing."""

    def __init__(self, by_client: bool) -> None:
        self.by_client = by_client

    def advance(self, message: bytes | None) -> tuple[bytes | None, TiredSession | None]:
        if message is None:
            return b"hello", None
        return (None if self.by_client else b"hello"), TiredSession()


class TiredSuite:
    """A suite for the end of a counter, which the real ones reach after 2^64 records."""

    name = "tired"

    def initiate(self, prologue: bytes, keys: ClientKeys) -> TiredHandshake:
        return TiredHandshake(by_client=True)

    def respond(self, prologue: bytes, keys: ServerKeys) -> TiredHandshake:
        return TiredHandshake(by_client=False)


class ExhaustedTests(SynchronousTestCase):
    """Channels that cannot send any more."""

    def setUp(self) -> None:
        suite = TiredSuite()
        self.pair = Pair(
            make_server_channel=lambda: Channel.responder({"tired": suite}, SERVER_KEYS),
            make_client_channel=lambda: Channel.initiator(suite, ClientKeys(DEVICE_KEY)),
            limits=LIMITS,
        )

    def _ends(self) -> None:
        self.pair.flush()
        self.assertTrue(self.pair.server_wire.aborted)
        self.assertEqual(ended_by(self.pair.server_inner), CounterExhaustedError)

    def test_writing_past_the_last_nonce_ends_the_connection(self) -> None:
        """The writer is not surprised by an exception; its connection is lost for that reason."""
        self.pair.server_inner.transport.write(b"one more")
        self._ends()

    def test_probing_past_the_last_nonce_ends_the_connection(self) -> None:
        """A probe that cannot be sealed is an end too."""
        self.pair.clock.pump([0.0625] * round((LIMITS.keepalive + 2 * SLACK) / 0.0625))
        self._ends()


class HandshakeTimeTests(SynchronousTestCase):
    """Peers that never finish."""

    def test_handshake_has_a_time_limit_on_both_sides(self) -> None:
        """Just before the limit both still wait, at the limit both are gone, and the server's log says so."""
        pair = Pair(limits=LIMITS, shake_hands=False)
        pair.clock.advance(LIMITS.handshake_seconds - 0.1)
        self.assertFalse(pair.server_wire.aborted or pair.client_wire.aborted)
        with capturedLogs() as logs:
            pair.clock.advance(0.1)
        self.assertTrue(pair.server_wire.aborted and pair.client_wire.aborted)
        self.assertEqual([line["code"] for line in logs], [HandshakeError.code])

    def test_slow_bytes_do_not_buy_time(self) -> None:
        """A peer that sends its handshake a byte at a time has no more time for it than any other."""
        pair = Pair(limits=LIMITS, shake_hands=False)
        first_flight = pair.client_wire.getOutBuffer()
        for byte in first_flight[:20]:
            pair.server.dataReceived(bytes([byte]))
            pair.clock.advance(LIMITS.handshake_seconds / 20)
        self.assertTrue(pair.server_wire.aborted)

    def test_finished_handshake_has_all_the_time(self) -> None:
        """The limit ends with the handshake."""
        pair = Pair(limits=LIMITS)
        pair.wait(3 * LIMITS.handshake_seconds)
        self.assertEqual((pair.server_inner.lost, pair.client_inner.lost), ([], []))

    def test_refusal_that_is_not_taken_is_given_up(self) -> None:
        """A peer that does not even read the refusal of its suite is dropped at the same limit."""
        pair = Pair(make_server_channel=lambda: server_channel("noise-hybrid"), limits=LIMITS, shake_hands=False)
        pair.server.dataReceived(pair.client_wire.getOutBuffer())
        self.assertFalse(pair.server_wire.aborted)
        pair.clock.advance(LIMITS.handshake_seconds)
        self.assertTrue(pair.server_wire.aborted)


class KeepaliveTests(SynchronousTestCase):
    """Peers that are silent, gone or stuck. Nothing moves unless a test moves it."""

    def setUp(self) -> None:
        self.pair = Pair(limits=LIMITS)
        self.pair.client_factory.lost(self.pair.client, Failure(ConnectionDone()))  # so that only the server probes
        self.pair.server_wire.written.clear()

    def _wait(self, seconds: float) -> None:
        self.pair.clock.pump([0.0625] * round(seconds / 0.0625))

    def test_silent_peer_is_probed_after_the_period_and_not_before(self) -> None:
        """A peer that says nothing is left alone for the period, then probed once."""
        self._wait(LIMITS.keepalive - 0.0625)
        self.assertEqual(self.pair.server_wire.written, [])
        self._wait(SLACK + 0.0625)
        self.assertEqual(len(self.pair.server_wire.written), 1)
        self._wait(SLACK)
        self.assertEqual(len(self.pair.server_wire.written), 1)

    def test_dead_peer_is_given_up_after_two_periods(self) -> None:
        """A peer that answers nothing is dropped after twice the period, and the inner protocol knows why."""
        self._wait(2 * LIMITS.keepalive - 0.0625)
        self.assertFalse(self.pair.server_wire.aborted)
        self._wait(SLACK + 0.0625)
        self.assertTrue(self.pair.server_wire.aborted)
        self.pair.flush()
        self.assertEqual(ended_by(self.pair.server_inner), ConnectionLost)

    def test_peer_that_answers_stays_for_ever(self) -> None:
        """An idle peer whose machine answers probes is never dropped, and its protocol hears nothing of it."""
        self.pair.wait(20 * LIMITS.keepalive)
        self.assertEqual((self.pair.server_inner.lost, self.pair.client_inner.received), ([], []))

    def test_peer_that_speaks_is_not_probed(self) -> None:
        """Whoever says something now and then costs no probes."""
        for _ in range(10):
            self.pair.client_inner.transport.write(b"line\n")
            self.pair.flush()
            self._wait(LIMITS.keepalive / 2)
        self.assertEqual(self.pair.server_wire.written, [])

    def test_pausing_is_not_the_peers_silence(self) -> None:
        """While the inner protocol does not read, nobody is dropped for not being heard."""
        self.pair.server_inner.transport.pauseProducing()
        self._wait(5 * LIMITS.keepalive)
        self.assertFalse(self.pair.server_wire.aborted)
        self.pair.server_inner.transport.resumeProducing()
        self._wait(3 * LIMITS.keepalive)
        self.assertTrue(self.pair.server_wire.aborted)

    def test_closing_connection_that_does_not_drain_is_given_up(self) -> None:
        """A peer that takes nothing any more cannot keep a closed connection in memory."""
        self.pair.server_inner.transport.pauseProducing()
        self.pair.server_inner.transport.loseConnection()
        self._wait(3 * LIMITS.keepalive)
        self.assertTrue(self.pair.server_wire.aborted)
        self.assertEqual(self.pair.server_wire.written, [])

    def test_half_closed_peer_may_be_silent(self) -> None:
        """A peer that has said its last is not probed: it could not answer."""
        pair = Pair(HalfCloser, limits=LIMITS)
        pair.client_factory.lost(pair.client, Failure(ConnectionDone()))
        pair.server_wire.written.clear()
        pair.server.readConnectionLost()
        pair.clock.pump([0.0625] * 800)
        self.assertEqual((pair.server_wire.aborted, pair.server_wire.written), (False, []))


class FlowTests(SynchronousTestCase):
    """Pausing and producers."""

    def test_paused_protocol_gets_nothing(self) -> None:
        """A protocol that pauses in connectionMade gets what came with the handshake when it resumes, in order."""
        pair = Pair(server_protocol=Pauser, client_protocol=Greeter)
        self.assertEqual((pair.server_inner.received, pair.server_wire.reading), ([], False))
        pair.server_inner.transport.resumeProducing()
        self.assertEqual(pair.server_inner.received, [], "not from inside its own call")
        pair.clock.advance(0)
        self.assertEqual((pair.server_inner.received, pair.server_wire.reading), ([b"hello"], True))

    def test_pausing_again_before_the_delivery_holds_it(self) -> None:
        """Resume and pause in one turn is paused."""
        pair = Pair(server_protocol=Pauser, client_protocol=Greeter)
        transport = pair.server_inner.transport
        transport.resumeProducing()
        transport.pauseProducing()
        pair.clock.advance(0)
        self.assertEqual(pair.server_inner.received, [])
        transport.resumeProducing()
        transport.resumeProducing()
        pair.clock.advance(0)
        self.assertEqual(pair.server_inner.received, [b"hello"])

    def test_what_comes_while_something_is_held_stays_behind_it(self) -> None:
        """The order of arrival survives a pause."""
        pair = Pair(server_protocol=Pauser, client_protocol=Greeter)
        pair.client_inner.transport.write(b" again")
        pair.flush()
        pair.server_inner.transport.resumeProducing()
        pair.clock.advance(0)
        self.assertEqual(pair.server_inner.data, b"hello again")

    def test_closing_drops_what_was_held(self) -> None:
        """A protocol that closes while paused gets nothing more."""
        pair = Pair(server_protocol=Pauser, client_protocol=Greeter)
        pair.server_inner.transport.resumeProducing()
        pair.server_inner.transport.loseConnection()
        pair.flush()
        self.assertEqual(pair.server_inner.received, [])

    def test_producers_are_the_transports(self) -> None:
        """A producer is paused by the transport that really is full, and stops when asked to."""

        @implementer(IPushProducer)
        class Producer:
            def pauseProducing(self) -> None: ...

            def resumeProducing(self) -> None: ...

            def stopProducing(self) -> None: ...

        pair, producer = Pair(), Producer()
        transport = pair.server_inner.transport
        transport.registerProducer(producer, True)
        self.assertIs(pair.server_wire.producer, producer)
        transport.unregisterProducer()
        self.assertIsNone(pair.server_wire.producer)
        transport.registerProducer(producer, True)
        transport.stopConsuming()
        self.assertIsNone(pair.server_wire.producer)


class TransportTests(SynchronousTestCase):
    """What else a transport has."""

    def test_it_is_a_tcp_transport(self) -> None:
        """The inner protocol's transport provides ITCPTransport and IPushProducer, completely."""
        transport = Pair().server_inner.transport
        verifyObject(ITCPTransport, transport)
        verifyObject(IPushProducer, transport)

    def test_addresses_are_the_transports(self) -> None:
        """getPeer and getHost answer what the connection below answers."""
        pair = Pair()
        transport = pair.server_inner.transport
        self.assertEqual(
            (transport.getPeer(), transport.getHost()), (pair.server_wire.getPeer(), pair.server_wire.getHost())
        )

    def test_half_close_is_told_to_who_knows_it(self) -> None:
        """Only an inner protocol with IHalfCloseableProtocol makes the connection half-closeable."""
        pair = Pair(HalfCloser)
        self.assertTrue(IHalfCloseableProtocol.providedBy(pair.server))
        self.assertFalse(IHalfCloseableProtocol.providedBy(pair.client))
        pair.server.readConnectionLost()
        pair.server.writeConnectionLost()
        self.assertEqual(pair.server_inner.half_closed, "readwrite")

    def test_log_prefix_names_the_wrapped_factory(self) -> None:
        """Log lines of a connection say whose it is, and that it is wrapped."""
        self.assertEqual(Pair().server.logPrefix(), "Recorders (encchat)")


class AdmissionTests(SynchronousTestCase):
    """Who may connect at all."""

    def _factory(self, pair: Pair) -> SecureServerFactory:
        return pair.server_factory

    def _pair(self, connections: int) -> Pair:
        return Pair(admission=Admission(connections, 1000.0, 1000.0, lambda: 0.0), shake_hands=False)

    def test_too_many_connections_of_one_address_are_turned_away(self) -> None:
        """Over the limit no channel and no protocol is made; when one ends there is room again."""
        pair = self._pair(2)
        self.assertIsNotNone(pair.server_factory.buildProtocol(ADDRESS))
        self.assertIsNone(pair.server_factory.buildProtocol(ADDRESS))
        pair.server.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(pair.server_factory.buildProtocol(ADDRESS))

    def test_flood_does_not_flood_the_log(self) -> None:
        """Of connections turned away the first make a line each, then there is one a second, with their number."""
        pair = self._pair(1)
        with capturedLogs() as logs:
            for _ in range(100):
                pair.server_factory.buildProtocol(ADDRESS)
            pair.clock.advance(1)
            pair.server_factory.buildProtocol(ADDRESS)
        self.assertEqual([line["count"] for line in logs], [1] * 10 + [91])

    def test_address_without_a_host_is_admitted(self) -> None:
        """A unix socket has nobody to count."""
        pair = self._pair(1)
        for _ in range(3):
            connection = pair.server_factory.buildProtocol(None)
            connection.makeConnection(StringTransport())
            connection.connectionLost(Failure(ConnectionDone()))


class LimitsTests(SynchronousTestCase):
    """What can be set."""

    def test_limits_are_more_than_nothing(self) -> None:
        """No time at all, or less, is a mistake in the configuration that is named."""
        for seconds in (0, -1, float("nan")):
            self.assertRaises(ConfigurationError, ConnectionLimits, handshake_seconds=seconds)
            error = self.assertRaises(ConfigurationError, ConnectionLimits, keepalive=seconds)
            self.assertIn("keepalive", error.text)

    def test_limits_can_be_replaced_while_running(self) -> None:
        """New limits hold for the next handshake."""
        pair = Pair(limits=LIMITS, shake_hands=False)
        pair.server_factory.settings = ConnectionLimits(handshake_seconds=1.0)
        connection = pair.server_factory.buildProtocol(ADDRESS)
        transport = StringTransport()
        connection.makeConnection(transport)
        pair.clock.advance(1.0)
        self.assertTrue(transport.disconnecting)

    def test_unwanted_is_no_protocol(self) -> None:
        """Who waits for a connection that the wrapped factory does not want hears NoProtocol."""
        failures: list[Failure] = []
        pair = Pair(shake_hands=False)
        pair.client_factory.wrapped_factory = NoProtocols()
        pair.client_factory.lost = lambda connection, reason: failures.append(reason)  # type: ignore[method-assign]
        pair.flush()
        self.assertEqual(failures[0].type, NoProtocol)
