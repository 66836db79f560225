"""What a delivered message costs in calls of libraries and the system alone, with none of encchat's own lines around.

Theory of operation. A round of a workload is imagined at its best: everything that is under way is read together, is
committed in one transaction, and goes out in one record to each connection, answers included. What such a round needs
is called again and again in the plainest way: AEAD, JSON with the checks of `encchat.wire`, rows, sockets. The sum by
the messages a round delivers is what no arrangement of these parts, in Python or not, can go below.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from time import process_time
from typing import Any, Final

import msgspec
from attrs import evolve, frozen
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from benchmarks import cores
from benchmarks.members import BODY, connect
from benchmarks.places import W1, W2, W3, Workload
from benchmarks.report import middle, table
from encchat import wire
from encchat.server.store import database

_NONCE: Final = bytes(12)
_READ: Final = 1 << 18  # more than any record here
_ULID: Final = f"{1:026d}"
_TIME: Final = 1_790_000_000_000
_REQUEST: Final = wire.Send(id=12_345, ulid=_ULID, conversation="@user12", scheme="megolm", body=BODY)
_SENT: Final = wire.Sent(ulid=_ULID, conversation="@user12", seq=12_345, time=_TIME)
_ANSWER: Final = wire.Ok(id=12_345, result=_SENT)
_EVENT: Final = wire.Message(
    conversation="@user11",
    kind="direct",
    seq=12_345,
    sender="user11",
    ulid=_ULID,
    time=_TIME,
    body=BODY,
    scheme="megolm",
)
_TOGETHER: Final = 128
"""Rows of one statement."""
_CONNECTIONS: Final = 100


@frozen
class Size:
    """Rounds, and how often each thing is done in one at least."""

    rounds: int = 5
    calls: int = 4_000


QUICK: Final = Size(1, 20)


@frozen
class Lines:
    """What one connection gets in a round, as one record; ``connections`` get as much each."""

    connections: int
    messages: int
    answers: int


@frozen
class Round:
    """All that is under way, once around: ``senders`` say ``said`` each, in so many ``conversations``."""

    name: str
    senders: int
    said: int
    conversations: int
    lines: Sequence[Lines]

    @property
    def messages(self) -> int:
        """What is said in it, by all."""
        return self.senders * self.said

    @property
    def delivered(self) -> int:
        """What is heard in it, each receiver's for itself."""
        return sum(one.connections * one.messages for one in self.lines)


def run(size: Size) -> str:
    """Measure; the table in Markdown."""
    cores.prepare_generator()
    rows = [_row(around, [_costs(around, size.calls) for _ in range(size.rounds)]) for around in rounds()]
    note = "Microseconds of CPU a delivered message."
    head = ("workload", "opening", "JSON", "rows and commit", "sealing", "sockets", "all, durable", "all, ephemeral")
    return f"{note}\n\n{table(head, rows)}"


def rounds() -> list[Round]:
    """Of every workload of `benchmarks.relay`."""
    windows = [(one, words) for one in (W1, W2, W3) for words in ("saturated", "window 1")]
    return [_round(one if words == "saturated" else evolve(one, window=1), words) for one, words in windows]


def _round(workload: Workload, words: str) -> Round:
    window, others = workload.window, workload.members - 1
    if workload.senders == workload.members:
        lines = [Lines(workload.everybody, others * window, window)]
    else:
        lines = [Lines(others, workload.senders * window, 0), Lines(workload.senders, 0, window)]
    name = f"{workload.name} {workload.words}, {words}"
    return Round(name, workload.rooms * workload.senders, window, workload.rooms, lines)


def _row(around: Round, found: Sequence[Sequence[float]]) -> Sequence[str]:
    durable = [sum(costs) for costs in found]
    ephemeral = [sum(costs) - costs[2] for costs in found]
    return around.name, *(middle(values) for values in (*zip(*found, strict=True), durable, ephemeral))


def _costs(around: Round, calls: int) -> Sequence[float]:
    """Microseconds a delivered message of each part, in the order of the table."""
    said, heard = around.messages, around.delivered
    records = [(one, _record(one)) for one in around.lines]
    a_message = (_opening(calls) * said, _json(calls) * said, _rows(around, calls))
    sealing = sum(_sealing(record, calls) * one.connections for one, record in records)
    sockets = sum(_sending(record, calls) * one.connections for one, record in records)
    reading = _reading(around.said, calls) * around.senders
    return [1e6 * seconds / heard for seconds in (*a_message, sealing, sockets + reading)]


def _each(calls: int, call: Callable[[], object]) -> float:
    """Seconds of CPU that one takes."""
    began = process_time()
    for _ in range(calls):
        call()
    return (process_time() - began) / calls


def _opening(calls: int) -> float:
    cipher = ChaCha20Poly1305(bytes(32))
    sealed = cipher.encrypt(_NONCE, _line(_REQUEST), b"")
    return _each(calls, lambda: cipher.decrypt(_NONCE, sealed, b""))


def _json(calls: int) -> float:
    """Of one message: its request checked and read, its event and its answer written."""
    line, encode = wire.encode(_REQUEST), wire.encode
    decoder = msgspec.json.Decoder(wire.Send)
    costs = _each(calls, lambda: decoder.decode(line)), _each(calls, lambda: encode(_EVENT))
    return sum(costs) + _each(calls, lambda: encode(_ANSWER))


def _sealing(record: bytes, calls: int) -> float:
    cipher = ChaCha20Poly1305(bytes(32))
    return _each(calls, lambda: cipher.encrypt(_NONCE, record, b""))


def _record(lines: Lines) -> bytes:
    return _line(_EVENT) * lines.messages + _line(_ANSWER) * lines.answers


def _line(said: Any) -> bytes:
    return wire.encode(said) + b"\n"


def _sending(record: bytes, calls: int) -> float:
    """One `send` of it over loopback; that the other end reads is not counted."""
    return _exchange(record, calls)[0]


def _reading(said: int, calls: int) -> float:
    """One `recv` of what a sender has said at once."""
    return _exchange(_line(_REQUEST) * said, calls)[1]


def _exchange(data: bytes, calls: int) -> tuple[float, float]:
    """Seconds to send it over a connection, and to read it; of many connections, one after another as in a server."""
    sending = reading = 0.0
    turns = max(1, calls // _CONNECTIONS)
    with ExitStack() as stack:
        pairs = [_connection(stack) for _ in range(_CONNECTIONS)]
        for _ in range(turns):
            marks = [process_time()]
            for one, _ in pairs:
                one.sendall(data)
            marks.append(process_time())
            for _, other in pairs:
                _take(other, len(data))
            sending, reading = sending + marks[1] - marks[0], reading + process_time() - marks[1]
    return sending / turns / _CONNECTIONS, reading / turns / _CONNECTIONS


def _connection(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    theirs = stack.enter_context(connect(listening.getsockname()))
    return stack.enter_context(listening.accept()[0]), theirs


def _take(from_: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(from_.recv(_READ))


def _rows(around: Round, calls: int) -> float:
    """Seconds of one transaction with all messages of a round, in a store as the server has it."""
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="encchat-bench-"))
        connection = stack.enter_context(closing(database.connect(Path(name) / "store.db")))
        connection.execute("PRAGMA foreign_keys = OFF")  # nobody is in it, and looking for them costs little
        times = max(3, calls // around.messages)
        return sum(_transaction(connection, around, number) for number in range(times)) / times


def _transaction(connection: Any, around: Round, number: int) -> float:
    batches = _batches(around, number * around.messages)
    began = process_time()
    with database.transaction(connection):
        for statement, values in batches:
            connection.execute(statement, values)
    return process_time() - began


def _batches(around: Round, first: int) -> list[tuple[str, list[object]]]:
    """Statements with their values; in the order of the rows, the conversations take turns."""
    numbers = range(first + 1, first + around.messages + 1)
    found = []
    for some in (numbers[start : start + _TOGETHER] for start in range(0, len(numbers), _TOGETHER)):
        values = [value for number in some for value in _values(number, around.conversations)]
        rows = ", ".join(["(?, ?, 'direct', 1, ?, ?, 'megolm', ?)"] * len(some))
        found.append((f"INSERT INTO message VALUES {rows}", values))  # noqa: S608
    return found


def _values(number: int, conversations: int) -> tuple[object, ...]:
    return number % conversations + 1, number, f"{number:026d}", _TIME + number, BODY
