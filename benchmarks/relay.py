"""What the server costs a delivered message, beside what other chat servers cost on the same machine.

Theory of operation. The server is pinned to one core, this program to another. The servers take turns, round by
round, each with one process for all rounds of a workload. What is said is the server's CPU time of a stretch in the
middle of the talk, threads and kernel included, by the messages that arrived in it; and this program's own share of
its core, so that it shows when the generator was what limited. In the end every message must have arrived, and of
encchat it must be in the database. Limits that would slow one sender down are set out of the way, for all servers.
"""

from __future__ import annotations

import os
import sqlite3
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, process_time
from typing import Any, Final, Protocol

from attrs import define, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.members import EncchatMember, IrcMember
from benchmarks.processes import ROOT, running
from benchmarks.report import middle, table
from benchmarks.traffic import Group, Traffic
from encchat import wire
from encchat.server.datadir import DataDirectory

_FREE: Final = {
    "registration": "open",
    "suite": ["noise-hybrid"],
    "request_rate": 1e9,
    "request_burst": 1e9,
    "connections_per_address": 10_000,
    "handshakes_per_second": 1e6,
    "handshakes_burst": 1e6,
}
SERVER_CORE: Final = 0
_HAS_TLS: Final = find_spec("OpenSSL") is not None


@frozen
class Workload:
    """``rooms`` of so many ``members``, of which ``senders`` talk; without rooms they are pairs."""

    name: str
    words: str
    rooms: int
    members: int
    senders: int
    window: int
    """Messages a sender has under way when it is the server that limits."""
    pairs: bool = False


WORKLOADS: Final = (
    Workload("W1", "room of 1 sender, 100 receivers", 1, 101, 1, 16),
    Workload("W2", "20 rooms of 10, all talk", 20, 10, 10, 8),
    Workload("W3", "100 pairs, all talk", 100, 2, 2, 8, pairs=True),
)


@frozen
class Size:
    """Seconds of each talk, and rounds."""

    seconds: float = 6.0
    rounds: int = 3
    workloads: Sequence[Workload] = WORKLOADS


QUICK: Final = Size(0.6, 1, tuple(Workload(w.name, w.words, 1, w.members // 5 or 2, 1, 4, w.pairs) for w in WORKLOADS))


class Place(Protocol):
    """A running server with everybody in place."""

    traffic: Traffic
    process: int

    def check(self, said: int) -> None:
        """Raise `RuntimeError` unless it has kept what it promises to keep of ``said`` messages since the start."""


@frozen
class Server:
    """One that can be measured: what it is called, and how it is started for a workload."""

    name: str
    start: Callable[[Workload], Any]


@frozen
class Figures:
    """Of one talk: microseconds of the server a delivered message, messages a second, the generator's share."""

    cost: float
    rate: float
    generator: float


@define
class _EncchatPlace:
    traffic: Traffic
    process: int
    store: Path

    def check(self, said: int) -> None:
        with sqlite3.connect(f"{self.store.as_uri()}?mode=ro", uri=True) as connection:
            stored = connection.execute("SELECT count(*) FROM message WHERE scheme = 'megolm'").fetchone()[0]
        connection.close()
        if stored != said:
            raise RuntimeError(f"of {said} messages {stored} are in the database")


@contextmanager
def _encchat(workload: Workload) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="encchat-bench-") as name, ExitStack() as stack:
        process, port = stack.enter_context(running(Path(name) / "data", **_FREE))
        _pin(process)
        groups = [_encchat_group(workload, ("127.0.0.1", port), number) for number in range(workload.rooms)]
        traffic = Traffic(groups)
        stack.callback(traffic.close)
        yield _EncchatPlace(traffic, process, DataDirectory(Path(name) / "data").store)


def _encchat_group(workload: Workload, address: tuple[str, int], number: int) -> Group:
    members = [EncchatMember(address, f"u{number}.{each}") for each in range(workload.members)]
    for member in members:
        member.log_in()
    if workload.pairs:
        return Group(members, _pair(members, "@"), 1)
    room = f"#room{number}"
    members[0].ask(wire.OpenRoom, room=room, ulid=f"7{number:025d}", open=True)
    for each, member in enumerate(members[1:]):
        member.ask(wire.Join, room=room, ulid=f"7{each:025d}")
    return Group(members, [(member, room) for member in members[: workload.senders]], workload.members - 1)


def _pair(members: Sequence[Any], prefix: str) -> list[tuple[Any, str]]:
    one, other = members
    return [(one, prefix + other.name), (other, prefix + one.name)]


@define
class _IrcPlace:
    traffic: Traffic
    process: int

    def check(self, said: int) -> None:
        """It keeps nothing."""


@contextmanager
def _words(workload: Workload) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="encchat-bench-") as name, ExitStack() as stack:
        arguments = [_certificate(Path(name))] if _HAS_TLS else []
        command = [sys.executable, "-m", "benchmarks.words", *arguments]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True))  # noqa: S603 - ours
        stack.callback(process.kill)
        port = int(process.stdout.readline()) if process.stdout else 0
        _pin(process.pid)
        groups = [_irc_group(workload, ("127.0.0.1", port), number) for number in range(workload.rooms)]
        traffic = Traffic(groups)
        stack.callback(traffic.close)
        yield _IrcPlace(traffic, process.pid)


def _irc_group(workload: Workload, address: tuple[str, int], number: int) -> Group:
    tls = _client_context() if _HAS_TLS else None
    members = [IrcMember(address, f"u{number}x{each}", tls) for each in range(workload.members)]
    for member in members:
        member.log_in()
    if workload.pairs:
        return Group(members, _pair(members, ""), 1)
    room = f"#room{number}"
    for member in members:
        member.ask(f"JOIN {room}", b" 366 ")
    return Group(members, [(member, room) for member in members[: workload.senders]], workload.members - 1)


def _certificate(directory: Path) -> str:
    """A file with a key and a certificate for the next days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(9)
    )
    file = directory / "words.pem"
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + pem
    )
    return str(file)


def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is the one that was started here
    return context


def _pin(process: int) -> None:
    for task in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(task), {SERVER_CORE})


def run(size: Size) -> str:
    """Measure; the table in Markdown."""
    os.sched_setaffinity(0, set(os.sched_getaffinity(0)) - {SERVER_CORE} or {SERVER_CORE})
    words = "twisted.words over TLS" if _HAS_TLS else "twisted.words without TLS (no pyOpenSSL here)"
    servers = [Server("encchat", _encchat), Server(words, _words)]
    head = ("workload", *(server.name for server in servers), "generator's share of its core")
    rows = [row for workload in size.workloads for row in _rows(workload, servers, size)]
    return table(head, rows)


def _rows(workload: Workload, servers: Sequence[Server], size: Size) -> list[Sequence[str]]:
    with ExitStack() as stack:
        places = [stack.enter_context(server.start(workload)) for server in servers]
        for place in places:
            place.traffic.settle()
        found = [_rounds(places, window, size) for window in (workload.window, 1)]
    words = ("saturated", "window 1")
    return [_row(f"{workload.name} {workload.words}, {word}", of) for word, of in zip(words, found, strict=True)]


def _row(name: str, found: list[list[Figures]]) -> Sequence[str]:
    costs = [f"{middle([one.cost for one in of])} us, {middle([one.rate for one in of])}/s" for of in found]
    return name, *costs, ", ".join(middle([100 * one.generator for one in of]) + " %" for of in found)


def _rounds(places: Sequence[Place], window: int, size: Size) -> list[list[Figures]]:
    found: list[list[Figures]] = [[] for _ in places]
    for _ in range(size.rounds):
        for place, figures in zip(places, found, strict=True):
            figures.append(_talk(place, window, size.seconds))
    return found


def _talk(place: Place, window: int, seconds: float) -> Figures:
    marks: list[tuple[float, float, float, int]] = []
    traffic = place.traffic

    def mark() -> None:
        marks.append((_cpu(place.process), process_time(), monotonic(), traffic.heard()))

    before = traffic.sent()
    traffic.run(window, seconds, [(seconds / 4, mark), (seconds * 0.95, mark)])
    if traffic.lost() or traffic.sent() == before:
        raise RuntimeError(f"{traffic.lost()} of {traffic.sent()} messages were lost")
    place.check(traffic.sent())
    server, own, clock, heard = (late - early for early, late in zip(*marks, strict=True))
    return Figures(server / heard * 1e6, heard / clock, own / clock)


def _cpu(process: int) -> float:
    """Seconds of all threads, the kernel's work for them included."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
