"""A client of a few lines on `encchat.secure` and `encchat.wire`, for tests that look at a server from outside.

alice = await connect(self, server.port)
await alice.register("alice")
answer = await alice.send("lobby", "hello")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from encchat.errors import ChannelError
from encchat.secure import DEFAULT_SUITE, Channel, ClientKeys, Plaintext, Secured, default_suites
from encchat.wire import Error, LoggedIn, Ok, Register, Request, Send, Sent, ServerLine, decode_event, encode
from tests.envelopes import DEVICE, content
from tests.processes import SECONDS

reactor: Any = _reactor
PASSWORD = "correct horse battery"
Line = TypeVar("Line")


@define(eq=False)
class _Waiting:
    matches: Callable[[ServerLine], bool]
    found: Deferred[Any]


@define(eq=False, slots=False)
class RawClient(Protocol):
    """One connection; every line of the server is handed out once."""

    channel: Channel
    lines: list[ServerLine] = field(factory=list)
    """What came and nobody has waited for."""
    received: list[bytes] = field(factory=list)
    """The raw bytes of each read."""
    peer_identity: bytes = b""
    is_closed: bool = False
    secured: Deferred[None] = field(factory=Deferred)
    _closed: list[Deferred[None]] = field(factory=list)
    _waiting: list[_Waiting] = field(factory=list)
    _rest: bytes = b""
    _last_id: int = 0
    device: str = DEVICE
    """What envelopes are from: the device's id once it is logged in."""

    def connectionMade(self) -> None:
        """Set off with the handshake."""
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """Decrypt and hand out."""
        self.received.append(data)
        try:
            events = self.channel.receive_data(data)
        except ChannelError as error:
            self.secured.errback(error)
            return
        for event in events:
            match event:
                case Secured(peer=peer):
                    self.peer_identity = peer.identity or b""
                    self.secured.callback(None)
                case Plaintext(data=plaintext):
                    self._plaintext(plaintext)
        self._flush()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Nobody waits for ever."""
        self.is_closed = True
        if not self.secured.called:
            self.secured.errback(AssertionError("the connection closed during the handshake"))
        closed, self._closed = self._closed, []
        for one in closed:
            one.callback(None)
        waiting, self._waiting = self._waiting, []
        for wanted in waiting:
            wanted.found.errback(AssertionError(f"the connection closed; unread lines: {self.lines}"))

    def _flush(self) -> None:
        transport: Any = self.transport
        transport.write(self.channel.data_to_send())

    def _plaintext(self, plaintext: bytes) -> None:
        *whole, self._rest = (self._rest + plaintext).split(b"\n")
        for line in whole:
            self._line(decode_event(line))

    def _line(self, line: ServerLine) -> None:
        if isinstance(line, Ok) and isinstance(line.result, LoggedIn):
            self.device = line.result.device
        for wanted in self._waiting:
            if wanted.matches(line):
                self._waiting.remove(wanted)
                wanted.found.callback(line)
                return
        self.lines.append(line)

    # Speaking ----------------------------------------------------------------------------------
    def write(self, plaintext: bytes) -> None:
        """Send bytes through the channel."""
        self.channel.send(plaintext)
        self._flush()

    def sealed(self, plaintext: bytes) -> bytes:
        """The frames for these bytes, not sent."""
        self.channel.send(plaintext)
        return self.channel.data_to_send()

    def write_raw(self, data: bytes) -> None:
        """Send bytes beside the channel."""
        transport: Any = self.transport
        transport.write(data)

    def next_id(self) -> int:
        """A request id not used before."""
        self._last_id += 1
        return self._last_id

    def ask(self, kind: type[Request], **fields: object) -> int:
        """Send a request and go on; its id."""
        request = kind(id=self.next_id(), **fields)
        self.write(encode(request) + b"\n")
        return request.id

    async def request(self, kind: type[Request], **fields: object) -> Ok | Error:
        """Send a request and wait for its answer."""
        return await self.answer(self.ask(kind, **fields))

    async def send(self, conversation: str, text: str) -> Sent:
        """Send a message, in an envelope where one is due, and wait until it is accepted."""
        answer = await self.request(Send, **self.message(conversation, text))
        assert isinstance(answer, Ok), answer
        assert isinstance(answer.result, Sent), answer
        return answer.result

    def message(self, conversation: str, text: str) -> dict[str, str]:
        """The fields of a `Send`."""
        return {"conversation": conversation, "ulid": self.ulid(), **content(conversation, text, self.device)}

    def ulid(self) -> str:
        """A message id not used before by this client."""
        return f"{self.next_id():026d}"

    async def register(self, user: str, password: str = PASSWORD, invite: str = "") -> LoggedIn:
        """Make an account and be it."""
        answer = await self.request(Register, user=user, password=password, invite=invite)
        assert isinstance(answer, Ok), answer
        assert isinstance(answer.result, LoggedIn), answer
        return answer.result

    # Hearing -----------------------------------------------------------------------------------
    async def answer(self, request_id: int) -> Ok | Error:
        """The answer to a request."""
        line = await self._wait(
            lambda line: isinstance(line, Ok | Error) and line.id == request_id, f"answer to {request_id}"
        )
        assert isinstance(line, Ok | Error)
        return line

    async def hears(self, kind: type[Line], **fields: object) -> Line:
        """The first line not handed out yet that is of this type and has these fields."""
        line: Any = await self._wait(
            lambda line: isinstance(line, kind) and all(getattr(line, name) == value for name, value in fields.items()),
            f"{kind.__name__} {fields}",
        )
        return line  # type: ignore[no-any-return]

    async def _wait(self, matches: Callable[[ServerLine], bool], what: str) -> ServerLine:
        for line in self.lines:
            if matches(line):
                self.lines.remove(line)
                return line
        if self.is_closed:
            raise AssertionError(f"no {what}: the connection is closed; unread lines: {self.lines}")
        wanted = _Waiting(matches, Deferred())
        self._waiting.append(wanted)
        try:
            found: ServerLine = await wanted.found.addTimeout(SECONDS, reactor)
        except TimeoutError:
            self._waiting.remove(wanted)
            raise AssertionError(f"no {what} in time; unread lines: {self.lines}") from None
        return found

    # Leaving -----------------------------------------------------------------------------------
    async def closed(self) -> None:
        """Wait until the connection is gone."""
        if not self.is_closed:
            closed: Deferred[None] = Deferred()
            self._closed.append(closed)
            try:
                await closed.addTimeout(SECONDS, reactor)
            except TimeoutError:
                raise AssertionError(f"the connection is still open; unread lines: {self.lines}") from None

    def reset(self) -> None:
        """Vanish without a word: the server gets an RST."""
        transport: Any = self.transport
        transport.abortConnection()

    def stop_reading(self) -> None:
        """Read nothing from the socket any more."""
        transport: Any = self.transport
        transport.pauseProducing()

    def resume_reading(self) -> None:
        """After `stop_reading`."""
        transport: Any = self.transport
        transport.resumeProducing()

    async def leave(self) -> None:
        """Be gone at the end of the test."""
        if not self.is_closed:
            self.reset()
            await self.closed()


def new_client(suite: str = DEFAULT_SUITE, keys: ClientKeys | None = None) -> RawClient:
    """A client that is not connected."""
    return RawClient(Channel.initiator(default_suites()[suite], keys or ClientKeys(X25519PrivateKey.generate())))


async def connect(test: TestCase, port: int, suite: str = DEFAULT_SUITE, keys: ClientKeys | None = None) -> RawClient:
    """Connect to a server on this machine and finish the handshake; the test's end closes it."""
    client: RawClient = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), new_client(suite, keys))
    test.addCleanup(lambda: Deferred.fromCoroutine(client.leave()))
    await client.secured
    return client


def json_line(**fields: object) -> bytes:
    """A line of the wire that no request type would let pass."""
    return msgspec.json.encode(fields) + b"\n"
