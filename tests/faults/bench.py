"""What a run stands on: a server on a port of its own, devices, chance from a seed, and what everybody was told."""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol

from attrs import define, field
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred
from twisted.internet.task import deferLater

from tests.faults.auditor import read_log
from tests.faults.checker import LOBBY, Log, Told, Verdict, canonical, judge
from tests.processes import ServerProcess, start_server

reactor: Any = _reactor
PASSWORD = "correct horse battery"
SETTLE_SECONDS = 90.0
"""How long everybody may take to be whole again after a fault; more is a failure."""
_PORTS = range(20_000, 32_000)
"""Below the kernel's ephemeral ports, so that no client can connect to itself while the server is down."""


class Sayer(Protocol):
    """A device that can be made to say something: a real client or a model of one."""

    told: Told
    on_told: Callable[[], None]

    @property
    def speaks(self) -> bool:
        """Whether there is a process to say it."""

    def say(self, conversation: str, text: str) -> None:
        """Hand over a text for ``lobby`` or ``@NAME``."""


@define(eq=False)
class Shelter:
    """Stands for a test where none runs: directories, and what is to be undone at the end."""

    root: Path = field(factory=lambda: Path(tempfile.mkdtemp(prefix="encchat-faults-")))
    _undo: list[Callable[[], Any]] = field(factory=list)

    def mktemp(self) -> str:
        """The path of something that does not exist yet."""
        return tempfile.mktemp(dir=self.root)  # noqa: S306 (in a directory of our own)

    def addCleanup(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Have ``act`` called at the end; the last one first."""
        self._undo.append(lambda: act(*arguments))

    async def close(self) -> None:
        """Undo everything."""
        while self._undo:
            await maybeDeferred(self._undo.pop())
        shutil.rmtree(self.root, ignore_errors=True)


@define(eq=False)
class Bench:
    """One run; ``test`` is a TestCase or a `Shelter`, ``seed`` decides everything that chance does here."""

    test: Any
    seed: str
    options: Sequence[str] = ()
    devices: list[Sayer] = field(factory=list)
    random: Random = field(init=False)
    server: ServerProcess = field(init=False)
    data_dir: Path = field(init=False)
    port: int = field(init=False)
    environ: dict[str, str] = field(factory=dict)
    """The server's environment."""
    forgotten: Callable[[str, int], bool] = field(default=lambda conversation, seq: False)
    """See `judge`."""
    padding: str = ""
    """Stands at the end of every text."""
    lines: int = 0
    _waiting: list[Callable[[], None]] = field(factory=list)
    _check_comes: bool = False

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - a run has to be the same every time
        self.data_dir = Path(self.test.mktemp()).absolute() / "data"
        self.data_dir.parent.mkdir(parents=True)
        self.port = _free_port(self.random)

    # The server ----------------------------------------------------------------------------------
    async def start_server(self) -> None:
        """Start it, or start it again: the same port, the same data."""
        self.server = await start_server(
            self.test,
            "--registration=open",
            f"--port={self.port}",
            "--lobby-history=1000000",
            "--retain-lobby-count=0",
            *self.options,
            data_dir=self.data_dir,
            environ=self.environ,
        )

    async def kill_server(self) -> None:
        """As the kernel does it; nothing of the process's own is written any more."""
        self.server.signal("KILL")
        await self.server.exits()

    # Devices -------------------------------------------------------------------------------------
    def add(self, device: Sayer) -> None:
        """It belongs to the run: it says things, and what it is told is judged."""
        device.on_told = self.notice
        self.devices.append(device)

    def conversations(self, device: Sayer) -> list[str]:
        """Where a device speaks, as it calls the conversations."""
        accounts = sorted({one.told.account for one in self.devices} - {device.told.account})
        return [LOBBY, *(f"@{account}" for account in accounts)]

    def say(self, device: Sayer, conversation: str) -> tuple[str, str]:
        """Make it say something never said before; the conversation's name for all, and the text."""
        self.lines += 1
        text = f"{device.told.device} {self.lines}{self.padding}"
        device.say(conversation, text)
        device.told.says(name := canonical(device.told.account, conversation), text)
        return name, text

    async def talk(self, lines: int, a_second: float = 60.0) -> None:
        """The load: whoever can speaks somewhere, one line after the other at drawn times."""
        for _ in range(lines):
            able = [device for device in self.devices if device.speaks]
            if able:
                device = self.random.choice(able)
                self.say(device, self.random.choice([LOBBY, *self.conversations(device)]))
            await self.pause(min(0.5, self.random.expovariate(a_second)))

    async def pause(self, seconds: float) -> None:
        """Part of a fault or a load; nobody waits for anything by it."""
        await deferLater(reactor, seconds)

    async def settle(self) -> float:
        """Everybody speaks everywhere once; returns the seconds until all have heard it.

        As order holds, whoever has heard the last message of a conversation has heard all before it or never will.
        """
        began = time.monotonic()
        marks = [
            (device, *self.say(device, conversation))
            for device in self.devices
            for conversation in self.conversations(device)
        ]
        await self.until(lambda: self._unheard(marks), SETTLE_SECONDS)
        return time.monotonic() - began

    def _unheard(self, marks: list[tuple[Sayer, str, str]]) -> str:
        while marks:
            speaker, name, text = marks[-1]
            deaf = [
                one.told.device
                for one in self.devices
                if one is not speaker and one.told.takes_part(name) and not one.told.has(name, text)
            ]
            if deaf:
                return f"{', '.join(deaf)} did not hear {text!r} in {name}"
            marks.pop()
        return ""

    # Waiting -------------------------------------------------------------------------------------
    def notice(self) -> None:
        """Somebody was told something; those who wait look again, at most once in a while."""
        if self._waiting and not self._check_comes:
            self._check_comes = True
            reactor.callLater(0.005, self._look)

    def _look(self) -> None:
        self._check_comes = False
        for look in list(self._waiting):
            look()

    async def until(self, missing: Callable[[], str], seconds: float) -> None:
        """Wait until ``missing`` has nothing to say."""
        found: Deferred[None] = Deferred()

        def look() -> None:
            if not missing() and not found.called:
                found.callback(None)

        self._waiting.append(look)
        look()
        try:
            await found.addTimeout(seconds, reactor)
        except TimeoutError:
            raise AssertionError(f"seed {self.seed}: after {seconds:g} s {missing()}\n{self.state()}") from None
        finally:
            self._waiting.remove(look)

    def state(self) -> str:
        """What stands around, for a failure's text."""
        return "\n".join(str(device) for device in self.devices) + f"\nserver: {self.server.errors[-2000:]}"

    # The end -------------------------------------------------------------------------------------
    async def log(self) -> Log:
        """The server's log of every conversation, read by new devices of all accounts."""
        return await read_log(self.test, self.port, {device.told.account for device in self.devices}, PASSWORD)

    async def verdict(self) -> Verdict:
        """Judge the run so far."""
        return judge([device.told for device in self.devices], await self.log(), self.forgotten)


def beside(work: Coroutine[Any, Any, None]) -> Awaitable[None]:
    """Run something beside what follows; to be awaited before the end."""
    return Deferred.fromCoroutine(work)


def _free_port(random: Random) -> int:
    for _ in range(100):
        port = random.choice(_PORTS)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port from 20000 to 32000")
