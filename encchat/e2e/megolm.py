"""The scheme ``megolm``: one session per sending device and conversation, its key shared to each device over Olm.

The parts: `encchat.e2e.outbound` (sending, rotation, to whom the key went), `encchat.e2e.inbound` (opening, once each),
`encchat.e2e.repair` (missing keys), `encchat.e2e.handover` (a room's history for new members), `encchat.e2e.backup`
(keys of the past, sealed). This is what holds them together and what the machine sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import msgspec
import vodozemac
from attrs import define, field, frozen

from encchat import envelopes, limits, wire
from encchat.e2e import letters
from encchat.e2e.backup import History
from encchat.e2e.handover import Handover
from encchat.e2e.inbound import Inbound, InboundSessions, Session, exported, keeping, received
from encchat.e2e.interfaces import Conversation, Decrypted, Device, Host, Step
from encchat.e2e.outbound import Outbound, OutboundSessions, Shared, has_left, is_spent, lacking, place
from encchat.e2e.repair import Repair
from encchat.errors import MalformedRequestError, NotPreparedError, UndecryptableError
from encchat.names import folded


@frozen
class _Ready:
    """The last answer to "is everything shared?", so that it is not worked out for every message."""

    session: str
    devices: tuple[Device, ...]
    until: float


@define
class Megolm:
    """The scheme, for one machine."""

    host: Host | None = field(init=False, default=None)
    inbound: InboundSessions = field(init=False)
    outbound: OutboundSessions = field(init=False)
    repair: Repair = field(init=False)
    handover: Handover = field(init=False)
    history: History = field(init=False)
    _ready: dict[str, _Ready] = field(init=False, factory=dict)
    _tried: set[str] = field(init=False, factory=set)
    """Places that could not be reached since the login."""
    _begun: dict[str, str] = field(init=False, factory=dict)
    """By conversation the own session that was begun last, since the login."""

    @property
    def name(self) -> str:
        """The word on the wire."""
        return envelopes.MEGOLM

    @property
    def by_olm(self) -> bool:
        """Its keys go to every device over Olm."""
        return True

    def start(self, host: Host) -> None:
        """A login."""
        self.host = host
        self._ready.clear()
        self._tried.clear()
        self._begun.clear()
        self.inbound = InboundSessions(host.keep)
        self.outbound = OutboundSessions(host.keep, host.random)
        self.repair = Repair(host, self.inbound, self.outbound)
        self.handover = Handover(host, self.inbound, self.outbound, self.repair)
        self.history = History(host, self.inbound, self.repair)
        self.repair.look_for = self.history.look_for
        self.outbound.forget_before(host.clock() - limits.OWN_SESSION_SECONDS)

    # Sending -----------------------------------------------------------------------------------
    def prepare_step(self, conversation: Conversation) -> Step:
        """Share the key with a slice of the devices that lack it, after a fresh session if one is due."""
        host = self._host
        devices = tuple(host.devices_of(conversation))
        using = self._session_for(conversation, devices)
        shared = self.outbound.shared(using.session)
        if shared is None:
            raise NotPreparedError("the session's list of devices is gone")
        targets = lacking(shared, devices, host.clock(), self._tried)
        now_due, later = targets[: limits.SHARE_SLICE], targets[limits.SHARE_SLICE :]
        if now_due:
            self._share(conversation, using, shared, now_due)
        if later:
            return "more"
        until = host.clock() + limits.SHARE_AGAIN_SECONDS
        self._ready[conversation.id] = _Ready(using.session, devices, until)
        return "ready"

    def encrypt(self, conversation: Conversation, ulid: str, payload: bytes) -> str:
        """The next message of the session; the ULID is inside the payload, Megolm binds nothing."""
        using = self.outbound.get(conversation.id)
        if using is None or not self._is_ready(conversation, using):
            raise NotPreparedError(f"the key of {conversation.name} has yet to be shared")
        ciphertext = self.outbound.encrypt(conversation.id, using, payload)
        return envelopes.MegolmEnvelope(self._host.device, using.session, ciphertext).body

    def end(self, conversation: str) -> None:
        """Nothing is sent there any more."""
        self.outbound.drop(conversation)
        self._ready.pop(conversation, None)
        self._begun.pop(conversation, None)

    def restored(self) -> None:
        """No session of before is used again: its next message keys have been used already."""
        self.outbound.drop_all()
        self._ready.clear()

    # Receiving ---------------------------------------------------------------------------------
    def open(self, conversation: Conversation, said: wire.Message) -> Decrypted:
        """The payload, if the key is the sender's own for this conversation and the index was never opened before."""
        envelope, message = _parsed(said)
        session = Session.of(said.sender, envelope.device, envelope.session)
        known = self.inbound.get(session)
        if known is None:
            self._missing(conversation, session, message.message_index())
        if known.conversation != conversation.id:
            raise UndecryptableError("wrong-conversation", session.id)
        try:
            payload = self.inbound.open(session, known, message)
        except UndecryptableError as error:
            if error.reason == "no-key":
                self.inbound.wait(session, message.message_index())
                self.repair.miss(conversation, session, message.message_index())
            raise
        return Decrypted(payload, said.sender, session.device, session.id, message.message_index(), known.by)

    def is_ahead(self, conversation: Conversation, said: wire.Message) -> bool:
        """Whether a message of this device is further than what this store knows it has sent: the store is old."""
        try:
            envelope, message = _parsed(said)
        except UndecryptableError:
            return False
        known = self.inbound.get(Session.of(said.sender, envelope.device, envelope.session))
        if known is None:
            return True
        using = self.outbound.get(conversation.id)
        opened = known.has_seen(message.message_index())
        return (
            opened
            and using is not None
            and using.session == envelope.session
            and (message.message_index() >= using.messages)
        )

    def receive(self, kind: str, payload: bytes, sender: Device, conversation: str) -> bool:
        """Take a letter from a vouched device; what is wrong with it is passed over."""
        if kind == letters.KEY:
            self._take_key(letters.read(letters.Key, payload), sender, conversation)
        elif kind == letters.REQUEST:
            self.repair.asked(letters.read(letters.Request, payload), sender, conversation)
        elif kind == letters.ANSWER:
            self.repair.answered(letters.read(letters.Answer, payload), sender, conversation)
        elif kind in (letters.HISTORY, letters.KNOWN):
            self.handover.arrived(payload, sender, conversation, kind)
        else:
            return False
        return True

    def work(self) -> bool:
        """A slice of repair, of handing over, and of backing up."""
        return any((self.repair.work(), self.handover.work(), self.history.work()))

    def why(self, session: str) -> str:
        """What is missing, and what is done about it."""
        return self.repair.why(session)

    # Inside ------------------------------------------------------------------------------------
    @property
    def _host(self) -> Host:
        if self.host is None:
            raise NotPreparedError("not logged in yet")
        return self.host

    def _session_for(self, conversation: Conversation, devices: Sequence[Device]) -> Outbound:
        """The session in use, or a fresh one if it has to end."""
        using = self.outbound.get(conversation.id)
        if using is not None and not self._must_end(conversation, using, devices):
            return using
        return self._begin(conversation)

    def _must_end(self, conversation: Conversation, using: Outbound, devices: Sequence[Device]) -> bool:
        if conversation.ephemeral and using.session != self._begun.get(conversation.id):
            return True  # no log shows how far it has been used, should this store be an old copy
        shared = self.outbound.shared(using.session)
        return shared is None or is_spent(using, self._host.clock()) or has_left(shared, devices)

    def _begin(self, conversation: Conversation) -> Outbound:
        """A fresh session; this device keeps a copy, for its own other devices and for who loses the key."""
        host = self._host
        began, key = self.outbound.begin(conversation.id, host.clock(), _first_export)
        own = Session.of(host.user, host.device, began.session)
        copy = Inbound(conversation=conversation.id, key=_first_export(key), first=0)
        self.inbound.add(own, copy, keeping(conversation))
        self._begun[conversation.id] = began.session
        return began

    def _share(self, conversation: Conversation, using: Outbound, shared: Shared, devices: Sequence[Device]) -> None:
        """A slice: one letter for each device."""
        host = self._host
        letter = letters.written(letters.Key(session=using.session, key=self.outbound.key(using)))
        parcels = [(device, letters.KEY, letter) for device in devices]
        missed = {place(device) for device in host.send_parcels(conversation, parcels)}
        self._tried |= missed
        # Whoever could not be reached may ask later for all that was said since it should have been.
        due = {**dict.fromkeys(missed, using.messages), **shared.due}
        places = [place(device) for device in devices]
        to = {**shared.to, **{each: due.get(each, using.messages) for each in places if each not in missed}}
        tried = {**shared.missed, **{each: host.clock() for each in missed}}
        self.outbound.put_shared(using.session, msgspec.structs.replace(shared, to=to, missed=tried, due=due))

    def _is_ready(self, conversation: Conversation, using: Outbound) -> bool:
        """Whether everybody who is to have the key of this session has it, and nobody else."""
        now, devices = self._host.clock(), tuple(self._host.devices_of(conversation))
        if is_spent(using, now):
            return False
        ready = self._ready.get(conversation.id)
        return ready is not None and ready.session == using.session and ready.devices == devices and now < ready.until

    def _missing(self, conversation: Conversation, session: Session, index: int) -> NoReturn:
        if any(each != session for each in self.inbound.owners(session.id)):
            raise UndecryptableError("wrong-sender", session.id)
        self.repair.miss(conversation, session, index)
        raise UndecryptableError("no-key", session.id)

    def _take_key(self, letter: letters.Key | None, sender: Device, conversation: str) -> None:
        """A session of the device that sent it, and of no other."""
        live = None if letter is None else received(letter.key)
        if letter is None or live is None or live.session_id != letter.session:
            return
        session = Session.of(sender.user, sender.device, letter.session)
        first = live.first_known_index
        new = Inbound(conversation=conversation, key=exported(live, first), first=first)
        if self.repair.take(session, new) and session.user != folded(self._host.user):
            self.inbound.bound(session)


def _first_export(key: str) -> str:
    session = vodozemac.InboundGroupSession(vodozemac.SessionKey(key))
    return exported(session, session.first_known_index)


def _parsed(said: wire.Message) -> tuple[envelopes.MegolmEnvelope, vodozemac.MegolmMessage]:
    try:
        envelope = envelopes.split_megolm(said.body)
        return envelope, vodozemac.MegolmMessage.from_base64(envelope.ciphertext)
    except (MalformedRequestError, ValueError):
        raise UndecryptableError("broken") from None
