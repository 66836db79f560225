"""End-to-end encryption as this client's messages meet it: the machine, what it opens, what it tells.

Theory of operation. `encchat.e2e.machine.Machine` has the keys; it is made once there is a durable store for them. What
comes goes through `opened` when it is its turn in its conversation, so that ratchets, message and cursor change in one
transaction. What cannot be opened is kept as ciphertext and shown as such; when the machine tells that its key has
arrived, `settle`, which runs before every commit, opens it in its place and shows it as what it is, once. While its key
may be on its way it is held back, but never until after what was said behind it. Without a machine everything encrypted
stays shut, for the reason ``locked``; as such a store is not durable it is not acknowledged either, and comes again.

What is said off the record is opened as it comes, shown, and kept nowhere (`encchat.client.passing`).

Keys come through the device's inbox, messages through the logs. After a login the inbox is read first, so that what was
missed finds its keys here: `start` tells when that is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import msgspec
from attrs import define, field

from encchat import names, wire
from encchat.client.chain import Chain
from encchat.client.inbox import stored
from encchat.client.keys.calls import CallKeys
from encchat.client.keys.unopened import Unopened, UnopenedMessages
from encchat.client.ledger import Ledger
from encchat.client.passing import Passing
from encchat.client.requests import Answer, Done, Requests
from encchat.client.rooms.known import Rooms, direct_conversation, session_conversation
from encchat.client.store.interface import NEWER, SPOKEN, StoredMessage
from encchat.e2e import interfaces as e2e
from encchat.e2e.identity import SIGNATURES
from encchat.e2e.machine import Machine
from encchat.envelopes import EVENT, OLM, PLAIN
from encchat.errors import (
    NotConnectedError,
    NotEncryptedError,
    UndecryptableError,
    UnknownConversationError,
    UsageError,
)

_SESSION: Final = "session:"
_AWAITED: Final = frozenset({wire.UploadKeys, wire.PublishIdentity, wire.QueryKeys, wire.SendParcels, wire.PutBackup})
"""What a client does not leave before: others depend on it, or the person who has typed the last line."""

Shows = Callable[[StoredMessage, bool], None]


@define(eq=False)
class Privacy:
    """See the module's theory of operation.

    ``tell_others`` shows what the machine tells, ``show_message`` a message that was opened late,
    ``schemes`` makes new ones for a machine, ``aside`` what takes long.
    """

    _ledger: Ledger
    _requests: Requests
    _clock: Callable[[], float]
    _random: Callable[[int], bytes]
    _ulid: Callable[[], str]
    _tell_others: Callable[[e2e.Effect], None]
    _show_message: Shows
    _schemes: Callable[[], Iterable[e2e.Scheme]]
    _aside: e2e.Aside
    user: str = field(init=False, default="")
    calls: CallKeys = field(init=False)
    machine: Machine | None = field(init=False, default=None)
    rooms: Rooms = field(init=False)
    chain: Chain = field(init=False)
    busy: bool = field(init=False, default=False)
    """Whether `work` has something to do."""
    passing: Passing = field(init=False)
    _unopened: UnopenedMessages = field(init=False)
    _online: bool = field(init=False, default=False)
    _read: bool = field(init=False, default=False)
    _when_read: Callable[[], None] | None = field(init=False, default=None)
    _asked: int = field(init=False, default=0)
    _held: dict[tuple[str, int], tuple[StoredMessage, bool]] = field(init=False, factory=dict)
    """Messages without key that are not shown as such yet."""
    _arrived: list[str] = field(init=False, factory=list)
    _warnings: list[e2e.Warned] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.chain = Chain(self._ledger)
        self.calls = CallKeys(self._ledger, self._clock)
        self.use()

    def use(self) -> None:
        """The ledger has another store now."""
        self.rooms = Rooms(self._ledger, self.user)
        self.passing = Passing(self._open_passing, lambda message: self._show_message(message, False))
        self._unopened = UnopenedMessages(self._ledger)
        if self._ledger.store.durable:
            self._unopened.load()
            self._hold_again()
            self.machine = Machine(
                self._ledger,
                self._ask,
                self._tell,
                self._clock,
                self._random,
                self._ulid,
                self._schemes(),
                self._look_up,
                self._aside,
            )

    def _hold_again(self) -> None:
        """What was held back when the process before ended, nobody was told of."""
        for row in self._unopened.untold():
            message = self._ledger.at(row.conversation, row.seq)
            if message is not None:
                self._held[_place(message)] = (message, True)

    # The connection's life ----------------------------------------------------------------------
    @property
    def starting(self) -> bool:
        """Whether the inbox has not been read since the login."""
        return self._when_read is not None

    def start(self, device: str, when_read: Callable[[], None]) -> None:
        """``user`` has logged in; ``when_read`` is called, later or at once, when the inbox has been read."""
        self._online, self._read = True, False
        if self.machine is None:
            when_read()
            return
        self._when_read = when_read
        self.calls.login()
        self.machine.start(self.user, device)
        self.busy = True

    def lost(self) -> None:
        """The connection is gone; every request has been answered by that."""
        self._online, self._when_read = False, None
        self.calls.lost()
        if self.machine is not None:
            self.machine.lost()

    def work(self) -> None:
        """Do a slice of what is left to do."""
        if self.machine is not None:
            for session in self.calls.take_due():
                self.machine.end_session(session)
            self.busy = self.machine.work()
        if self._read and not self.busy and self._when_read is not None:
            then, self._when_read = self._when_read, None
            then()

    def _ask(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        if not self._online:
            done(wire.Error(code=NotConnectedError.code, text="there is no connection"))
            return
        send = self._requests.send if kind in _AWAITED else self._requests.send_quietly
        try:
            send(kind, partial(self._answered, kind, done), **fields)
        except UsageError as error:  # what others have published need not fit our limits
            done(wire.Error(code=error.code, text=error.text))
        else:
            self._asked += 1

    def _answered(self, kind: type[wire.Request], done: Done, answer: Answer) -> None:
        self._asked -= 1
        done(answer)
        self.busy = True
        if kind is wire.Inbox and not (isinstance(answer, wire.Ok) and getattr(answer.result, "more", False)):
            self._read = True

    # What the server says -----------------------------------------------------------------------
    def receive(self, item: wire.InboxItem) -> None:
        """A parcel for this device; one that comes before `start` is in the inbox."""
        if self.machine is not None and self._online:
            self.machine.receive(item)
            self.busy = True

    def rolled_back(self) -> None:
        """The server has heard of more from this device than its store holds."""
        if self.machine is not None:
            self.machine.rolled_back()
            self.busy = True

    def look(self) -> None:
        """Some seconds have passed: something may be due."""
        if self.machine is not None and self._online:
            self.machine.look()
            self.busy = True

    def fell_behind(self) -> bool:
        """The server has left out some of what it says unasked; False: before `start`, which asks for all of it."""
        if self.machine is not None and self._online:
            self.machine.fell_behind()
        return self._online

    def keys_changed(self, user: str) -> None:
        """Somebody's identity or devices are others."""
        if self.machine is not None and self._online:
            self.machine.keys_changed(user)
            self.busy = True

    def _tell(self, effect: e2e.Effect) -> None:
        match effect:
            case e2e.KeyArrived():
                self._arrived.append(effect.session)
            case e2e.Introduced():
                self.rooms.doubt(effect.conversation)
                self.busy = True
            case _:
                self._tell_others(effect)

    # Which conversation -------------------------------------------------------------------------
    def conversation(self, name: str) -> e2e.Conversation:
        """Where something is to be said now; raise `NotEncryptedError` where nothing can be."""
        if self.machine is None:
            raise NotEncryptedError(
                "nothing was sent: without a store that a password or keyring opens this client keeps no end-to-end"
                " keys and can speak in the lobby only; start it again and give the password"
            )
        if name.startswith("#"):
            self.rooms.may_speak(name)
        return self._conversation(name, in_session=True)

    def _conversation(self, name: str, *, in_session: bool) -> e2e.Conversation:
        if not name.startswith("@"):
            return self.rooms.conversation(name)
        if in_session and self.calls.is_with(name):
            return session_conversation(self.user, name[1:], self.calls.session)
        return direct_conversation(self.user, name[1:])

    def _look_up(self, id: str) -> e2e.Conversation | None:
        """The conversation that end-to-end encryption knows by ``id``, as it is now."""
        kind, _, rest = id.partition(":")
        if kind == "room":
            return self.rooms.of_id(id)
        if kind == "session":
            calls = self.calls
            return session_conversation(self.user, calls.partner, rest) if rest and rest == calls.session else None
        me = names.folded(self.user)
        others = [name for name in rest.split(":") if name != me] or [me]
        return direct_conversation(self.user, others[0])

    # What is opened -----------------------------------------------------------------------------
    def opened(self, message: StoredMessage, *, missed: bool) -> StoredMessage:
        """What came, as it is to be kept and shown; the cursor moves over it in the same transaction."""
        if names.folded(message.conversation) == names.LOBBY:
            return msgspec.structs.replace(message, scheme=PLAIN)
        if message.scheme == EVENT and message.kind == "room":
            return msgspec.structs.replace(message, content="event")
        if self.rooms.is_ephemeral(message.conversation):
            return self._shut(msgspec.structs.replace(message, body=""), "", "on-record", "", missed)
        heard = "" if message.scheme == PLAIN else self.chain.heard(message)
        try:
            return self._open(message, heard)
        except UndecryptableError as error:
            return self._shut(message, heard, error.reason, error.session, missed)

    def overhear(self, said: wire.Message) -> None:
        """Something was said off the record, by another device than this."""
        device = "" if self.machine is None else self.machine.device
        if self.rooms.known(said.conversation) is not None and not said.body.startswith(f"{device}."):
            self.passing.hear(stored(said))

    def _open_passing(self, message: StoredMessage) -> StoredMessage:
        if not self.rooms.is_ephemeral(message.conversation):
            raise UndecryptableError("not-stored")
        return self._open(message, "")

    def _open(self, message: StoredMessage, heard: str) -> StoredMessage:
        if self.machine is None:
            raise UndecryptableError("locked")
        if message.scheme in (PLAIN, EVENT):
            raise UndecryptableError("not-encrypted")
        try:
            # The scheme decides, not the kind: the server's word does not choose between two keys.
            where = self._conversation(message.conversation, in_session=message.scheme == OLM)
        except UnknownConversationError:
            raise UndecryptableError("wrong-conversation") from None
        self.busy = True
        try:
            opened = self.machine.open(where, _said(message))
        except UndecryptableError as error:
            gone = message.scheme == OLM and where.kind == "direct" and error.reason in ("no-key", "broken")
            if gone and not error.session:
                raise UndecryptableError("session-over") from None
            raise
        if opened.conversation.startswith(_SESSION):
            self.calls.met(opened.conversation.removeprefix(_SESSION))
        self._warnings += (*opened.warnings, *self.chain.warnings(message, opened, heard))
        return msgspec.structs.replace(
            message,
            body=opened.text,
            encryption=opened.encryption,
            signature=opened.signature,
            signed=opened.signed,
            trust=opened.trust,
            content=opened.type if opened.type in SPOKEN else f"{NEWER}{opened.type}",
            reason="",
        )

    def _shut(self, message: StoredMessage, heard: str, reason: str, session: str, missed: bool) -> StoredMessage:
        if self.machine is not None:
            row = Unopened(message.conversation, message.seq, message.ulid, session, reason, heard, missed)
            self._unopened.add(row)
        return msgspec.structs.replace(message, content="sealed", reason=reason)

    def warn(self) -> None:
        """Show what was wrong with the messages just opened."""
        warnings, self._warnings = self._warnings, []
        for warned in warnings:
            self._tell(warned)

    def settle(self) -> None:
        """Open what has got its key."""
        while self._arrived:
            session = self._arrived.pop(0)
            for row in self._unopened.of(session):
                self._open_late(row)
            self.passing.arrived(session)
        self.warn()
        if self._asked or self.busy:
            return
        self.passing.give_up()
        if self._held:
            for message, missed in list(self._held.values()):
                self._show_message(message, missed)

    def hold(self, message: StoredMessage, missed: bool) -> bool:
        """Whether a message that could not be opened is shown later, or never: its key may be on its way.

        A sender's keys are asked for when the first of its parcels comes, and its message comes right behind.
        """
        if message.reason != "no-key" or not (self._asked or self.busy):
            return False
        self._held[_place(message)] = (message, missed)
        return True

    def told(self, message: StoredMessage) -> list[tuple[StoredMessage, bool]]:
        """``message`` is shown now: what has to be shown before it, because it was said before it and held back."""
        if not self._held and not self._unopened:
            return []
        self._held.pop(_place(message), None)
        conversation, seq = _place(message)
        before = sorted(place for place in self._held if place[0] == conversation and place[1] < seq)
        held = [self._held.pop(place) for place in before]
        for one in (*(one for one, _ in held), message):
            row = self._unopened.at(one.conversation, one.seq)
            if row is not None and not row.told:
                self._unopened.add(msgspec.structs.replace(row, told=True))
        return held

    def _open_late(self, row: Unopened) -> None:
        message = self._ledger.at(row.conversation, row.seq)
        if message is None or message.content != "sealed":
            self._unopened.remove(row)
            return
        try:
            opened = self._open(message, row.heard)
        except UndecryptableError as error:
            if (error.reason, error.session) != (row.reason, row.session):
                self._unopened.add(msgspec.structs.replace(row, reason=error.reason, session=error.session))
                self._ledger.reopen(msgspec.structs.replace(message, reason=error.reason))
            return
        self._unopened.remove(row)
        self._ledger.reopen(opened)
        self._show_message(opened, row.missed)

    def own_signature(self, conversation: str) -> e2e.Signature:
        """How what this client says there now is signed; nothing is in the lobby and in deniable rooms."""
        identity, room = None if self.machine is None else self.machine.identity, self.rooms.known(conversation)
        deniable = room is not None and room.header.policy == "deniable"
        return "none" if identity is None or deniable or conversation == names.LOBBY else SIGNATURES[identity.algorithm]

    def unreadable(self, ulid: str) -> tuple[str, str, str] | None:
        """The message of that ULID, the latest for "", that could not be opened: its ULID, the reason, its session."""
        row = self._unopened.find(ulid)
        return self.passing.find(ulid) if row is None else (row.ulid, row.reason, row.session)


def _place(message: StoredMessage) -> tuple[str, int]:
    return names.folded(message.conversation), message.seq


def _said(message: StoredMessage) -> wire.Message:
    """What the server has said, from how it is kept."""
    return wire.Message(
        conversation=message.conversation,
        kind=message.kind,
        seq=message.seq,
        sender=message.sender,
        ulid=message.ulid,
        time=message.time,
        body=message.body,
        scheme=message.scheme,
    )
