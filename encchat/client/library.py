"""The client for programs: connect, log in, send and read events by ``await`` (docs/client.md, "Bots")."""

from __future__ import annotations

import math
import os
import platform
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure

from encchat import wire
from encchat.client.connection import Server
from encchat.client.core import ClientCore, Question, State
from encchat.client.events import Direction, ScreenEvent, Transfer
from encchat.client.files.disk import LocalFiles
from encchat.client.home import Home
from encchat.client.login import Credentials, error_from
from encchat.client.requests import Answer
from encchat.client.runner import Patience, Runner
from encchat.client.schemes import find_schemes
from encchat.client.store.keyring import find_keyring
from encchat.errors import FileRefusedError, NotConnectedError, OverloadedError, PinMismatchError, UsageError
from encchat.limits import MAX_DEVICE_NAME, MAX_UNREAD_EVENTS
from encchat.links import SCHEME, parse_address, parse_link
from encchat.secure import DEFAULT_SUITE, fingerprint


@define(eq=False)
class Client:
    """A bot's connection: ``async with Client("localhost:5000", user="bot", password="...") as client:``.

    ``address`` is HOST[:PORT] or an invite link, which registers. ``home``, a `Home` or the path of a folder, keeps
    pins, device keys and messages, by default where ``encchat-client`` keeps them. With a device key there no password
    is needed to log in, but without it, or a keyring that has the key, the kept messages stay locked: then nothing is
    kept, and what was missed comes again each time. ``reconnect``: seconds to go on trying after the connection is
    lost. Without ``reactor`` the installed one is used.
    """

    _address: str
    _user: str
    _password: str | None = None
    _register: bool = field(default=False, kw_only=True)
    _fingerprint: str | None = field(default=None, kw_only=True)
    _suite: str = field(default=DEFAULT_SUITE, kw_only=True)
    _home: Home | str | os.PathLike[str] | None = field(default=None, kw_only=True)
    _reconnect: float = field(default=math.inf, kw_only=True)
    _reactor: Any = field(default=None, kw_only=True)
    _core: ClientCore = field(init=False)
    _runner: Runner | None = field(init=False, default=None)
    _ended: bool = field(init=False, default=False)
    _failure: BaseException | None = field(init=False, default=None)
    _ready: list[Deferred[None]] = field(init=False, factory=list)
    _closed: list[Deferred[None]] = field(init=False, factory=list)
    _readers: list[Events] = field(init=False, factory=list)
    _early: deque[ScreenEvent] = field(init=False, factory=lambda: deque(maxlen=MAX_UNREAD_EVENTS))
    _pumping: Any = field(init=False, default=None)
    _transfers: dict[tuple[Direction, str], Deferred[Transfer]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._core = ClientCore(time.time, os.urandom, files=LocalFiles(), schemes=find_schemes)

    @property
    def user(self) -> str:
        """The name this client is logged in under."""
        return self._core.user

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect and log in; raise the `encchat.errors.EncchatError` that stands in the way."""
        if self._runner is not None:
            raise UsageError("a Client connects once: make another")
        ready: Deferred[None] = Deferred()
        self._ready.append(ready)
        self._runner = self._make_runner()
        self._runner.run().addBoth(self._over)
        await ready

    async def send(self, conversation: str, text: str) -> wire.Sent:
        """Send to ``lobby``, ``@NAME`` or ``#ROOM``; returns once the server has accepted it, raises its refusal."""
        accepted: Deferred[wire.Sent] = Deferred()

        def done(answer: Answer) -> None:
            if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Sent):
                accepted.callback(answer.result)
            elif isinstance(answer, wire.Error):
                accepted.errback(error_from(answer))

        self._needs_to_be_there()
        self._core.say("", conversation, text, done)
        self._pump()
        return await accepted

    async def send_file(self, conversation: str, path: str | os.PathLike[str]) -> str:
        """Send the file at ``path`` to ``@NAME`` or ``#ROOM``; the ULID of its message once the server has accepted it.

        It goes on after lost connections. Raises `UsageError` and the like for what cannot be sent, and
        `FileRefusedError` with the reason if it does not get there.
        """
        self._needs_to_be_there()
        ulid = self._core.file_actions.send(conversation, os.fspath(path))
        await self._transferred("out", ulid)
        return ulid

    async def fetch_file(self, ulid: str, path: str | os.PathLike[str]) -> str:
        """Fetch the file of a `File` event to ``path``, a folder or a new file; returns where it is.

        Raises as `send_file` does; `FileRefusedError` also if it is not what was sent: then nothing of it is kept.
        """
        self._needs_to_be_there()
        self._core.file_actions.save(ulid, os.fspath(path))
        return (await self._transferred("in", ulid)).path

    async def _transferred(self, direction: Direction, ulid: str) -> Transfer:
        over = self._transfers[direction, ulid] = Deferred()
        self._pump()
        transfer = await over
        if transfer.state == "failed":
            raise FileRefusedError(f"{transfer.name}: {transfer.reason}")
        return transfer

    def _needs_to_be_there(self) -> None:
        if self._ended:
            raise NotConnectedError("this client has left")

    def do(self, line: str) -> None:
        """Do what ``line`` says when a person types it, as ``/join #garden``; what comes of it comes as events."""
        self._needs_to_be_there()
        self._core.typed(line)
        self._pump()

    async def request(self, kind: type[wire.Request], **fields: Any) -> wire.Result | None:
        """Ask the server anything, as in ``await client.request(wire.Users)``; raises its refusal."""
        answered: Deferred[wire.Result | None] = Deferred()

        def done(answer: Answer) -> None:
            if isinstance(answer, wire.Ok):
                answered.callback(answer.result)
            else:
                answered.errback(error_from(answer))

        if self._ended or self._core.state is not State.READY:
            raise NotConnectedError("there is no connection now")
        self._core.request(kind, done, **fields)
        self._pump()
        return await answered

    def events(self) -> Events:
        """Events for ``async for``; ends when this client has left, raises what ended it.

        The first call begins with what came before it, so that nothing is missed between connecting and reading.
        """
        events = Events(self)
        while self._early:
            events.put(self._early.popleft())
        if self._ended:
            events.end(self._failure)
        else:
            self._readers.append(events)
        return events

    async def close(self) -> None:
        """Leave once all that was sent is accepted."""
        if self._ended or self._runner is None:
            return
        closed: Deferred[None] = Deferred()
        self._closed.append(closed)
        self._core.leave()
        self._pump()
        await closed

    def _make_runner(self) -> Runner:
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        home = self._home or Home.default(os.environ)
        if not isinstance(home, Home):
            home = Home(Path(home))
        link = parse_link(self._address) if self._address.startswith(f"{SCHEME}://") else None
        address = parse_address(self._address) if link is None else link.address
        linked = None if link is None else fingerprint(link.identity)
        pin = self._fingerprint or home.pin(address) or linked
        if linked is not None and pin is not None and pin != linked:
            raise PinMismatchError(pin, linked)
        who = Credentials(
            self._user,
            invite="" if link is None else link.invite,
            register=self._register,
            device_name=platform.node()[:MAX_DEVICE_NAME],
        )
        return Runner(
            self._reactor,
            home,
            Server(address, self._suite, pin),
            who,
            self._core,
            self,
            Patience(0.0, self._reconnect),
            password=self._password or None,
            keyring=find_keyring(),
        )

    def _pump(self) -> None:
        """At the end of the turn, so that all that is sent in one turn is one transaction and one write."""
        if self._runner is not None and self._pumping is None:
            self._pumping = self._reactor.callLater(0, self._pump_now)

    def _pump_now(self) -> None:
        self._pumping = None
        if self._runner is not None:
            self._runner.pump()

    def _over(self, result: Failure | None) -> None:
        self._ended = True
        if self._pumping is not None:
            self._pumping.cancel()
            self._pumping = None
        if isinstance(result, Failure) and not isinstance(result.value, CancelledError):
            self._failure = result.value
        self._settle(self._ready, self._failure or NotConnectedError("this client has left"))
        self._settle(self._closed, None)
        transfers, self._transfers = self._transfers, {}
        for over in transfers.values():
            over.errback(NotConnectedError("this client has left"))
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.end(self._failure)

    def _settle(self, waiting: list[Deferred[None]], result: BaseException | None) -> None:
        taken, waiting[:] = list(waiting), []
        for waiter in taken:
            if result is None:
                waiter.callback(None)
            else:
                waiter.errback(result)

    # What the runner calls (encchat.client.runner.Front) ------------------------------------------
    def show(self, event: ScreenEvent) -> None:
        """Hand an event to whoever reads, or keep it for the first who will."""
        if not self._readers:
            self._early.append(event)
        for reader in self._readers:
            reader.put(event)
        if isinstance(event, Transfer) and event.state in ("done", "failed"):
            over = self._transfers.pop((event.direction, event.ulid), None)
            if over is not None:
                over.callback(event)

    def changed(self) -> None:
        """Tell whoever waits that the login is through."""
        if self._core.state is State.READY:
            self._settle(self._ready, None)

    def password(self, *, new: bool) -> Deferred[str]:
        """A program cannot be asked."""
        raise UsageError("this device has not logged in before: give password=")

    def unlock(self, prompt: str) -> Deferred[str]:
        """A program cannot be asked; it goes on without its store."""
        return succeed("")

    def answer(self, question: Question) -> None:
        """A program cannot be asked."""
        self._core.show_error(UsageError.code, question.otherwise, question.label)


@define(eq=False)
class Events:
    """What `Client.events` returns: an async iterator of screen events."""

    _client: Client
    _unread: deque[ScreenEvent] = field(init=False, factory=deque)
    _waiter: Deferred[ScreenEvent | None] | None = field(init=False, default=None)
    _ended: bool = field(init=False, default=False)
    _failure: BaseException | None = field(init=False, default=None)

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> ScreenEvent:
        if self._unread:
            return self._unread.popleft()
        if not self._ended:
            self._waiter = Deferred()
            event = await self._waiter
            if event is not None:
                return event
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    def put(self, event: ScreenEvent) -> None:
        """Take an event; a program that reads too slowly is told so instead of using up the memory."""
        if self._ended:
            return
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.callback(event)
        elif len(self._unread) < MAX_UNREAD_EVENTS:
            self._unread.append(event)
        else:
            self.end(OverloadedError(f"{MAX_UNREAD_EVENTS} events were not read in time"))

    def end(self, failure: BaseException | None) -> None:
        """No more will come; the first reason counts."""
        if self._ended:
            return
        self._ended, self._failure = True, failure
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.callback(None)
