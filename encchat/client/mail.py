"""A client's messages in both directions, over its store: the outbox, the inbox, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from attrs import define, field

from encchat import wire
from encchat.client import events, screen
from encchat.client.inbox import Inbox
from encchat.client.lanes import Lanes, Pending
from encchat.client.ledger import Ledger
from encchat.client.mentions import is_mention
from encchat.client.privacy import Privacy
from encchat.client.requests import Answer, Done, Requests, check_body
from encchat.client.store import Outgoing, StoredMessage
from encchat.envelopes import OLM
from encchat.errors import KeyChangedError, NotConnectedError, OverloadedError, UntrustedError
from encchat.limits import MAX_FOUND, MAX_OUTBOX, MAX_PASSED, MAX_PAST
from encchat.names import LOBBY, folded
from encchat.wire import Kind


@define(eq=False)
class Mail:
    """What `encchat.client.core` does with messages.

    ``show`` takes what is to be shown, ``show_message(message, missed)`` a message, ``fail(code, text, label)`` a
    refusal; ``settled`` is told of each message that has left the outbox, by the name of its conversation, after the
    commit; ``filed`` of each of this client's own about a file, once the server has it.
    """

    _ledger: Ledger
    _requests: Requests
    _privacy: Privacy
    _show: Callable[[events.ScreenEvent], None]
    _show_message: Callable[[StoredMessage, bool], None]
    _fail: Callable[[str, str, str], None]
    _settled: Callable[[str], None]
    _filed: Callable[[StoredMessage], None]
    user: str = field(init=False, default="")
    distrusted: bool = field(init=False, default=False)
    """Whether a message was refused because of somebody's key."""
    _outbox: dict[str, Pending] = field(init=False, factory=dict)
    _passed: dict[str, StoredMessage] = field(init=False, factory=dict)
    """What was said off the record in this run, by ULID; the store has nothing of it."""
    remembers: bool = field(init=False, default=False)
    """Whether a person sits there, who may want to see again what is in `_passed`."""
    lanes: Lanes = field(init=False)
    inbox: Inbox = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.inbox = Inbox(
            self._ledger,
            self._requests.send_quietly,
            self._privacy.opened,
            self._is_me,
            self._waited,
            self._shown,
            lambda answer, label: self._fail(answer.code, answer.text, label),
            self._caught_up,
        )
        self.lanes = Lanes(
            self._privacy, self._requests, self.inbox.newest, self._answered, self._delayed, self.inbox.is_current
        )
        self.use()

    def use(self) -> None:
        """Take up what the store holds of an earlier run; raise `StoreError` if it cannot be read."""
        store = self._ledger.store
        waiting, doubtful, cursors = store.outbox(), store.doubtful(), store.cursors()
        self.inbox.load(cursors)
        self._outbox = {row.ulid: Pending("", row, None) for row in waiting} | self._outbox
        for row in waiting:
            self._show(events.Waiting(ulid=row.ulid, conversation=row.conversation))
        if waiting:
            self._show(events.Notice(text=f"{len(waiting)} waiting from last time, sent when connected"))
        held = [before for message in doubtful for before, _ in self._privacy.told(message)]
        shown = {(message.conversation, message.seq): message for message in (*held, *doubtful)}
        doubtful = [message for _, message in sorted(shown.items()) if message.content not in _UNREAD]
        for name in dict.fromkeys(message.conversation for message in doubtful):
            past = [screen.message(message) for message in doubtful if message.conversation == name]
            self._show(events.Recovered(conversation=name, messages=past))

    def commit(self) -> None:
        """Write what this turn has brought; raise `StoreError` if that cannot be."""
        self._privacy.settle()
        self._ledger.commit()

    def _is_me(self, message: StoredMessage) -> bool:
        return folded(message.sender) == folded(self.user)

    def _caught_up(self, is_old: bool) -> None:
        if is_old:
            self._privacy.rolled_back()
        self.lanes.wake()

    def _shown(self, message: StoredMessage, missed: bool) -> None:
        self._show_message(message, missed)
        self._privacy.warn()

    # Out ------------------------------------------------------------------------------------------
    @property
    def unaccepted(self) -> int:
        """How many messages the server has not accepted yet."""
        return len(self._outbox)

    def left_behind(self, unaccepted: int) -> str:
        """What becomes of ``unaccepted`` messages and lines, these here among them, if this client ends now."""
        text = f"{unaccepted} of what was typed was not accepted by the server"
        kept = [pending for pending in self._outbox.values() if not pending.ephemeral]
        safe = len(kept) if self._ledger.store.durable else 0
        if not safe:
            return f"{text} and is lost"
        lost = unaccepted - safe
        return f"{text}; {safe} waiting here for the next start" + (f", {lost} lost" if lost else "")

    def post(self, label: str, message: Outgoing, done: Done | None, *, connected: bool) -> None:
        """Put a message into the outbox and, where there is a connection, on its way after the next `commit`.

        `NotConnectedError` for what is said off the record where there is none.
        """
        check_body(message.body)
        if len(self._outbox) >= MAX_OUTBOX:
            raise OverloadedError(f"{MAX_OUTBOX} messages wait to be sent already: wait for some of them")
        # Now, while it can be refused: in the outbox it would stand in the way of all that come after it.
        self._requests.check(wire.Send, ulid=message.ulid, conversation=message.conversation, body=message.body)
        if message.conversation != LOBBY:
            self._privacy.conversation(message.conversation)
        ephemeral = self._privacy.rooms.is_ephemeral(message.conversation)
        if ephemeral and not connected:
            raise NotConnectedError(
                f"not sent: {message.conversation} is off the record, so nothing waits here for a connection; say it"
                " again when the connection is back"
            )
        pending = Pending(label, message, done, ephemeral)
        self._outbox[message.ulid] = pending
        if not ephemeral:
            self._ledger.queue(message)
        if connected:
            self.lanes.send(pending)
        else:
            self._show(events.Waiting(ulid=message.ulid, conversation=message.conversation))

    def send_again(self) -> None:
        """After a login: everything that was not accepted, in order, under the ULIDs it had."""
        self.lanes.lost()
        for pending in list(self._outbox.values()):
            self.lanes.send(pending)

    def lost(self) -> None:
        """The connection is gone; what was said off the record is not said again."""
        self.inbox.lost()
        self.lanes.lost()
        for pending in [one for one in self._outbox.values() if one.ephemeral]:
            text = "the connection was lost before it was confirmed: who was there may have heard it"
            self._settle(pending, wire.Error(code=NotConnectedError.code, text=text))

    def retry(self) -> None:
        """Send again what was refused for a while."""
        self.lanes.retry()

    def _answered(self, pending: Pending, answer: Answer) -> None:
        message = pending.message
        if isinstance(answer, wire.Error) and answer.code == NotConnectedError.code:
            return
        if message.ulid in self._outbox:  # else a page has told already what became of it
            if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Sent):
                self._accepted(pending, answer.result)
            self._settle(pending, answer)

    def _accepted(self, pending: Pending, sent: wire.Sent) -> None:
        said = self._said(pending, sent)
        if pending.ephemeral:
            self.pass_by(said)
        else:
            self.inbox.accepted(said)
        if (sent.seq == 0) != pending.ephemeral:
            code, text = ("on-record", _ON_RECORD) if pending.ephemeral else ("not-stored", _NOT_STORED)
            self._show(events.Warned(code=code, text=text.format(sent.conversation)))
        if said.content == "topic":
            self._show_message(said, False)

    def _waited(self, message: StoredMessage) -> StoredMessage | None:
        """A message of this account has come from the server; as it is kept, if it is one that waits here."""
        pending = self._outbox.get(message.ulid)
        # A ULID proves nothing: the server may show what waits here as said elsewhere, where it was never sent.
        if pending is None or pending.ephemeral or folded(pending.message.conversation) != folded(message.conversation):
            return None
        sent = wire.Sent(ulid=message.ulid, conversation=message.conversation, seq=message.seq, time=message.time)
        if pending.scheme != message.scheme:  # accepted from an earlier process, or connection
            pending.scheme, pending.signature = message.scheme, self._privacy.own_signature(message.conversation)
        self._settle(pending, wire.Ok(id=0, result=sent))
        return msgspec.structs.replace(self._said(pending, sent), kind=message.kind)

    def _delayed(self, answer: wire.Error) -> None:
        text = f"not accepted yet: {answer.text}; what you say waits here and is sent again by itself"
        self._show(events.Warned(code=answer.code, text=text))

    def _settle(self, pending: Pending, answer: Answer) -> None:
        message, done, conversation = pending.message, pending.done, pending.message.conversation
        del self._outbox[message.ulid]
        if not pending.ephemeral:
            self._ledger.settle(message.ulid)
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.Sent):
            conversation = answer.result.conversation
            if not pending.ephemeral:
                self._privacy.chain.said(message.conversation, message.ulid)
            if message.content == "file":
                self._filed(self._said(pending, answer.result))
            self._show(screen.sent(answer.result))
        elif isinstance(answer, wire.Error):
            self.distrusted = self.distrusted or answer.code in (KeyChangedError.code, UntrustedError.code)
            if pending.ephemeral and answer.code == NotConnectedError.code:
                self._show(events.Unconfirmed(ulid=message.ulid, conversation=conversation, text=message.body))
            elif done is None:
                self._fail(answer.code, f"not sent: {answer.text}", pending.label)
        if done is not None:
            self._ledger.afterwards(lambda: done(answer))
        self._ledger.afterwards(lambda: self._settled(conversation))

    def _said(self, pending: Pending, sent: wire.Sent) -> StoredMessage:
        """This client's own message as it is kept."""
        message, scheme, signature = pending.message, pending.scheme, pending.signature
        lobby = sent.conversation == LOBBY
        alone: Kind = "session" if scheme == OLM else "direct"
        return StoredMessage(
            sent.conversation,
            "lobby" if lobby else "room" if sent.conversation.startswith("#") else alone,
            sent.seq,
            self.user,
            sent.ulid,
            sent.time,
            message.body,
            scheme=scheme,
            encryption=scheme,
            signature=signature,
            signed="absent" if signature == "none" else "valid",
            trust="none" if lobby else "verified",
            content=message.content,
        )

    # What is kept ---------------------------------------------------------------------------------
    def show_past(self, conversation: str, count: int) -> None:
        """Show the newest messages of a conversation that are kept here."""
        self.commit()
        self._show(events.History(conversation=conversation, messages=self._kept(conversation, count)))

    def past(self, conversation: str, count: int) -> list[events.Said]:
        """The newest of what people said, oldest first; of what was said off the record, in this run."""
        passed = [one for one in self._passed.values() if folded(one.conversation) == folded(conversation)]
        newest = passed[-count:] if count else []
        return [screen.message(message) for message in newest] or self._kept(conversation, count)

    def _kept(self, conversation: str, count: int) -> list[events.Said]:
        """Changes of rooms are passed over."""
        wanted = count
        while True:
            kept = self._ledger.store.history(conversation, wanted)
            read = [message for message in kept if message.content not in _UNREAD]
            if len(read) >= count or len(kept) < wanted:
                return [screen.message(message) for message in read[-count:]]
            wanted *= 2

    def pass_by(self, message: StoredMessage) -> None:
        """It was said off the record: only this run remembers it, and not for long."""
        if message.content in _UNREAD or not self.remembers:
            return
        self._passed[message.ulid] = message
        if len(self._passed) > MAX_PASSED:
            del self._passed[next(iter(self._passed))]

    def show_mentions(self) -> None:
        """Show the newest messages that name this account."""
        self.commit()
        past = [
            screen.message(message)
            for message in self._ledger.store.search(self.user, MAX_PAST)
            if message.content == "text" and not self._is_me(message) and is_mention(message.body, self.user)
        ]
        self._show(events.Found(text=self.user, messages=past[-MAX_FOUND:]))

    def find(self, text: str) -> None:
        """Show the newest messages kept here that have all words of ``text``."""
        self.commit()
        past = [screen.message(message) for message in self._ledger.store.search(text, MAX_FOUND)]
        self._show(events.Found(text=text, messages=past))


_ON_RECORD: Final = (
    "WARNING: the server says that it has stored what was said in {}, though this room is off the record: do not trust"
    " this server"
)
_NOT_STORED: Final = (
    "WARNING: the server says that it has not stored what was said in {}: who was away does not get it; do not trust"
    " this server"
)
_UNREAD: Final = ("topic", "event")
"""What a list of past messages passes over."""
