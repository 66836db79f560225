"""The running server: ports, keys, store and clients, from start to stop.

A start has two halves. What can fail for reasons an administrator can mend (a port in use, a data directory, a
key file) happens in `privilegedStartService` and `startService`, before the reactor runs, so that twistd can say so
and exit. The store opens on its own thread; the ports were bound but are read only when it is there, so a client
that comes in between waits in the kernel's queue instead of being turned away. The stop runs the other way round.
"""

from __future__ import annotations

import os
import resource
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, Protocol

from attrs import define, field, frozen
from twisted.application import service
from twisted.internet.defer import Deferred, TimeoutError, ensureDeferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.protocol import Factory
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from encchat.errors import ConfigurationError, EncchatError
from encchat.links import DEFAULT_PORT, Address, InviteLink
from encchat.secure import Channel, ServerKeys, Suite, fingerprint
from encchat.secure.keys import load_or_make_identity, load_or_make_static, load_rsa, make_rsa
from encchat.server.datadir import DataDirectory
from encchat.server.ending import StartError, last_words, leave_with_failure
from encchat.server.notify import notify
from encchat.server.services import Home
from encchat.server.settings import Settings

ADDRESS_META: Final = "address"
"""The store's key of the address that goes into invite links, for encchat-admin."""

GOODBYE: Final = "the server is stopping"


class Chat(Protocol):
    """What the service needs of the chat's factory."""

    settings: Settings

    async def open(self, home: Home) -> None: ...
    def say_goodbye(self, reason: str) -> Deferred[None]: ...


class Companion(Protocol):
    """What it needs of something that runs while the store is open."""

    def start(self) -> None: ...
    def stop(self) -> object: ...


class Hasher(Protocol):
    """What it needs of the password hasher."""

    def start(self) -> None: ...
    def stop(self) -> object: ...


@define
class Keyring:
    """The server's private keys, and the channels made with them."""

    suites: Mapping[str, Suite]
    rsa: Path | None = None
    """File of the RSA key, if a suite needs one; None also if it may be made in the data directory."""
    needs_rsa: bool = False
    _keys: ServerKeys | None = field(default=None, init=False)

    def load(self, directory: DataDirectory) -> None:
        """Read the key files, make those that are missing."""
        rsa = None
        if self.needs_rsa:
            path = self.rsa or directory.rsa
            rsa = load_rsa(path) if os.path.lexists(path) else make_rsa(path)
        identity, static = load_or_make_identity(directory.identity), load_or_make_static(directory.static)
        self._keys = ServerKeys(identity, static, rsa)

    @property
    def keys(self) -> ServerKeys:
        if self._keys is None:
            raise RuntimeError("the keys are loaded when the service starts")
        return self._keys

    @property
    def identity(self) -> bytes:
        return self.keys.identity.public_key().public_bytes_raw()

    def channel(self) -> Channel:
        return Channel.responder(self.suites, self.keys)


@frozen
class Parts:
    """What the service starts and stops, as `encchat.server.tap` has put it together."""

    directory: DataDirectory
    keyring: Keyring
    store: Any
    hasher: Hasher
    chat: Chat
    listener: Factory
    """The factory for the ports: the chat's, wrapped in the channel."""
    endpoints: Sequence[tuple[str, Any]]
    """Endpoint strings and the `IStreamServerEndpoint`s made of them."""
    address: Address | None
    """The public address; port 0: the port in use; None: localhost."""
    reload: Callable[[], Settings]
    """Reads the configuration again; an `EncchatError` leaves things as they are."""
    apply: Callable[[Settings], None]
    """Puts new settings into force."""
    companions: Sequence[Companion] = ()
    """What works on the store beside the chat: retention, and the look for what encchat-admin changed."""


@define(slots=False, eq=False)
class ChatService(service.Service):
    """The twistd service."""

    reactor: Any
    parts: Parts
    observer: Callable[[], Any] | None = None
    """Makes the log observer that takes the place of twistd's own, if one shall."""
    leave: Callable[[str], None] = leave_with_failure
    """Says why and lets the process end with a failure."""
    _binding: list[Deferred[None]] = field(factory=list, init=False)
    _problem: ConfigurationError | None = field(default=None, init=False)
    _ports: list[tuple[str, Any]] = field(factory=list, init=False)
    _old_hangup: Any = field(default=None, init=False)
    _log = Logger()

    def setServiceParent(self, parent: Any) -> None:
        """Bring the log observer along: twistd asks its application for one right after this."""
        if self.observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.observer())
        super().setServiceParent(parent)

    # Start -------------------------------------------------------------------------------------
    def privilegedStartService(self) -> None:
        """Bind the ports, before twistd gives its privileges up."""
        super().privilegedStartService()
        self._bind()

    def startService(self) -> None:
        """Take the data directory and the keys, then open the store."""
        super().startService()
        _allow_many_files()
        if not self._binding:  # the plain `twist` runner has no privileged part
            self._bind()
        try:
            self.parts.directory.open()
            self.parts.keyring.load(self.parts.directory)
        except EncchatError as problem:
            self._refuse(problem)
        self._old_hangup = signal.signal(signal.SIGHUP, self._hung_up)
        ensureDeferred(self._open()).addErrback(self._broke)

    def _bind(self) -> None:
        for text, endpoint in self.parts.endpoints:
            port: Deferred[Any] = endpoint.listen(self.parts.listener)
            self._binding.append(port.addCallback(self._bound, text).addErrback(self._not_bound, text))
        if self._problem is not None:
            self._refuse(self._problem)

    def _bound(self, port: Any, text: str) -> None:
        self._read(port, False)
        self._ports.append((text, port))

    def _not_bound(self, failure: Failure, text: str) -> None:
        failure.trap(CannotListenError, OSError, OverflowError)
        why = getattr(failure.value, "socketError", failure.value)
        self._problem = ConfigurationError(f"cannot listen on {text}: {getattr(why, 'strerror', None) or why}")

    def _refuse(self, problem: EncchatError) -> NoReturn:
        self._log.critical("cannot start: {reason}", event="failed", reason=problem.text)
        last_words(problem.text)
        raise StartError(problem.text)

    async def _open(self) -> None:
        for binding in self._binding:
            await binding
        if self._problem is not None:
            raise self._problem
        self.parts.hasher.start()
        await self.parts.store.open()
        await self.parts.store.set_meta(ADDRESS_META, str(self._public_address()))
        await self.parts.chat.open(Home(self._public_address(), self.parts.keyring.identity))
        link = await self._first_invite()
        for companion in self.parts.companions:
            companion.start()
        self.reactor.callWhenRunning(self._announce, link)

    async def _first_invite(self) -> InviteLink | None:
        """The link for the first administrator, made once in the life of a store."""
        if not await self.parts.store.is_new():
            return None
        token = secrets.token_urlsafe(24)
        await self.parts.store.add_invite(token, "admin", 1, None)
        return InviteLink(self._public_address(), self.parts.keyring.identity, token)

    def _announce(self, link: InviteLink | None) -> None:
        if not self.running:
            return
        for text, port in self._ports:
            self._read(port, True)
            self._log.info(
                "listening on {endpoint}, port {port}; the server's fingerprint is {fingerprint}",
                event="listening",
                endpoint=text,
                port=_number(port),
                fingerprint=fingerprint(self.parts.keyring.identity),
            )
        if link is not None:
            self._log.info(
                "the first administrator registers with this link, once: {link}", event="invite", link=str(link)
            )
        notify("READY=1", os.environ)

    def _read(self, port: Any, on: bool) -> None:
        if IReactorFDSet.providedBy(self.reactor) and IReadDescriptor.providedBy(port):
            (self.reactor.addReader if on else self.reactor.removeReader)(port)

    def _public_address(self) -> Address:
        numbers = (number for _, port in self._ports if (number := _number(port)) is not None)
        address = self.parts.address or Address("localhost", 0)
        return address if address.port else Address(address.host, next(numbers, DEFAULT_PORT))

    def _broke(self, failure: Failure) -> None:
        """The store would not open, with the reactor running or about to."""
        if isinstance(failure.value, EncchatError):
            text = failure.value.text
            self._log.critical("cannot start: {reason}", event="failed", reason=text)
        else:
            text = "cannot start because of a fault in encchat; the log says more"
            self._log.failure("cannot start", failure, event="failed", reason=text)
        self.leave(text)
        self.reactor.callWhenRunning(self.reactor.stop)

    # Reload and stop ---------------------------------------------------------------------------
    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self.reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Take what can change while running from the configuration file; a bad file changes nothing."""
        try:
            self.parts.apply(self.parts.reload())
        except EncchatError as problem:
            self._log.error("the configuration stays as it was: {reason}", event="not_reloaded", reason=problem.text)
        else:
            self._log.info("the configuration was read again", event="reloaded")

    def stopService(self) -> Deferred[None]:
        """Say goodbye to every client, flush and close; each part has ``stop_seconds`` for its end."""
        super().stopService()
        if self._old_hangup is not None:
            signal.signal(signal.SIGHUP, self._old_hangup)
        return ensureDeferred(self._close())

    async def _close(self) -> None:
        notify("STOPPING=1", os.environ)
        ports, self._ports = self._ports, []
        await self._in_time(
            "the ports", lambda: gatherResults([maybeDeferred(port.stopListening) for _, port in ports])
        )
        await self._in_time("the goodbyes", lambda: self.parts.chat.say_goodbye(GOODBYE))
        await self._in_time("the password threads", self.parts.hasher.stop)
        for companion in self.parts.companions:
            await self._in_time("what works on the store", companion.stop)
        await self._in_time("the store", self.parts.store.close)
        self.parts.directory.close()
        self._log.info("stopped", event="stopped")

    async def _in_time(self, what: str, end: Callable[[], Any]) -> None:
        """Whatever goes wrong with one part, the next one is ended too: the store above all."""
        ended: Deferred[Any] = maybeDeferred(end)
        await ended.addTimeout(self.parts.chat.settings.stop_seconds, self.reactor).addErrback(self._not_ended, what)

    def _not_ended(self, failure: Failure, what: str) -> None:
        if isinstance(failure.value, TimeoutError):
            self._log.warn("{what} took too long", event="overdue", what=what)
        else:
            self._log.failure("{what} could not be ended", failure, event="failed", what=what)


def _allow_many_files() -> None:
    """Each client is an open file, and the usual soft limit of 1024 is there for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _number(port: Any) -> int | None:
    return getattr(port.getHost(), "port", None)
