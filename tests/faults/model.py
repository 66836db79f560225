"""A device of a few lines with an outbox and cursors of its own, to try the server without the real client.

It does what design section 7 asks of a client: the outbox before the wire and the same ULID after a reconnect; a
message is shown with the cursor's move, which is acked after it; a gap is synced, what it has already is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from encchat import wire
from encchat.errors import ChannelError
from encchat.secure import DEFAULT_SUITE, Channel, ClientKeys, default_suites
from encchat.ulids import UlidMaker
from tests.envelopes import content
from tests.faults.auditor import entry_of, read_page
from tests.faults.bench import PASSWORD, Bench
from tests.faults.checker import Entry, Told, canonical
from tests.raw import RawClient

reactor: Any = _reactor
_GONE = (AssertionError, ChannelError, ConnectError, ConnectionClosed, TimeoutError)
"""What a connection that is cut at any moment looks like from here."""


@define(eq=False, slots=False)
class _Line(RawClient):
    """One connection of a model; what nobody asked for goes to the model."""

    on_line: Callable[[wire.ServerLine], bool] = field(kw_only=True)
    gone: Deferred[None] = field(factory=Deferred)

    def _line(self, line: wire.ServerLine) -> None:
        if not self.on_line(line):
            super()._line(line)

    def connectionLost(self, reason: Failure | None = None) -> None:
        super().connectionLost(reason)
        self.gone.callback(None)


@define(eq=False)
class Model:
    """One device of an account; it lives, and reconnects, until `leave`."""

    told: Told
    port: int
    random: Random
    patience: float = 0.3
    """The longest wait before a new attempt, in seconds."""
    on_told: Callable[[], None] = lambda: None
    refusals: list[str] = field(factory=list)
    cursors: dict[str, int] = field(factory=dict)
    outbox: dict[str, tuple[str, str]] = field(factory=dict)
    _key: X25519PrivateKey = field(factory=X25519PrivateKey.generate)
    _line: _Line | None = None
    _known: bool = False
    _sent: set[str] = field(factory=set)
    _asked: dict[int, str] = field(factory=dict)
    _heard: dict[str, int] = field(factory=dict)
    """The highest seq heard of, by conversation."""
    _syncing: set[str] = field(factory=set)
    _life: Deferred[None] | None = None
    _next_ulid: UlidMaker = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._next_ulid = UlidMaker(reactor.seconds, self.random.randbytes)

    def __str__(self) -> str:
        state = "offline" if self._line is None else f"online, waits for {self._line._waiting}"
        return f"{self.told.device}: {state}; outbox {len(self.outbox)}; cursors {self.cursors}; heard {self._heard}"

    @property
    def speaks(self) -> bool:
        """Always: what cannot be sent waits."""
        return True

    def say(self, conversation: str, text: str) -> None:
        """Into the outbox, and on its way if there is one."""
        ulid = self._next_ulid()
        self.outbox[ulid] = (conversation, text)
        if self._line is not None:
            self._send(ulid)

    # Its life ------------------------------------------------------------------------------------
    async def begin(self, register: bool) -> None:
        """Log in for the first time, then live on."""
        line = await self._connect()
        kind = wire.Register if register else wire.Login
        answer = await line.request(kind, user=self.told.account, password=PASSWORD)
        assert isinstance(answer, wire.Ok), answer
        self._life = Deferred.fromCoroutine(self._live(line))

    async def leave(self) -> None:
        """Be gone for good."""
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            await life
        if self._line is not None:
            await self._line.leave()

    async def _live(self, line: _Line | None) -> None:
        while True:
            try:
                line = line or await self._back()
                await self._catch_up(line)
                await line.gone
            except CancelledError:
                self._line = line
                return
            except _GONE:
                if line is not None and not line.is_closed:
                    line.reset()
            line = self._line = None
            self._asked.clear()
            self._syncing.clear()
            try:
                await deferLater(reactor, self.random.uniform(0.01, self.patience))
            except CancelledError:
                return

    async def _connect(self) -> _Line:
        channel = Channel.initiator(default_suites()[DEFAULT_SUITE], ClientKeys(self._key))
        line: _Line = await connectProtocol(
            TCP4ClientEndpoint(reactor, "127.0.0.1", self.port, timeout=5), _Line(channel, on_line=self._told_by_server)
        )
        await line.secured
        return line

    async def _back(self) -> _Line:
        line = await self._connect()
        answer = await line.request(wire.LoginDevice, user=self.told.account)
        if not isinstance(answer, wire.Ok):
            line.reset()
            raise AssertionError(f"{self.told.device} does not get in: {answer}")
        return line

    async def _catch_up(self, line: _Line) -> None:
        answer = await line.request(wire.Conversations)
        assert isinstance(answer, wire.Ok), answer
        assert isinstance(answer.result, wire.ConversationList), answer
        self._line = line
        for row in answer.result.conversations:
            self._hears_of(row.conversation, row.last_seq)
        for ulid in list(self.outbox):
            self._send(ulid)

    # What the server says ------------------------------------------------------------------------
    def _told_by_server(self, said: wire.ServerLine) -> bool:
        """Whether it was for the model itself."""
        match said:
            case wire.Message():
                self._message(said.conversation, entry_of(said))
            case wire.Behind():
                for name in self.cursors:
                    self._sync(name)
            case wire.Ok() | wire.Error() if said.id in self._asked:
                self._answered(self._asked.pop(said.id), said)
            case _:
                return False
        return True

    def _send(self, ulid: str) -> None:
        assert self._line is not None
        conversation, text = self.outbox[ulid]
        self._asked[
            self._line.ask(
                wire.Send, conversation=conversation, ulid=ulid, **content(conversation, text, self._line.device)
            )
        ] = ulid

    def _answered(self, ulid: str, said: wire.Ok | wire.Error) -> None:
        conversation, text = self.outbox.pop(ulid, ("", ""))
        if isinstance(said, wire.Error):
            self.told.refused += 1
            self.refusals.append(said.code)
        elif isinstance(said.result, wire.Sent) and ulid not in self._sent:
            self._take(conversation, Entry(said.result.seq, ulid, self.told.account, text))
        self.on_told()

    def _message(self, conversation: str, entry: Entry) -> None:
        if entry.seq == self.cursors.get(conversation, 0) + 1:
            self._take(conversation, entry)
        else:
            self._hears_of(conversation, entry.seq)

    def _take(self, conversation: str, entry: Entry) -> None:
        """Show one message; the cursor follows where nothing is left out before it."""
        name = canonical(self.told.account, conversation)
        mine = entry.ulid in self.outbox or entry.ulid in self._sent
        cursor = self.cursors.setdefault(conversation, 0)
        if entry.ulid not in self._sent:
            self._sent.add(entry.ulid)
            if mine or self._is_answer(entry):
                self.outbox.pop(entry.ulid, None)
                self.told.was_sent(name, entry.seq, entry.ulid)
            else:
                self.told.was_shown(name, entry)
        if entry.seq == cursor + 1:
            self.cursors[conversation] = entry.seq
            if self._line is not None:
                self._line.ask(wire.Ack, conversation=conversation, seq=entry.seq)
        elif entry.seq > cursor:
            self._hears_of(conversation, entry.seq)
        self.on_told()

    def _is_answer(self, entry: Entry) -> bool:
        return entry.sender == self.told.account and (self.told.device in entry.text.split())

    def _hears_of(self, conversation: str, seq: int) -> None:
        self._heard[conversation] = max(seq, self._heard.get(conversation, 0))
        if self._heard[conversation] > self.cursors.setdefault(conversation, 0):
            self._sync(conversation)

    def _sync(self, conversation: str) -> None:
        if conversation not in self._syncing and self._line is not None:
            self._syncing.add(conversation)
            Deferred.fromCoroutine(self._read(self._line, conversation))

    async def _read(self, line: _Line, conversation: str) -> None:
        try:
            while line is self._line:
                cursor = self.cursors[conversation]
                page = await read_page(line, conversation, cursor)
                for message in page.messages:
                    if message.seq > self.cursors[conversation]:
                        self._from_page(conversation, entry_of(message))
                if self.cursors[conversation] >= max(page.last_seq, self._heard.get(conversation, 0)):
                    return
                if not page.messages:
                    return
        except _GONE:
            return
        finally:
            if line is self._line:
                self._syncing.discard(conversation)

    def _from_page(self, conversation: str, entry: Entry) -> None:
        """A page may leave seqs out (retention, a restore): the cursor jumps over them."""
        self.cursors[conversation] = entry.seq - 1
        self._take(conversation, entry)


async def add_models(bench: Bench, accounts: Sequence[str], each: int, port: int = 0) -> list[Model]:
    """Make ``each`` devices of every account and add them to the run."""
    models = []
    for account in accounts:
        for number in range(1, each + 1):
            told = Told(f"{account}-{number}", account)
            chance = Random(f"{bench.seed}:{told.device}")  # noqa: S311 - a run has to be the same every time
            model = Model(told, port or bench.port, chance)
            await model.begin(register=number == 1)
            bench.test.addCleanup(lambda model=model: Deferred.fromCoroutine(model.leave()))
            bench.add(model)
            models.append(model)
    return models
