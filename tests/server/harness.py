"""A whole chat server without a network: the real store, hashes, dispatcher and connections, time by hand.

Clients speak the wire's lines through a transport that is a pipe. Turns of the reactor end for real;
only delays longer than a turn wait for `Server.time` to be advanced.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from twisted.internet import defer, reactor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from encchat.links import Address
from encchat.server.auth import Authenticator
from encchat.server.command import Command
from encchat.server.factory import ChatFactory
from encchat.server.passwords import Cost, PasswordHasher
from encchat.server.services import Home
from encchat.server.settings import Settings
from encchat.server.store.sqlite import SqliteStore
from encchat.wire import Role
from tests.envelopes import DEVICE, content, text_of

LIMIT = 10.0
"""Seconds a test waits for an event before it fails."""

PASSWORD = "correct horse battery"
HOME = Home(Address("chat.example.org", 5000), bytes(32))
START = 1_800_000_000
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Line = dict[str, Any]


def ulid(number: int) -> str:
    """The ULID of that number."""
    digits = ""
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits = ALPHABET[digit] + digits
    return digits


class HandTime(Clock):
    """Time that passes when told to, while what is due in this turn happens by itself."""

    def callLater(self, when: float, what: Callable[..., object], *a: object, **kw: object) -> Any:
        """Delays of nothing are the real reactor's business."""
        if when == 0:
            return reactor.callLater(0, what, *a, **kw)  # type: ignore[attr-defined]
        return super().callLater(when, what, *a, **kw)


def text(line: Line) -> str:
    """The text of a message, out of its envelope if it is in one."""
    return text_of(line.get("scheme", "none"), line["body"])


@frozen
class FakePeer:
    """Of a proven peer, what a server looks at."""

    static: bytes


class Pipe(StringTransport):
    """The transport of one client: keeps what is written as lines, and says when it was closed."""

    def __init__(self, client: Client, device_key: bytes, address: str) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", address, 54321))
        self.client = client
        self.peer = FakePeer(device_key)
        self.stuck = False
        self.bytes_read = 0
        self._rest = b""

    def write(self, data: bytes) -> None:
        """Whole lines go to the client."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.client.took(json.loads(line))

    def loseConnection(self) -> None:
        """As TCP does: the end is told in another turn; not before all is sent, so never if ``stuck``."""
        if self.stuck:
            self.disconnecting = True
        else:
            self._end(ConnectionDone())

    def abortConnection(self) -> None:
        """Likewise, whatever was sent."""
        self._end(ConnectionAborted())

    def _end(self, reason: Exception) -> None:
        self.disconnecting = True
        reactor.callLater(0, self.client.vanish, reason)  # type: ignore[attr-defined]


class Client:
    """One connection to a `Server`, from the outside."""

    def __init__(self, factory: ChatFactory, device_key: bytes, address: str = "192.0.2.1") -> None:
        self.lines: list[Line] = []
        self.gone = False
        self.reason: Exception | None = None
        self.device = DEVICE
        """What envelopes are from: the device's id once it is logged in."""
        self._waiting: list[defer.Deferred[None]] = []
        self._ids = iter(range(1, 1_000_000))
        self.transport = Pipe(self, device_key, address)
        self.connection = factory.buildProtocol(None)
        self.connection.makeConnection(self.transport)

    # What the client does ----------------------------------------------------------------------
    def write(self, data: bytes) -> None:
        """These bytes arrive at the server at once."""
        if not self.gone:
            self.transport.bytes_read += len(data)
            self.connection.dataReceived(data)

    def send(self, type_: str, **fields: Any) -> int:
        """Ask for something; the request's id."""
        id_ = next(self._ids)
        self.write(self.encoded(type_, id_, **fields))
        return id_

    @staticmethod
    def encoded(type_: str, id: int, **fields: Any) -> bytes:
        """A request's line with its end."""
        return json.dumps({"type": type_, "id": id, **fields}).encode() + b"\n"

    def vanish(self, reason: Exception | None = None) -> None:
        """The connection is lost, in whatever way."""
        if not self.gone:
            self.gone = True
            self.reason = reason
            self.connection.connectionLost(Failure(reason or ConnectionLost()))
            self._wake()

    # What the client sees ----------------------------------------------------------------------
    def took(self, line: Line) -> None:
        """The server sent it."""
        result = line.get("result")
        if isinstance(result, dict) and result["type"] == "logged_in":
            self.device = result["device"]
        self.lines.append(line)
        self._wake()

    async def until(self, true: Callable[[], Any]) -> Any:
        """Wait for it, `LIMIT` seconds at most; its value."""
        while not (value := true()):
            if self.gone:
                raise AssertionError(f"the connection is gone, and the lines that had come are {self.lines}")
            changed: defer.Deferred[None] = defer.Deferred()
            self._waiting.append(changed)
            await changed.addTimeout(LIMIT, reactor)  # type: ignore[arg-type]
        return value

    async def take(self, type_: str, **fields: Any) -> Line:
        """Wait for a line of that type with these fields, and remove it."""

        def matching() -> Line | None:
            for line in self.lines:
                if line["type"] == type_ and all(line.get(name) == value for name, value in fields.items()):
                    return line
            return None

        found: Line = await self.until(matching)
        self.lines.remove(found)
        return found

    async def answer(self, id_: int | None) -> Line:
        """Wait for the answer to a request, and remove it."""

        def matching() -> Line | None:
            answers = (line for line in self.lines if line["type"] in ("ok", "error"))
            return next((line for line in answers if line.get("id") == id_), None)

        found: Line = await self.until(matching)
        self.lines.remove(found)
        return found

    async def ask(self, type_: str, **fields: Any) -> Line:
        """Send a request and wait for its answer."""
        return await self.answer(self.send(type_, **fields))

    async def do(self, type_: str, **fields: Any) -> Any:
        """Send a request that succeeds; its result."""
        answer = await self.ask(type_, **fields)
        if answer["type"] != "ok":
            raise AssertionError(f"{type_} was refused: {answer}")
        return answer.get("result")

    async def refused(self, type_: str, **fields: Any) -> tuple[str, str]:
        """Send a request that is refused; code and text."""
        answer = await self.ask(type_, **fields)
        if answer["type"] != "error":
            raise AssertionError(f"{type_} was not refused: {answer}")
        return answer["code"], answer["text"]

    async def say(self, number: int, text: str, conversation: str = "lobby") -> Any:
        """Send a message, in an envelope where one is due; its `sent`."""
        return await self.do("send", **self.message(number, text, conversation))

    def message(self, number: int, text: str, conversation: str = "lobby") -> dict[str, str]:
        """The fields of a `send`."""
        return {"conversation": conversation, "ulid": ulid(number), **content(conversation, text, self.device)}

    async def end(self) -> None:
        """Wait until the server has hung up."""
        while not self.gone:
            changed: defer.Deferred[None] = defer.Deferred()
            self._waiting.append(changed)
            await changed.addTimeout(LIMIT, reactor)  # type: ignore[arg-type]

    def seen(self, type_: str) -> list[Line]:
        """The lines of that type that were not taken."""
        return [line for line in self.lines if line["type"] == type_]

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)


@frozen
class Server:
    """A server's parts."""

    factory: ChatFactory
    store: SqliteStore
    hasher: PasswordHasher
    time: HandTime
    clients: list[Client]

    def client(self, device: int = 0, address: str = "192.0.2.1") -> Client:
        """A new connection; 0: from a device of its own."""
        client = Client(self.factory, (device or 1000 + len(self.clients)).to_bytes(32, "big"), address)
        self.clients.append(client)
        return client

    async def user(self, name: str, role: Role = "user", device: int = 0) -> Client:
        """A new connection, logged in as ``name``, which is registered if need be."""
        client = self.client(device)
        known = await self.store.account(name)
        if known is not None:
            await client.do("login", user=name, password=PASSWORD)
        elif role == "user":
            await client.do("register", user=name, password=PASSWORD)
        else:
            token = f"token-{name}"
            await self.store.add_invite(token, role, 1, None)
            await client.do("register", user=name, password=PASSWORD, invite=token)
        return client

    async def moderator(self, name: str, role: Role = "admin") -> Client:
        """As `user`, with a fresh password confirmation."""
        client = await self.user(name, role)
        await client.do("admin", password=PASSWORD)
        return client

    def change(self, **settings: Any) -> None:
        """Put other settings in force."""
        self.factory.settings = evolve(self.factory.settings, **settings)


class ServerTestCase(TestCase):
    """A test with a server of its own, which is closed afterwards."""

    timeout = 60

    async def serve(self, *plugins: Command, **settings: Any) -> Server:
        """Start a server; the store is a file in the test's temporary directory."""
        time = HandTime()
        time.rightNow = START
        store = SqliteStore(Path(self.mktemp()), reactor)  # type: ignore[arg-type]
        hasher = PasswordHasher(reactor, Cost(memory=32, passes=1))
        auth = Authenticator(
            store,
            hasher,
            time.seconds,
            lambda: factory.settings.registration,
            lobby_history=lambda: factory.settings.lobby_history,
        )
        factory = ChatFactory(time, store, auth, Settings(**{"registration": "open", **settings}), plugins)
        server = Server(factory, store, hasher, time, [])
        hasher.start()
        await store.open()
        await factory.open(HOME)
        self.addCleanup(self._close, server)
        return server

    def hear_logs(self) -> list[LogEvent]:
        """From now on, all that is logged until the test ends."""
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        return events

    @staticmethod
    async def _close(server: Server) -> None:
        for client in server.clients:
            client.vanish()
        server.hasher.stop()
        await server.store.close()
