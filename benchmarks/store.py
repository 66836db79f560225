"""What the store costs: a message that is appended, and everything once millions of them are there.

Theory of operation. The first table is the store alone, with the reactor and its own thread, nobody connected: so many
messages are always under way, and whichever is stored lets the next go. The second is two stores beside each other, a
small one and a full one, filled by SQL: messages of all conversations lie mixed, as they would after years. The same
is asked of both in turn, so that what else the machine does is in both.
"""

from __future__ import annotations

import os
import random
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from attrs import define, frozen
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults

from benchmarks.processes import running
from benchmarks.report import middle, table
from encchat.limits import MAX_PAGE
from encchat.server.datadir import DataDirectory
from encchat.server.model import LOBBY_KEY, NewMessage
from encchat.server.store.database import connect, transaction
from encchat.server.store.sqlite import SqliteStore

reactor: Any = _reactor
_TIME: Final = 1_790_000_000_000
_BODY: Final = 287
"""Characters: as long as the Megolm message of a text of 100 bytes."""
_SLICE: Final = 100_000
"""Messages of one transaction of the filling."""
_LOBBY: Final = 10
"""Every so manyth message is in the lobby."""
_COLD: Final = 200
"""How often a page is read whose file is not in memory."""


@frozen
class Shape:
    """A store's size; each account talks with two others, the rest is in the lobby. Each room has ten members."""

    messages: int
    accounts: int
    rooms: int


@frozen
class Size:
    """How often appending is measured, how often each question is asked."""

    rounds: int = 3
    questions: int = 2_000
    windows: Sequence[int] = (8, 64, 512)
    appended: int = 30_000
    small: Shape = Shape(12_000, 100, 10)
    full: Shape = Shape(10_000_000, 100_000, 1_000)


QUICK: Final = Size(1, 20, (8,), 400, Shape(2_000, 20, 2), Shape(5_000, 30, 3))


def run(size: Size) -> str:
    """Measure; the tables in Markdown."""
    found: list[str] = []
    failed: list[BaseException] = []

    def end(outcome: Any) -> None:
        (failed if isinstance(outcome, Exception) else found).append(outcome)
        reactor.stop()

    def start() -> None:
        work = Deferred.fromCoroutine(_run(size))
        work.addErrback(lambda failure: failure.value).addCallback(end)

    reactor.callWhenRunning(start)
    reactor.run()
    if failed:
        raise failed[0]
    return found[0]


async def _run(size: Size) -> str:
    with tempfile.TemporaryDirectory(prefix="encchat-bench-") as name:
        appending = await _appending(Path(name), size)
        places = [_place(Path(name) / word, shape) for word, shape in (("small", size.small), ("full", size.full))]
        starts = [[_start(place) for _ in range(size.rounds)] for place in places]
        for place in places:
            await place.store.open()
        try:
            asked = [(words, await _asked(places, size.questions, ask)) for words, ask in _QUESTIONS.items()]
            cold = await _asked(places, min(_COLD, size.questions), _cold_page)
        finally:
            await gatherResults([place.store.close() for place in places])
        sizes = [place.path.stat().st_size / 2**20 for place in places]
    head = ("", *(f"{shape.messages:,} messages, {shape.accounts:,} accounts" for shape in (size.small, size.full)))
    rows = [
        (words, *map(_times, of))
        for words, of in [*asked, ("such a page when the system has nothing of the file in memory", cold)]
    ]
    rows.append(("start of the server, s", *map(middle, starts)))
    rows.append(("size, MiB", *(f"{one:,.0f}" for one in sizes)))
    return f"{appending}\n\n{table(head, rows)}"


# Appending -------------------------------------------------------------------------------------
@define
class _Stream:
    """Messages into a store, of which a number is always under way."""

    store: SqliteStore
    left: Iterator[NewMessage]
    waiting: int
    ended: Deferred[None]

    def go(self, outcome: Any = None) -> None:
        """The next one, or the end."""
        if isinstance(outcome, Exception):
            raise outcome
        message = next(self.left, None)
        if message is not None:
            self.store.append(message, self.go)
            return
        self.waiting -= 1
        if not self.waiting:
            self.ended.callback(None)


async def _appending(directory: Path, size: Size) -> str:
    head = ("messages under way", "CPU a message, us", "messages a second", "messages a transaction")
    rows = []
    for window in size.windows:
        found = [await _append(directory / f"{window}.{number}", window, size) for number in range(size.rounds)]
        rows.append((f"{window}", *(middle([one[each] for one in found]) for each in range(3))))
    return table(head, rows)


async def _append(path: Path, window: int, size: Size) -> tuple[float, float, float]:
    with closing(connect(path)) as connection:
        _people(connection, 200)
    store = SqliteStore(path, reactor)
    await store.open()
    count = min(size.appended, 300 * window)
    messages = iter([_message(number, number % 100, 200) for number in range(count)])
    stream = _Stream(store, messages, window, Deferred())
    cpu, clock, before = process_time(), perf_counter(), store.transactions
    for _ in range(window):
        stream.go()
    await stream.ended
    cpu, clock, transactions = process_time() - cpu, perf_counter() - clock, store.transactions - before
    await store.close()
    return cpu / count * 1e6, count / clock, count / transactions


def _message(number: int, pair: int, people: int) -> NewMessage:
    one, other = _pair(pair, people)
    sender = (one, other)[number % 2]
    return NewMessage(f"direct:{one}:{other}", "direct", sender, f"7{number:025d}", _TIME, "x" * _BODY, "megolm")


def _pair(number: int, people: int) -> tuple[int, int]:
    """The account ids of the pair of that number, the less one first."""
    one, other = number % people + 1, (number + 1) % people + 1
    return min(one, other), max(one, other)


# Filling ---------------------------------------------------------------------------------------
@define
class _Place:
    """A filled store, and what chooses what is asked of it."""

    directory: Path
    path: Path
    shape: Shape
    store: SqliteStore
    chance: random.Random
    sent: int = 0

    def direct(self) -> tuple[int, str]:
        """Somebody, and the key of a conversation of theirs."""
        number = self.chance.randrange(self.shape.accounts)
        one, other = _pair(number, self.shape.accounts)
        return number + 1, f"direct:{one}:{other}"


def _place(directory: Path, shape: Shape) -> _Place:
    directory.mkdir(mode=0o700)
    path = DataDirectory(directory).store
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("PRAGMA foreign_keys = OFF")
        _people(connection, shape.accounts)
        _conversations(connection, shape)
        for first in range(0, shape.messages, _SLICE):
            _fill(connection, shape, first, min(first + _SLICE, shape.messages))
        connection.execute(
            "UPDATE conversation SET last_seq = (SELECT max(seq) FROM message WHERE conversation_id = id)"
            " WHERE kind != 'room'"
        )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _settled(path)
    return _Place(directory, path, shape, SqliteStore(path, reactor), random.Random(1))  # noqa: S311 - no secret


def _people(connection: sqlite3.Connection, count: int) -> None:
    with transaction(connection):
        connection.executemany(
            "INSERT INTO account (id, name, folded, skeleton, role, password_hash, created)"
            " VALUES (?1, ?2, ?2, ?2, 'user', 'hash', 1)",
            ((number, f"u{number}") for number in range(1, count + 1)),
        )
        connection.executemany(
            "INSERT INTO device (key, account_id, name) VALUES (?, ?, 'desk')",
            ((_device(number), number) for number in range(1, count + 1)),
        )


def _device(account: int) -> bytes:
    return account.to_bytes(32, "big")


def _conversations(connection: sqlite3.Connection, shape: Shape) -> None:
    pairs = [_pair(number, shape.accounts) for number in range(shape.accounts)]
    with transaction(connection):
        connection.execute("INSERT INTO conversation (id, key, kind) VALUES (1, ?, 'lobby')", (LOBBY_KEY,))
        connection.executemany(
            "INSERT INTO conversation (id, key, kind) VALUES (?, ?, 'direct')",
            ((number + 2, f"direct:{one}:{other}") for number, (one, other) in enumerate(pairs)),
        )
        connection.executemany(
            "INSERT INTO participant VALUES (?, ?)",
            ((person, number + 2) for number, pair in enumerate(pairs) for person in pair),
        )
    connection.executescript(_ROOMS.format(rooms=shape.rooms, first=shape.accounts + 2, accounts=shape.accounts))


_ROOMS: Final = """
INSERT INTO conversation (id, key, kind, last_seq)
    WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {rooms} - 1)
    SELECT {first} + n, 'room:' || printf('%026d', n), 'room', 11 FROM n;
INSERT INTO room (id, conversation_id, name, folded, scheme, policy, history, open, version)
    SELECT substr(key, 6), id, '#r' || id, '#r' || id, 'megolm', 'signed', 'all', 1, 11
    FROM conversation WHERE kind = 'room';
INSERT INTO member (room_id, account_id, folded, role, state, by, since, from_seq, statement)
    WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 9)
    SELECT room.id, account.id, account.folded, iif(n, 'member', 'owner'), 'joined', '', n + 1, 1, ''
    FROM n, room JOIN account ON account.id = 1 + (conversation_id * 10 + n) % {accounts};
"""
_FILL: Final = f"""
INSERT INTO message (conversation_id, seq, kind, sender_id, ulid, time, scheme, body)
    WITH RECURSIVE n(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2 - 1)
    SELECT CASE WHEN n % {_LOBBY} THEN 2 + (n - n / {_LOBBY} - 1) % ?3 ELSE 1 END,
        1 + CASE WHEN n % {_LOBBY} THEN (n - n / {_LOBBY} - 1) / ?3 ELSE n / {_LOBBY} END,
        iif(n % {_LOBBY}, 'direct', 'lobby'),
        1 + abs(n - n / {_LOBBY} - 1) % ?3,
        '0' || printf('%025d', n), {_TIME} - 1000000000 + n, 'megolm', hex(randomblob({_BODY} / 2)) FROM n
"""  # noqa: S608


def _fill(connection: sqlite3.Connection, shape: Shape, first: int, end: int) -> None:
    with transaction(connection):
        connection.execute(_FILL, (first, end, shape.accounts))


def _settled(path: Path) -> None:
    """On the disk: nothing of the filling is still to be written while something else is measured."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


# Asking ----------------------------------------------------------------------------------------
def _send(place: _Place) -> Deferred[Any]:
    place.sent += 1
    stored: Deferred[Any] = Deferred()
    message = _message(place.sent, place.chance.randrange(place.shape.accounts), place.shape.accounts)
    place.store.append(message, stored.callback)
    return stored


def _list(place: _Place) -> Deferred[Any]:
    account, _ = place.direct()
    listed = place.store.conversations(account, _device(account))
    return gatherResults([listed, place.store.readable_rooms(account, _device(account))])


def _sync(place: _Place) -> Deferred[Any]:
    _, key = place.direct()
    return gatherResults([place.store.conversation(key), place.store.history(key, 0, MAX_PAGE)])


def _history(place: _Place) -> Deferred[Any]:
    after = place.chance.randrange(place.shape.messages // _LOBBY - MAX_PAGE // 2)
    return gatherResults([place.store.conversation(LOBBY_KEY), place.store.history(LOBBY_KEY, after, MAX_PAGE // 2)])


def _log_in(place: _Place) -> Deferred[Any]:
    return place.store.device(_device(place.direct()[0]))


def _cold_page(place: _Place) -> Deferred[Any]:
    with place.path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return _sync(place)


_QUESTIONS: Final[dict[str, Callable[[_Place], Awaitable[Any]]]] = {
    "send: from append to commit": _send,
    "look up the device of a log-in": _log_in,
    "list of conversations": _list,
    "history: 100 messages anywhere in the lobby": _history,
    "sync: a direct conversation's first page": _sync,
}


async def _asked(places: Sequence[_Place], count: int, ask: Callable[[_Place], Awaitable[Any]]) -> list[list[float]]:
    """Milliseconds of each answer of each place."""
    found: list[list[float]] = [[] for _ in places]
    for _ in range(count):
        for place, times in zip(places, found, strict=True):
            start = perf_counter()
            await ask(place)
            times.append((perf_counter() - start) * 1e3)
    return found


def _times(found: list[float]) -> str:
    ordered = sorted(found)
    return f"p50 {ordered[len(ordered) // 2]:.2f} ms, p99 {ordered[len(ordered) * 99 // 100]:.2f} ms"


def _start(place: _Place) -> float:
    """Seconds until a server on it takes connections."""
    start = perf_counter()
    with running(place.directory):
        return perf_counter() - start
