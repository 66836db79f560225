"""Typed lines: each is done in its turn, or waits until what it depends on has been answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import define, field

from encchat import wire
from encchat.client.commands import Actor, label_of, run_command
from encchat.errors import EncchatError, UnknownCommandError

_SECURE: Final = "secure:"
_ORDERED: Final[frozenset[type[wire.Request]]] = frozenset(
    {wire.Connect, wire.Goodbye, wire.Admin, wire.OpenRoom, wire.Who, wire.Join, wire.Leave}
)


def run_line(actor: Actor, line: str) -> None:
    """Do what ``line`` says; raise `encchat.errors.EncchatError` if it cannot be done."""
    if line.startswith("//"):
        actor.say("", actor.conversation, line[1:])
    elif line.startswith("/"):
        run_command(actor, line)
    elif line.startswith(_SECURE):
        run_command(actor, f"/secure {line.removeprefix(_SECURE).strip()}")
    elif line.strip():
        actor.say("", actor.conversation, line)


def is_quit(line: str) -> bool:
    """Whether ``line`` says to leave."""
    return line.strip().casefold() == "/quit"


def is_goodbye(line: str) -> bool:
    """Whether ``line`` hangs up."""
    return line.strip().casefold() == "/goodbye"


@define(eq=False)
class TypedAhead:
    """Lines that wait, in the order they were typed.

    ``waiting_for`` is the request under way that decides what they mean (who a bare line goes to, what may be done).
    """

    waiting_for: type[wire.Request] | None = field(init=False, default=None)
    _lines: deque[str] = field(init=False, factory=deque)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def unaccepted(self) -> int:
        """How many of them the server would have to take."""
        return sum(not is_quit(line) for line in self._lines)

    @property
    def quits(self) -> bool:
        """Whether one of them says to leave."""
        return any(map(is_quit, self._lines))

    def add(self, line: str) -> None:
        """Let ``line`` wait."""
        self._lines.append(line)

    def take(self) -> str:
        """Take the one that has waited longest."""
        return self._lines.popleft()

    def drop_bare(self) -> int:
        """Forget the lines that are text for the current conversation; how many there were."""
        kept = [line for line in self._lines if line.startswith("/") and not line.startswith("//")]
        dropped = len(self._lines) - len(kept)
        self._lines = deque(kept)
        return dropped

    def asked(self, kind: type[wire.Request]) -> None:
        """A request was sent: what is typed from now on may have to wait for its answer."""
        if kind in _ORDERED:
            self.waiting_for = kind

    def answered(self, kind: type[wire.Request] | None) -> None:
        """A request was answered; ``None`` is one that only the server knows."""
        if kind is self.waiting_for:
            self.waiting_for = None


@define(eq=False)
class Typist:
    """Has the ``actor`` do what is typed, in the order it was typed.

    ``blocked()``: nothing can be done now; ``leaving()``: nothing but leaving is done any more. ``interactive``: a
    person sits there. ``fail(code, text, label)`` shows an error. ``remember`` is told of each line when it is done, in
    the conversation it is meant for.
    """

    _actor: Actor
    _ahead: TypedAhead
    _fail: Callable[[str, str, str], None]
    _blocked: Callable[[], bool]
    _leaving: Callable[[], bool]
    _interactive: bool
    _remember: Callable[[str], None] = lambda line: None

    def typed(self, line: str) -> None:
        """Do it, or keep it until it is its turn."""
        if self._may_go_ahead(line):
            self.do(line)
            return
        self._ahead.add(line)
        self.go_on()

    def go_on(self) -> None:
        """Do what waits, as far as it can be done now."""
        while self._ahead and not self._must_wait():
            self.do(self._ahead.take())

    def do(self, line: str) -> None:
        """Now; what is wrong with it is shown."""
        if self._leaving() and not is_quit(line):
            return
        self._remember(line)
        try:
            run_line(self._actor, line)
        except EncchatError as error:
            named = isinstance(error, UnknownCommandError)
            self._fail(error.code, error.text, "" if named else label_of(line))

    def _must_wait(self) -> bool:
        return self._ahead.waiting_for is not None or self._blocked()

    def _may_go_ahead(self, line: str) -> bool:
        """Leaving does not wait where a person sits, nor when it is said twice; neither does hanging up a call."""
        if is_goodbye(line):
            return self._interactive and self._ahead.waiting_for is wire.Connect
        return is_quit(line) and (self._interactive or self._ahead.quits)
