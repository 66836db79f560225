"""One connection as a command sees it: whose it is, how to answer it, and the server behind it.

Theory of operation: a context begins as a STRANGER, is LOGGED_IN once and CLOSED for good, and only
`enter`, `leave` and `lost` move it. From `leave` on nothing it still sends is looked at, and it is among
nobody's receivers, while what was written to it is still being flushed.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag, auto
from typing import Protocol

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from encchat.errors import NotLoggedInError, RequestError
from encchat.limits import MAX_CHAINS, MAX_PENDING_REQUESTS
from encchat.names import folded
from encchat.server.auth import Login
from encchat.server.chat import Chat
from encchat.server.meters import Meter, RequestKind
from encchat.server.model import Account, Device, Fate
from encchat.server.services import Services
from encchat.wire import Error, LoggedIn, Ok, Result, ServerLine, encode

log = Logger()


class State(Enum):
    """Where a connection stands."""

    STRANGER = "stranger"
    LOGGED_IN = "logged in"
    CLOSED = "closed"


class Hold(Flag):
    """Reasons not to read from a connection; it is read while there is none."""

    NOTHING = 0
    RATE = auto()
    PENDING = auto()
    ORDER = auto()
    UNSENT = auto()
    LONG = auto()


class Connection(Protocol):
    """The transport's side of a context."""

    @property
    def write_line(self) -> Callable[[bytes], None]:
        """Take a line, without delimiter, to be sent at the end of the turn."""

    @property
    def address(self) -> str:
        """The peer's host."""

    @property
    def device_key(self) -> bytes:
        """The peer's X25519 key, which the channel has proven."""

    def logged_in(self) -> None:
        """The limits on strangers end."""

    def hold(self, reason: Hold) -> None:
        """Stop reading until `release` of the same reason."""

    def hold_for(self, reason: Hold, seconds: float) -> None:
        """`hold`, and `release` after that time."""

    def release(self, reason: Hold) -> None:
        """Read again, unless there are other reasons."""

    def close(self) -> None:
        """Send what was written in this turn, then hang up, politely for a short while."""

    def break_off(self) -> None:
        """Hang up at once."""


@frozen
class Gone:
    """What a context has once its connection is lost, for whoever still answers it: it takes all and does nothing.

    The connection itself is then nobody's any more and goes at once: were it left to the garbage collector, what
    thousands who came and went have left would be found in one long pause.
    """

    address: str
    device_key: bytes

    def write_line(self, line: bytes) -> None:
        """Nobody gets it."""

    def logged_in(self) -> None:
        """There are no limits left."""

    def hold(self, reason: Hold) -> None:
        """Nothing is read."""

    def hold_for(self, reason: Hold, seconds: float) -> None:
        """The same."""

    def release(self, reason: Hold) -> None:
        """The same."""

    def close(self) -> None:
        """It is."""

    def break_off(self) -> None:
        """The same."""


@define(eq=False, repr=False)
class Context:
    """What handlers get."""

    services: Services
    connection: Connection
    meter: Meter
    state: State = State.STRANGER
    admin_until: float = 0.0
    pending: int = 0
    bad_lines: int = 0
    _fates: dict[str, Fate] = field(factory=dict)
    """Of the last message to each conversation, folded; the one not written to for longest first."""
    _login: Login | None = None
    _settled: list[Deferred[None]] = field(factory=list)

    # Who it is ---------------------------------------------------------------------------------
    @property
    def account(self) -> Account:
        """The account that logged in; `NotLoggedInError` before that and once the connection has closed."""
        login = self._login
        if login is None or self.state is State.CLOSED:
            raise self._nobody()
        return login.account

    @property
    def here(self) -> Account | None:
        """The account that is logged in, None for a stranger and once the connection has closed."""
        return self._login.account if self._login and self.state is State.LOGGED_IN else None

    @property
    def device(self) -> Device:
        """The device that logged in; `NotLoggedInError` as for `account`."""
        login = self._login
        if login is None or self.state is State.CLOSED:
            raise self._nobody()
        return login.device

    @property
    def name(self) -> str:
        """The account's name for logs, also after the connection has closed; empty for a stranger."""
        return self._login.account.name if self._login else ""

    @property
    def address(self) -> str:
        """The peer's host."""
        return self.connection.address

    @property
    def chat(self) -> Chat:
        """The domain."""
        return self.services.chat

    @staticmethod
    def _nobody() -> NotLoggedInError:
        return NotLoggedInError("log in first: register, login or login_device")

    # Moving ------------------------------------------------------------------------------------
    def enter(self, login: Login) -> LoggedIn:
        """The login succeeded; the answer to it. The one place everybody passes who comes in.

        `NotLoggedInError`: the connection has gone meanwhile. `BannedError`: the account may not be here.
        """
        if self.state is not State.STRANGER:
            raise NotLoggedInError("the connection closed before the login was done")
        self.services.sanctions.check_ban(login.account.name)
        self.meter.log_in(login.account.name)
        self.state, self._login = State.LOGGED_IN, login
        self.connection.logged_in()
        self.services.arrive(login.account, self)
        log.info("{user} logged in", event="logged_in", user=login.account.name, address=self.connection.address)
        return LoggedIn(
            user=login.account.name,
            device=login.device.id,
            role=login.account.role,
            presence=self.chat.presence(login.account.name),
        )

    def become(self, account: Account) -> None:
        """The account has changed; admin commands need the password again."""
        if self._login is not None:
            self._login, self.admin_until = evolve(self._login, account=account), 0.0

    def leave(self, last: ServerLine | None = None) -> None:
        """Be gone for everybody now, hear ``last`` and be hung up at the end of this turn."""
        if self.state is not State.CLOSED:
            self._end(lost=False)
            if last is not None:
                self.write_line(encode(last))
            self.connection.close()

    def lost(self) -> None:
        """The transport is gone."""
        self._end(lost=True)
        self.connection = Gone(self.connection.address, self.connection.device_key)

    def _end(self, *, lost: bool) -> None:
        before, self.state = self.state, State.CLOSED
        self.meter.close()
        if before is State.LOGGED_IN and self._login is not None:
            self.services.depart(self._login.account, self, lost=lost)
            log.info("{user} left", event="logged_out", user=self._login.account.name)

    def break_off(self) -> None:
        """Hang up at once; `lost` follows."""
        self.connection.break_off()

    def confirm_admin(self, seconds: float) -> None:
        """Admin commands work for that long from now."""
        self.admin_until = self.services.clock.seconds() + seconds

    @property
    def is_admin(self) -> bool:
        """Whether the confirmation is fresh."""
        return self.services.clock.seconds() < self.admin_until

    def charge(self, kind: RequestKind, cost: float) -> None:
        """What a request turned out to cost over its command's; who owes is read later."""
        debt = self.meter.charge(kind, cost)
        if debt is not None and self.state is not State.CLOSED:
            self.connection.hold_for(Hold.RATE, debt.seconds)

    # Answering ---------------------------------------------------------------------------------
    @property
    def write_line(self) -> Callable[[bytes], None]:
        """The connection's."""
        return self.connection.write_line

    def answer(self, request_id: int, result: Result | None) -> None:
        """The request was done: its one answer."""
        self.connection.write_line(encode(Ok(id=request_id, result=result)))

    def refuse(self, request_id: int | None, error: RequestError) -> None:
        """The request was refused; the id is None if its line had none that could be read."""
        self.write_line(encode(Error(id=request_id, code=error.code, text=error.text)))

    def begin(self) -> None:
        """A request waits for its answer; at `MAX_PENDING_REQUESTS` of them no more are read."""
        self.pending += 1
        if self.pending >= MAX_PENDING_REQUESTS:
            self.connection.hold(Hold.PENDING)

    def finish(self, request_id: int, outcome: Result | RequestError | None) -> None:
        """Answer a request that waited: what a handler calls that returned `LATER`."""
        if isinstance(outcome, RequestError):
            self.refuse(request_id, outcome)
        else:
            self.answer(request_id, outcome)
        self.set_aside()

    def set_aside(self) -> None:
        """No other request waits for this one: it is done, or will be answered when some person pleases."""
        self.pending -= 1
        if self._settled and self.pending <= 1:
            waiting, self._settled = self._settled, []
            for deferred in waiting:
                deferred.callback(None)
        if self.pending == MAX_PENDING_REQUESTS - 1:
            self.connection.release(Hold.PENDING)

    def message_refused(self, conversation: str) -> None:
        """What follows that message in its chain is refused as well (`chain`)."""
        self.chain(conversation, Fate(refused=True), chained=False)

    def chain(self, conversation: str, fate: Fate, *, chained: bool) -> Fate | None:
        """A message comes, with its ``fate``; returns that of the one before it there, if it is ``chained`` to it."""
        fates, key = self._fates, folded(conversation)
        before = fates.pop(key, None)
        broken = chained and before is not None and before.refused
        fates[key] = before if broken else fate  # type: ignore[assignment]
        if len(fates) > MAX_CHAINS:
            del fates[next(iter(fates))]
        return before if chained else None

    def settled(self) -> Deferred[None]:
        """Fires when no request but the one that asks (and keeps later ones waiting) has an answer to come."""
        if not self.pending:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        self._settled.append(deferred)
        return deferred
