"""How a message is opened: by its scheme, then checked against where, by whom and as what the server shows it.

Theory of operation. A message's signature may be by an identity key this client has not heard of yet; its ratchet has
moved then all the same. So the payload is held until the sender's keys are asked for, the message counts as not opened
for want of ``keys:NAME``, and is opened from what is held once `KeyArrived` has told of that name. What was said in an
ephemeral room is held in memory only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from attrs import evolve, field, frozen
from msgspec import Struct

from encchat import wire
from encchat.e2e import payload
from encchat.e2e.calls import Calls, is_session
from encchat.e2e.devices import DeviceLists
from encchat.e2e.host import nothing
from encchat.e2e.interfaces import Conversation, Decrypted, Device, Host, KeyArrived, Opened, Scheme, Trust, Warned
from encchat.e2e.megolm import Megolm
from encchat.e2e.payload import Payload
from encchat.e2e.renewing import Renewals
from encchat.e2e.trust import TrustStore
from encchat.envelopes import MEGOLM, OLM
from encchat.errors import EncchatError, UndecryptableError
from encchat.limits import MAX_HELD
from encchat.names import folded

_HELD: Final = "held"
KEYS: Final = "keys:"
"""Before a name: what a message waits for whose sender's published keys are to be asked for."""


class _Held(Struct, frozen=True, array_like=True):
    payload: bytes
    user: str
    device: str
    session: str
    index: int
    handed_by: str


@frozen
class Opening:
    """``calls`` opens what is of the scheme ``olm``, ``schemes`` (by name) the rest."""

    _host: Host
    _trust: TrustStore
    _lists: DeviceLists
    _schemes: Mapping[str, Scheme]
    _calls: Calls
    _renewals: Renewals
    _held: set[str] = field(init=False)
    """The names of those that wait: every message would ask the store for its own."""
    _passing: dict[str, _Held] = field(init=False, factory=dict)
    """By name, those that wait and are not to be stored."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_held", set(self._host.keep.all(_HELD)))

    def open(self, conversation: Conversation, said: wire.Message) -> Opened:
        """What was said; `UndecryptableError`. What is of scheme ``olm`` may be of any session with that partner."""
        _check_place(conversation, said)
        name = f"{said.conversation} {said.ulid} {said.seq}"
        held = self._unheld(name)
        decrypted = self._decrypt(conversation, said) if held is None else held
        message = payload.parse(decrypted.payload, decrypted.session)
        recipient = payload.address(self._host.user, self._host.device) if said.scheme == OLM else ""
        device = decrypted.device or message.device
        if said.scheme == OLM and conversation.kind != "room":
            conversation = _session(conversation, message, decrypted.session)
        payload.check(message, conversation, said, device, recipient, decrypted.session)
        if self._has_to_wait(message):
            self._hold(name, decrypted, message.sender, ephemeral=conversation.ephemeral)
        if held is not None:
            self._let_go(name)
        return self._opened(conversation, said, message, decrypted)

    def _decrypt(self, conversation: Conversation, said: wire.Message) -> Decrypted:
        if said.scheme == OLM:
            return self._decrypt_olm(conversation, said)
        scheme = self._schemes.get(said.scheme)
        if scheme is None:
            raise UndecryptableError("broken")
        try:
            return scheme.open(conversation, said)
        except UndecryptableError as error:
            if error.reason == "no-key" and self._sender(said) is None:
                # Whom one has never asked about cannot be asked for a key either.
                self._lists.ensure(f"@{said.sender}", [said.sender], nothing)
            raise

    def _decrypt_olm(self, conversation: Conversation, said: wire.Message) -> Decrypted:
        sender = self._sender(said)
        if sender is None:
            is_fresh = self._lists.is_fresh(said.sender)
            raise UndecryptableError("no-key") if is_fresh else self.ask_for(said.sender)
        try:
            return self._calls.open(conversation, said, sender, self._host.device)
        except UndecryptableError as error:
            if error.reason in ("no-key", "broken") and conversation.kind == "session":
                self._renewals.renew(conversation.name, sender, conversation.id)
            raise

    def _sender(self, said: wire.Message) -> Device | None:
        """The device that says it has said it."""
        return self._lists.find(said.sender, said.body.partition(".")[0])

    def is_from_later(self, conversation: Conversation, said: wire.Message) -> bool:
        """Whether an own message was made by this very device with keys, or at a place, that its store is not at yet.

        The core opens no message that its store remembers having said.
        """
        if said.scheme != MEGOLM or said.body.partition(".")[0] != self._host.device:
            return False
        megolm = self._schemes.get(MEGOLM)
        return isinstance(megolm, Megolm) and megolm.is_ahead(conversation, said)

    def _opened(self, conversation: Conversation, said: wire.Message, message: Payload, decrypted: Decrypted) -> Opened:
        signature, signed = payload.verify(message, self._chain(said.sender))
        return Opened(
            text=message.text,
            type=message.type,
            encryption=said.scheme,
            signature=signature,
            signed=signed,
            trust=self.trust_of(said.sender),
            after=message.after,
            previous=message.previous,
            conversation=conversation.id,
            warnings=tuple(_warnings(conversation, said, message, signed, decrypted.handed_by)),
        )

    def _chain(self, user: str) -> Sequence[wire.Identity]:
        """The keys by which ``user`` is read; one's own are those this device knows, whatever the server shows."""
        mine = folded(user) == folded(self._lists.me)
        return self._trust.believed(user) if mine else self._trust.chain(user)

    def trust_of(self, user: str) -> Trust:
        """How far somebody's key is believed; ``pinned`` before it was seen, as it will be pinned then."""
        return self._trust.state(user) or "pinned"

    # Messages that wait for their sender's keys --------------------------------------------------
    def ask_for(self, user: str) -> UndecryptableError:
        """Ask for what ``user`` has published; the error that says so, until `KeyArrived`."""
        self._lists.ensure(f"@{user}", [user], lambda error: self._arrived(user, error))
        return UndecryptableError("no-key", KEYS + folded(user))

    def _arrived(self, user: str, error: EncchatError | None) -> None:
        if error is None:
            self._host.tell(KeyArrived(KEYS + folded(user)))

    def _has_to_wait(self, message: Payload) -> bool:
        """Whether it is signed by a key that comes after those that are known, and the server may tell of it."""
        if message.number <= len(self._chain(message.sender)) or self._lists.is_fresh(message.sender):
            return False
        return len(self._held) + len(self._passing) < MAX_HELD

    def _hold(self, name: str, decrypted: Decrypted, user: str, *, ephemeral: bool) -> None:
        held = _Held(
            decrypted.payload,
            decrypted.user,
            decrypted.device,
            decrypted.session,
            decrypted.index,
            decrypted.handed_by,
        )
        if ephemeral:
            self._passing[name] = held
        else:
            self._host.keep.put(_HELD, name, msgspec.msgpack.encode(held))
            self._held.add(name)
        raise self.ask_for(user)

    def _unheld(self, name: str) -> Decrypted | None:
        kept = self._passing.get(name)
        if kept is None and name in self._held:
            found = self._host.keep.get(_HELD, name)
            kept = None if found is None else msgspec.msgpack.decode(found, type=_Held)
        if kept is None:
            return None
        return Decrypted(kept.payload, kept.user, kept.device, kept.session, kept.index, kept.handed_by)

    def _let_go(self, name: str) -> None:
        if self._passing.pop(name, None) is None:
            self._host.keep.put(_HELD, name, None)
            self._held.discard(name)


def _check_place(conversation: Conversation, said: wire.Message) -> None:
    """A room has one scheme, and two people's conversation two senders: the server mixes nothing else in."""
    if conversation.kind == "room":
        fits = said.scheme == conversation.scheme
    else:
        fits = folded(said.sender) in {folded(name) for name in conversation.members}
    if not fits:
        raise UndecryptableError("wrong-conversation")


def _session(conversation: Conversation, message: Payload, session: str) -> Conversation:
    """The session that ``message`` is of: one between these two, which only the message itself tells."""
    found = evolve(conversation, id=message.conversation, kind="session", scheme=OLM)
    if not is_session(found.id) or not payload.members_agree(message, found):
        raise UndecryptableError("wrong-conversation", session)
    return found


def _warnings(
    conversation: Conversation, said: wire.Message, message: Payload, signed: str, handed_by: str
) -> list[Warned]:
    found = []
    if signed == "invalid":
        found.append(Warned("signature", f"the signature of a message of {said.sender} does not hold"))
    if signed == "absent" and conversation.signed:
        found.append(Warned("unsigned", f"a message of {said.sender} is not signed, though here all should be"))
    if not payload.members_agree(message, conversation):
        found.append(Warned("members", _MEMBERS.format(said.sender, conversation.name)))
    if handed_by and signed != "valid":
        # Whoever has the key of a Megolm session that is not its owner's may have written the message.
        found.append(
            Warned("handed-over", f"only {handed_by}, who handed over its key, says that {said.sender} said it")
        )
    return found


_MEMBERS: Final = (
    "{} and this client do not know the same members of {}: the server does not tell both the same, or somebody came or"
    " went just now"
)
