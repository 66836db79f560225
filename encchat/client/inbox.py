"""Which messages are new: a cursor for each conversation, gaps found by seq and closed by `sync`; knows no sockets.

Theory of operation. A conversation's cursor says up to where it is complete here. A message right after it is taken:
opened, kept, shown, the cursor moved, all in one transaction; one at or before it is a duplicate. One further on waits
in ``ahead`` while the gap is asked for page by page from the cursor. After each login the server lists the
conversations, which tells of gaps nobody has heard of; until then everything waits in ``ahead``.

    UNLISTED --conversations--> LIVE --connection lost, or behind--> UNLISTED

This client's own messages come as the answer to their `send`, or in a page if that answer was lost, or is late; one is
as good as the other. Their places count like any other; they are shown as messages only if another device sent them.

What was committed is acknowledged, one `ack` of a conversation under way at a time, and only if the store is durable:
the server's cursor of this device is never before what the device could lose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, Protocol

from attrs import define, field

from encchat import names, wire
from encchat.client.ledger import Ledger
from encchat.client.requests import Answer, Done
from encchat.client.store.interface import StoredMessage
from encchat.errors import NotConnectedError, UnknownCommandError, UsageError
from encchat.limits import MAX_AHEAD, MAX_NAME, MAX_PAGE, MAX_REQUEST_ID, SYNC_AT_ONCE


class State(Enum):
    """Where an `Inbox` stands; see the module's theory of operation."""

    UNLISTED = "unlisted"
    LIVE = "live"


@define(eq=False)
class Log:
    """One conversation; ``cursor`` None: the server has to say where this device begins."""

    name: str
    cursor: int | None
    latest: int = 0
    """The greatest seq heard of."""
    ahead: dict[int, StoredMessage | None] = field(factory=dict)
    """Messages past a gap; None for an own one, which is kept already."""
    missed: bool = False
    """Whether what the next pages bring was said while this device was away."""
    nothing_until: int = 0
    """The end that an empty page named, if the last one was empty."""
    syncing: bool = False
    acking: bool = False
    acked: int = 0

    @property
    def behind(self) -> bool:
        """Whether the server has messages that are missing here."""
        return self.cursor is not None and self.latest > self.cursor


class Asks(Protocol):
    """Sends a request that nobody waits for; ``done`` takes the answer."""

    def __call__(self, kind: type[wire.Request], done: Done, **fields: Any) -> None: ...


class Opens(Protocol):
    """Makes of what came what is kept, in its turn."""

    def __call__(self, message: StoredMessage, *, missed: bool) -> StoredMessage: ...


@define(eq=False)
class Inbox:
    """See the module's theory of operation.

    ``open(message, missed=)`` makes of what came what is kept; ``mine`` tells an own message, ``waited`` gives it as it
    is kept if it was in the outbox of this device, which it leaves by that; ``show(message, missed)`` shows one that is
    new, ``fail`` shows a refusal, ``caught_up(is_old)`` tells that `is_current` may be another now, and whether the
    server has heard of more from this device than its store holds: then the store is an old copy.
    """

    _ledger: Ledger
    _ask: Asks
    _open: Opens
    _mine: Callable[[StoredMessage], bool]
    _waited: Callable[[StoredMessage], StoredMessage | None]
    _show: Callable[[StoredMessage, bool], None]
    _fail: Callable[[wire.Error, str], None]
    _caught_up: Callable[[bool], None]
    _state: State = field(init=False, default=State.UNLISTED)
    _logs: dict[str, Log] = field(init=False, factory=dict)
    _queue: deque[Log] = field(init=False, factory=deque)
    _asked: int = field(init=False, default=0)
    _moved: dict[str, Log] = field(init=False, factory=dict)
    _gapless: bool = field(init=False, default=False)
    """The server knows no `sync`: what comes is all there is."""
    refused: bool = field(init=False, default=False)
    """Whether the server has refused to say what is missing or to take an `ack`, so that it has to be asked again."""

    def load(self, cursors: dict[str, int]) -> None:
        """Where the store says each conversation stands."""
        for name, cursor in cursors.items():
            self._logs[names.folded(name)] = Log(name, cursor, cursor)

    # The connection's life ----------------------------------------------------------------------
    def catch_up(self) -> None:
        """Ask what is missing; after a login, and whenever messages may have been left out."""
        self._state, self.refused = State.UNLISTED, False
        self._ask(wire.Conversations, self._listed)

    def lost(self) -> None:
        """The connection is gone, and with it every answer that was to come."""
        self._state, self.refused = State.UNLISTED, False
        self._queue.clear()
        self._asked = 0
        for log in self._logs.values():
            log.ahead.clear()
            log.syncing = log.acking = False
            log.nothing_until = 0
            log.latest = log.cursor or 0

    def acknowledge(self) -> None:
        """Tell the server what has been committed."""
        moved, self._moved = self._moved, {}
        if not self._ledger.store.durable or self._gapless:
            return
        for log in moved.values():
            if not log.acking and log.cursor is not None and log.cursor > log.acked:
                log.acking, log.acked = True, log.cursor
                self._ask(wire.Ack, partial(self._acked, log), conversation=log.name, seq=log.cursor)

    def _acked(self, log: Log, answer: Answer) -> None:
        log.acking = False
        if isinstance(answer, wire.Error):
            self.refused = self.refused or answer.code != NotConnectedError.code  # the next list tells where it stands
        elif log.cursor != log.acked:
            self._moved[names.folded(log.name)] = log

    # What comes ---------------------------------------------------------------------------------
    def receive(self, said: wire.Message) -> None:
        """Somebody, perhaps another device of this account, said something just now."""
        if not _sound(said.conversation, said.seq, said.time):
            return
        message = stored(said)
        log = self._log(message.conversation)
        log.latest = max(log.latest, message.seq)
        if log.cursor is not None and message.seq <= log.cursor:
            return
        if message.seq not in log.ahead and len(log.ahead) < MAX_AHEAD:
            log.ahead[message.seq] = message
        self._settle(log)

    def accepted(self, message: StoredMessage) -> None:
        """The server has accepted this device's own message."""
        if not _sound(message.conversation, message.seq, message.time):
            return
        log = self._log(message.conversation)
        log.latest = max(log.latest, message.seq)
        self._ledger.keep(message)
        if log.cursor is None or message.seq > log.cursor:
            log.ahead[message.seq] = None
            self._settle(log)

    def is_current(self, conversation: str) -> bool:
        """Whether what the server says of this device's past is known, for a room with all that was missed in it.

        Before, this store may be an old copy whose keys must not be used again.
        """
        log = self._logs.get(names.folded(conversation))
        waits = log is not None and log.missed and log.behind and conversation.startswith("#")
        return self._state is State.LIVE and not waits

    def newest(self, conversation: str) -> tuple[int, str] | None:
        """The seq and ULID up to where a conversation is complete here; None if nothing of it is."""
        log = self._logs.get(names.folded(conversation))
        kept = None if log is None or not log.cursor else self._ledger.at(conversation, log.cursor)
        return None if kept is None else (kept.seq, kept.ulid)

    def _log(self, name: str) -> Log:
        key = names.folded(name)
        log = self._logs.get(key)
        if log is None:
            log = self._logs[key] = Log(name, 0 if self._state is State.LIVE else None)
        return log

    def _settle(self, log: Log) -> None:
        """Take what follows the cursor; ask for what does not."""
        if self._state is State.UNLISTED or log.cursor is None:
            return
        if self._gapless:
            for seq in sorted(log.ahead):
                self._take(log, seq, log.ahead.pop(seq), missed=False)
            return
        while (seq := log.cursor + 1) in log.ahead:
            self._take(log, seq, log.ahead.pop(seq), missed=False)
        if log.behind:
            self._sync(log)

    def _take(self, log: Log, seq: int, message: StoredMessage | None, *, missed: bool) -> None:
        if message is not None and not (self._mine(message) and self._known(message)):
            opened = self._open(message, missed=missed)
            self._ledger.keep(opened)
            self._show(opened, missed)
        self._move(log, seq)

    def _known(self, message: StoredMessage) -> bool:
        """Whether an own message is this device's: accepted before, or just now, as its being here proves."""
        ours = self._waited(message)
        if ours is not None:
            self._ledger.keep(ours)
            return True
        return self._ledger.holds(message.conversation, message.seq)

    def _move(self, log: Log, seq: int) -> None:
        log.cursor = seq
        self._ledger.move(log.name, seq)
        self._moved[names.folded(log.name)] = log

    # Asking for what is missing -----------------------------------------------------------------
    def _listed(self, answer: Answer) -> None:
        is_old = False
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.ConversationList):
            is_old = any(list(map(self._learn, answer.result.conversations)))
        elif isinstance(answer, wire.Error) and answer.code == UnknownCommandError.code:
            self._gapless = True
        else:
            self._refused(answer, "/conversations")
            return
        self._state = State.LIVE
        for log in list(self._logs.values()):
            log.cursor = log.cursor or 0
            log.missed = log.missed and log.behind
            self._settle(log)
        self._caught_up(is_old)

    def _learn(self, entry: wire.ConversationEntry) -> bool:
        """Whether this device has acknowledged what its store does not hold; in a room that may be of another stay."""
        if not (_sound(entry.conversation, 1, 0) and 0 <= entry.cursor <= MAX_REQUEST_ID):
            return False
        log = self._log(entry.conversation)
        is_old = log.cursor is not None and entry.cursor > log.cursor and entry.conversation.startswith("@")
        log.name = entry.conversation
        if log.cursor is None:
            log.cursor = entry.cursor
        log.latest, log.missed = max(log.latest, min(entry.last_seq, MAX_REQUEST_ID)), True
        log.acked = entry.cursor
        if log.cursor > entry.cursor:
            self._moved[names.folded(log.name)] = log
        return is_old

    def _sync(self, log: Log) -> None:
        if not log.syncing:
            log.syncing = True
            self._queue.append(log)
            self._ask_on()

    def _ask_on(self) -> None:
        while self._queue and self._asked < SYNC_AT_ONCE:
            log = self._queue.popleft()
            if not log.behind:
                log.syncing = False
                continue
            try:
                self._ask(wire.Sync, partial(self._paged, log), conversation=log.name, after=log.cursor, limit=MAX_PAGE)
            except UsageError:  # a name or number of the server's own that it would not take back
                del self._logs[names.folded(log.name)]
            else:
                self._asked += 1

    def _paged(self, log: Log, answer: Answer) -> None:
        self._asked -= 1
        log.syncing = False
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Page):
            self._take_page(log, answer.result)
        else:
            self._refused(answer, f"/sync {log.name}")
        self._ask_on()

    def _take_page(self, log: Log, page: wire.Page) -> None:
        before, last = log.cursor or 0, min(page.last_seq, MAX_REQUEST_ID)
        log.latest = max(log.latest, last)
        for said in page.messages:
            if (
                _sound(said.conversation, said.seq, said.time)
                and said.conversation == page.conversation
                and said.seq > (log.cursor or 0)
            ):
                self._take(log, said.seq, stored(said), missed=log.missed)
        self._skip_removed(log, None if page.messages else last)
        log.ahead = {seq: message for seq, message in log.ahead.items() if seq > (log.cursor or 0)}
        if log.cursor == before and (page.messages or last <= before):
            log.latest = before  # a server that brings nothing new is not asked for ever
        if (log.cursor or 0) >= last:
            log.missed = False
        self._settle(log)
        self._caught_up(False)

    def _skip_removed(self, log: Log, last: int | None) -> None:
        """Protocol, Page: seqs that are missing have been removed by retention; ``last``: the end an empty page named.

        A message may be stored between the server's look for messages and for the end, so that only a second empty
        page says that there is nothing up to the end the first one named.
        """
        if last is not None and log.nothing_until > (log.cursor or 0):
            self._move(log, log.nothing_until)
        log.nothing_until = last or 0

    def _refused(self, answer: Answer, label: str) -> None:
        if isinstance(answer, wire.Error) and answer.code != NotConnectedError.code:
            self.refused = True
            self._fail(answer, label)


def _sound(conversation: str, seq: int, time: int) -> bool:
    """Whether these are such as a server gives; broken ones must not break the store, or the requests about them."""
    return 1 <= seq <= MAX_REQUEST_ID and abs(time) <= MAX_REQUEST_ID and 1 <= len(conversation) <= MAX_NAME + 1


def stored(said: wire.Message) -> StoredMessage:
    """A message of the wire as it is kept."""
    return StoredMessage(
        said.conversation, said.kind, said.seq, said.sender, said.ulid, said.time, said.body, scheme=said.scheme
    )
