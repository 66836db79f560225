"""The client's core against a server that says anything at any time, and a person who types anything.

`play` turns bytes into such a conversation and raises `AssertionError` where the core does what it must not: an
exception, a message or a `sent` on the screen that the server did not say, a line that is no request, or a memory
that grows with what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from attrs import define, field

from encchat import wire
from encchat.client import events
from encchat.client.core import ClientCore
from encchat.client.events import json_line
from encchat.client.store import MemoryStore
from encchat.errors import UnknownCommandError
from encchat.limits import MAX_LINE, MAX_REQUEST_ID
from tests.fuzz import private
from tests.fuzz.choices import Choices

_CONVERSATIONS: Final = ("lobby", "@bob", "@BOB", "@me", "", "@", "@" + "x" * 40, "#room", "lobby ")
_SEQS: Final = (1, 2, 3, 4, 5, 0, 7, 300, -1, MAX_REQUEST_ID, MAX_REQUEST_ID + 1, 2**63)
_TEXTS: Final = ("hello", "", "\x00\x1b]0;x\x07", "\u202e", "y" * 2_000, "/quit")
_NAMES: Final = private.NAMES
_ULIDS: Final = private.ULIDS
_TYPED: Final = (
    "hello", "/msg bob hi", "/users", "/status bob", "/connect bob", "/goodbye", "/history", "/history lobby 3",
    "/search hello", "/go @bob", "/devices", "/admin", "/ban eve 2d spam", "/help", "//x", "", "secure: x", "/quit",
    "/nonsense \ud800", "/audit", "/frob 1 2", "/chat bob", "/chat #room bob --scheme server-key", "/join #room",
    "/rooms", "/who #room", "/topic new", "/expel bob", "/leave", "/decline #room", "/invite eve", "/answer",
    "/refuse bob", "/calls ask", "/verify bob", "/verified bob", "/trust bob", "/policy always", "/fingerprint bob",
    "/devices bob", "/approve DEVICE", "/recovery", "/sign rsa", "/why", "/go #room", "/send @bob x",
    "/send #room x", "/send x", "/accept", "/save x", "/files", "/files drop 01ARZ3NDEKTSV4RRFFQ69G5FAV",
)  # fmt: skip
_PRESENCES: Final[tuple[wire.Presence, ...]] = ("FREE", "BUSY", "OFFLINE", "AWAY")
_KINDS: Final[tuple[wire.Kind, ...]] = ("lobby", "direct", "session", "room")
_CODES: Final = ("internal-error", "not-connected", "throttled", "unknown-command", "login-refused", "what")

_decode = wire.RequestDecoder(wire.BUILT_IN).decode
MOST_STEPS: Final = 200


@define
class Play:
    """One conversation under way, and what has been said in it."""

    choices: Choices
    typed: Sequence[str] = _TYPED
    core: ClientCore = field(init=False)
    asked: dict[int, str] = field(init=False, factory=dict)
    said: set[tuple[str, int, str, str, str]] = field(init=False, factory=set)
    accepted: set[tuple[str, int]] = field(init=False, factory=set)
    connected: bool = field(init=False, default=False)
    forgiving: bool = field(init=False, default=False)
    """Nothing is held against what was said: it is not remembered."""

    def __attrs_post_init__(self) -> None:
        clock = iter(range(1_800_000_000, 1_900_000_000))
        store = MemoryStore(durable=bool(self.choices.number(1)), remembered=50)
        self.core = ClientCore(lambda: float(next(clock)), lambda size: bytes(size), store=store)

    def step(self) -> None:
        """Something happens; then the shell takes what there is."""
        self.choices.pick(
            (self._event, self._answer, self._message, self._type, self._connect, self._lose, self._garbage, self._misc)
        )()
        self._pump()

    # What the server does -----------------------------------------------------------------------
    def _say(self, line: Any) -> None:
        self.core.receive_line(wire.encode(line))

    def _message(self) -> None:
        self._say(self._any_message())

    def _any_message(self) -> wire.Message:
        pick = self.choices.pick
        scheme = pick(private.SCHEMES)
        message = wire.Message(
            conversation=pick(_CONVERSATIONS),
            kind=pick(_KINDS),
            seq=pick(_SEQS),
            sender=pick(_NAMES),
            ulid=pick(_ULIDS),
            time=pick((0, 1_700_000_000_000, -1, 2**60)),
            body=private.body(self.choices, scheme, pick(_TEXTS)),
            scheme=scheme,
        )
        self.said.add((message.conversation, message.seq, message.sender, message.ulid, message.body))
        return message

    def _event(self) -> None:
        pick = self.choices.pick
        name, text = pick(_NAMES), pick(_TEXTS)
        self._say(
            pick(
                (
                    wire.Behind(),
                    wire.PresenceChanged(user=name, presence=pick(_PRESENCES)),
                    private.event(self.choices),
                    private.event(self.choices),
                    wire.SessionEnded(partner=name, reason="lost"),
                    wire.SessionEnded(partner=name, reason="goodbye"),
                    wire.Notice(text=text),
                    wire.Welcome(server=text, version="1", registration="open", motd=text),
                    wire.Kicked(by=name, reason=text),
                    wire.Closing(reason=text),
                    wire.Ok(id=self.choices.number(9)),
                    wire.Error(code=text, text=text),
                )
            )
        )

    def _answer(self) -> None:
        """To a request that was made, mostly; with what it asks for, or anything else."""
        choices = self.choices
        ids = list(self.asked) or [0]
        id = choices.pick(ids[:200])
        if choices.number(9):
            self.asked.pop(id, None)
        if not choices.number(3):
            self._say(wire.Error(id=id, code=choices.pick(_CODES), text=choices.pick(_TEXTS)))
            return
        self._say(wire.Ok(id=id, result=self._result()))

    def _result(self) -> wire.Result | None:
        pick = self.choices.pick
        name, text = pick(_NAMES), pick(_TEXTS)
        return pick(
            (
                lambda: wire.Page(
                    conversation=pick(_CONVERSATIONS),
                    messages=[self._any_message() for _ in range(self.choices.number(4))],
                    last_seq=pick(_SEQS),
                ),
                lambda: wire.ConversationList(
                    conversations=[
                        wire.ConversationEntry(
                            conversation=pick(_CONVERSATIONS),
                            kind=pick(_KINDS),
                            last_seq=pick(_SEQS),
                            oldest=pick(_SEQS),
                            cursor=pick(_SEQS),
                        )
                        for _ in range(self.choices.number(4))
                    ]
                ),
                self._sent,
                lambda: None,
                lambda: wire.LoggedIn(user=name, device="d", role="user", presence="FREE"),
                lambda: wire.UserList(users=[wire.UserEntry(user=name, presence="FREE")]),
                lambda: wire.UserStatus(user=name, presence=pick(_PRESENCES), last_seen=pick(_SEQS)),
                lambda: wire.CommandList(
                    commands=[wire.CommandEntry(verb=pick(("frob", "send", "", "x y")), help=text)]
                ),
                lambda: wire.Listing(title=text, columns=[text], rows=[[text, text], []]),
                lambda: wire.AdminGranted(seconds=600.0),
                lambda: wire.FileState(file=pick(_ULIDS), received=self.choices.number(9)),
                lambda: wire.Chunk(file=pick(_ULIDS), number=self.choices.number(9), data=bytes(20)),
                lambda: wire.Notice(text=text),
                lambda: private.result(self.choices),
                lambda: private.result(self.choices),
                lambda: private.result(self.choices),
            )
        )()

    def _sent(self) -> wire.Sent:
        result = wire.Sent(
            ulid=self.choices.pick(_ULIDS), conversation=self.choices.pick(_CONVERSATIONS),
            seq=self.choices.pick(_SEQS), time=0,
        )  # fmt: skip
        self.accepted.add((result.ulid, result.seq))
        return result

    def _garbage(self) -> None:
        self.core.receive_line(self.choices.take(60))

    # What the shell and the person do -----------------------------------------------------------
    def _type(self) -> None:
        self.core.typed(self.choices.pick(self.typed))

    def _connect(self) -> None:
        if not self.connected:
            self.connected = True
            self.core.connected("server", "fingerprint", "noise", False)
            self.core.logged_in(wire.LoggedIn(user="me", device="d", role="user", presence="FREE"))

    def _lose(self) -> None:
        if self.connected:
            self.connected = False
            self.asked.clear()
            self.core.lost(self.choices.pick(("the server closed it", "")))

    def _misc(self) -> None:
        match self.choices.number(3):
            case 0:
                self.core.catch_up()
            case 1:
                self.core.complete(self.choices.pick(("", "/", "/msg b", "/frob ")))
            case 2:
                self.core.reconnecting(1.5)
            case _:
                question = self.core.take_question()
                if question is not None:
                    question.then(self.choices.pick(_TEXTS))

    def _pump(self) -> None:
        for line in self.core.lines_to_send():
            self._check_line(line)
        for event in self.core.events_to_show():
            self.check_event(event)

    # What must hold -----------------------------------------------------------------------------
    def _check_line(self, line: bytes) -> None:
        check(len(line) <= MAX_LINE and b"\n" not in line, f"a line that cannot be sent: {line!r}")
        try:
            request = _decode(line)
        except UnknownCommandError:
            verb = msgspec.json.decode(line)["type"]
            check(verb in {entry.verb for entry in self.core.server_commands.values()}, f"{verb} is nobody's command")
            self.asked[msgspec.json.decode(line)["id"]] = verb
        else:
            self.asked[request.id] = type(request).__name__

    def check_event(self, event: events.ScreenEvent) -> None:
        json_line(event)
        if self.forgiving:
            return
        if isinstance(event, events.Message):
            self._check_message(event)
        elif isinstance(event, events.Sent):
            check((event.ulid, event.seq) in self.accepted, f"nobody accepted {event}")
        elif isinstance(event, events.History | events.Found | events.Recovered):
            for one in event.messages:
                self._check_message(one, kept=True)

    def _check_message(self, event: events.Message, *, kept: bool = False) -> None:
        """Said by the server; or, where it is read from what is kept, the person's own.

        This server has nobody's keys: whatever it says outside the lobby is nothing that anybody has said.
        """
        row = (event.conversation, event.seq, event.sender, event.ulid, event.text)
        own = kept and (event.ulid, event.seq) in self.accepted
        check(row in self.said or own, f"nobody said {event}")
        check(own or event.conversation == "lobby", f"shown as if somebody had said it: {event}")


def check(holds: bool, text: str) -> None:
    """`AssertionError` unless it does."""
    if not holds:
        raise AssertionError(text)


def play(data: bytes) -> Play:
    """One conversation; see the module."""
    playing = Play(Choices(data))
    for _ in range(MOST_STEPS):
        if playing.choices.over:
            break
        playing.step()
    return playing
