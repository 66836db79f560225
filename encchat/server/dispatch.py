"""The one place every line goes through: decoded, checked against its command's needs, handled, answered.

Theory of operation: a line becomes a request (or an error, of which a connection has a small budget), its
cost is charged to the connection's meter, the command's `Needs` are checked against the connection's
state, and the handler runs. An outcome at hand is answered at once. A Deferred or coroutine is answered
when it fires, and if the command is ``in_order`` the connection is not read until then, so requests sent in one
burst take effect in the order they were sent. `LATER` means the handler sees to its answer.
A `RequestError` is an answer; anything else that is raised is a bug here: the log says where, the peer
gets `InternalError` without detail. Cost and order hold reading back; nothing read is dropped, until a flood
that does not end (see `encchat.server.meters`) is hung up.
"""

from __future__ import annotations

from collections.abc import Coroutine
from types import NoneType
from typing import Any, Final, TypeAlias, get_args

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.errors import (
    AlreadyLoggedInError,
    ForbiddenError,
    InternalError,
    LineTooLongError,
    NotLoggedInError,
    RequestError,
    ThrottledError,
)
from encchat.limits import BYTES_PER_UNIT, FLOOD_SECONDS, MAX_BAD_LINES, MAX_LINE
from encchat.net.tally import OF_MANY
from encchat.server.command import LATER, Command, Later, Needs, Outcome
from encchat.server.context import Context, Hold, State
from encchat.server.meters import Debt, Step
from encchat.server.model import RANK
from encchat.server.registry import Registry
from encchat.server.traces import trace
from encchat.wire import Closing, Request, Result, Send, request_id

log = Logger()

_Answered: TypeAlias = Result | Later | RequestError | None
_RESULTS: Final[frozenset[Any]] = frozenset((NoneType, *get_args(Result)))
_FLOOD = "you have asked for more than this server allows"
_BROKE = "something broke on the server; its log says what"


class Dispatcher:
    """Stateless: what is particular to a connection stands in its `Context`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    # In ----------------------------------------------------------------------------------------
    def receive(self, context: Context, line: bytes) -> None:
        """Handle one line of ``context``'s peer; never raises."""
        if context.state is State.CLOSED:
            return
        try:
            request = self._registry.decode(line)
        except RequestError as error:
            self._bad_line(context, request_id(line), error)
            return
        command = self._registry.command_for(request)
        needs = command.needs
        debt = context.meter.charge(needs.kind, needs.cost)
        if debt is not None and not self._hold(context, debt):
            return
        try:
            self._check(context, command)
            outcome = command.handle(context, request)
            if outcome is LATER:
                context.begin()
            elif type(outcome) in _RESULTS and not needs.audited:
                context.answer(request.id, outcome)  # type: ignore[arg-type]
            else:
                self._settle(context, command, request, outcome)
        except Exception:  # noqa: BLE001 - a broken command costs one request, not the server
            context.refuse(request.id, self._refusal(context, command, request, Failure()))

    def too_long(self, context: Context) -> None:
        """A line over the limit came and was skipped."""
        if context.state is not State.CLOSED:
            self._bad_line(context, None, LineTooLongError(f"a line has at most {MAX_LINE} bytes"))

    def weigh(self, context: Context, size: int) -> None:
        """Charge ``size`` bytes off the wire, whatever they say: a line without end is a flood too.

        Before the lines in them are handled: over the rate they wait, so that there is one hold at a time.
        """
        if context.state is not State.CLOSED:
            debt = context.meter.charge("message", size / BYTES_PER_UNIT)
            if debt is not None:
                self._hold(context, debt)

    def _bad_line(self, context: Context, id: int | None, error: RequestError) -> None:
        context.refuse(id, error)
        context.bad_lines += 1
        debt = context.meter.charge("query", 1.0)
        if debt is not None:
            self._hold(context, debt)
        if context.bad_lines > MAX_BAD_LINES:
            context.leave(Closing(reason=f"more than {MAX_BAD_LINES} lines were no requests"))

    def _hold(self, context: Context, debt: Debt) -> bool:
        """Have somebody wait who owes; False if that was the end of the connection."""
        if debt.step is Step.HANG_UP:
            log.warn("{user} is hung up for a flood", event="flood", user=context.name)
            context.leave(Closing(reason=f"{_FLOOD} for {FLOOD_SECONDS:g} seconds"))
            return False
        if debt.step is Step.TELL:
            context.refuse(None, ThrottledError(f"{_FLOOD}: what you send is read more slowly, nothing is lost yet"))
        context.connection.hold_for(Hold.RATE, debt.seconds)
        return True

    # Needs -------------------------------------------------------------------------------------
    def _check(self, context: Context, command: Command) -> None:
        needs = command.needs
        if context.state is not State.LOGGED_IN:
            if needs.login is True:
                raise NotLoggedInError(f"{command.verb} needs a login first: register, login or login_device")
            return
        if needs.login is False:
            raise AlreadyLoggedInError(f"this connection is logged in as {context.account.name}")
        if needs.voice:
            context.services.sanctions.check_mute(context.name)
        if needs.admin or needs.role != "user":
            self._check_rights(context, command.verb, needs)

    def _check_rights(self, context: Context, verb: str, needs: Needs) -> None:
        role = context.account.role
        if RANK[role] < RANK[needs.role]:
            raise ForbiddenError(f"{verb} needs the role {needs.role}; yours is {role}")
        if needs.admin and not context.is_admin:
            minutes = context.services.settings.admin_seconds / 60
            raise ForbiddenError(f"{verb} needs your password again: use admin first, it lasts {minutes:g} minutes")

    # Out ---------------------------------------------------------------------------------------
    def _settle(self, context: Context, command: Command, request: Request, outcome: Outcome) -> None:
        if isinstance(outcome, Deferred):
            self._wait(context, command, request, outcome)
        elif isinstance(outcome, Coroutine):
            self._wait(context, command, request, Deferred.fromCoroutine(outcome))
        elif command.needs.audited:
            self._wait(context, command, request, succeed(outcome))
        elif (answer := _checked(outcome)) is not LATER:
            context.answer(request.id, answer)

    def _wait(self, context: Context, command: Command, request: Request, outcome: Deferred[Any]) -> None:
        context.begin()
        if command.needs.in_order and not outcome.called:
            context.connection.hold(Hold.ORDER)
        outcome.addCallback(_checked)
        if command.needs.audited:
            outcome.addCallback(self._audit, context, request)
        outcome.addErrback(lambda failure: self._refusal(context, command, request, failure))
        outcome.addCallback(self._finish, context, command, request)

    def _audit(self, outcome: _Answered, context: Context, request: Request) -> Deferred[_Answered]:
        """The answer goes out when what was done is in the audit log."""
        written: Deferred[Any] = context.services.trail.done(context.name, request)
        return written.addCallback(lambda _: outcome)

    def _finish(self, outcome: _Answered, context: Context, command: Command, request: Request) -> None:
        if outcome is not LATER:
            context.finish(request.id, outcome)
        if command.needs.in_order:
            context.connection.release(Hold.ORDER)

    def _refusal(self, context: Context, command: Command, request: Request, failure: Failure) -> RequestError:
        error = failure.value
        if isinstance(request, Send):
            context.message_refused(request.conversation)
        if not isinstance(error, RequestError):
            log.error("{verb} broke: {trace}", event="command_broke", verb=command.verb, trace=trace(failure))
            return InternalError(_BROKE)
        if command.needs.audited:
            context.services.trail.refused(context.name, request, error)
        if isinstance(error, ForbiddenError):
            self._log_forbidden(context, command, request, error)
        return error

    def _log_forbidden(self, context: Context, command: Command, request: Request, error: ForbiddenError) -> None:
        count = context.services.refusals.count((context.name, command.verb))
        if not count:
            return
        log.warn(
            "{user} was refused {verb} {target}: {why}" + (OF_MANY if count > 1 else ""),
            event="forbidden",
            user=context.name,
            verb=command.verb,
            target=getattr(request, "user", getattr(request, "target", "")),
            why=error.text,
            count=count,
        )


def _checked(outcome: object) -> Result | Later | None:
    """The border to handlers others wrote: what is no result must not become a line."""
    if outcome is None or isinstance(outcome, Result | Later):
        return outcome
    raise TypeError(f"a command returned {type(outcome).__name__}, which is no result of encchat.wire")
