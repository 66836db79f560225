"""Servers under measurement: encchat in its two ways of keeping messages, and the peers found on this machine.

A server is started with so many accounts as there will be members; what is measured with it, and how long it lives,
is for the benchmarks to say. Limits that would slow one sender or one address down are set out of the way.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from benchmarks import cores, crowd, peers
from benchmarks.members import EncchatMember
from benchmarks.processes import running
from benchmarks.traffic import Group
from encchat.server.datadir import DataDirectory

FREE: Final = {
    "suite": ["noise-hybrid"],
    "request_rate": 1e9,
    "request_burst": 1e9,
    "connections_per_address": 100_000,
    "handshakes_per_second": 1e6,
    "handshakes_burst": 1e6,
}
AT_ONCE: Final = 16
"""Log-ins under way."""


@frozen
class Workload:
    """``rooms`` of so many ``members``, of which ``senders`` talk; ``pairs`` talk without a room."""

    name: str
    words: str
    rooms: int
    members: int
    senders: int
    window: int
    """Messages a sender has under way when it is the server that limits."""
    pairs: bool = False

    @property
    def everybody(self) -> int:
        """All members."""
        return self.rooms * self.members


W1: Final = Workload("W1", "room of 1 sender, 100 receivers", 1, 101, 1, 16)
W2: Final = Workload("W2", "20 rooms of 10, all talk", 20, 10, 10, 8)
W3: Final = Workload("W3", "100 pairs, all talk", 100, 2, 2, 8, pairs=True)


@frozen
class Place:
    """A server that runs, pinned to its core."""

    process: int
    member: Callable[[int], Any]
    """The connection (`benchmarks.members.Member`) of an account by its number, not logged in."""
    stored: Callable[[], int] | None = None
    """How many messages it has kept, if it keeps them."""
    ephemeral: bool = False
    """Whether everything is said in rooms of which it keeps nothing, pairs in rooms of two."""

    def gather(self, workload: Workload) -> list[Group]:
        """Everybody logged in and in place."""
        members = self.log_in(range(workload.everybody))
        size = workload.members
        return [self._group(workload, number, members[number * size :][:size]) for number in range(workload.rooms)]

    def log_in(self, numbers: Sequence[int]) -> list[Any]:
        """These members, several at a time."""
        members = [self.member(number) for number in numbers]
        for member in members:
            member.prepare()
        log_in(members)
        return members

    def _group(self, workload: Workload, number: int, members: Sequence[Any]) -> Group:
        if workload.pairs and not self.ephemeral:
            one, other = members
            return Group(members, [(one, one.to_member(other)), (other, other.to_member(one))], 1)
        room = f"room{number}"
        for member in members:
            member.enter(room, first=member is members[0])
        says = [(member, member.to_room(room)) for member in members[: workload.senders]]
        return Group(members, says, len(members) if members[0].echoes else len(members) - 1)


def log_in(members: Sequence[Any]) -> None:
    """Several at a time, each prepared."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda member: member.log_in(), members))


@frozen
class Server:
    """One that can be measured; ``start`` takes the number of accounts, and other cores than the usual one."""

    name: str
    start: Callable[..., AbstractContextManager[Place]]
    connections: int = 100_000


@contextmanager
def encchat(accounts: int, *on: int, ephemeral: bool = False) -> Iterator[Place]:
    """A server as ``twistd`` runs it, on a directory with so many accounts."""
    with tempfile.TemporaryDirectory(prefix="encchat-bench-") as name:
        directory = Path(name) / "data"
        crowd.make(directory, accounts)
        with running(directory, **FREE) as (process, port):
            cores.pin(process, *on)
            member = partial(EncchatMember, ("127.0.0.1", port), ephemeral=ephemeral)
            stored = partial(_stored, DataDirectory(directory).store)
            yield Place(process, lambda number: member(number=number), stored, ephemeral)


def _stored(store: Path) -> int:
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
        found: int = connection.execute("SELECT count(*) FROM message WHERE scheme = 'megolm'").fetchone()[0]
    return found


@contextmanager
def _peer(peer: peers.Peer, accounts: int, *on: int) -> Iterator[Place]:
    """Accounts it needs none."""
    with peer.running() as (process, port):
        cores.pin(process, *on)
        yield Place(process, lambda number: peer.member(("127.0.0.1", port), number))


ENCCHAT: Final = Server("encchat", encchat)
OFF_THE_RECORD: Final = Server("encchat, ephemeral", partial(encchat, ephemeral=True))


def others() -> list[Server]:
    """The peers found here."""
    return [Server(peer.name, partial(_peer, peer), peer.connections) for peer in peers.found()]
