"""Decides whether anything was lost: what every device was told, held against the server's log.

The load gives every text once, so a text stands for one message. A conversation is named the same for all:
``lobby``, or the two names with a ``+`` between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from attrs import define, evolve, field, frozen

LOBBY = "lobby"
EPOCH = 2**32
"""Seqs of one restore epoch; within it they have no gaps."""

Kind = Literal["lost", "duplicated", "order", "diverged", "invented", "gap"]
Log = Mapping[str, Sequence["Entry"]]
"""The messages of every conversation, in the order of their seqs."""


@frozen
class Entry:
    """One message, as anybody was told of it; ``sealed``: by somebody who cannot read its text."""

    seq: int
    ulid: str
    sender: str
    text: str
    sealed: bool = field(default=False, eq=False)


@frozen
class Accepted:
    """A ``sent``: the promise that this message is safe."""

    conversation: str
    seq: int
    ulid: str


@define(eq=False)
class Told:
    """Everything one device said and was told, over all its lives."""

    device: str
    account: str
    typed: list[tuple[str, str]] = field(factory=list)
    """Conversation and text of what was handed to the device."""
    sent: list[Accepted] = field(factory=list)
    shown: list[tuple[str, Entry]] = field(factory=list)
    queued: list[tuple[str, str]] = field(factory=list)
    """Conversation and ULID of what the device said is waiting in its outbox."""
    told_at: list[tuple[str, int]] = field(factory=list)
    """Conversation and seq of everything shown or accepted, as it came."""
    announced: set[tuple[str, int]] = field(factory=set)
    """Conversation and seq of what it was told of before its key had come: its text may come later than others."""
    refused: int = 0
    """Messages the device was told are not sent."""
    killed: bool = False
    """It may have died with something typed and not yet kept, or kept and not yet shown."""
    kept: dict[str, dict[int, Entry]] = field(factory=dict)
    """What the device's own store has, by conversation and seq, where it was asked."""
    _texts: set[tuple[str, str]] = field(factory=set, init=False)

    def says(self, conversation: str, text: str) -> None:
        """A text was handed to it."""
        self.typed.append((conversation, text))

    def was_sent(self, conversation: str, seq: int, ulid: str) -> None:
        """It was told that its message is safe."""
        self.sent.append(Accepted(conversation, seq, ulid))
        self.told_at.append((conversation, seq))

    def keeps(self, conversation: str, entries: Iterable[Entry]) -> None:
        """It has these messages in its own store."""
        self.kept.setdefault(conversation, {}).update((entry.seq, entry) for entry in entries)

    def was_queued(self, conversation: str, ulid: str) -> None:
        """It was told that its message waits for a connection."""
        self.queued.append((conversation, ulid))

    def was_shown(self, conversation: str, entry: Entry) -> None:
        """It was shown a message."""
        self.shown.append((conversation, entry))
        self._texts.add((conversation, entry.text))
        self.told_at.append((conversation, entry.seq))

    def takes_part(self, conversation: str) -> bool:
        """Whether this conversation is one of its account's."""
        return conversation == LOBBY or self.account in conversation.split("+")

    def has(self, conversation: str, text: str) -> bool:
        """Whether this text of somebody else was shown."""
        return (conversation, text) in self._texts


@frozen
class Problem:
    """One broken promise."""

    kind: Kind
    text: str


@frozen
class Verdict:
    """What the checker found; ``sent`` is the number of messages that were promised to be safe."""

    sent: int
    problems: tuple[Problem, ...]

    def count(self, kind: Kind) -> int:
        """How many problems of this kind."""
        return sum(problem.kind == kind for problem in self.problems)

    def report(self, limit: int = 12) -> str:
        """The first problems, a line each."""
        lines = [f"{problem.kind}: {problem.text}" for problem in self.problems[:limit]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, f"... and {more} more"] if more > 0 else lines)


def canonical(account: str, conversation: str) -> str:
    """One name for a conversation that two accounts call by each other's name."""
    if not conversation.startswith("@"):
        return conversation
    return "+".join(sorted((account, conversation[1:])))


def _never(conversation: str, seq: int) -> bool:
    return False


def judge(everyone: Iterable[Told], log: Log, forgotten: Callable[[str, int], bool] = _never) -> Verdict:
    """Hold what all devices were told against the server's log.

    ``forgotten(conversation, seq)``: whether a restored backup may not know this message.
    """
    devices = list(everyone)
    log = opened(devices, log)
    problems = [*_log_problems(log), *_two_messages_in_one_place(devices, log)]
    for told in devices:
        problems += _device_problems(told, log, forgotten)
    return Verdict(sum(len(told.sent) for told in devices), tuple(problems))


def opened(devices: Sequence[Told], log: Log) -> Log:
    """The log with the texts of sealed messages, as the first device has them that could read them."""
    texts: dict[tuple[str, int, str], str] = {}
    for told in devices:
        kept = [(name, entry) for name, entries in told.kept.items() for entry in entries.values()]
        for name, entry in [*told.shown, *kept]:
            texts.setdefault((name, entry.seq, entry.ulid), entry.text)

    def with_text(name: str, entry: Entry) -> Entry:
        text = texts.get((name, entry.seq, entry.ulid), f"{entry.ulid}, which nobody could read")
        return evolve(entry, text=text) if entry.sealed else entry

    return {name: [with_text(name, entry) for entry in entries] for name, entries in log.items()}


def _log_problems(log: Log) -> Iterator[Problem]:
    for name, entries in log.items():
        for before, after in pairwise([0, *(entry.seq for entry in entries)]):
            expected = before + 1 if after // EPOCH == before // EPOCH else after // EPOCH * EPOCH + 1
            if after != expected:
                yield Problem("gap", f"{name}: after {before} comes {after}")
        for what, times in Counter(entry.text for entry in entries).items():
            if times > 1:
                yield Problem("duplicated", f"{name}: {what} stands in the log {times} times")


def _two_messages_in_one_place(devices: Sequence[Told], log: Log) -> Iterator[Problem]:
    """A seq is given once for ever, also over a restore."""
    places = {(name, entry.seq): entry.ulid for name, entries in log.items() for entry in entries}
    for told in devices:
        promised = [(one.conversation, one.seq, one.ulid) for one in told.sent]
        for name, seq, ulid in [*promised, *((name, entry.seq, entry.ulid) for name, entry in told.shown)]:
            if places.setdefault((name, seq), ulid) != ulid:
                yield Problem("diverged", f"{name} {seq} is {places[name, seq]}, and {ulid} for {told.device}")


def _device_problems(told: Told, log: Log, forgotten: Callable[[str, int], bool]) -> Iterator[Problem]:
    yield from _told_twice(told)
    yield from _order(told)
    for name in {conversation for conversation, _ in told.told_at} - log.keys():
        yield Problem("lost", f"{name}, of which {told.device} was told, is not in the log at all")
    for name, entries in log.items():
        if told.takes_part(name):
            yield from _broken_promises(told, name, entries, forgotten)
            yield from _missing(told, name, entries)
            yield from _typed_in_vain(told, name, entries, forgotten)
            if name in told.kept:
                yield from _kept_otherwise(told, name, entries, forgotten)


def _told_twice(told: Told) -> Iterator[Problem]:
    for (name, seq), times in Counter(told.told_at).items():
        if times > 1:
            yield Problem("duplicated", f"{told.device} was told of {name} {seq} {times} times")


def _order(told: Told) -> Iterator[Problem]:
    last: dict[str, int] = {}
    for name, entry in told.shown:
        if (name, entry.seq) in told.announced:
            continue
        if entry.seq < last.get(name, 0):
            yield Problem("order", f"{told.device} was shown {name} {entry.seq} after {last[name]}")
        last[name] = entry.seq


def _broken_promises(
    told: Told, name: str, entries: Sequence[Entry], forgotten: Callable[[str, int], bool]
) -> Iterator[Problem]:
    by_seq = {entry.seq: entry for entry in entries}
    for one in told.sent:
        if one.conversation == name and one.seq not in by_seq and not forgotten(name, one.seq):
            yield Problem("lost", f"{told.device} was told that {name} {one.seq} is safe; it is not in the log")
    for where, entry in told.shown:
        if where == name and entry.seq not in by_seq:
            if not forgotten(name, entry.seq):
                yield Problem("invented", f"{told.device} was shown {name} {entry.seq}, which is not in the log")
        elif where == name and entry != by_seq[entry.seq]:
            yield Problem("diverged", f"{told.device} was shown {entry}, the log has {by_seq[entry.seq]}")


def _missing(told: Told, name: str, entries: Sequence[Entry]) -> Iterator[Problem]:
    """What a killed device was told may be less than what it keeps."""
    known = {seq for where, seq in told.told_at if where == name}
    known |= told.kept.get(name, {}).keys()
    if told.killed and name not in told.kept:
        return
    for entry in entries:
        if entry.seq not in known:
            yield Problem("lost", f"{told.device} never got {name} {entry.seq} ({entry.text})")


def _typed_in_vain(
    told: Told, name: str, entries: Sequence[Entry], forgotten: Callable[[str, int], bool]
) -> Iterator[Problem]:
    places = {entry.text: entry.seq for entry in entries}
    ulids = {entry.ulid for entry in entries}
    for where, ulid in told.queued:
        if where == name and ulid not in ulids and not told.refused:
            yield Problem("lost", f"{told.device} said that {ulid} waits to be sent to {name}, and it never was")
    texts = [text for where, text in told.typed if where == name]
    found = [places[text] for text in texts if text in places]
    if found != sorted(found):
        yield Problem("order", f"{name} has what was typed on {told.device} in another order")
    absent = [text for text in texts if text not in places]
    excused = told.refused + sum(forgotten(name, one.seq) for one in told.sent if one.conversation == name)
    if len(absent) > excused and not told.killed:
        yield Problem("lost", f"typed on {told.device} for {name} and neither sent nor refused: {absent[:5]}")


def _kept_otherwise(
    told: Told, name: str, entries: Sequence[Entry], forgotten: Callable[[str, int], bool]
) -> Iterator[Problem]:
    """A device that was not killed may have been asked for its newest messages only."""
    log = {entry.seq: entry for entry in entries}
    odd = [seq for seq, entry in told.kept[name].items() if log.get(seq) != entry and not forgotten(name, seq)]
    if odd:
        yield Problem("diverged", f"{told.device} keeps another {name} than the server; they differ at {odd[:10]}")
