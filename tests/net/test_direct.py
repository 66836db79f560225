"""Direct sends: what the socket takes goes at once, all the rest is Twisted's."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from encchat.net.direct import send

reactor: Any = _reactor
_MUCH = 1 << 22
"""More bytes than a socket pair holds."""


class DirectTests(SynchronousTestCase):
    """On one end of a socket pair, with Twisted's TCP connection around it and the reactor standing still."""

    def setUp(self) -> None:
        mine, self.peer = socket.socketpair()
        mine.setblocking(False)
        self.peer.setblocking(False)
        self.transport: Any = Connection(mine, Protocol(), reactor)
        self.transport.connected = True
        self.addCleanup(self.peer.close)
        self.addCleanup(mine.close)
        self.addCleanup(self.transport.stopWriting)

    def test_at_once(self) -> None:
        """What the socket takes has left before any turn of the reactor, and the reactor is not asked."""
        send(self.transport, b"hello")
        self.assertEqual(self.peer.recv(100), b"hello")
        self.assertNotIn(self.transport, reactor.getWriters())

    def test_rest(self) -> None:
        """What it does not take waits for the reactor, and later sends wait behind it."""
        data = bytes(range(256)) * (_MUCH // 256)
        send(self.transport, data)
        self.assertIn(self.transport, reactor.getWriters())
        send(self.transport, b"last")
        got = b""
        while len(got) < len(data) + 4:
            got += self.peer.recv(_MUCH)
            self.transport.doWrite()
        self.assertEqual(got, data + b"last")

    def test_broken(self) -> None:
        """A broken socket raises nothing here: the reactor's next turn finds it and says so to the protocol."""
        self.peer.close()
        send(self.transport, b"hello")
        self.assertIn(self.transport, reactor.getWriters())
        self.assertIsInstance(self.transport.doWrite(), Exception)

    def test_closed(self) -> None:
        """After the connection's end nothing is sent and nothing raised."""
        self.transport.connected = False
        send(self.transport, b"hello")
        self.assertRaises(BlockingIOError, self.peer.recv, 100)

    def test_other_transports(self) -> None:
        """A transport that is no TCP connection of Twisted's gets its write called."""
        other: Any = StringTransport()
        send(other, b"hello")
        self.assertEqual(other.value(), b"hello")
