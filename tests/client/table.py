"""A `ClientCore` at a table with a test: what it sends and shows as plain values, and answers by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import define, field

from encchat import wire
from encchat.client.core import ClientCore
from encchat.client.events import ScreenEvent
from encchat.client.store import MemoryStore
from tests.client.keyserver import KeyServer

ROLL = wire.CommandEntry(
    verb="roll",
    help="roll a die",
    parameters=[
        wire.ParameterEntry(name="sides", type="integer", required=False),
        wire.ParameterEntry(name="note", required=False),
    ],
)


def new_core(**options: Any) -> ClientCore:
    """A core whose time stands still and whose randomness is zero."""
    return ClientCore(lambda: 1_700_000_000.0, bytes, **options)


@define
class Table:
    """Drives one core; ``sent`` holds requests without an answer yet, ``shown`` every event."""

    core: ClientCore = field(factory=new_core)
    sent: list[dict[str, Any]] = field(factory=list)
    shown: list[ScreenEvent] = field(factory=list)
    keys: KeyServer = field(factory=KeyServer)
    store: MemoryStore | None = None

    def look(self) -> None:
        """Take what the core has."""
        while True:
            while self.core.busy:
                self.core.work()
            lines = [msgspec.json.decode(line) for line in self.core.lines_to_send()]
            self.shown += self.core.events_to_show()
            if not lines:
                return
            for request in lines:
                self._take_up(request)

    def _take_up(self, request: dict[str, Any]) -> None:
        """Answer what the core asks for itself and no test is about."""
        if request["type"] == "rooms":
            answer: wire.ServerLine | None = wire.Ok(id=request["id"], result=wire.RoomList(rooms=[]))
        else:
            answer = self.keys.answer(self.core.user, "d", request)
        if answer is None:
            self.sent.append(request)
        else:
            self.core.receive_line(wire.encode(answer))

    def log_in(
        self,
        user: str = "alice",
        commands: Sequence[wire.CommandEntry] = (ROLL,),
        conversations: Sequence[wire.ConversationEntry] = (),
    ) -> None:
        """Connect, log in and answer what the core asks for itself."""
        self.core.connected("localhost:5000", "SHA256:x", "noise", True)
        self.core.logged_in(wire.LoggedIn(user=user, device="d", role="user", presence="FREE"))
        self.answer("commands", wire.CommandList(commands=list(commands)))
        self.answer("conversations", wire.ConversationList(conversations=list(conversations)))
        self.look()

    def type(self, *lines: str) -> None:
        for line in lines:
            self.core.typed(line)
        self.look()

    def take(self, verb: str) -> dict[str, Any]:
        """The first unanswered request of that type, which counts as answered from now on."""
        self.look()
        request = next(request for request in self.sent if request["type"] == verb)
        self.sent.remove(request)
        return request

    def answer(self, verb: str, result: wire.Result | None = None) -> None:
        """Answer the first unanswered request of that type with ok."""
        self.say(wire.Ok(id=self.take(verb)["id"], result=result))

    def refuse(self, verb: str, code: str, text: str) -> None:
        """Answer it with an error."""
        self.say(wire.Error(id=self.take(verb)["id"], code=code, text=text))

    def accept(self, seq: int = 1) -> str:
        """Accept the first unaccepted message; returns its ULID."""
        request = self.take("send")
        sent = wire.Sent(ulid=request["ulid"], conversation=request["conversation"], seq=seq, time=0)
        self.say(wire.Ok(id=request["id"], result=sent))
        return str(request["ulid"])

    def say(self, *said: wire.ServerLine) -> None:
        """The server says something."""
        for line in said:
            self.core.receive_line(wire.encode(line))
        self.look()

    def lose(self, reason: str = "gone") -> None:
        """The connection is lost, and with it every request that was not answered."""
        self.sent.clear()
        self.core.lost(reason)
        self.look()

    def verbs(self) -> list[str]:
        """The types of the requests without an answer."""
        self.look()
        return [request["type"] for request in self.sent]

    def on_their_way(self) -> list[tuple[str, str]]:
        """Where to, and what, of all messages without an answer; the text of encrypted ones out of the outbox."""
        self.look()
        texts = {} if self.store is None else {row.ulid: row.body for row in self.store.outbox()}
        sent = (request for request in self.sent if request["type"] == "send")
        return [
            (one["conversation"], texts[one["ulid"]] if one.get("scheme", "none") != "none" else one["body"])
            for one in sent
        ]

    def texts(self, kind: type[ScreenEvent]) -> list[str]:
        """The texts of all events of a kind that has one."""
        self.look()
        return [event.text for event in self.shown if isinstance(event, kind)]  # type: ignore[attr-defined]

    def last(self) -> ScreenEvent:
        """The latest event."""
        self.look()
        return self.shown[-1]


def ready(user: str = "alice", **options: Any) -> Table:
    """A table whose core has logged in."""
    table = Table(new_core(**options), store=options.get("store"))
    table.log_in(user)
    return table


def private(**options: Any) -> Table:
    """The same with a store that outlives the process, so with keys: it can write to bob and carol."""
    return ready(store=MemoryStore(durable=True), **options)
