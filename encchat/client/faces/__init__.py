"""Faces: how the client core is shown and typed at; one protocol, three implementations (tty, plain, json).

Nothing here imports the reactor, so that `install_reactor` can still choose it. The order in a program is
`choose_face`, `install_reactor`, then whatever imports ``twisted.internet.reactor``, then `make_face`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Protocol, TextIO

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from encchat.client.events import Said, ScreenEvent, Unread
from encchat.client.preferences import Preferences
from encchat.errors import ConfigurationError

FaceName = Literal["tty", "plain", "json"]
FACES: Final[tuple[FaceName, ...]] = ("tty", "plain", "json")


@frozen
class Status:
    """What the bottom bar of the tty face says; the other faces do without."""

    conversation: str = "lobby"
    presence: str = "OFFLINE"
    connection: str = ""
    waiting: int = 0
    lock: str = ""
    """How what is said there is protected (`encchat.client.keys.actions.TrustActions.lock`)."""
    topic: str = ""
    rooms: tuple[str, ...] = ()
    """The rooms this account is in."""
    ready: bool = True
    """Whether what is kept here can be shown; false until the first login."""


@frozen
class Completion:
    """A word that may stand where the cursor is, and one line about it."""

    word: str
    help: str = ""


Complete = Callable[[str], Sequence[Completion]]
"""`Source.complete`."""


class Source(Protocol):
    """What a face that has a person before it asks the client for; no call waits for the network."""

    @property
    def user(self) -> str:
        """The name this client is logged in under, empty before."""

    @property
    def preferences(self) -> Preferences:
        """What the person has chosen; another object once something of it has changed."""

    def complete(self, typed: str) -> Sequence[Completion]:
        """The words that fit at the end of ``typed``, all that stands left of the cursor.

        Each replaces what follows the last space.
        """

    def past(self, conversation: str, count: int) -> Sequence[Said]:
        """The newest ``count`` messages of a conversation there are here, oldest first."""

    def typed_before(self) -> Sequence[str]:
        """Lines entered in this run and those before, oldest first."""


@define(eq=False)
class NoSource:
    """A `Source` that has nothing."""

    user: str = ""
    preferences: Preferences = field(factory=Preferences)

    def complete(self, typed: str) -> Sequence[Completion]:
        """No words."""
        return ()

    def past(self, conversation: str, count: int) -> Sequence[Said]:
        """Nothing."""
        return ()

    def typed_before(self) -> Sequence[str]:
        """No lines."""
        return ()


class Face(Protocol):
    """What the client needs of the place it is shown at. Made once, started once, stopped once."""

    def start(self, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        """Begin to read: ``on_line`` gets each typed line without its end, ``on_end`` says no more will come.

        Where the person or the reader of the output has left (Ctrl+C, Ctrl+D in the tty face, a closed
        output), ``on_line`` gets ``/quit``, because staying on to listen would serve nobody.
        """

    def show(self, event: ScreenEvent) -> None:
        """Show one event; may be called before `start`, does nothing after `stop`."""

    def hold(self) -> None:
        """Read no further for now, where what is typed comes from a pipe; a line that is there already waits."""

    def read_on(self) -> None:
        """Read again, after `hold`."""

    def set_status(self, status: Status) -> None:
        """Replace what the bottom bar says."""

    def attach(self, source: Source) -> None:
        """Take everything that is asked for from ``source`` from now on."""

    def unread(self) -> Sequence[Unread]:
        """What has come and was not shown."""

    def ask(self, prompt: str, *, vanishes: bool = False) -> Deferred[str]:
        """The next line, for one question, also before `start`.

        ``vanishes``: where the screen allows it, question and answer leave it together, and its memory too.
        Fails with `ConfigurationError` where nobody can be asked, with `twisted.internet.defer.CancelledError`
        when the person leaves without an answer. Cancelling it takes the question back.
        """

    def ask_secret(self, prompt: str) -> Deferred[str]:
        """As `ask`, and what is typed does not show."""

    def stop(self) -> Deferred[None]:
        """Give the terminal back and write out what is left; fires when done, also when called again."""


def choose_face(name: str | None, stdin: TextIO | None, stdout: TextIO | None) -> FaceName:
    """The face called ``name``; without one, tty on a capable terminal and plain elsewhere.

    A stream is None where Python found it closed.
    """
    terminal = stdin is not None and stdin.isatty() and stdout is not None and stdout.isatty()
    if name is None:
        return "tty" if terminal and os.environ.get("TERM", "dumb") not in ("", "dumb") else "plain"
    if name not in FACES:
        raise ConfigurationError(f"there is no face {name}; there are {', '.join(FACES)}")
    if name == "tty" and not terminal:
        raise ConfigurationError("the tty face needs a terminal for input and output; use --face plain or json")
    return name


def install_reactor(face: FaceName) -> None:
    """Install the reactor ``face`` needs; call it before anything imports ``twisted.internet.reactor``.

    The tty face shares one asyncio loop with prompt_toolkit; the others take Twisted's default, which,
    unlike asyncio, can also read regular files.
    """
    _fill_standard_streams()
    if face == "tty":
        from twisted.internet import asyncioreactor

        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        asyncioreactor.install(loop)


def make_face(face: FaceName, reactor: Any) -> Face:
    """The face of that name on this process's standard input and output."""
    if face == "tty":
        from encchat.client.faces.tty import TtyFace

        return TtyFace(reactor)
    if face == "json":
        from encchat.client.faces.json import json_face

        return json_face(reactor)
    from encchat.client.faces.plain import plain_face

    return plain_face(reactor)


def _fill_standard_streams() -> None:
    """Put the null device where a standard stream is closed, before another file gets its number."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # open(2): the lowest number that is free
        pass
    os.close(fd)
