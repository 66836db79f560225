"""The connections attackers make: bare TCP, and through the encrypted channel."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from encchat.errors import ChannelError
from encchat.secure import DEFAULT_SUITE, Channel, ClientKeys, Plaintext, Secured, default_suites
from encchat.wire import Error, LoggedIn, Login, LoginDevice, Ok, Register, Request, decode_event, encode
from tests.hostile.seen import Seen

reactor: Any = _reactor
PASSWORD = "correct horse battery"
GONE = "gone"


@implementer(IPushProducer)
class Visitor(Protocol):
    """A TCP connection that says nothing by itself; the server's hang-up is counted."""

    transport: Any

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.is_closed = False
        self.is_full = False
        """The server takes no more for now."""
        self.heard = 0
        """Bytes."""
        self.closed: Deferred[None] = Deferred()
        self._leaving = False

    def connectionMade(self) -> None:
        """Count it."""
        self.opened = reactor.seconds()
        self.seen.add("connected")
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """It is not looked at."""
        self.heard += len(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Count who ended it."""
        self.is_closed = True
        if not self._leaving:
            self.ended_by_server()
        self.closed.callback(None)

    def ended_by_server(self) -> None:
        """Count it as what it was."""
        self.seen.hung_up(reactor.seconds() - self.opened)

    def leave(self) -> None:
        """Vanish."""
        self._leaving = True
        if not self.is_closed:
            self.transport.abortConnection()

    def pauseProducing(self) -> None:
        """The kernel's buffers are full."""
        self.is_full = True

    def resumeProducing(self) -> None:
        """They are not."""
        self.is_full = False

    def stopProducing(self) -> None:
        """It is over."""

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self.transport.write(data)


class Guest(Visitor):
    """A connection through the channel; ``secured`` fires with False if the server hung up before."""

    def __init__(self, seen: Seen, keys: ClientKeys) -> None:
        super().__init__(seen)
        self.channel = Channel.initiator(default_suites()[DEFAULT_SUITE], keys)
        self.secured: Deferred[bool] = Deferred()
        self._answers: dict[int, Deferred[Ok | Error]] = {}
        self._rest = b""
        self.next_id = 1

    def connectionMade(self) -> None:
        """Set off with the handshake."""
        super().connectionMade()
        self.flush()

    def dataReceived(self, data: bytes) -> None:
        """Decrypt and count."""
        super().dataReceived(data)
        try:
            events = self.channel.receive_data(data)
        except ChannelError:
            self.transport.abortConnection()
            return
        for event in events:
            match event:
                case Secured():
                    self.secured.callback(True)
                case Plaintext(data=plaintext):
                    self._heard(plaintext)
        self.flush()

    def ended_by_server(self) -> None:
        """Before the handshake was finished it was turned away."""
        if self.secured.called:
            super().ended_by_server()
        else:
            self.seen.add("turned away")

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Nobody waits for ever."""
        super().connectionLost(reason)
        if not self.secured.called:
            self.secured.callback(False)
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            answer.callback(Error(code=GONE, text=GONE))

    def flush(self) -> None:
        """Write what the channel has."""
        data = self.channel.data_to_send()
        if data and not self.is_closed:
            self.transport.write(data)

    def _heard(self, plaintext: bytes) -> None:
        """Count answers without decoding them, unless somebody waits for one."""
        self.seen.add("answered", plaintext.count(b'"type":"ok"'))
        self.seen.add("refused", plaintext.count(b'"type":"error"') - self._count(plaintext, "throttled"))
        self._count(plaintext, "overloaded")
        if self._answers or self._rest:
            *lines, self._rest = (self._rest + plaintext).split(b"\n")
            for line in lines:
                if self._answers and b'"id":' in line:
                    self._line(line)
            if not self._answers:
                self._rest = b""

    def _count(self, plaintext: bytes, code: str) -> int:
        count = plaintext.count(b'"code":"%b"' % code.encode())
        self.seen.add(code, count)
        return count

    def _line(self, line: bytes) -> None:
        answer = decode_event(line)
        if isinstance(answer, Ok | Error) and answer.id in self._answers:
            self._answers.pop(answer.id).callback(answer)

    # Speaking ----------------------------------------------------------------------------------
    def say(self, plaintext: bytes) -> None:
        """Send bytes through the channel."""
        if not self.is_closed:
            self.channel.send(plaintext)
            self.flush()

    def sealed(self, plaintext: bytes) -> bytes:
        """The frames for these bytes, not sent."""
        self.channel.send(plaintext)
        return self.channel.data_to_send()

    def line(self, kind: type[Request], **fields: object) -> bytes:
        """One more request as a line."""
        line = encode(kind(id=self.next_id, **fields)) + b"\n"
        self.next_id += 1
        return line

    async def ask(self, kind: type[Request], **fields: object) -> Ok | Error:
        """Send a request and wait for its answer."""
        if self.is_closed:
            return Error(code=GONE, text=GONE)
        answer = self._answers[self.next_id] = Deferred()
        self.say(self.line(kind, **fields))
        return await answer

    async def register(self, user: str) -> None:
        """Make an account; one that is there already is logged in to."""
        answer = await self.ask(Register, user=user, password=PASSWORD)
        if isinstance(answer, Error):
            answer = await self.ask(Login, user=user, password=PASSWORD)
        _expect_login(answer)

    async def enter(self, user: str) -> None:
        """Log in by the device's key."""
        _expect_login(await self.ask(LoginDevice, user=user))


def _expect_login(answer: Ok | Error) -> None:
    if not isinstance(answer, Ok) or not isinstance(answer.result, LoggedIn):
        raise RuntimeError(f"the attacker could not log in: {answer}")
