"""How the tty face feels: from its start to the prompt, and from a key to the screen while others talk.

Theory of operation. A real server, a real ``encchat-client`` on a pseudo terminal of 80 columns by 24 rows, and a bot
that says something so many times a second in the conversation that is open there, whether or not anything came back.
A key is a letter that stands nowhere else, pressed at a moment that has nothing to do with what arrives; it is on the
screen when the client has written it to the terminal. Letters are of two alphabets in turns, line by line, so that a
line drawn late cannot pass for the next one. No process is bound to a core, as on a machine on which people type.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from benchmarks.client import PASSWORD
from benchmarks.processes import ROOT, Child, server
from benchmarks.report import middle, table
from benchmarks.terminal import Terminal

COLUMNS, ROWS = 80, 24
_CLIENT: Final = "from encchat.client.__main__ import main; import sys; sys.exit(main())"
_PROMPTED: Final = b"\x1b[?2004h"
"""Comes with the first drawing of a prompt: it asks the terminal to mark what is pasted."""
_ALPHABETS: Final = ("абвгдежзийклмнопрстуфхцчшщъыьэюя", "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ")
_GAP: Final = (0.03, 0.09)
"""Seconds between two keys, at least and at most: a fast typist's."""
_SAID: Final = re.compile(rb"the (\d+)th thing")
_FEWEST: Final = 0.9
"""The part of what was said that has to be on the screen, or the delays say nothing."""
_WARM: Final = 1.5
"""Seconds of each talk before the first key: the screen fills, what was missed comes."""


@frozen
class Size:
    """Rounds, starts and keys of each, and things said a second."""

    rounds: int = 3
    starts: int = 7
    keys: int = 500
    rate: int = 300


QUICK: Final = Size(1, 1, 40, 100)


@frozen
class Talk:
    """Of one talk: milliseconds from a key to the screen, and what others said meanwhile, a second."""

    half: float
    most: float
    """The 99th percentile."""
    said: float


@frozen
class Situation:
    """In words; the conversation that is open for the one who types and how it is called by the one who talks."""

    words: str
    here: str = ""
    there: str = ""


SITUATIONS: Final = (
    Situation("nobody says anything"),
    Situation("somebody talks in the lobby", "lobby", "lobby"),
    Situation("somebody talks in a direct conversation, encrypted end to end", "@{talker}", "@typist"),
)


STARTS: Final = {
    "the question for the password of the messages kept here": ("", _PROMPTED),
    "the line, where the password was given before; what is typed waits for the login": (PASSWORD, _PROMPTED),
    "being in, as the bar says, with that password": (PASSWORD, b"FREE"),
}
"""What is waited for: the password that was given, and what comes to the screen."""


@define
class Place:
    """A folder, the server's address, and letters and gaps that are the same in every run."""

    path: Path
    address: str
    _letters: Iterator[str] = field(init=False, factory=lambda: cycle(_ALPHABETS))
    _gaps: random.Random = field(init=False, factory=lambda: random.Random(6))  # noqa: S311 - not a secret

    def sit_down(self, *arguments: str, password: str = PASSWORD) -> Terminal:
        """The client of one person, always the same; without a ``password`` it asks for it."""
        environ = {
            "HOME": str(self.path),
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "ENCCHAT_PASSWORD": password,
        }
        home = str(self.path / "home")
        command = [sys.executable, "-c", _CLIENT, self.address, "--home", home, "--user", "typist", *arguments]
        return Terminal(command, environ, COLUMNS, ROWS)

    def start(self, *arguments: str, password: str = PASSWORD, until: bytes = b"FREE") -> float:
        """Seconds from its start until that is on the screen."""
        began = time.perf_counter()
        with _ended(self.sit_down(*arguments, password=password)) as terminal:
            return terminal.until(until) - began

    def type_on(self, terminal: Terminal, keys: int) -> Talk:
        """Type so many letters, a line at a time."""
        delays: list[float] = []
        said, began = 0, time.perf_counter()
        while len(delays) < keys:
            for letter in map(str.encode, next(self._letters)[: keys - len(delays)]):
                terminal.rest(self._gaps.uniform(*_GAP))
                pressed = terminal.press(letter)
                delays.append((terminal.until(letter) - pressed) * 1e3)
            terminal.press(b"\r")
            said += len(set(_SAID.findall(terminal.written)))
            terminal.forget()
        cuts = statistics.quantiles(delays, n=100)
        return Talk(cuts[49], cuts[98], said / (time.perf_counter() - began))


def run(size: Size) -> str:
    """Measure; the tables in Markdown."""
    with tempfile.TemporaryDirectory(prefix="encchat-bench-") as directory:
        path = Path(directory)
        with server(path / "data", registration="open", request_rate=1e9, request_burst=1e9) as address:
            place = Place(path, address)
            place.start("--register")
            place.start()  # from now on the machine is warm
            starts, talks = _rounds(place, size)
    head = ("from a key to the screen", "half within, ms", "99 % within, ms", "things said and shown a second")
    return (
        f"{_starts_told(starts)}\n\n{table(head, [_row(one, of) for one, of in zip(SITUATIONS, talks, strict=True)])}"
    )


def _starts_told(starts: Mapping[str, Sequence[float]]) -> str:
    rows = [(to, f"{statistics.median(of):.3f}", f"{max(of):.3f}") for to, of in starts.items()]
    return table(("from the start of the process to", "half within, s", "the slowest, s"), rows)


def _row(situation: Situation, talks: Sequence[Talk]) -> Sequence[str]:
    columns = ([one.half for one in talks], [one.most for one in talks], [one.said for one in talks])
    return situation.words, *map(middle, columns)


def _rounds(place: Place, size: Size) -> tuple[dict[str, list[float]], list[list[Talk]]]:
    """What the starts have taken, and the talks of each situation."""
    starts: dict[str, list[float]] = {to: [] for to in STARTS}
    talks: list[list[Talk]] = [[] for _ in SITUATIONS]
    for number in range(size.rounds):
        for to, (password, until) in STARTS.items():
            starts[to] += [place.start(password=password, until=until) for _ in range(size.starts)]
        for kind, (situation, of) in enumerate(zip(SITUATIONS, talks, strict=True)):
            of.append(_talk(place, size, situation, f"talker{number}{kind}"))
    return starts, talks


def _talk(place: Place, size: Size, situation: Situation, talker: str) -> Talk:
    """Type while the bot of that name talks; `RuntimeError` if what it says does not come as fast as it is said."""
    with ExitStack() as stack:
        terminal = stack.enter_context(_ended(place.sit_down()))
        terminal.until(b"FREE")
        if situation.here:
            home = str(place.path / talker)
            bot = Child("talk", place.address, home, talker, situation.there, str(size.rate))
            stack.callback(bot.kill)
            bot.line()
            terminal.press(f"/go {situation.here.format(talker=talker)}\r".encode())
        terminal.rest(_WARM)
        terminal.forget()
        found = place.type_on(terminal, size.keys)
    if situation.here and found.said < size.rate * _FEWEST:
        raise RuntimeError(f"only {found.said:.0f} of {size.rate} things a second came to the screen")
    return found


@contextmanager
def _ended(terminal: Terminal) -> Iterator[Terminal]:
    try:
        yield terminal
    finally:
        terminal.end()
