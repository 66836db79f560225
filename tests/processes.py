"""Real encchat processes for tests: started, read line by line with a time limit, and always ended.

server = await start_server(self, "--registration", "open")
alice = start_client(self, server.address, "--user", "alice", "--register")
await alice.wait_for("logged_in", user="alice")
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import coverage
from attrs import define, field
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

import encchat

reactor: Any = _reactor

SECONDS = 20.0
"""How long a test waits for one line or one exit; the machine may be busy with other tests."""

REACTOR = os.environ.get("ENCCHAT_TEST_REACTOR", "")
"""What ``twistd --reactor`` is given for each server; nothing: the server chooses its own."""

IMPORTED_FROM = Path(encchat.__file__).parent.parent
"""The tree or the site-packages under test; child processes take the same."""
_TWISTD = "from twisted.scripts.twistd import run; run()"
CLIENT_CODE = "from encchat.client.__main__ import main; import sys; sys.exit(main())"
_ADMIN = "from encchat.server.admin import main; import sys; sys.exit(main())"


@define(eq=False)
class Waiting:
    """A line somebody waits for."""

    event: str
    fields: Mapping[str, object]
    found: Deferred[dict[str, Any]]

    def matches(self, line: dict[str, Any]) -> bool:
        wanted = line.get("event") == self.event
        return wanted and all(name in line and line[name] == value for name, value in self.fields.items())


@define(eq=False, slots=False)
class JsonProcess(ProcessProtocol):
    """A child process that writes one JSON object a line; each line is handed out once."""

    lines: list[dict[str, Any]] = field(factory=list)
    """What it wrote and nobody has waited for."""
    seen: list[dict[str, Any]] = field(factory=list)
    """Everything it wrote."""
    other: str = ""
    """Lines on stdout that are not JSON."""
    errors: str = ""
    """What it wrote on stderr."""
    exit_code: int | None = None
    """Negative: the signal that ended it."""
    _rest: bytes = b""
    _waiting: list[Waiting] = field(factory=list)
    _ended: list[Deferred[int]] = field(factory=list)

    def outReceived(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._line(line)

    def errReceived(self, data: bytes) -> None:
        self.errors += data.decode("utf-8", "replace")

    def processEnded(self, reason: Failure) -> None:
        status: Any = reason.value
        self.exit_code = status.exitCode if status.signal is None else -status.signal
        ended, self._ended = self._ended, []
        for one in ended:
            one.callback(self.exit_code)
        waiting, self._waiting = self._waiting, []
        for wanted in waiting:
            wanted.found.errback(AssertionError(self._missing(wanted.event, wanted.fields)))

    def _line(self, line: bytes) -> None:
        try:
            value = json.loads(line)
        except ValueError:
            self.other += line.decode("utf-8", "replace") + "\n"
            return
        self.seen.append(value)
        for wanted in self._waiting:
            if wanted.matches(value):
                self._waiting.remove(wanted)
                wanted.found.callback(value)
                return
        self.lines.append(value)

    async def wait_for(self, event: str, /, **fields: object) -> dict[str, Any]:
        """The first line not handed out yet with this ``event`` and these fields (``from_`` for ``from``)."""
        wanted = Waiting(event, {name.rstrip("_"): value for name, value in fields.items()}, Deferred())
        for line in self.lines:
            if wanted.matches(line):
                self.lines.remove(line)
                return line
        if self.exit_code is not None:
            raise AssertionError(self._missing(event, fields))
        self._waiting.append(wanted)
        wanted.found.addTimeout(SECONDS, reactor)
        try:
            return await wanted.found
        except TimeoutError:
            self._waiting.remove(wanted)
            raise AssertionError(self._missing(event, fields)) from None

    def _missing(self, event: str, fields: Mapping[str, object]) -> str:
        return (
            f"no {event} line with {dict(fields)} in time; exit code {self.exit_code}; lines: {self.seen};"
            f" other output: {self.other!r}; stderr: {self.errors!r}"
        )

    async def exits(self) -> int:
        """Wait until the process is gone and its output has been read; the exit code, or minus the signal."""
        if self.exit_code is None:
            ended: Deferred[int] = Deferred()
            self._ended.append(ended)
            try:
                await ended.addTimeout(SECONDS, reactor)
            except TimeoutError:
                raise AssertionError(f"still running; lines: {self.seen}; stderr: {self.errors!r}") from None
        assert self.exit_code is not None
        return self.exit_code

    def type(self, *lines: str) -> None:
        """Write lines to its stdin, in one write."""
        transport: Any = self.transport
        transport.write("".join(f"{line}\n" for line in lines).encode("utf-8"))

    def end_input(self) -> None:
        """Close its stdin."""
        transport: Any = self.transport
        transport.closeStdin()

    def signal(self, name: str) -> None:
        """Send ``TERM``, ``INT``, ``HUP``, ``STOP``, ``CONT`` or ``KILL``."""
        transport: Any = self.transport
        transport.signalProcess(int(getattr(signal, f"SIG{name}")))

    async def ends(self) -> None:
        """Make sure that it is gone."""
        with suppress(ProcessExitedAlready):
            self.signal("KILL")
        await self.exits()


@define(eq=False, slots=False)
class ServerProcess(JsonProcess):
    """A server; ``port`` and ``fingerprint`` stand once `start_server` has returned."""

    data_dir: Path = Path()
    port: int = 0
    fingerprint: str = ""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def invite(self) -> str:
        """The first administrator's link; a store that is not new has none."""
        link: str = (await self.wait_for("invite"))["link"]
        return link

    async def stops(self) -> int:
        """Stop it as an administrator does."""
        self.signal("TERM")
        return await self.exits()


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which nothing of the real user's is read or written; see `measured` for the coverage."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ENCCHAT_", "COVERAGE_"))}
    kept.update(HOME=str(home), PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
    kept.update(extra or {})
    places = [str(IMPORTED_FROM), *filter(None, [(extra or {}).get("PYTHONPATH")])]
    kept["PYTHONPATH"] = os.pathsep.join(places)
    return kept


def spawn(
    test: TestCase,
    process: JsonProcess,
    code: str,
    arguments: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Start ``python -c code arguments``; the test's end ends it."""
    command = [sys.executable, "-c", measured(code), *arguments]
    reactor.spawnProcess(process, sys.executable, command, env=environment(cwd, environ), path=str(cwd))
    test.addCleanup(lambda: Deferred.fromCoroutine(process.ends()))


def measured(code: str) -> str:
    """The same code under coverage, if this process is; twistd ends by a signal, so that it has to save before."""
    current = coverage.Coverage.current()
    if current is None:
        return code
    data, config = current.get_data().base_filename(), str(Path(__file__).parent.parent / "setup.cfg")
    make = f"coverage.Coverage(data_file={data!r}, data_suffix=True, config_file={config!r})"
    start = f"import atexit, coverage; c = {make}; c.start(); atexit.register(c.save)"
    leave = "leave = app._exitWithSignal; app._exitWithSignal = lambda number: (c.save(), leave(number))"
    save = f"from twisted.application import app; {leave}"  # without a reactor: twistd has yet to choose one
    return "; ".join((start, save, code) if code == _TWISTD else (start, code))


def directory(test: TestCase) -> Path:
    """A new directory of the test's own."""
    path = Path(test.mktemp()).absolute()
    path.mkdir(parents=True, mode=0o700)
    return path


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start_server(
    test: TestCase,
    *options: str,
    data_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    on: str = REACTOR,
) -> ServerProcess:
    """Start ``twistd -n encchat`` on a free port (unless ``--port`` is given); returns when it listens."""
    server = spawn_server(test, *options, data_dir=data_dir, environ=environ, on=on)
    listening = await server.wait_for("listening")
    server.port, server.fingerprint = listening["port"], listening["fingerprint"]
    return server


def spawn_server(
    test: TestCase,
    *options: str,
    data_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    on: str = REACTOR,
) -> ServerProcess:
    """The same, without waiting; for servers that shall fail."""
    home = directory(test)
    server = ServerProcess(data_dir=data_dir or home / "data")
    chosen = [f"--reactor={on}"] if on else []
    arguments = ["-n", "--pidfile=", *chosen, "encchat", f"--data-dir={server.data_dir}", "--log-format=json"]
    if not any(option.startswith(("--port", "-p", "--endpoint")) for option in options):
        arguments.append("--port=0")
    spawn(test, server, _TWISTD, [*arguments, *options], home, environ)
    return server


def start_client(
    test: TestCase, address: str, *options: str, home: Path | None = None, environ: Mapping[str, str] | None = None
) -> JsonProcess:
    """Start ``encchat-client ADDRESS --face json``, with a home of its own unless one is given."""
    home = home or directory(test)
    client = JsonProcess()
    spawn(test, client, CLIENT_CODE, [address, "--face", "json", "--home", str(home), *options], home, environ)
    return client


def run_admin(test: TestCase, *arguments: str) -> JsonProcess:
    """Start ``encchat-admin``; its output, which is not JSON, comes to stand in ``other``."""
    admin = JsonProcess()
    spawn(test, admin, _ADMIN, arguments, directory(test))
    return admin
