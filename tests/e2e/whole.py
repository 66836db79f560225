"""Whole clients at a whole server, over links that a test can cut, hold back, repeat and bend both ways."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from attrs import define, field
from twisted.internet import defer, reactor

from encchat.client import events
from encchat.client.store import MemoryStore
from encchat.server.auth import Authenticator
from encchat.server.factory import ChatFactory
from encchat.server.passwords import Cost, PasswordHasher
from encchat.server.settings import Settings
from encchat.server.store.restore import restore
from encchat.server.store.sqlite import SqliteStore
from tests.client.people import Change, PeopleTestCase, Person
from tests.server.harness import HOME, Line, Server


def results(kind: str, change: Callable[[Line], None]) -> Change:
    """A liar that lets ``change`` bend results of that type."""

    def lie(line: Line) -> Line:
        result = line.get("result")
        if isinstance(result, dict) and result.get("type") == kind:
            change(result)
        return line

    return lie


@define
class Held:
    """A link that holds back lines (or answers with results) of some types, and gives them out when told to."""

    types: tuple[str, ...]
    lines: list[Line] = field(factory=list)
    open: bool = False

    def __call__(self, line: Line) -> Line | None:
        inner = line.get("result") if line["type"] == "ok" else line
        if self.open or not isinstance(inner, dict) or inner["type"] not in self.types:
            return line
        self.lines.append(line)
        return None

    def let_go(self, person: Whole, order: Callable[[list[Line]], Any] = iter) -> None:
        """Everything that was held arrives, in that order; nothing is held any more."""
        self.open = True
        for line in list(order(self.lines)):
            person.heard(line)


@define(eq=False)
class Whole(Person):
    """A person whose words, too, may be changed on their way: ``bend`` sees every line for the server."""

    bend: Change = lambda line: line
    unanswered: set[int] = field(init=False, factory=set)

    def leave(self) -> None:
        super().leave()
        self.unanswered.clear()

    def die(self) -> None:
        self.unanswered.clear()
        super().die()

    def pump(self) -> None:
        connection: Any = self.connection
        if connection is not None and "write" not in vars(connection):
            connection.write = self._bent(connection.write)
        super().pump()

    def _bent(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def bent(data: bytes) -> None:
            lines = [msgspec.json.decode(line) for line in data.splitlines()]
            self.unanswered |= {line["id"] for line in lines}
            told = [self.bend(line) for line in lines]
            write(b"".join(msgspec.json.encode(line) + b"\n" for line in told if line is not None))

        return bent

    def heard(self, line: Line) -> None:
        if line["type"] in ("ok", "error"):
            self.unanswered.discard(line["id"])
        super().heard(line)
        self.pump()  # who waits for a line that was held back has to look, too

    # Its store ------------------------------------------------------------------------------------
    def copied(self) -> MemoryStore:
        """A backup of its store, as it is now."""
        kept: MemoryStore = copy.deepcopy(self.store)
        return kept

    def restore(self, kept: MemoryStore) -> None:
        """The process dies, and the next one is started over an earlier copy of the store."""
        self.store = kept
        self._random = random.Random(f"{self.device} again")  # noqa: S311 - repeatable
        self.die()

    # What a test looks at -------------------------------------------------------------------------
    @property
    def device_id(self) -> str:
        """As the server calls its device."""
        machine = self.core.machine
        return "" if machine is None else machine.device

    def codes(self) -> list[str]:
        """The codes of the warnings so far."""
        return [warned.code for warned in self.seen(events.Warned)]

    def keys_for(self) -> set[str]:
        """Whose devices it has sent keys to."""
        parcels = [parcel for line in self.sent if line["type"] == "send_parcels" for parcel in line["parcels"]]
        return {f"{parcel['user']}/{parcel['device']}" for parcel in parcels}

    def sessions(self, conversation: str) -> list[str]:
        """The Megolm sessions of its messages there, in order."""
        said = (line for line in self.sent if line["type"] == "send" and line["conversation"] == conversation)
        return [line["body"].split(".")[1] for line in said if line["scheme"] == "megolm"]

    def has_key(self, session: str) -> bool:
        """Whether its store has that Megolm session's key."""
        return any(row.startswith(session) for row in self.store.states("megolm-in"))


class WholeTestCase(PeopleTestCase):
    """A test with whole people at a server whose time, store and connections it holds in its hands."""

    async def people(self, *names: str, **settings: Any) -> tuple[Any, ...]:
        self.server = await self.serve(**settings)
        return tuple([await self.person(name, number) for number, name in enumerate(names, 1)])

    async def person(self, name: str, device: int, **options: Any) -> Whole:
        person = Whole(self.server, name, device, **options)
        self.addCleanup(person.leave)
        await person.arrive(password=True)
        return person

    async def cut_off(self, person: Whole, when: Callable[[], Any], *, password: bool = False) -> None:
        """The person arrives, and loses the connection as soon as ``when``."""
        arriving = defer.ensureDeferred(person.arrive(password=password))  # type: ignore[arg-type]
        arriving.addErrback(lambda failure: failure.trap(defer.CancelledError) and None)
        await person.until(when)
        person.leave()
        arriving.cancel()

    async def later(self, seconds: float, *people: Whole) -> None:
        """Time passes, and everybody does what is due."""
        self.server.time.advance(seconds)
        for person in people:
            person.core.look()
            person.pump()
        await self.calm(*people)

    async def calm(self, *people: Whole) -> None:
        """Nobody has anything left to do, and nobody's request is without an answer."""
        for _ in range(3):
            for person in people:
                await person.settled()
                await person.until(lambda person=person: not person.unanswered)
            await self.turns()

    async def turns(self, count: int = 20) -> None:
        """Turns of the reactor, in which what is on its way arrives."""
        for _ in range(count):
            turn: defer.Deferred[None] = defer.Deferred()
            reactor.callLater(0, turn.callback, None)  # type: ignore[attr-defined]
            await turn

    async def repaired(self, text: str, reader: Whole, *others: Whole) -> events.Message:
        """``reader`` reads it by itself in a few minutes, though its key was lost."""
        for seconds in (6, 30, 150, 700):
            await self.later(seconds, reader, *others)
            if text in reader.texts():
                break
        return await reader.reads(text)

    async def chat(self, *people: Whole) -> None:
        """Everybody says something that everybody else reads: all is well between all of them."""
        for number, speaker in enumerate(people):
            others = [person for person in people if person is not speaker]
            for other in others:
                text = f"well {number} {speaker.name} {self.server.time.seconds()} {len(other.shown)}"
                speaker.type(f"/msg {other.name} {text}")
                await other.reads(text)

    async def garden(self, *people: Whole, options: str = "") -> None:
        """The first of them opens #garden, the others join."""
        host, *guests = people
        host.type(f"/chat #garden {' '.join(guest.name for guest in guests)} {options}")
        for guest in guests:
            await guest.sees(events.Room, event_="invited", user=guest.name)
            guest.type("/join #garden")
            await guest.until(lambda guest=guest: guest.core.conversation == "#garden")
        for person in people:
            for guest in guests:
                if person is not guest:
                    await person.until(lambda person=person, guest=guest: self.is_in(person, guest.name))
            await person.settled()

    @staticmethod
    def is_in(person: Whole, name: str) -> bool:
        """Whether ``person`` knows ``name`` as somebody who has joined #garden."""
        room = person.core.rooms.known("#garden")
        member = None if room is None else room.member(name)
        return member is not None and member.state == "joined"

    async def gone(self, name: str, *people: Whole) -> None:
        """All ``people`` have heard that ``name`` has left #garden."""
        for person in people:
            await person.until(lambda person=person: not self.is_in(person, name))

    # The server's own life ------------------------------------------------------------------------
    async def backup(self) -> Path:
        """A backup of the server's store."""
        path = Path(self.mktemp())
        await self.server.store.backup(path)
        return path

    async def restore_server(self, backup: Path, *people: Whole) -> None:
        """The server dies and is started from the backup; everybody is cut off."""
        old = self.server
        for person in people:
            person.leave()
        await self._close(old)
        path = Path(self.mktemp())
        restore(backup, path, int(old.time.seconds() * 1000))
        store = SqliteStore(path, reactor)  # type: ignore[arg-type]
        hasher = PasswordHasher(reactor, Cost(memory=32, passes=1))
        auth = Authenticator(
            store, hasher, old.time.seconds, lambda: factory.settings.registration, lobby_history=lambda: 0
        )
        factory = ChatFactory(old.time, store, auth, Settings(registration="open"), ())
        self.server = Server(factory, store, hasher, old.time, [])
        hasher.start()
        await store.open()
        await factory.open(HOME)
        self.addCleanup(self._close, self.server)
        for person in people:
            person.server = self.server
