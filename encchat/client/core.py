"""The client's core: typed lines and server lines in, requests and screen events out; knows no sockets, no terminal.

Theory of operation. A shell owns the connection and the face. It calls `connected` when the channel stands,
`receive_line` for each line from the server, `typed` for each line of the person, `lost` when the connection
is gone; after each call it takes `lines_to_send` and `events_to_show`, answers `take_question` if there is
one, and leaves once `finished`. The shell logs in by `request`; the `LoggedIn` answer makes the core fetch
the server's command list, send again what was not accepted, and then do what was typed meanwhile.

    STARTING --command list--> READY --lost--> AWAY_FROM_SERVER --command list--> READY
    any --leave, once idle--> LEAVING --answered or lost--> finished

Lines are done in the order they were typed. Those typed before the first login, or behind a request that
decides what they mean (`_ORDERED`: who a bare line goes to, what may be done), wait in ``_typed_ahead``.

A message stays in the outbox until the server has accepted it; after a reconnect it goes again under the same
ULID, which the server answers with the same seq. Everything else that waits for an answer when the connection
goes is answered by an error here, because doing it again later could surprise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

import msgspec
from attrs import define, field, frozen

from encchat import names, wire
from encchat.client import events
from encchat.client.classic import from_classic
from encchat.client.commands import BY_VERB, Suggestion, complete, label_of, run_command
from encchat.client.generic import Value
from encchat.client.ulids import UlidMaker
from encchat.errors import (
    EncchatError,
    MalformedRequestError,
    NotConnectedError,
    UnavailableError,
    UnknownCommandError,
    UsageError,
)
from encchat.limits import MAX_BODY, MAX_ENCODED_BODY, MAX_KNOWN_NAMES

Answer = wire.Ok | wire.Error
Done = Callable[[Answer], None]

_SECURE: Final = "secure:"
_ORDERED: Final[frozenset[type[wire.Request]]] = frozenset({wire.Connect, wire.Goodbye, wire.Admin})
_BUILT_IN_VERBS: Final = frozenset(str(kind.__struct_config__.tag) for kind in wire.BUILT_IN)


class State(Enum):
    """Where the core stands; see the module's theory of operation."""

    STARTING = "starting"
    READY = "ready"
    AWAY_FROM_SERVER = "away from server"
    LEAVING = "leaving"


@frozen
class Question:
    """Something only the person can say, a password; ``then`` takes it."""

    prompt: str
    then: Callable[[str], None]


@define
class _Outgoing:
    """A message that is not accepted yet."""

    label: str
    conversation: str
    ulid: str
    body: str
    done: Done | None


@define
class ClientCore:
    """One client; see the module's theory of operation. ``clock`` in seconds since 1970 UTC."""

    _clock: Callable[[], float]
    _random: Callable[[int], bytes]
    classic: bool = False
    interactive: bool = False
    state: State = State.STARTING
    user: str = ""
    presence: wire.Presence = "OFFLINE"
    conversation: str = names.LOBBY
    partner: str = ""
    kicked: wire.Kicked | None = None
    closing_reason: str = ""
    server_commands: dict[str, wire.CommandEntry] = field(factory=dict)
    _before_session: str = names.LOBBY
    _hanging_up: bool = False
    _waiting_for: type[wire.Request] | None = None
    _leaving: bool = False
    _quitting: bool = False
    _finished: bool = False
    _next_id: int = 1
    _pending: dict[int, Done] = field(factory=dict)
    _outbox: dict[str, _Outgoing] = field(factory=dict)
    _typed_ahead: deque[str] = field(factory=deque)
    _known_names: dict[str, str] = field(factory=dict)
    _question: Question | None = None
    _lines: list[bytes] = field(factory=list)
    _events: list[events.ScreenEvent] = field(factory=list)
    _next_ulid: UlidMaker = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._next_ulid = UlidMaker(self._clock, self._random)

    # What the shell takes after every call ------------------------------------------------------
    def lines_to_send(self) -> list[bytes]:
        """Take the lines for the server, without delimiters."""
        taken, self._lines = self._lines, []
        return taken

    def events_to_show(self) -> list[events.ScreenEvent]:
        """Take what is to be shown."""
        taken, self._events = self._events, []
        return taken

    def take_question(self) -> Question | None:
        """Take what the person is to be asked."""
        taken, self._question = self._question, None
        return taken

    @property
    def idle(self) -> bool:
        """Whether nothing waits: no line typed early, no message unaccepted, no request unanswered."""
        return not (self._typed_ahead or self._outbox or self._pending)

    @property
    def finished(self) -> bool:
        """Whether the client may go."""
        return self._finished

    @property
    def quitting(self) -> bool:
        """Whether the person said ``/quit``, and not only that nothing more will be typed."""
        return self._quitting

    @property
    def unaccepted(self) -> int:
        """How many messages and lines the server has not taken yet."""
        return len(self._outbox) + sum(not _is_quit(line) for line in self._typed_ahead)

    # What the person does -----------------------------------------------------------------------
    def typed(self, line: str) -> None:
        """Do what one typed line says, or keep it until what it depends on has been answered."""
        if self.classic:
            line = from_classic(line)
        if self._must_wait() and not self._may_go_ahead(line):
            self._typed_ahead.append(line)
        else:
            self._do(line)
        self._leave_if_idle()

    def end_of_input(self) -> None:
        """Nothing more will be typed: leave once everything is accepted."""
        self._leaving = True
        self._leave_if_idle()

    def complete(self, typed: str) -> list[Suggestion]:
        """The words that fit at the end of ``typed``."""
        return complete(typed, self._known_names.values(), self.server_commands)

    def _must_wait(self) -> bool:
        return self.state is State.STARTING or self._waiting_for is not None

    def _may_go_ahead(self, line: str) -> bool:
        """Leaving does not wait where a person sits, nor when it is said twice."""
        return _is_quit(line) and (self.interactive or any(map(_is_quit, self._typed_ahead)))

    def _do_what_waits(self) -> None:
        while self._typed_ahead and not self._must_wait():
            self._do(self._typed_ahead.popleft())

    def _do(self, line: str) -> None:
        if self._quitting and not _is_quit(line):
            return
        try:
            self._run(line)
        except EncchatError as error:
            named = isinstance(error, UnknownCommandError)
            self.show_error(error.code, error.text, "" if named else label_of(line))

    def _run(self, line: str) -> None:
        if line.startswith("//"):
            self._say_here(line[1:])
        elif line.startswith("/"):
            run_command(self, line)
        elif line.startswith(_SECURE):
            run_command(self, f"/secure {line.removeprefix(_SECURE).strip()}")
        elif line.strip():
            self._say_here(line)

    def _say_here(self, text: str) -> None:
        self.say("", self.conversation, text)

    # What commands do (encchat.client.commands.Actor) ---------------------------------------------
    def ask(self, label: str, kind: type[wire.Request], **fields: Any) -> None:
        """Send a request; its answer is shown."""
        self._needs_connection()
        self.request(kind, lambda answer: self._answered(label, kind, fields, answer), **fields)
        if kind in _ORDERED:
            self._waiting_for = kind

    def ask_server(self, verb: str, fields: Mapping[str, Value]) -> None:
        """Send a command that only the server knows."""
        self._needs_connection()
        number = self._expect(lambda answer: self._answered(f"/{verb}", None, {}, answer))
        self._lines.append(wire.encode({**fields, "type": verb, "id": number}))

    def say(self, label: str, conversation: str, body: str, done: Done | None = None) -> str:
        """Put a message into the outbox and, where there is a connection, on its way; returns its ULID.

        ``done`` takes the answer; without it an error is shown with ``label`` before it.
        """
        if not body.strip():
            raise UsageError("there is nothing to send: the text is empty")
        if len(body) > MAX_BODY:
            raise UsageError(f"the text has {len(body)} characters, {MAX_BODY} can be sent at once: split it")
        if _encoded_length(body) > MAX_ENCODED_BODY:
            raise UsageError("the text is too long once it is encoded: split it")
        message = _Outgoing(label, conversation, self._next_ulid(), body, done)
        self._outbox[message.ulid] = message
        if self.state is State.READY:
            self._send(message)
        elif done is None:
            self.notice(f"not connected: {self.unaccepted} waiting, sent when the connection is back")
        return message.ulid

    def notice(self, text: str) -> None:
        """Show ``text``."""
        self._events.append(events.Notice(text=text))

    def show_error(self, code: str, text: str, label: str = "") -> None:
        """Show an error; ``label`` is the command it is about."""
        self._events.append(events.Error(code=code, text=f"{label}: {text}" if label else text))

    def go(self, conversation: str) -> None:
        """Bare lines go to ``conversation`` from now on."""
        self.conversation = conversation
        self.notice(f"what you type goes to {conversation} now")

    def hang_up(self) -> None:
        """End the session and go back to where bare lines went before it."""
        self.ask("/goodbye", wire.Goodbye)
        self._hanging_up = True

    def confirm_admin(self, password: str) -> None:
        """Confirm the password for admin commands; an empty one is asked for."""
        if password:
            self.ask("/admin", wire.Admin, password=password)
        else:
            self._needs_connection()
            self._question = Question("Your password, for admin commands: ", self._admin_password)

    def leave(self) -> None:
        """Leave once everything is accepted; at once where nobody could accept it, or when said twice."""
        at_once = self._quitting or self.state is not State.READY
        self._quitting = self._leaving = True
        if at_once:
            self._go_away()
        self._leave_if_idle()

    def _go_away(self) -> None:
        if self.unaccepted:
            text = f"{self.unaccepted} of what was typed was not accepted by the server and is lost"
            self.show_error(NotConnectedError.code, text)
        self._finished = True

    def _admin_password(self, password: str) -> None:
        try:
            self.confirm_admin(password or " ")
        except EncchatError as error:
            self.show_error(error.code, error.text, "/admin")

    def _needs_connection(self) -> None:
        if self.state is not State.READY:
            raise NotConnectedError("there is no connection now: try again when it is back")

    def _leave_if_idle(self) -> None:
        if self._leaving and self.idle and self.state is State.READY:
            self.state = State.LEAVING
            self.request(wire.Quit, lambda _: self._finish())

    def _finish(self) -> None:
        self._finished = True

    # Requests and their answers -----------------------------------------------------------------
    def request(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """Send a request whose answer ``done`` takes; also the shell's way to log in."""
        number = self._expect(done)
        request = kind(id=number, **fields)
        try:
            line = wire.encode(request)
            msgspec.json.decode(line, type=kind)
        except (msgspec.MsgspecError, UnicodeEncodeError) as error:
            del self._pending[number]
            raise UsageError(_over_limit(error)) from None
        self._lines.append(line)

    def _expect(self, done: Done) -> int:
        number = self._next_id
        self._next_id += 1
        self._pending[number] = done
        return number

    def _send(self, message: _Outgoing) -> None:
        self.request(
            wire.Send,
            lambda answer: self._accepted(message, answer),
            conversation=message.conversation,
            ulid=message.ulid,
            body=message.body,
        )

    def _accepted(self, message: _Outgoing, answer: Answer) -> None:
        if isinstance(answer, wire.Error) and answer.code == NotConnectedError.code:
            return
        self._outbox.pop(message.ulid, None)
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Sent):
            self._remember(answer.result.conversation)
            self._show_result(answer.result)
        elif message.done is None and isinstance(answer, wire.Error):
            self.show_error(answer.code, f"not sent: {answer.text}", message.label)
        if message.done is not None:
            message.done(answer)

    def _answered(self, label: str, kind: type[wire.Request] | None, fields: Mapping[str, Any], answer: Answer) -> None:
        if kind is self._waiting_for:
            self._waiting_for = None
        if isinstance(answer, wire.Error):
            self._refused(label, kind, fields, answer)
        elif answer.result is not None:
            self._show_result(answer.result)
        else:
            self._done(label, kind, fields)
        self._do_what_waits()

    def _refused(
        self, label: str, kind: type[wire.Request] | None, fields: Mapping[str, Any], answer: wire.Error
    ) -> None:
        self.show_error(answer.code, answer.text, label)
        if kind is wire.Connect:
            self._events.append(events.Session(partner=fields["user"], event_="refused", reason=answer.text))
            self._drop_bare_lines(fields["user"])
        elif kind is wire.Goodbye:
            self._hanging_up = False

    def _drop_bare_lines(self, partner: str) -> None:
        """What was typed for a session that did not begin must not go to everybody in the lobby."""
        kept = [line for line in self._typed_ahead if line.startswith("/") and not line.startswith("//")]
        if len(kept) < len(self._typed_ahead):
            text = f"{len(self._typed_ahead) - len(kept)} not sent: there is no session with {partner}"
            self.show_error(UnavailableError.code, text)
        self._typed_ahead = deque(kept)

    def _done(self, label: str, kind: type[wire.Request] | None, fields: Mapping[str, Any]) -> None:
        if kind is wire.SetPresence:
            self.presence = fields["presence"]
            self.notice(f"you are {self.presence} now")
        elif kind is wire.Connect:
            self._enter_session(fields["user"])
        elif kind is wire.Goodbye:
            self._back_from_session()
        else:
            self.notice(f"{label}: done")

    def _show_result(self, result: wire.Result) -> None:
        match result:
            case wire.Sent():
                self._events.append(events.Sent(ulid=result.ulid, conversation=result.conversation, seq=result.seq))
            case wire.UserList():
                for entry in result.users:
                    self._remember(entry.user)
                self._events.append(events.Users(users=result.users))
            case wire.UserStatus():
                self._show_status(result)
            case wire.AdminGranted():
                self.notice(f"admin commands work for the next {result.seconds / 60:.0f} minutes")
                self._fetch_commands(lambda: None)
            case wire.Notice():
                self.notice(result.text)
            case wire.CommandList():
                self._learn_commands(result)
            case wire.LoggedIn():
                pass

    def _show_status(self, result: wire.UserStatus) -> None:
        self._remember(result.user)
        if result.user == self.user:
            self.presence = result.presence
        seen = None if result.last_seen is None else iso_time(result.last_seen)
        self._events.append(events.Status(user=result.user, presence=result.presence, last_seen=seen))

    # The connection's life ----------------------------------------------------------------------
    def connected(self, server: str, fingerprint: str, suite: str, new_pin: bool) -> None:
        """The channel stands; the shell may log in now."""
        self.closing_reason = ""
        self._events.append(events.Connected(server=server, fingerprint=fingerprint, suite=suite, new_pin=new_pin))

    def logged_in(self, result: wire.LoggedIn) -> None:
        """The login was answered: fetch the command list, then send what waits."""
        self.user = result.user
        self.presence = result.presence
        self._events.append(events.LoggedIn(user=result.user, device=result.device, role=result.role))
        self._fetch_commands(self._ready)

    def lost(self, reason: str) -> None:
        """The connection is gone, for ``reason``; the server's own counts for more. Empty: this side closed it."""
        if self._finished:
            return
        if self.state is State.LEAVING or self._quitting:
            self._go_away()
            return
        self.state = State.STARTING if self.state is State.STARTING else State.AWAY_FROM_SERVER
        self.presence = "OFFLINE"
        self._lines.clear()
        self._forget_pending()
        if self.partner:
            self._session_over(self.partner, "lost")
        self._waiting_for, self._hanging_up = None, False
        if reason:
            self._events.append(events.Disconnected(reason=self.closing_reason or reason))

    def reconnecting(self, seconds: float) -> None:
        """The shell tries again in ``seconds``."""
        self._events.append(events.Reconnecting(seconds=round(seconds, 3)))

    def _forget_pending(self) -> None:
        pending, self._pending = self._pending, {}
        gone = wire.Error(code=NotConnectedError.code, text="the connection was lost before the answer came")
        for done in pending.values():
            done(gone)

    def _fetch_commands(self, then: Callable[[], None]) -> None:
        def done(answer: Answer) -> None:
            if isinstance(answer, wire.Error) and answer.code == NotConnectedError.code:
                return
            if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.CommandList):
                self._learn_commands(answer.result)
            then()

        self.request(wire.Commands, done)

    def _learn_commands(self, result: wire.CommandList) -> None:
        known = _BUILT_IN_VERBS | BY_VERB.keys()
        self.server_commands = {entry.verb: entry for entry in result.commands if entry.verb not in known}

    def _ready(self) -> None:
        self.state = State.READY
        for message in self._outbox.values():
            self._send(message)
        if self.interactive:
            self.request(wire.Users, self._learn_names)
        self._do_what_waits()
        self._leave_if_idle()

    def _learn_names(self, answer: Answer) -> None:
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.UserList):
            for entry in answer.result.users:
                self._remember(entry.user)

    # What the server says -----------------------------------------------------------------------
    def receive_line(self, line: bytes) -> None:
        """Take one line from the server."""
        try:
            said = wire.decode_event(line)
        except MalformedRequestError as error:
            self.show_error(error.code, error.text)
            return
        if isinstance(said, wire.Ok | wire.Error):
            self._receive_answer(said)
        else:
            self._receive_event(said)
        self._leave_if_idle()

    def _receive_answer(self, answer: Answer) -> None:
        done = None if answer.id is None else self._pending.pop(answer.id, None)
        if done is not None:
            done(answer)
        elif isinstance(answer, wire.Error):
            self.show_error(answer.code, answer.text)

    def _receive_event(self, said: wire.ServerLine) -> None:
        match said:
            case wire.Message():
                self._remember(said.sender)
                self._events.append(_message(said))
            case wire.PresenceChanged():
                self._presence_changed(said)
            case wire.SessionStarted():
                self._session_started(said.partner)
            case wire.SessionEnded():
                self._session_over(said.partner, said.reason)
            case wire.Notice():
                self.notice(said.text)
            case wire.Welcome():
                if said.motd:
                    self.notice(said.motd)
            case wire.Kicked():
                self.kicked = said
                self.closing_reason = f"kicked by {said.by}"
                self._events.append(events.Kicked(by=said.by, reason=said.reason))
            case wire.Closing():
                self.closing_reason = said.reason

    def _presence_changed(self, said: wire.PresenceChanged) -> None:
        self._remember(said.user)
        if said.user == self.user:
            self.presence = said.presence
        self._events.append(events.PresenceChanged(user=said.user, presence=said.presence))

    def _session_started(self, partner: str) -> None:
        self._remember(partner)
        self._enter_session(partner)
        self._events.append(events.Session(partner=partner, event_="started"))

    def _enter_session(self, partner: str) -> None:
        if self.partner:
            return
        self._before_session = self.conversation
        self.partner, self.presence, self.conversation = partner, "BUSY", f"@{partner}"

    def _session_over(self, partner: str, reason: str) -> None:
        self._events.append(events.Session(partner=partner, event_="ended", reason=reason))
        if self._hanging_up:
            self._back_from_session()
            return
        # A line typed for one person must not reach the lobby because that person left a moment earlier.
        self.partner = ""
        if self.state is State.READY:
            self.presence = "FREE"
        if self.conversation == f"@{partner}":
            self.notice(f"what you type still goes to {partner}, as a direct message; /go lobby for everybody")

    def _back_from_session(self) -> None:
        """The person ended the session: bare lines go where they went before it."""
        self._hanging_up = False
        if self.conversation == f"@{self.partner}":
            self.conversation = self._before_session
        if self.partner:
            self.partner, self.presence = "", "FREE"

    def _remember(self, name: str) -> None:
        """Keep a name for completion, the latest ones last."""
        name = name.removeprefix("@")
        if name == names.LOBBY:
            return
        self._known_names.pop(names.folded(name), None)
        self._known_names[names.folded(name)] = name
        if len(self._known_names) > MAX_KNOWN_NAMES:
            del self._known_names[next(iter(self._known_names))]


def iso_time(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds, of ms since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return "unknown"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def _message(said: wire.Message) -> events.Message:
    return events.Message(
        conversation=said.conversation,
        kind=said.kind,
        seq=said.seq,
        sender=said.sender,
        text=said.body,
        time=iso_time(said.time),
        ulid=said.ulid,
        encryption="none",
        signature="none",
        trust="none",
    )


def _encoded_length(text: str) -> int:
    try:
        return len(wire.encode(text))
    except UnicodeEncodeError:
        raise UsageError("the text is not valid Unicode: type it as UTF-8") from None


def _is_quit(line: str) -> bool:
    return line.strip().casefold() == "/quit"


def _over_limit(error: Exception) -> str:
    """msgspec's ``... - at `$.user``` with the field's name in plain words."""
    text, _, place = str(error).partition(" - at `$.")
    return f"{place.rstrip('`').upper()}: {text}" if place else text
