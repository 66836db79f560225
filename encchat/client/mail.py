"""A client's messages in both directions, over its store: the outbox, the inbox, and what is kept."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field, frozen

from encchat import wire
from encchat.client import events, screen
from encchat.client.inbox import Inbox
from encchat.client.ledger import Ledger
from encchat.client.requests import Answer, Done, Requests, check_body
from encchat.client.store import Outgoing, Store, StoredMessage
from encchat.errors import NotConnectedError, OverloadedError
from encchat.limits import MAX_FOUND, MAX_OUTBOX
from encchat.names import LOBBY, folded


@frozen
class _Pending:
    """A message that is not accepted yet; ``label`` names its command, ``done`` takes the answer."""

    label: str
    message: Outgoing
    done: Done | None


@define(eq=False)
class Mail:
    """What `encchat.client.core` does with messages.

    ``show`` takes what is to be shown, ``fail(code, text, label)`` a refusal; ``settled`` is told of each message that
    has left the outbox, by the name of its conversation, after the commit.
    """

    _store: Store
    _requests: Requests
    _show: Callable[[events.ScreenEvent], None]
    _fail: Callable[[str, str, str], None]
    _settled: Callable[[str], None]
    user: str = field(init=False, default="")
    _outbox: dict[str, _Pending] = field(init=False, factory=dict)
    _ledger: Ledger = field(init=False)
    inbox: Inbox = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ledger = Ledger(self._store)
        self.inbox = Inbox(
            self._ledger,
            self._requests.send_quietly,
            lambda message: folded(message.sender) == folded(self.user),
            self._waited,
            lambda message, missed: self._show(screen.message(message, missed=missed)),
            lambda answer, label: self._fail(answer.code, answer.text, label),
        )
        self.use(self._store)

    def use(self, store: Store) -> None:
        """Take up what ``store`` holds of an earlier run; raise `StoreError` if it cannot be read."""
        waiting, doubtful, cursors = store.outbox(), store.doubtful(), store.cursors()
        self._store = self._ledger.store = store
        self.inbox.load(cursors)
        self._outbox = {row.ulid: _Pending("", row, None) for row in waiting} | self._outbox
        for row in waiting:
            self._show(events.Waiting(ulid=row.ulid, conversation=row.conversation))
        if waiting:
            self._show(events.Notice(text=f"{len(waiting)} waiting from last time, sent when connected"))
        for name in dict.fromkeys(message.conversation for message in doubtful):
            past = [screen.message(message) for message in doubtful if message.conversation == name]
            self._show(events.Recovered(conversation=name, messages=past))

    def commit(self) -> None:
        """Write what this turn has brought; raise `StoreError` if that cannot be."""
        self._ledger.commit()

    # Out ------------------------------------------------------------------------------------------
    @property
    def unaccepted(self) -> int:
        """How many messages the server has not accepted yet."""
        return len(self._outbox)

    def left_behind(self, unaccepted: int) -> str:
        """What becomes of ``unaccepted`` messages and lines, these here among them, if this client ends now."""
        text = f"{unaccepted} of what was typed was not accepted by the server"
        safe = len(self._outbox) if self._store.durable else 0
        if not safe:
            return f"{text} and is lost"
        lost = unaccepted - safe
        return f"{text}; {safe} waiting here for the next start" + (f", {lost} lost" if lost else "")

    def post(self, label: str, message: Outgoing, done: Done | None, *, connected: bool) -> None:
        """Put a message into the outbox and, where there is a connection, on its way after the next `commit`."""
        check_body(message.body)
        if len(self._outbox) >= MAX_OUTBOX:
            raise OverloadedError(f"{MAX_OUTBOX} messages wait to be sent already: wait for some of them")
        # Now, while it can be refused: in the outbox it would stand in the way of all that come after it.
        self._requests.check(wire.Send, ulid=message.ulid, conversation=message.conversation, body=message.body)
        pending = _Pending(label, message, done)
        self._outbox[message.ulid] = pending
        self._ledger.queue(message)
        if connected:
            self._send(pending)
        else:
            self._show(events.Waiting(ulid=message.ulid, conversation=message.conversation))

    def send_again(self) -> None:
        """After a login: everything that was not accepted, in order, under the ULIDs it had."""
        for pending in self._outbox.values():
            self._send(pending)

    def _send(self, pending: _Pending) -> None:
        message = pending.message
        self._requests.send(
            wire.Send,
            lambda answer: self._answered(pending, answer),
            conversation=message.conversation,
            ulid=message.ulid,
            body=message.body,
        )

    def _answered(self, pending: _Pending, answer: Answer) -> None:
        message = pending.message
        if isinstance(answer, wire.Error) and answer.code == NotConnectedError.code:
            return
        if message.ulid in self._outbox:  # else a page has told already what became of it
            if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Sent):
                self.inbox.accepted(self._said(message, answer.result))
            self._settle(pending, answer)

    def _waited(self, message: StoredMessage) -> bool:
        """A message of this account has come from the server; whether it is one that waits here."""
        pending = self._outbox.get(message.ulid)
        if pending is None:
            return False
        sent = wire.Sent(ulid=message.ulid, conversation=message.conversation, seq=message.seq, time=message.time)
        self._settle(pending, wire.Ok(id=0, result=sent))
        return True

    def _settle(self, pending: _Pending, answer: Answer) -> None:
        message, done, conversation = pending.message, pending.done, pending.message.conversation
        del self._outbox[message.ulid]
        self._ledger.settle(message.ulid)
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Sent):
            conversation = answer.result.conversation
            self._show(screen.sent(answer.result))
        elif done is None and isinstance(answer, wire.Error):
            self._fail(answer.code, f"not sent: {answer.text}", pending.label)
        if done is not None:
            self._ledger.afterwards(lambda: done(answer))
        self._ledger.afterwards(lambda: self._settled(conversation))

    def _said(self, message: Outgoing, sent: wire.Sent) -> StoredMessage:
        """This client's own message as it is kept."""
        kind: wire.Kind = "lobby" if sent.conversation == LOBBY else "direct"
        return StoredMessage(sent.conversation, kind, sent.seq, self.user, sent.ulid, sent.time, message.body)

    # What is kept ---------------------------------------------------------------------------------
    def show_past(self, conversation: str, count: int) -> None:
        """Show the newest messages of a conversation that are kept here."""
        self.commit()
        past = [screen.message(message) for message in self._store.history(conversation, count)]
        self._show(events.History(conversation=conversation, messages=past))

    def find(self, text: str) -> None:
        """Show the newest messages kept here that have all words of ``text``."""
        self.commit()
        past = [screen.message(message) for message in self._store.search(text, MAX_FOUND)]
        self._show(events.Found(text=text, messages=past))
