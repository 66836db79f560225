"""A client's life: connect, log in, stay until the connection is lost, wait, again; the same for faces and bots."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from attrs import define, evolve, field, frozen
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from encchat import wire
from encchat.client.breather import Breather
from encchat.client.connection import ClientConnection, Server, open_connection
from encchat.client.core import ClientCore, Ending, Question
from encchat.client.events import ScreenEvent
from encchat.client.home import Home
from encchat.client.keeping import Keeper
from encchat.client.login import Credentials, log_in
from encchat.client.store import Store
from encchat.client.store.keyring import Keyring, NoKeyring
from encchat.e2e.interfaces import T
from encchat.errors import (
    CannotConnectError,
    ChannelError,
    EncchatError,
    InternalError,
    KickedError,
    NotConnectedError,
    OverloadedError,
    PinMismatchError,
    StoreError,
    SuiteRefusedError,
)
from encchat.limits import (
    KEYS_AGAIN_SECONDS,
    LOOK_SECONDS,
    QUIT_SECONDS,
    RETRY_FIRST_SECONDS,
    RETRY_JITTER,
    RETRY_MAX_SECONDS,
    SYNC_AGAIN_SECONDS,
)
from encchat.secure import fingerprint


class Front(Protocol):
    """Who a client runs for: a face, or a program."""

    def show(self, event: ScreenEvent) -> None:
        """Something happened."""

    def changed(self) -> None:
        """The core may stand elsewhere now."""

    def password(self, *, new: bool) -> Deferred[str]:
        """The account's password; ``new``: the account is being made."""

    def unlock(self, prompt: str) -> Deferred[str]:
        """The password of the local store; empty where nobody can be asked or wants to say it."""

    def answer(self, question: Question) -> None:
        """Ask the person, then call ``question.then`` and the runner's `Runner.pump`."""


@frozen
class Patience:
    """Seconds to go on trying: ``first`` until the first login, ``later`` after each loss."""

    first: float = 0.0
    later: float = math.inf


@define
class Runner:
    """Runs one `ClientCore` on a reactor; `run` fires when the client has left or fails with why it had to."""

    _reactor: Any
    _home: Home
    _server: Server
    _who: Credentials
    _core: ClientCore
    _front: Front
    _patience: Patience = Patience()
    _password: str | None = None
    _forget_device: bool = False
    _keyring: Keyring = field(factory=NoKeyring)
    _chance: Callable[[], float] = random.random
    _key: X25519PrivateKey = field(init=False)
    _connection: ClientConnection | None = field(init=False, default=None)
    _running: Deferred[None] | None = field(init=False, default=None)
    _ending: bool = field(init=False, default=False)
    _quit_timer: Any = field(init=False, default=None)
    _asked: bool = field(init=False, default=False)
    _keeper: Keeper = field(init=False)
    _store: Store | None = field(init=False, default=None)
    _broken: StoreError | None = field(init=False, default=None)
    _breather: Breather = field(init=False)
    _sync_timer: Any = field(init=False, default=None)
    _work_timer: Any = field(init=False, default=None)
    _look_timer: Any = field(init=False, default=None)
    _keys_timer: Any = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._breather = Breather(self._reactor, self.pump)
        self._keeper = Keeper(self._home, self._keyring, self._unlock, self._core.notice)
        self._core.workshop.aside = self._aside

    def run(self) -> Deferred[None]:
        """Start; to be called once."""
        self._running = ensureDeferred(self._run())
        return self._running

    def pump(self) -> None:
        """Carry what the core has to wherever it belongs; to be called after each call of the core."""
        if self._broken is not None:
            return
        try:
            self._carry()
        except StoreError as error:
            self._broken = error
            self._reactor.callLater(0, self._stop)
            return
        question = self._core.take_question()
        if question is not None:
            self._front.answer(question)
        self._front.changed()
        self._watch_the_end()

    def _heard(self) -> None:
        """The server has said something; a person's keys come between that and the next."""
        if self._core.interactive:
            self._breather.due()
        else:
            self.pump()

    def _carry(self) -> None:
        lines = self._core.lines_to_send() if self._connection is not None else []
        if lines and self._connection is not None:
            self._connection.send_lines(lines)
        for event in self._core.events_to_show():
            self._front.show(event)
        if self._core.sync_refused and self._sync_timer is None:
            self._sync_timer = self._reactor.callLater(SYNC_AGAIN_SECONDS, self._sync_again)

        if self._core.busy and self._work_timer is None:
            self._work_timer = self._reactor.callLater(0, self._work)
        if self._connection is not None and self._look_timer is None:
            self._look_timer = self._reactor.callLater(LOOK_SECONDS, self._look)
        if self._core.keyless and self._keys_timer is None:
            self._keys_timer = self._reactor.callLater(KEYS_AGAIN_SECONDS, self._look_again)

    def _aside(self, make: Callable[[], T], done: Callable[[T], None]) -> None:
        """In a thread: lines, typing and what is shown go on meanwhile."""

        def made(thing: T) -> None:
            if self._running is not None and not self._running.called:
                done(thing)
                self.pump()

        deferToThreadPool(self._reactor, self._reactor.getThreadPool(), make).addCallback(made)

    def _work(self) -> None:
        """A slice of what the core has left to do; lines and typing come between two of them."""
        self._work_timer = None
        if self._broken is None:
            self._core.work()
            self.pump()

    def _look_again(self) -> None:
        self._keys_timer = None
        self._core.look_again()
        self.pump()

    def _look(self) -> None:
        self._look_timer = None
        self._core.look()
        self.pump()

    def _sync_again(self) -> None:
        self._sync_timer = None
        if self._core.sync_refused:
            self._core.catch_up()
            self.pump()

    def _watch_the_end(self) -> None:
        if self._core.finished and not self._ending:
            self._ending = True
            self._reactor.callLater(0, self._stop)
        elif self._core.ending is Ending.QUITTING and self._quit_timer is None:
            self._quit_timer = self._reactor.callLater(QUIT_SECONDS, self._quit_late)

    def _quit_late(self) -> None:
        if not self._core.finished:
            self._core.leave()
            self.pump()

    def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        try:
            await self._live_on()
        except (CancelledError, EncchatError):
            if self._broken is not None:
                raise self._broken from None
            if not self._core.finished:
                raise
        finally:
            await self._hang_up()
            self._tidy_up()

    def _tidy_up(self) -> None:
        self._breather.stop()
        for timer in (self._quit_timer, self._sync_timer, self._work_timer, self._look_timer, self._keys_timer):
            if timer is not None and timer.active():
                timer.cancel()
        if self._store is not None:
            with suppress(StoreError):  # nothing is left to write; a broken one has been reported
                self._store.close()

    async def _live_on(self) -> None:
        self._prepare_key()
        if self._who.known_device and self._server.pin is not None:
            await self._open_store(self._server.pin, self._who.user)
        waits, deadline = retry_waits(self._chance), self._reactor.seconds() + self._patience.first
        while not self._core.finished:
            try:
                await self._connect_and_log_in()
            except EncchatError as error:
                failure = error
            else:
                failure = await self._stay()
                waits, deadline = retry_waits(self._chance), self._reactor.seconds() + self._patience.later
            await self._wait(failure, waits, deadline)

    def _prepare_key(self) -> None:
        pin = self._server.pin
        known = None if pin is None else self._home.device_key(pin, self._who.user)
        self._key = known or X25519PrivateKey.generate()
        self._who = evolve(self._who, known_device=known is not None)

    async def _connect_and_log_in(self) -> None:
        self._connection = await open_connection(self._reactor, self._server, self._key, self._core, self._heard)
        shown = self._pin_shown(self._connection)
        self.pump()
        try:
            result = await log_in(self._connection.ask, self._who, self._get_password)
        except NotConnectedError:
            self._who = evolve(self._who, again=True)
            raise
        if self._forget_device:
            await self._forget(self._connection, shown, result)
            self._keeper.forget(shown, result.user)
        elif not self._who.known_device:
            self._home.save_device(shown, result.user, self._key)
            self._who = evolve(self._who, user=result.user, known_device=True)
        await self._open_store(shown, result.user)
        self._core.logged_in(result)
        self.pump()

    async def _open_store(self, fingerprint: str, user: str) -> None:
        """Once in a run; who is about to be forgotten keeps nothing."""
        if self._store is None and not self._forget_device:
            self._store = await self._keeper.open(fingerprint, user, self._password)
            self._core.use(self._store)
            self.pump()

    def _unlock(self, prompt: str) -> Awaitable[str]:
        return self._front.unlock(prompt)

    def _pin_shown(self, connection: ClientConnection) -> str:
        """Pin the identity the channel has proven; returns its fingerprint."""
        peer = connection.peer
        shown = fingerprint(peer.identity or b"")
        new = self._home.pin(self._server.address) != shown
        if new:
            self._home.remember_pin(self._server.address, shown)
        self._server = evolve(self._server, pin=shown)
        self._core.connected(str(self._server.address), shown, peer.suite, new)
        return shown

    async def _forget(self, connection: ClientConnection, shown: str, result: wire.LoggedIn) -> None:
        await connection.ask(wire.ForgetDevice)
        self._home.forget_device(shown, result.user)
        self._core.notice("this device is forgotten here and on the server: the next login needs the password")
        self._core.end_of_input()

    async def _get_password(self, *, new: bool) -> str:
        if self._password is None:
            self._asked = True
            self._password = await self._front.password(new=new)
        return self._password

    async def _stay(self) -> EncchatError:
        """Wait for the end of the connection; returns it as a failure, raises `KickedError`."""
        reason = "" if self._connection is None else await self._connection.when_gone()
        kicked = self._core.kicked
        if kicked is not None:
            raise KickedError(f"kicked by {kicked.by}: {kicked.reason}".removesuffix(": "))
        return CannotConnectError(f"the connection to {self._server.address} was lost: {reason}")

    async def _wait(self, failure: EncchatError, waits: Iterator[float], deadline: float) -> None:
        """Wait for the next attempt; raise ``failure`` where there is none."""
        await self._hang_up()
        if self._core.finished:
            return
        if self._asked and isinstance(failure, NotConnectedError):
            self._asked = False  # typing the password took longer than the server waits: that is no failure
            return
        seconds = min(next(waits), deadline - self._reactor.seconds())
        if seconds <= 0 or not _may_pass(failure):
            raise failure
        self._core.reconnecting(seconds)
        self.pump()
        await deferLater(self._reactor, seconds)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.hang_up(self._reactor)


def retry_waits(chance: Callable[[], float]) -> Iterator[float]:
    """Seconds between attempts: doubling up to a limit, less a part left to ``chance`` (0 to 1), for ever."""
    wait = RETRY_FIRST_SECONDS
    while True:
        yield wait * (1 - RETRY_JITTER * chance())
        wait = min(2 * wait, RETRY_MAX_SECONDS)


def _may_pass(failure: EncchatError) -> bool:
    """Whether trying again may help; a wrong pin, suite, password or name stays wrong."""
    if isinstance(failure, PinMismatchError | SuiteRefusedError):
        return False
    return isinstance(failure, ChannelError | CannotConnectError | NotConnectedError | OverloadedError | InternalError)
