"""encchat.net.handshakes, through the server's factory: newcomers take turns."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from encchat.limits import HANDSHAKE_READ, HANDSHAKE_SECONDS, HANDSHAKE_STEPS_PER_TURN
from encchat.net.connection import SecureProtocol
from encchat.secure import Channel, Secured
from tests.net.pairs import ADDRESS, Pair, Wire, client_channel, server_channel


@frozen
class Newcomer:
    """A client's channel and the server's side of its connection."""

    channel: Channel
    server: SecureProtocol
    wire: Wire

    @classmethod
    def of(cls, pair: Pair) -> Newcomer:
        """Connected, and nothing sent yet."""
        server = pair.server_factory.buildProtocol(ADDRESS)
        if server is None:
            raise LookupError("the factory let nobody in")
        wire = Wire(server, True)
        server.makeConnection(wire)
        return cls(client_channel(), server, wire)

    def send(self) -> None:
        """What the client has to say now."""
        self.server.dataReceived(self.channel.data_to_send())

    def hear(self) -> bool:
        """Give the client what the server wrote; whether that ended its handshake."""
        heard = b"".join(self.wire.written)
        self.wire.written.clear()
        return any(isinstance(event, Secured) for event in self.channel.receive_data(heard))

    @property
    def is_answered(self) -> bool:
        """The server wrote something."""
        return bool(self.wire.written)


def turn(clock: Clock) -> None:
    """One reactor turn: what is due, and not what that asks for (`Clock.advance` does both)."""
    for call in [call for call in clock.calls if call.time <= clock.seconds()]:
        clock.calls.remove(call)
        call.called = 1
        call.func()


class TurnTests(SynchronousTestCase):
    """How many handshake steps a turn has."""

    def _crowd(self, count: int) -> list[Newcomer]:
        self.pair = Pair()
        turn(self.pair.clock)
        newcomers = [Newcomer.of(self.pair) for _ in range(count)]
        for newcomer in newcomers:
            newcomer.send()
        return newcomers

    def _answered(self, newcomers: list[Newcomer]) -> list[bool]:
        return [newcomer.is_answered for newcomer in newcomers]

    def test_a_few_newcomers_do_not_wait(self) -> None:
        """One fewer than the limit, and the limit, are answered in the turn they come."""
        for count in (HANDSHAKE_STEPS_PER_TURN - 1, HANDSHAKE_STEPS_PER_TURN):
            self.assertEqual(self._answered(self._crowd(count)), [True] * count)

    def test_the_rest_take_their_turn_in_order(self) -> None:
        """Over the limit they wait for the next turn, and the turn after it, as they came."""
        newcomers = self._crowd(2 * HANDSHAKE_STEPS_PER_TURN + 1)
        for turns in (1, 2):
            computed = turns * HANDSHAKE_STEPS_PER_TURN
            expected = [True] * computed + [False] * (len(newcomers) - computed)
            self.assertEqual(self._answered(newcomers), expected)
            turn(self.pair.clock)
        self.assertEqual(self._answered(newcomers), [True] * len(newcomers))

    def test_who_comes_later_does_not_overtake(self) -> None:
        """A newcomer of this turn stands behind those of the turns before."""
        newcomers = self._crowd(3 * HANDSHAKE_STEPS_PER_TURN)
        turn(self.pair.clock)
        late = Newcomer.of(self.pair)
        late.send()
        turn(self.pair.clock)
        self.assertEqual(self._answered([*newcomers, late]), [True] * len(newcomers) + [False])
        turn(self.pair.clock)
        self.assertTrue(late.is_answered)

    def test_all_get_their_connection(self) -> None:
        """However they wait, each handshake ends with a proven peer and what was sent behind it."""
        newcomers = self._crowd(3 * HANDSHAKE_STEPS_PER_TURN)
        for _ in range(3):
            turn(self.pair.clock)
        for newcomer in newcomers:
            self.assertTrue(newcomer.hear())
            newcomer.channel.send(b"hello")
            newcomer.send()
        for _ in range(3):
            turn(self.pair.clock)
        self.assertEqual([inner.data for inner in self.pair.servers.built[1:]], [b"hello"] * len(newcomers))
        self.assertTrue(all(newcomer.wire.reading for newcomer in newcomers))

    def test_open_connections_never_wait(self) -> None:
        """What an open connection says is delivered in the turn it comes, whatever the crowd."""
        self._crowd(5 * HANDSHAKE_STEPS_PER_TURN)
        self.pair.client_inner.transport.write(b"at once")
        self.pair.flush()
        self.assertEqual(self.pair.server_inner.data, b"at once")

    def test_who_waits_is_read_once_more_at_most(self) -> None:
        """So what it sends stays with the network, but for two reads; open connections are read as usual."""
        *_, last = self._crowd(HANDSHAKE_STEPS_PER_TURN + 1)
        self.assertTrue(last.wire.reading)
        last.server.dataReceived(b"\0")
        self.assertFalse(last.wire.reading)
        self.assertEqual(vars(last.wire)["bufferSize"], HANDSHAKE_READ)
        self.assertNotIn("bufferSize", vars(self.pair.server_wire))
        turn(self.pair.clock)
        self.assertTrue(last.wire.reading)

    def test_waiting_does_not_buy_time(self) -> None:
        """The time for a handshake goes on, and who ran out of it is not computed any more."""
        pair = Pair()
        turn(pair.clock)
        newcomer = Newcomer.of(pair)
        pair.clock.advance(HANDSHAKE_SECONDS - 0.1)
        for _ in range(HANDSHAKE_STEPS_PER_TURN):
            Newcomer.of(pair).send()
        newcomer.send()
        pair.clock.rightNow = HANDSHAKE_SECONDS  # the reactor was busy: all of it is due in one turn
        pair.clock.calls.sort(key=lambda call: -call.time)
        turn(pair.clock)
        self.assertTrue(newcomer.wire.aborted)
        self.assertFalse(newcomer.is_answered)

    def test_who_has_gone_takes_nobodys_turn(self) -> None:
        """Connections that ended while they waited cost no step and are not kept."""
        newcomers = self._crowd(3 * HANDSHAKE_STEPS_PER_TURN)
        gone, rest = newcomers[HANDSHAKE_STEPS_PER_TURN:-1], newcomers[-1]
        for newcomer in gone:
            newcomer.server.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(self.pair.server_factory._handshakes), 1)
        turn(self.pair.clock)
        self.assertTrue(rest.is_answered)
        self.assertFalse(any(newcomer.is_answered for newcomer in gone))

    def test_nothing_lingers(self) -> None:
        """When the crowd is gone no timer of the queue is left."""
        for newcomer in self._crowd(2 * HANDSHAKE_STEPS_PER_TURN):
            newcomer.server.connectionLost(Failure(ConnectionDone()))
        turn(self.pair.clock)
        self.assertEqual(len(self.pair.server_factory._handshakes), 0)
        turn(self.pair.clock)
        self.assertFalse([call for call in self.pair.clock.calls if call.time <= self.pair.clock.seconds()])


class EarlyTests(SynchronousTestCase):
    """Any transport."""

    def test_a_transport_that_is_no_socket_will_do(self) -> None:
        """Nothing is asked of it but to pause."""
        server = SecureProtocol(Pair().server_factory, server_channel(), ADDRESS)
        server.makeConnection(StringTransport())
        server.dataReceived(client_channel().data_to_send())
        self.assertTrue(server.transport.value())
