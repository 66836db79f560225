"""Make the pictures of docs/tour.md: ``PYTHONPATH=. python docs/tour.py [DIRECTORY]`` (default: docs/tour).

A real server, real clients: those whose screen is in a picture on pseudo terminals, the others as json faces. What the
screen shows is drawn as SVG (`docs.svg`); but for what is typed nothing is made up. The program fails when a screen
does not come to show what its picture is for. All of them take the time of day from a file, so that it stands still
until the tour moves it: the same words at the same times in every run. Keys, and with them emoji and phrases, differ.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from docs.svg import picture
from tests.client.terminal import Terminal, surroundings
from tests.processes import CLIENT_CODE

ROOT: Final = Path(__file__).resolve().parent.parent
PASSWORD: Final = "three blue umbrellas"  # noqa: S105 - of accounts that exist for a minute
SECONDS: Final = 240
"""How long all of it may take."""
SIZE: Final = {"columns": 86, "rows": 22}
ENTER, ALT, CLEAR = "\r", "\x1b", "\x0c"

_NUMBERED: Final = re.compile(r"(\d+) ([a-z]+)")
_ASKED: Final = re.compile(r"What is word (\d+)\?")
_CODE: Final = """so that somebody remembers it:
```python
def too_cold(degrees: list[float]) -> bool:
    return min(degrees) < 4  # Celsius
```"""
_WORLD: Final = (
    "庭には豆が二列あります。霜が降りそうなので、今晩は布をかけてください。",
    "השעועית בגינה, והאפונה בשבוע הבא",
    "الفول في الحديقة",
    "a line that is longer than this window is wide goes on under its text, not under the name, so that one sees who"
    " said what; emoji 🌱🥕 and šřé stay in their columns",
)

_PIPE: Final = subprocess.PIPE
_TWISTD: Final = "from twisted.scripts.twistd import run; run()"
_STOPPED_CLOCK: Final = (
    "import pathlib, time, twisted.python.runtime; tour = pathlib.Path({file!r});"
    " time.time = lambda: float(tour.read_text()) + time.monotonic() / 20 % 50; "
)
"""It goes on a little, slowly, not as far as the next minute, for who waits for a moment to pass: prompt_toolkit does.

Twisted keeps its own clock, for its timers, because it is imported before.
"""


@define
class Stage:
    """The folder of one tour, where its pictures go, its server's address, and its time of day."""

    folder: Path
    pictures: Path
    ends: ExitStack
    address: str = field(init=False, default="")
    link: str = field(init=False, default="")

    def time(self, words: str) -> None:
        """It is that time now, as in ``2026-11-20 18:02`` (UTC)."""
        seconds = datetime.fromisoformat(words).replace(tzinfo=UTC).timestamp()
        (self.folder / "new").write_text(f"{seconds:.0f}")
        os.replace(self.folder / "new", self.folder / "clock")

    def code(self, code: str) -> str:
        """The same program by the clock of the tour."""
        return _STOPPED_CLOCK.format(file=str(self.folder / "clock")) + code

    def serve(self, port: int) -> Process:
        """Start the server and learn its first administrator's link; a port that is taken is replaced by a free one."""
        data = self.folder / "server"
        arguments = ["-n", "--pidfile=", "encchat", f"--data-dir={data}", f"--port={port}", "--log-format=json"]
        server = self._start(_TWISTD, *arguments, "--registration=open")
        self.address = f"127.0.0.1:{server.hear('listening')['port']}"
        if not self.link:
            self.link = server.hear("invite")["link"]
        return server

    def guest(self, name: str) -> Process:
        """Somebody whose screen is in no picture."""
        home = self.folder / name
        home.mkdir()
        client = self._start(
            CLIENT_CODE, self.address, "--face=json", "--follow", "--register", f"--user={name}", f"--home={home}"
        )
        client.hear("recovery")
        return client

    def sit_down(self, name: str, *arguments: str, **size: int) -> Terminal:
        """Somebody on a terminal."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        code, environ = self.code(CLIENT_CODE), {"ENCCHAT_PASSWORD": PASSWORD} if arguments else {}
        terminal = Terminal(home, code, *arguments, f"--home={home}", environ=environ, **(SIZE | size))
        self.ends.callback(terminal.close)
        return terminal

    def type(self, terminal: Terminal, line: str, shows: str) -> None:
        """Enter a line; wait for what it leads to."""
        terminal.until_quiet()
        terminal.send(line + ENTER)
        terminal.until_shows(shows)

    def draw(self, terminal: Terminal, name: str, title: str, *shows: str) -> None:
        """A picture of that screen, once all of ``shows`` is there."""
        for text in shows:
            terminal.until_shows(text)
        terminal.until_quiet()
        for text in shows:
            terminal.until_shows(text)
        self.pictures.mkdir(parents=True, exist_ok=True)
        (self.pictures / f"{name}.svg").write_text(picture(terminal.screen, title))
        print(f"{name}: {title}", flush=True)

    def _start(self, code: str, *arguments: str) -> Process:
        process = Process([sys.executable, "-c", self.code(code), *arguments], self.folder)
        self.ends.callback(process.end)
        return process


def _pasted(text: str) -> str:
    """What a terminal sends when it is pasted."""
    return f"\x1b[200~{text}\x1b[201~"


class Process:
    """A child process that says what it does in lines of JSON."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        environ = surroundings(folder, {"ENCCHAT_PASSWORD": PASSWORD})
        with (folder / "errors").open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - this program
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environ,
                cwd=folder,
            )

    def say(self, *lines: str) -> None:
        """Type lines, each of which is a message that is accepted."""
        for line in lines:
            self.type(line)
            self.hear("sent")

    def type(self, line: str) -> None:
        """Type a line."""
        if self._process.stdin:
            print(line, file=self._process.stdin, flush=True)

    def hear(self, event: str, /, **fields: object) -> dict[str, Any]:
        """Read up to that event with these fields (``from_`` for ``from``)."""
        wanted = {"event": event} | {name.rstrip("_"): value for name, value in fields.items()}
        for line in self._process.stdout or ():
            said: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if wanted.items() <= said.items():
                return said
        raise RuntimeError(f"the program ended without saying {wanted}")

    def end(self) -> None:
        """End it, if it still runs."""
        self._process.terminate()
        self._process.communicate()


def first_run(stage: Stage) -> Terminal:
    """Somebody new is asked for everything."""
    ada = stage.sit_down("ada")
    for prompt, answer in (
        ("Paste the link", stage.link),
        ("Choose a name", "ada"),
        ("Choose a password", PASSWORD),
        ("The same again", PASSWORD),
    ):
        ada.until_shows(prompt)
        ada.send(answer + ENTER)
    lines = ada.until_shows("of the words are asked for")
    stage.draw(ada, "first-run", "encchat-client, for the first time", "this password is", "recovery phrase")
    words = dict(_NUMBERED.findall("\n".join(lines)))
    ada.send(ENTER)
    for _ in range(2):
        number = _ASKED.findall("\n".join(ada.until_shows("What is word")))[-1]
        ada.send(words[number] + ENTER)
        ada.until(lambda lines, number=number: f"What is word {number}?" not in "\n".join(lines))
    stage.draw(ada, "first-steps", "what to type first", "first steps:", "lobby>", "FREE   connected")
    return ada


def yesterday(stage: Stage, ada: Terminal) -> tuple[Process, Terminal]:
    """A room for three; Bob and Cat."""
    bob = stage.guest("bob")
    cat = stage.sit_down("cat", stage.address, "--register", "--user=cat", f"--recovery-file={stage.folder / 'phrase'}")
    cat.until_shows("connected")
    stage.time("2026-11-20 17:52")
    stage.type(ada, "/chat #garden bob cat", "#garden>")
    bob.type("/join #garden")
    stage.type(cat, "/join #garden", "#garden>")
    ada.until_shows("cat joined #garden")
    stage.type(ada, "/topic what grows where", "what grows where")
    bob.hear("topic", type="room")
    bob.type("/go #garden")
    bob.say("the beans are in, two rows of them")
    stage.type(ada, "and the peas?", "> and the peas?")
    bob.hear("message", from_="ada")
    stage.type(cat, "next week, it is too cold", "next week, it is too cold")
    ada.until_shows("cat: next week")
    ada.send(CLEAR)
    stage.type(ada, "/go lobby", "lobby>")
    return bob, cat


def today(stage: Stage, ada: Terminal, bob: Process, cat: Terminal) -> None:
    """The lobby, and what comes from elsewhere."""
    stage.time("2026-11-21 09:12")
    bob.type("/go lobby")
    bob.say("good morning! **Frost** tonight, see https://example.org/weather or type `/who`")
    bob.say("whoever was at the market yesterday: there is rhubarb left, more than one family eats in a week")
    stage.time("2026-11-21 09:14")
    bob.say("/msg #garden who covers the beans?", "/msg #garden I have some fleece left")
    stage.type(cat, "/go lobby", "lobby>")
    cat.send(_pasted(_CODE))
    cat.until_shows("lines pasted")
    cat.send(ENTER)
    ada.until_shows("too_cold")
    stage.time("2026-11-21 09:15")
    stage.type(cat, "@ada does that *look* right?", "does that")
    stage.type(ada, "nearly: the list may be empty", "> nearly")
    stage.type(cat, "oh. And I take some of the rhubarb :)", "rhubarb :)")
    ada.until_shows("rhubarb :)")
    bob.say("/msg ada are you coming to the garden?")
    stage.draw(
        ada, "talk", "the lobby, and what comes from elsewhere", "[@bob] bob: are you coming", "2:#garden 2", "3:@bob 1"
    )
    stage.time("2026-11-21 09:16")
    ada.send(ALT + "2")
    stage.draw(
        ada, "go", "Alt+2: the room, as far back as you like", "--- new ---", "bob: I have some fleece", "#garden>"
    )


def keys(stage: Stage, ada: Terminal) -> None:
    """What helps with typing."""
    ada.send("/s")
    stage.draw(ada, "complete", "a slash, and what may follow", "send a file")
    ada.send("\x15")
    ada.until(lambda lines: lines[-2:-1] == ["#garden>"])
    ada.send("\x12" + "peas")
    stage.draw(ada, "search", "Ctrl+R: what you typed before", "and the peas?")
    ada.send("\x07")
    ada.until(lambda lines: lines[-2:-1] == ["#garden>"])


def trust(stage: Stage, ada: Terminal, bob: Process) -> None:
    """Comparing keys."""
    stage.type(ada, "/go @bob", "@bob>")
    stage.type(ada, "/verify bob", "waiting for the other side")
    bob.type("/verify ada")
    stage.draw(ada, "verify", "are these really Bob's keys?", "is to see the same")
    bob.hear("verification", step="compare")
    bob.type("/verified ada")
    bob.hear("verification", step="confirmed")
    stage.type(ada, "/verified bob", "this is the right key")


def files(stage: Stage, ada: Terminal, bob: Process) -> None:
    """A file, end to end."""
    (stage.folder / "beans.csv").write_text("row,date,seeds\n" + "1,2026-11-20,40\n" * 3_000)
    bob.type("/send @ada beans.csv")
    ada.until_shows("bob sends beans.csv")
    ada.send("/accept" + ENTER)
    stage.draw(ada, "files", "a file, encrypted end to end", "bob sends beans.csv", "/accept", "Downloads")


def scripts(stage: Stage, ada: Terminal, bob: Process) -> None:
    """Texts of all the world in their columns, on a narrow terminal."""
    stage.time("2026-11-21 09:31")
    stage.type(ada, "/go #garden", "#garden>")
    ada.resize(60, 20)
    bob.type("/go #garden")
    bob.say(*_WORLD)
    stage.draw(ada, "scripts", "long lines, wide characters, right to left", "\u5ead")
    ada.resize(SIZE["columns"], SIZE["rows"])


def options(stage: Stage, ada: Terminal) -> None:
    """What can be set."""
    ada.send(CLEAR)
    ada.send("/set" + ENTER)
    stage.draw(ada, "set", "everything that can be set", "notify-text")


def offline(stage: Stage, ada: Terminal, server: Process) -> None:
    """The server is away for a while."""
    stage.time("2026-11-21 09:40")
    ada.send(CLEAR)
    server.end()
    ada.until_shows("reconnecting")
    ada.send("this waits on my disk" + ENTER + "and I type on")
    stage.draw(ada, "offline", "while the server is away", "1 waiting", "and I type on")


def tour(stage: Stage, port: int) -> None:
    """All pictures."""
    stage.time("2026-11-20 17:40")
    server = stage.serve(port)
    ada = first_run(stage)
    bob, cat = yesterday(stage, ada)
    today(stage, ada, bob, cat)
    keys(stage, ada)
    trust(stage, ada, bob)
    files(stage, ada, bob)
    scripts(stage, ada, bob)
    options(stage, ada)
    offline(stage, ada, server)


@contextmanager
def _limited(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"the tour takes more than {seconds} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def main(pictures: str = str(ROOT / "docs" / "tour"), port: str = "5000") -> None:
    """Make them."""
    with _folder() as folder, ExitStack() as ends, _limited(SECONDS):
        tour(Stage(folder, Path(pictures), ends), _free(int(port)))


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of the same name each time, if nobody else has it: it is in the pictures."""
    usual = Path(tempfile.gettempdir()) / "tour"
    try:
        usual.mkdir(mode=0o700)
    except FileExistsError:
        with tempfile.TemporaryDirectory(prefix="tour-") as other:
            yield Path(other)
        return
    try:
        yield usual
    finally:
        shutil.rmtree(usual)


def _free(port: int) -> int:
    """That port, or 0 if somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


if __name__ == "__main__":
    main(*sys.argv[1:])
