"""A client's process: the real core and connection, logging in by device key, that loses its memory when it crashes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
from attrs import define, field, frozen
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from encchat import wire
from encchat.client import events
from encchat.client.connection import ClientConnection
from encchat.client.core import ClientCore, State
from encchat.client.requests import Answer
from encchat.client.store import StoredMessage
from encchat.errors import EncchatError, StoreError
from encchat.limits import KEYS_AGAIN_SECONDS, LOOK_SECONDS, SYNC_AGAIN_SECONDS
from tests.simulation.network import Crashed, End
from tests.simulation.storage import Storage
from tests.simulation.timing import SkewedClock, WorldClock


class Connection(ClientConnection):
    """The client's own, which says when it is secured."""

    def __init__(self, core: ClientCore, changed: Callable[[], None], made: Callable[[], None]) -> None:
        super().__init__(core, changed)
        self.connectionMade = made


Reach = Callable[["Device", SkewedClock, Connection], "End | None"]
"""Connects a device's protocol, on its clock, to the server; None if there is none."""


@frozen
class Typed:
    """A message somebody typed; ``kept`` once the client had taken it into its outbox, as ``ulid``."""

    conversation: str
    body: str
    kept: bool
    ulid: str = ""


@define(eq=False)
class Device:
    """One installation: its storage and what was shown on its screen outlive its processes.

    ``first`` is the cursor at which each conversation begins for it, by the store's keys.
    """

    user: str
    number: int
    private_key: X25519PrivateKey
    first: dict[str, int]
    storage: Storage
    _clock: WorldClock
    _random: Random
    _reach: Reach
    _dead: Callable[[Device], None]
    core: ClientCore | None = field(init=False, default=None)
    end: End | None = field(init=False, default=None)
    connection: Connection | None = field(init=False, default=None)
    error: float = field(init=False, default=0.0)
    crashes: int = field(init=False, default=0)
    shown: list[events.ScreenEvent] = field(init=False, factory=list)
    typed: list[Typed] = field(init=False, factory=list)
    clock: SkewedClock | None = field(init=False, default=None)
    sent: dict[str, dict[str, str]] = field(init=False, factory=dict)
    phrases: dict[str, str] = field(init=False, factory=dict)
    """The recovery phrases of all accounts, on paper."""
    _lacks_key: bool = field(init=False, default=False)
    _in_vain: bool = field(init=False, default=False)
    _asking_again: bool = field(init=False, default=False)
    _working: bool = field(init=False, default=False)
    _looking: bool = field(init=False, default=False)

    @property
    def key(self) -> bytes:
        """The raw public one, by which the server knows it."""
        return self.private_key.public_key().public_bytes_raw()

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.user}.{self.number}"

    @property
    def ready(self) -> bool:
        """Whether it is logged in and done with what comes after that."""
        return self.core is not None and self.core.state is State.READY

    @property
    def waiting(self) -> int:
        """Messages that are not accepted yet."""
        return 0 if self.core is None else self.core.unaccepted

    def unopened(self) -> list[str]:
        """What it has received and cannot read, and what is done about it."""
        rows = [row for name in self.storage.cursors() for row in self.storage.history(name, 1_000)]
        return [self._why(row) for row in rows if row.content == "sealed"]

    def _why(self, row: StoredMessage) -> str:
        machine = None if self.core is None else self.core.machine
        known = None if self.core is None else self.core.unreadable(row.ulid)
        said = "" if machine is None or known is None else machine.why(known[2])
        return f"{row.conversation} {row.seq} by {row.sender}: {row.reason}: {said}"

    # Its life ------------------------------------------------------------------------------------
    def start(self) -> None:
        """A new process over the old storage, unless there is one."""
        if self.core is None:
            self.clock = SkewedClock(self._clock, self.error)
            self.core = ClientCore(self.clock.seconds, self._random.randbytes, store=self.storage)
            self._asking_again = self._working = self._looking = False
            self._look(self.core)
            self._connect()

    def crash(self) -> None:
        """The process is killed: what it had not committed is gone."""
        if self.core is None or self.clock is None:
            return
        self.crashes += 1
        self.clock.die()
        self.core = self.clock = None
        end, self.end, self.connection = self.end, None, None
        if end is not None:
            end.die()
        self._dead(self)

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self.error += seconds
        if self.clock is not None:
            self.clock.error = self.error

    # What the person does ------------------------------------------------------------------------
    def type(self, conversation: str, body: str) -> None:
        """Type a message; the process may die of it."""
        core = self.core
        if core is None:
            return
        errors, ulid = len(self._errors()), ""
        try:
            ulid = core.say("", conversation, body)
            self._pump(core)
        except (Crashed, StoreError):
            self.typed.append(Typed(conversation, body, kept=False, ulid=ulid))
            self.crash()
        except EncchatError as error:  # as typed lines are: it is said, and not taken
            core.show_error(error.code, error.text)
            self.typed.append(Typed(conversation, body, kept=False))
        else:
            self.typed.append(Typed(conversation, body, kept=len(self._errors()) == errors, ulid=ulid))

    def resend(self) -> bool:
        """Send the last accepted message again, as if its answer had been lost; False if there is none."""
        core = self.core
        sent = [event for event in self.shown[-20:] if isinstance(event, events.Sent)]
        if core is None or core.state is not State.READY or not sent:
            return False
        again = self.sent.get(sent[-1].ulid)
        if again is None:
            return False
        for _ in range(2):
            core.request(wire.Send, lambda answer: self._resent(sent[-1], answer), **again)
        self._guarded(lambda: self._pump(core))
        return True

    def _resent(self, first: events.Sent, answer: Answer) -> None:
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Sent):
            result = answer.result
            self.shown.append(events.Sent(ulid=first.ulid, conversation=result.conversation, seq=result.seq))

    def _errors(self) -> list[events.Error]:
        return [event for event in self.shown if isinstance(event, events.Error)]

    # Its connection ------------------------------------------------------------------------------
    def _connect(self) -> None:
        core = self.core
        if core is None or self.clock is None:
            return
        connection = Connection(core, lambda: self._pump(core), lambda: self._made(core))
        self.connection = connection
        self.end = self._reach(self, self.clock, connection)
        if self.end is None:
            self._again()
            return
        self.end.crashed = self.crash
        self.end.lost = lambda: self._gone(core)

    def _made(self, core: ClientCore) -> None:
        core.connected("world", "fingerprint", "none", False)
        core.request(wire.LoginDevice, self._logged_in, user=self.user)
        if self.clock is not None:
            self.clock.callLater(0, self._guarded, lambda: self._pump(core))

    def _logged_in(self, answer: Answer) -> None:
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.LoggedIn) and self.core is not None:
            self.core.logged_in(answer.result)

    def _gone(self, core: ClientCore) -> None:
        if core is self.core:
            self.end = self.connection = None
            self._again()

    def _again(self) -> None:
        if self.clock is not None:
            self.clock.callLater(self._random.uniform(0.1, 1.0), self._connect)

    def _pump(self, core: ClientCore) -> None:
        if core is not self.core:
            return
        lines = core.lines_to_send()
        self._remember(lines)
        if core.busy and not self._working and self.clock is not None:
            self._working = True
            self.clock.callLater(0, self._guarded, lambda: self._work(core))
        if core.keyless and not self._looking and self.clock is not None:
            self._looking = True
            self.clock.callLater(KEYS_AGAIN_SECONDS, self._guarded, lambda: self._look_again(core))
        if lines and self.connection is not None:
            self.connection.send_lines(lines)
        new = core.events_to_show()
        self.shown += new
        self._recover(core, new)
        if core.sync_refused and not self._asking_again and self.clock is not None:
            self._asking_again = True
            self.clock.callLater(SYNC_AGAIN_SECONDS, self._ask_again, core)

    def _recover(self, core: ClientCore, new: list[events.ScreenEvent]) -> None:
        """Who is shown the phrase writes it down; who lacks the key types it."""
        for event in new:
            if isinstance(event, events.Recovery):
                self.phrases[self.user] = event.phrase
            elif isinstance(event, events.Warned) and event.code == "unvouched":
                self._lacks_key = True
            elif isinstance(event, events.Warned) and event.code == "vouched":
                self._lacks_key = self._in_vain = False
            elif isinstance(event, events.Warned) and event.code == "recovery":
                self._in_vain = True  # the other device has not put anything there yet: typed again, some seconds later
        if self._lacks_key and self.ready and self.user in self.phrases:
            self._lacks_key = False
            core.typed(f"/recover {self.phrases[self.user]}")
            self._pump(core)

    def _remember(self, lines: list[bytes]) -> None:
        """What was sent last, to be sent again."""
        for line in lines:
            if b'"type":"send"' in line:
                asked = msgspec.json.decode(line, type=wire.Send)
                fields = {"conversation": asked.conversation, "body": asked.body, "scheme": asked.scheme}
                self.sent = {asked.ulid: {"ulid": asked.ulid, **fields}}

    def _work(self, core: ClientCore) -> None:
        self._working = False
        if core is self.core:
            core.work()
            self._pump(core)

    def _look(self, core: ClientCore) -> None:
        """As the client's runner does every few seconds."""
        if core is self.core and self.clock is not None:
            self._lacks_key, self._in_vain = self._lacks_key or self._in_vain, False
            core.look()
            self._guarded(lambda: self._pump(core))
        if core is self.core and self.clock is not None:
            self.clock.callLater(LOOK_SECONDS, self._look, core)

    def _look_again(self, core: ClientCore) -> None:
        self._looking = False
        if core is self.core:
            core.look_again()
            self._pump(core)

    def _ask_again(self, core: ClientCore) -> None:
        self._asking_again = False
        if core.sync_refused:
            core.catch_up()
            self._guarded(lambda: self._pump(core))

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (Crashed, StoreError):
            self.crash()
