"""People at real cores, with real keys, connected to a real server in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet import defer, reactor

from encchat import wire
from encchat.client import events
from encchat.client.core import ClientCore, State
from encchat.client.files.disk import Files, NoFiles
from encchat.client.settings import Settings
from encchat.client.store import MemoryStore
from encchat.errors import StoreError
from tests.server.harness import LIMIT, PASSWORD, Client, Line, Server, ServerTestCase

Change = Callable[[Line], "Line | None"]
"""What a lying server makes of a line for a client; None: it says nothing."""


class _Connection(Client):
    """A connection whose lines go to a core."""

    person: Person | None = None

    def took(self, line: Line) -> None:
        super().took(line)
        if self.person is not None and self.person.connection is self:
            self.person.heard(line)


@define(eq=False)
class Person:
    """One device of somebody: the store outlives its cores, the cores their connections.

    ``lie`` changes what the server says before the core hears it.
    """

    server: Server
    name: str
    device: int
    store: Any = field(factory=lambda: MemoryStore(durable=True))
    interactive: bool = True
    skew: float = 0.0
    """Seconds by which its clock is ahead of the server's."""
    lie: Change = lambda line: line
    files: Files = field(factory=NoFiles)
    settings: Settings = field(factory=Settings)
    core: ClientCore = field(init=False)
    connection: _Connection | None = field(init=False, default=None)
    shown: list[events.ScreenEvent] = field(init=False, factory=list)
    sent: list[Line] = field(init=False, factory=list)
    _random: random.Random = field(init=False)
    _waiting: list[defer.Deferred[None]] = field(init=False, factory=list)
    broken: bool = field(init=False, default=False)
    _working: bool = field(init=False, default=False)
    _looking: Any = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.device)  # noqa: S311 - repeatable
        self.start()

    # Its life -------------------------------------------------------------------------------------
    def start(self) -> None:
        """A new process on the same store."""
        self.broken = self._working = False
        self._stop_looking()
        self.core = ClientCore(
            self._seconds,
            self._random.randbytes,
            interactive=self.interactive,
            store=self.store,
            files=self.files,
            settings=self.settings,
        )

    def _seconds(self) -> float:
        return self.server.time.seconds() + self.skew

    async def arrive(self, *, password: bool = False) -> Person:
        """Connect, register or log in, and wait until nothing is left to do."""
        connection = _Connection(self.server.factory, self.device.to_bytes(32, "big"))
        self.server.clients.append(connection)
        self.connection, connection.person = connection, self
        self.core.connected("localhost:5000", "SHA256:x", "noise", False)
        known = await self.server.store.account(self.name)
        if known is None:
            self.core.request(wire.Register, self._logged_in, user=self.name, password=PASSWORD)
        elif password:
            self.core.request(wire.Login, self._logged_in, user=self.name, password=PASSWORD)
        else:
            self.core.request(wire.LoginDevice, self._logged_in, user=self.name)
        self.pump()
        await self.until(lambda: self.core.state is State.READY)
        await self.settled()
        return self

    def _logged_in(self, answer: wire.Ok | wire.Error) -> None:
        if not isinstance(answer, wire.Ok) or not isinstance(answer.result, wire.LoggedIn):
            raise AssertionError(f"{self.name} was not let in: {answer}")
        self.core.logged_in(answer.result)

    def leave(self) -> None:
        """The connection is lost."""
        connection, self.connection = self.connection, None
        self._stop_looking()
        if connection is not None:
            connection.vanish()
            self.core.lost("gone")
            self.pump()

    def die(self) -> None:
        """The process is killed, and started again without a connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.vanish()
        self.start()

    # What happens ---------------------------------------------------------------------------------
    def heard(self, line: Line) -> None:
        """The server says something, or what it lies instead."""
        told = self.lie(line)
        if told is not None:
            self.core.receive_line(msgspec.json.encode(told))
            self.pump()

    def type(self, *lines: str) -> None:
        """Type lines."""
        for line in lines:
            self.core.typed(line)
        self.pump()

    def pump(self) -> None:
        """What the shell does after each call; a store that breaks is the end of the process."""
        try:
            self._pump()
        except StoreError:
            self.broken = True
            connection, self.connection = self.connection, None
            if connection is not None:
                reactor.callLater(0, connection.vanish)  # type: ignore[attr-defined]
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _pump(self) -> None:
        lines = self.core.lines_to_send()
        self.sent += [msgspec.json.decode(line) for line in lines]
        if lines and self.connection is not None:
            self.connection.write(b"".join(line + b"\n" for line in lines))
        self.shown += self.core.events_to_show()
        if self.core.busy and not self._working:
            self._working = True
            reactor.callLater(0, self._work, self.core)  # type: ignore[attr-defined]
        if self.core.keyless and self._looking is None and self.connection is not None:
            self._looking = reactor.callLater(0.02, self._look, self.core)  # type: ignore[attr-defined]

    def _work(self, core: ClientCore) -> None:
        self._working = False
        if core is self.core:
            core.work()
            self.pump()

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _look(self, core: ClientCore) -> None:
        self._looking = None
        if core is self.core:
            core.look_again()
            self.pump()

    # What is waited for ---------------------------------------------------------------------------
    async def until(self, true: Callable[[], Any]) -> Any:
        """Wait for it, `LIMIT` seconds at most; its value."""
        while self._alive() and not (value := true()):
            changed: defer.Deferred[None] = defer.Deferred()
            self._waiting.append(changed)
            try:
                await changed.addTimeout(LIMIT, reactor)  # type: ignore[arg-type]
            except defer.TimeoutError:
                raise AssertionError(f"{self.name} waited in vain; shown: {self.shown[-8:]}") from None
        return value

    def _alive(self) -> bool:
        if self.broken:
            raise StoreError(f"{self.name} is dead")
        return True

    async def settled(self) -> None:
        """Wait until nothing is asked, waited for or left to do."""
        await self.until(lambda: self.core.idle and not self.core.busy)

    async def sees(self, kind: type[events.ScreenEvent], **fields: Any) -> Any:
        """Wait for an event with these fields."""
        return await self.until(lambda: next(iter(self.seen(kind, **fields)), None))

    async def reads(self, text: str) -> events.Message:
        """Wait for a message with that text."""
        found: events.Message = await self.sees(events.Message, text=text)
        return found

    async def is_shown_the_keys_of(self, other: str, user: str) -> None:
        """The server says that the identity keys of ``other`` were those of ``user``; both are known here."""
        published: dict[str, Any] = {}

        def swapped(line: Line) -> Line:
            result = line.get("result") or {}
            for row in result["users"] if result.get("type") == "keys" else ():
                published[row["user"]] = row
                if row["user"] == user:
                    row["identities"] = published[other]["identities"]
            return line

        self.lie = swapped
        self.heard({"type": "keys_changed", "user": other})
        await self.until(lambda: other in published)
        self.heard({"type": "keys_changed", "user": user})
        await self.sees(events.KeyChanged, user=user)

    def seen(self, kind: type[events.ScreenEvent], **fields: Any) -> list[Any]:
        """The events so far with these fields."""
        return [
            event
            for event in self.shown
            if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items())
        ]

    def texts(self) -> list[str]:
        """The texts of all messages shown so far."""
        return [event.text for event in self.seen(events.Message)]


class PeopleTestCase(ServerTestCase):
    """A test with people at a server of its own."""

    async def people(self, *names: str, **settings: Any) -> tuple[Any, ...]:
        """Register them all; each has one device."""
        self.server = await self.serve(**settings)
        return tuple([await self.person(name, number) for number, name in enumerate(names, 1)])

    async def person(self, name: str, device: int, **options: Any) -> Person:
        """Somebody arrives at a new device."""
        person = Person(self.server, name, device, **options)
        self.addCleanup(person.leave)
        return await person.arrive(password=True)
