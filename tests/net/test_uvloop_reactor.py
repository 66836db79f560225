"""What Twisted needs of a loop and uvloop does otherwise: the end of child processes, and of reset connections."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from twisted.trial.unittest import SynchronousTestCase

_BEGIN = """
from encchat.net.uvloop_reactor import install; install()
from twisted.internet import protocol, reactor
def end(text):
    print(text)
    if reactor.running:
        reactor.stop()
reactor.callLater(10, end, "nothing was heard")
"""
_CHILD = """
class Child(protocol.ProcessProtocol):
    def processEnded(self, reason):
        end(f"ended {reason.value.exitCode}")
spawn = lambda: reactor.spawnProcess(Child(), "/bin/sh", ["sh", "-c", "exit 3"], childFDs={})
reactor.callWhenRunning(reactor.callLater, 0.05, spawn)
reactor.run()
"""
_RESET = """
class Server(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(b"x")
        reactor.callLater(0.05, self.transport.abortConnection)
class Client(protocol.Protocol):
    def connectionMade(self):
        self.transport.write(b"x")
        self.transport.pauseProducing()
        reactor.callLater(0.2, self.transport.resumeProducing)
    def dataReceived(self, data):
        print("read")
    def connectionLost(self, reason):
        end("lost")
server, client = protocol.ServerFactory.forProtocol(Server), protocol.ClientFactory.forProtocol(Client)
reactor.connectTCP("127.0.0.1", reactor.listenTCP(0, server, interface="127.0.0.1").getHost().port, client)
reactor.run()
"""


class UvloopReactorTests(SynchronousTestCase):
    if find_spec("uvloop") is None:
        skip = "uvloop is not installed: pip install 'encchat[uvloop]'"

    def run_code(self, code: str) -> list[str]:
        """What a program on this reactor prints."""
        done = subprocess.run([sys.executable, "-c", _BEGIN + code], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return done.stdout.split("\n")[:-1]

    def test_the_end_of_a_child_is_heard_of(self) -> None:
        """By the signal alone: it has no pipes to close."""
        self.assertEqual(self.run_code(_CHILD), ["ended 3"])

    def test_a_reset_behind_what_can_be_read_is_heard_of(self) -> None:
        """First comes what the peer had said."""
        self.assertEqual(self.run_code(_RESET), ["read", "lost"])
