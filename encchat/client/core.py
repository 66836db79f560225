"""The client's core: typed lines and server lines in, requests and screen events out; knows no sockets, no terminal.

Theory of operation. A shell owns the connection and the face. It calls `connected` when the channel stands,
`receive_line` for each line from the server, `typed` for each line of the person, `lost` when the connection
is gone; after each call it takes `lines_to_send` and `events_to_show`, answers `take_question` if there is
one, and leaves once `finished`. The shell logs in by `request`; the `LoggedIn` answer makes the core fetch
the server's command list, send again what was not accepted, and then do what was typed meanwhile.

    STARTING --command list--> READY --lost--> AWAY_FROM_SERVER --command list--> READY
    READY --to leave and idle--> LEAVING --answered or lost--> finished

How much the client wants to leave only grows: STAYING, then AFTER_ALL (the input has ended: once everything is
accepted, however often the connection is lost meanwhile), QUITTING (the person said so: once everything is
accepted, but not over a lost connection), FINISHED.

After a login the command list and the rooms are fetched first (`encchat.client.arrival`), then the device's inbox is
read, then the logs: a message finds its room and its key here.

Lines are done in the order they were typed (`encchat.client.typed`). Those typed before the first login, or behind a
request that decides what they mean (who a bare line goes to, what may be done), wait.

A message stays in the outbox until the server has accepted it; after a reconnect, or by the next client on the same
store, it goes again under the same ULID, which the server answers with the same seq. Everything else that waits for
an answer when the connection goes is answered by an error here, because doing it again later could surprise.

What the server says is sorted by `encchat.client.hearing`: messages go to `encchat.client.inbox`, all else is known and
shown by `encchat.client.world`. What is encrypted end to end goes through `encchat.client.privacy` on both ways; what
is left to do there is done in slices by `work`, which the shell calls as long as the core is `busy`.

Whatever a turn changes in the store waits in the ledger, and `lines_to_send` and
`events_to_show` commit it before they give anything away: a message is in the outbox before it is on the wire, a
received one is kept and the cursor moved before it is shown and acknowledged.

The module is long because the parts of the client meet here and nowhere else: a method for each thing that the shell
and the commands may do, most of them a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from attrs import define, field

from encchat import wire
from encchat.client import events, screen
from encchat.client.answers import Answers
from encchat.client.arrival import Arrival
from encchat.client.aside import Workshop
from encchat.client.classic import from_classic
from encchat.client.commands import Suggestion
from encchat.client.files.actions import FileActions
from encchat.client.files.disk import Files, NoFiles
from encchat.client.files.transfers import Transfers
from encchat.client.floor import Failed, Then
from encchat.client.generic import Value
from encchat.client.hearing import Hearing
from encchat.client.keyboard import Keyboard
from encchat.client.keys.actions import TrustActions
from encchat.client.ledger import Ledger
from encchat.client.mail import Mail
from encchat.client.privacy import Privacy
from encchat.client.requests import Done, Requests
from encchat.client.rooms.actions import RoomActions
from encchat.client.rooms.known import Rooms
from encchat.client.settings import Settings
from encchat.client.states import Asked, Ending, Question, State
from encchat.client.store import MemoryStore, Outgoing, Store, StoredMessage
from encchat.client.terminal.history import TypedLines
from encchat.client.typed import TypedAhead, Typist
from encchat.client.world import World
from encchat.e2e.interfaces import Scheme
from encchat.e2e.machine import Machine
from encchat.e2e.schemes import default_schemes
from encchat.errors import (
    MalformedRequestError,
    NotConnectedError,
    StoreError,
    UsageError,
)
from encchat.limits import MAX_WAITING
from encchat.ulids import UlidMaker

__all__ = ["ClientCore", "Ending", "Question", "State"]


@define
class ClientCore:
    """One client; see the module's theory of operation.

    ``clock`` gives seconds since 1970 UTC, ``random(n)`` n random bytes. ``classic``: take the bare words of older
    chats. ``interactive``: a person sits there, who need not wait to leave. ``store`` can be another one by `use`,
    before the first login. ``files`` are those that commands may read and write, ``schemes`` makes the ways to encrypt,
    ``settings`` is what the person has chosen.
    """

    _clock: Callable[[], float]
    random: Callable[[int], bytes]
    classic: bool = False
    interactive: bool = False
    _store: Store = field(factory=MemoryStore)
    files: Files = field(factory=NoFiles)
    _schemes: Callable[[], Iterable[Scheme]] = default_schemes
    settings: Settings = field(factory=Settings)
    unread: Callable[[], Sequence[events.Unread]] = field(init=False, default=tuple)
    """Says what the face has not shown yet; the shell may set it."""
    state: State = field(init=False, default=State.STARTING)
    ending: Ending = field(init=False, default=Ending.STAYING)
    _requests: Requests = field(init=False, factory=Requests)
    _ahead: TypedAhead = field(init=False, factory=TypedAhead)
    _question: Question | None = field(init=False, default=None)
    _events: list[events.ScreenEvent] = field(init=False, factory=list)
    new_ulid: UlidMaker = field(init=False)
    workshop: Workshop = field(init=False)
    """Whose ``aside`` the shell may set."""
    room_actions: RoomActions = field(init=False)
    trust_actions: TrustActions = field(init=False)
    file_actions: FileActions = field(init=False)
    transfers: Transfers = field(init=False)
    """Files on their way."""
    _world: World = field(init=False)
    _answers: Answers = field(init=False)
    _ledger: Ledger = field(init=False)
    _keyboard: Keyboard = field(init=False)
    _privacy: Privacy = field(init=False)
    _mail: Mail = field(init=False)
    _typist: Typist = field(init=False)
    _arrival: Arrival = field(init=False)
    _hearing: Hearing = field(init=False)
    _device: str = field(init=False, default="")
    _broken: StoreError | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.new_ulid = UlidMaker(self._clock, self.random)
        self.room_actions, self.trust_actions = RoomActions(self), TrustActions(self)
        requests, ahead, fail = self._requests, self._ahead, self.show_error
        world, ledger = World(self.show), Ledger(self._store)
        self._world, self._ledger = world, ledger
        self._typist = Typist(self, ahead, fail, self._blocked, self._is_quitting, self.interactive, self._remember)
        go_on, show_message = self._typist.go_on, self._show_message
        self._arrival = Arrival(requests, world, self.room_actions, self._ready)
        granted = partial(self._arrival.fetch_commands, lambda: None)
        self._answers = Answers(requests, ahead, world, fail, granted, go_on)
        clock, random, ulid, tell = self._clock, self.random, self.new_ulid, self.trust_actions.tell
        self.workshop = Workshop(self._act)
        self.transfers = Transfers(self, ledger, clock, self.workshop, self._leave_if_idle)
        self.file_actions = FileActions(self, ledger, self.transfers)
        lines = TypedLines(ledger)
        self._keyboard = Keyboard(world, lambda: self.rooms, self.files, self.file_actions, self.settings, lines)
        self._privacy = privacy = Privacy(
            ledger, requests, clock, random, ulid, tell, show_message, self._schemes, self.workshop
        )
        filed = self.file_actions.remember
        self._mail = Mail(ledger, requests, privacy, self.show, show_message, fail, self._settled, filed)
        self._mail.remembers = self.interactive
        self.transfers.use()
        self._hearing = Hearing(requests, ahead, world, self._mail, privacy, self.room_actions, fail, go_on)

    def use(self, store: Store) -> None:
        """Take up what ``store`` holds of an earlier run; raise `StoreError` if it cannot be read."""
        self._ledger.store = store
        self._privacy.use()
        self._mail.use()
        self._keyboard.lines.reread()
        self.file_actions.use()
        self.transfers.use()

    # What the shell takes after every call ------------------------------------------------------
    def lines_to_send(self) -> list[bytes]:
        """Take the lines for the server, without delimiters; commits, so it can raise `StoreError`."""
        self._commit()
        return self._requests.take_lines()

    def events_to_show(self) -> list[events.ScreenEvent]:
        """Take what is to be shown; commits, so it can raise `StoreError`."""
        self._commit()
        taken, self._events = self._events, []
        return taken

    def take_question(self) -> Question | None:
        """Take what the person is to be asked."""
        taken, self._question = self._question, None
        return taken

    @property
    def user(self) -> str:
        """The name this client is logged in under."""
        return self._world.user

    @property
    def presence(self) -> wire.Presence:
        """How others see this account."""
        return self._world.presence

    @property
    def kicked(self) -> wire.Kicked | None:
        """Who ended this client's connections, if anybody did."""
        return self._world.kicked

    @property
    def server_commands(self) -> Mapping[str, wire.CommandEntry]:
        """The server's commands that are not in `encchat.client.commands.COMMANDS`, by how they are typed."""
        return self._world.server_commands

    @property
    def machine(self) -> Machine | None:
        """The end-to-end keys; None where there is no durable store for them."""
        return self._privacy.machine

    @property
    def rooms(self) -> Rooms:
        """The rooms this account is in."""
        return self._privacy.rooms

    @property
    def ringing(self) -> str:
        """Who calls and waits for an answer, empty if nobody."""
        return self._world.ringing

    @property
    def conversation(self) -> str:
        """Where a bare line goes."""
        return self._world.conversation

    @property
    def idle(self) -> bool:
        """Whether nothing waits: no line typed ahead, no message unaccepted, no request unanswered, all keys there."""
        waits = self._ahead or self._mail.unaccepted or self._requests or self._privacy.starting
        return not (waits or self.workshop.making or (self.transfers.active and not self._goes_on_later))

    @property
    def _goes_on_later(self) -> bool:
        """Whether files on their way need not be waited for: a person has said to leave, and the store knows them."""
        return self.interactive and self.ending is Ending.QUITTING and self._ledger.store.durable

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        return self._broken is None and (self._privacy.busy or self._mail.lanes.busy or self.transfers.busy)

    def work(self) -> None:
        """Do a slice of what is left to do, at most some 50 ms."""
        self._act(self._work)

    @property
    def keyless(self) -> bool:
        """Whether a message waits for somebody to have keys: `look_again`, a little later."""
        return self._mail.lanes.keyless

    def look_again(self) -> None:
        """See whether those who had no keys have any now."""
        self._guarded(self._mail.lanes.look_again)

    def look(self) -> None:
        """Some time has passed: `work` may have something to do about keys."""
        self._guarded(self._privacy.look)

    def _work(self) -> None:
        self._privacy.work()
        self.room_actions.work()
        self._mail.lanes.work()
        self.transfers.work()
        self._typist.go_on()

    @property
    def distrusted(self) -> bool:
        """Whether a message was refused because of somebody's key."""
        return self._mail.distrusted

    @property
    def waiting(self) -> int:
        """How many messages wait for a connection."""
        return 0 if self.state in (State.READY, State.LEAVING) else self._mail.unaccepted

    @property
    def full(self) -> bool:
        """Whether so much waits that nothing more should be read from a pipe."""
        return self._mail.unaccepted + len(self._ahead) >= MAX_WAITING

    @property
    def finished(self) -> bool:
        """Whether the client may go."""
        return self.ending is Ending.FINISHED

    @property
    def unaccepted(self) -> int:
        """How many messages and lines the server has not taken yet."""
        return self._mail.unaccepted + self._ahead.unaccepted

    @property
    def sync_refused(self) -> bool:
        """Whether the server has refused something for a while: `catch_up` asks again, a little later."""
        return self._mail.inbox.refused or self._mail.lanes.stuck or self.transfers.stuck

    def catch_up(self) -> None:
        """Ask again what is missing, and send again what was refused, if there is a connection."""
        if self.state is State.READY:
            self._mail.inbox.catch_up()
            self._mail.retry()
            self._guarded(self.transfers.retry)

    def _commit(self) -> None:
        if self._broken is not None:
            raise self._broken
        self._mail.commit()
        if self.state is State.READY:
            self._mail.inbox.acknowledge()

    # What the person does -----------------------------------------------------------------------
    def typed(self, line: str) -> None:
        """Do what one typed line says, or keep it until what it depends on has been answered."""
        self._typist.typed(from_classic(line) if self.classic else line)
        self._guarded(self._keyboard.forget)
        self._leave_if_idle()

    def end_of_input(self) -> None:
        """Nothing more will be typed: leave once everything is accepted."""
        self.ending = max(self.ending, Ending.AFTER_ALL)
        self._leave_if_idle()

    def complete(self, typed: str) -> list[Suggestion]:
        """The words that fit at the end of ``typed``."""
        return self._keyboard.complete(typed)

    def typed_before(self) -> list[str]:
        """The lines that are remembered of this run and those before, oldest first; raise `StoreError`."""
        return self._keyboard.lines.all()

    def _remember(self, line: str) -> None:
        if self.interactive:
            self._guarded(partial(self._keyboard.remember, line))

    def _settled(self, conversation: str) -> None:
        self._world.meet(conversation)
        self._typist.go_on()
        self._leave_if_idle()

    def _is_quitting(self) -> bool:
        return self.ending >= Ending.QUITTING

    def _blocked(self) -> bool:
        if self.state is State.STARTING or (self.machine is not None and self.machine.undecided):
            return True  # what is said of a room without the identity key is signed by nobody
        # On a pipe what comes after a message is done after it, a goodbye or a message to others too.
        return self._has_enough or (not self.interactive and self._mail.lanes.unsent)

    @property
    def _has_enough(self) -> bool:
        """Whether a pipe has filled the outbox; a person, who sees what waits, is not held up."""
        return not self.interactive and self._mail.unaccepted >= MAX_WAITING

    # What commands do (encchat.client.commands.Actor) ---------------------------------------------
    def ask(
        self,
        label: str,
        kind: type[wire.Request],
        *,
        then: Then | None = None,
        failed: Failed | None = None,
        **fields: Any,
    ) -> None:
        """Send a request (`encchat.client.floor.Floor.ask`)."""
        self.needs_connection()
        self._answers.ask(Asked(label, kind, fields, then, failed))

    def ask_quietly(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """Send a request that nobody waits for."""
        try:
            self._requests.send_quietly(kind, done, **fields)
        except UsageError as error:  # a server's words need not fit our limits
            done(wire.Error(code=error.code, text=error.text))

    def ask_server(self, verb: str, fields: Mapping[str, Value]) -> None:
        """Send a command that only the server knows."""
        self.needs_connection()
        self._answers.ask_generic(verb, fields)

    def say(
        self,
        label: str,
        conversation: str,
        body: str,
        done: Done | None = None,
        *,
        content: Literal["text", "topic", "file"] = "text",
        ulid: str = "",
    ) -> str:
        """Put a message into the outbox and, where there is a connection, on its way; returns its ULID.

        ``done`` takes the answer; without it an error is shown with ``label`` before it.
        """
        message = Outgoing(ulid or self.new_ulid(), conversation, body, content)
        connected = self.state is State.READY
        self._mail.post(label, message, done, connected=connected)
        if not connected and done is None:
            self.notice(f"not connected: {self.unaccepted} waiting, sent when the connection is back")
        return message.ulid

    def show_past(self, conversation: str, count: int) -> None:
        """Show the newest messages of a conversation that are kept here."""
        self._mail.show_past(conversation, count)

    def past(self, conversation: str, count: int) -> list[events.Said]:
        """The newest messages of a conversation that are here, oldest first; raise `StoreError`."""
        return self._mail.past(conversation, count)

    def show_unread(self) -> None:
        """Show what the face has not shown yet."""
        self.show(events.UnreadList(conversations=list(self.unread())))

    def show_mentions(self) -> None:
        """Show the newest messages that name this account."""
        self._mail.show_mentions()

    def find(self, text: str) -> None:
        """Show the newest messages kept here that have all words of ``text``."""
        self._mail.find(text)

    def notice(self, text: str) -> None:
        """Show ``text``."""
        self._events.append(events.Notice(text=text))

    def show(self, event: events.ScreenEvent) -> None:
        """Show an event."""
        self._events.append(event)

    def _show_message(self, message: StoredMessage, missed: bool) -> None:
        if not message.seq:
            self._mail.pass_by(message)
        if message.content == "sealed" and message.seq and self._privacy.hold(message, missed):
            return
        for held, was_missed in self._privacy.told(message):
            self.show(screen.message(held, missed=was_missed))
        if message.content == "event":
            self.room_actions.heard(message, missed=missed)
            self._mail.retry()
        elif message.content == "topic":
            self.room_actions.topic_set(message.conversation, message.sender, message.body, missed=missed)
        else:
            if message.content not in ("text", "sealed"):
                self.file_actions.remember(message)
            self.show(screen.message(message, missed=missed))

    def unreadable(self, ulid: str) -> tuple[str, str, str] | None:
        """The message of that ULID, the latest for "", that could not be opened: its ULID, the reason, its session."""
        return self._privacy.unreadable(ulid) or self.file_actions.unreadable(ulid)

    def meet(self, name: str) -> None:
        """Remember an account name for completion."""
        self._world.meet(name)

    def show_error(self, code: str, text: str, label: str = "") -> None:
        """Show an error; ``label`` is the command it is about."""
        self._events.append(events.Error(code=code, text=f"{label}: {text}" if label else text))

    def go(self, conversation: str) -> None:
        """Bare lines go to ``conversation`` from now on."""
        self._world.go(conversation)

    def ask_secret(self, prompt: str, then: Callable[[str], None], otherwise: str, label: str = "") -> None:
        """Let the person type a secret (`encchat.client.floor.Floor.ask_secret`)."""
        self._question = Question(
            prompt, lambda secret: self._answers.guard(label, lambda: then(secret)), otherwise, label
        )

    def leave(self) -> None:
        """Leave once everything is accepted; at once where nobody could accept it, or when said twice."""
        at_once = self.ending >= Ending.QUITTING or self.state is not State.READY
        self.ending = max(self.ending, Ending.QUITTING)
        if at_once:
            self._go_away()
        self._leave_if_idle()

    def needs_connection(self) -> None:
        """Raise `NotConnectedError` without one."""
        if self.state is not State.READY:
            raise NotConnectedError("there is no connection now: try again when it is back")

    def _leave_if_idle(self) -> None:
        if self.ending is not Ending.STAYING and self.idle and self.state is State.READY:
            self.state = State.LEAVING
            self.request(wire.Quit, lambda _: self._go_away())

    def _go_away(self) -> None:
        if self.unaccepted and not self.finished:
            self.show_error(NotConnectedError.code, self._mail.left_behind(self.unaccepted))
        if self.transfers.active and not self.finished:
            self.notice(self.transfers.left_behind())
        self.ending = Ending.FINISHED

    # Requests and their answers -----------------------------------------------------------------
    def request(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """Send a request whose answer ``done`` takes; also the shell's way to log in."""
        self._requests.send(kind, done, **fields)

    # The connection's life ----------------------------------------------------------------------
    def connected(self, server: str, fingerprint: str, suite: str, new_pin: bool) -> None:
        """The channel stands; the shell may log in now."""
        self._world.closing_reason = ""
        self._events.append(events.Connected(server=server, fingerprint=fingerprint, suite=suite, new_pin=new_pin))

    def logged_in(self, result: wire.LoggedIn) -> None:
        """The login was answered: fetch the command list and the rooms, then send what waits."""
        self._mail.user = self._privacy.user = self.rooms.user = result.user
        self._device = result.device
        self._world.logged_in(result)
        self._arrival.begin()

    def lost(self, reason: str) -> None:
        """The connection is gone, for ``reason``; the server's own counts for more. Empty: this side closed it."""
        if self.state is State.LEAVING or self.ending >= Ending.QUITTING:
            self._go_away()
            return
        if self.state is State.READY:
            self.state = State.AWAY_FROM_SERVER
        self._arrival.lost()
        self._requests.forget()
        self._privacy.lost()
        self._mail.lost()
        self.transfers.lost()
        self._world.lost()
        if reason:
            self._events.append(events.Disconnected(reason=self._world.closing_reason or reason))
        self._typist.go_on()

    def reconnecting(self, seconds: float) -> None:
        """The shell tries again in ``seconds``."""
        self._events.append(events.Reconnecting(seconds=round(seconds, 3)))

    def _ready(self) -> None:
        self.state = State.READY
        self._world.resumed_or_not()
        self._privacy.start(self._device, self._mail.inbox.catch_up)
        self._mail.send_again()
        self.transfers.connected()
        if self.interactive:
            self.request(wire.Users, self._world.learn_names)
        self._typist.go_on()
        self._leave_if_idle()

    # What the server says -----------------------------------------------------------------------
    def receive_line(self, line: bytes) -> None:
        """Take one line from the server."""
        try:
            said = wire.decode_event(line)
        except MalformedRequestError as error:
            self.show_error(error.code, error.text)
            return
        self._act(lambda: self._hearing.take(said))

    def _act(self, act: Callable[[], None]) -> None:
        self._guarded(act)
        self._leave_if_idle()

    def _guarded(self, act: Callable[[], None]) -> None:
        """A store that breaks stops the client at the next commit."""
        try:
            act()
        except StoreError as error:
            self._broken = error
