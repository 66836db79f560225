"""One verification by short authentication string, between two devices: messages in and out, something to compare.

Theory of operation (Matrix specification, "Short Authentication String (SAS) verification"; vodozemac brings the key
agreement, the string and the MACs, not the commitment). The asked side commits to its key, with the hash of the key and
of the start message, before the asking side shows its own: nobody can choose a key to fit the string. Both people then
compare seven emoji or three numbers; whoever says that they match sends MACs over its identity key and device key, and
when both have, each knows that the other's identity key is the one the server showed.

::

    asking side              asked side
    _Started   -- Start -->  _Asked      a person must agree
               <-- Accept -- _Committed  (the commitment)
    _Shown     -- Key -->
    _Comparing <-- Key --    _Comparing  both see the string
               <- Mac, Mac ->            once a person has confirmed
    _Ended                   _Ended      ``done``, or ``cancelled`` and why
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Final, Literal

import msgspec
from attrs import define, field, frozen
from msgspec import Meta, Struct
from vodozemac import Curve25519PublicKey, EstablishedSas, Sas

from encchat import wire
from encchat.e2e.base64s import to_base64
from encchat.e2e.emoji import EMOJI
from encchat.e2e.identity import same_key
from encchat.e2e.statements import statement
from encchat.names import folded
from encchat.wire.keys import Key
from encchat.wire.values import Ulid

Step = Literal["asked", "waiting", "compare", "confirmed", "done", "cancelled"]
Code = Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{43}$")]
Reason = Literal["refused", "elsewhere", "too-late", "unexpected", "broken-commitment", "different-keys", "restarted"]
"""Why a verification ended: by a person; another device took it; after `VERIFY_SECONDS`; a message out of turn; the key
is not the one that was committed to; the MACs are over other keys than the server showed; a new one was begun."""


class _Message(Struct, frozen=True, kw_only=True, tag_field="step"):
    transaction: Ulid


class Start(_Message, frozen=True, kw_only=True, tag="start"):
    """Let us compare."""

    method: Literal["sas-1"] = "sas-1"


class Accept(_Message, frozen=True, kw_only=True, tag="accept"):
    """Yes; this is the hash of my key and of your start message."""

    commitment: Code


class Reveal(_Message, frozen=True, kw_only=True, tag="key"):
    """My key for this verification."""

    key: Key


class Mac(_Message, frozen=True, kw_only=True, tag="mac"):
    """They match; MACs over my identity key and my device's Ed25519 key."""

    identity: Code
    device: Code


class Cancel(_Message, frozen=True, kw_only=True, tag="cancel"):
    """No."""

    reason: Reason


Message = Start | Accept | Reveal | Mac | Cancel
_message: Final = msgspec.json.Decoder(Message)


def decode(payload: bytes) -> Message | None:
    """The message in a parcel's payload; None if there is none."""
    try:
        message: Message = _message.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return message


@frozen
class Party:
    """A device and the identity key of its account, as this client knows it; the keys it is about."""

    user: str
    device: str
    ed25519: str
    identity: wire.Identity

    def same_as(self, other: Party) -> bool:
        """Whether that is the same device with the same keys."""
        place = (folded(self.user), self.device, self.ed25519) == (folded(other.user), other.device, other.ed25519)
        return place and same_key(self.identity, other.identity)


@frozen
class _Started:
    sas: Sas
    start: bytes


@frozen
class _Asked:
    start: bytes


@frozen
class _Shown:
    sas: Sas
    start: bytes
    commitment: str


@frozen
class _Committed:
    sas: Sas


@frozen
class _Comparing:
    """``confirmed``: the person here has said that they match; ``proven``: the other side's MACs were right."""

    secret: EstablishedSas
    emoji: tuple[str, ...]
    decimals: tuple[int, ...]
    confirmed: bool = False
    proven: bool = False


@frozen
class _Ended:
    reason: Reason | None


_State = _Started | _Asked | _Shown | _Committed | _Comparing | _Ended


@define
class Exchange:
    """One side; make it with `begin` or `asked`. What is to be sent is taken with `take`."""

    me: Party
    other: Party
    transaction: str
    asking: bool
    _state: _State
    _outgoing: list[bytes] = field(factory=list, repr=False)

    @classmethod
    def begin(cls, me: Party, other: Party, transaction: str) -> Exchange:
        """The asking side; ``transaction`` is a fresh ULID."""
        start = msgspec.json.encode(Start(transaction=transaction))
        return cls(me, other, transaction, True, _Started(Sas(), start), [start])

    @classmethod
    def asked(cls, me: Party, other: Party, start: bytes, transaction: str) -> Exchange:
        """The asked side; ``start`` are the very bytes that came, a `Start` of that ``transaction``."""
        return cls(me, other, transaction, False, _Asked(start))

    @property
    def step(self) -> Step:
        """How far it has come; ``compare`` is when there are `emoji` and `decimals`."""
        match self._state:
            case _Asked():
                return "asked"
            case _Comparing(confirmed=confirmed):
                return "confirmed" if confirmed else "compare"
            case _Ended(reason=reason):
                return "cancelled" if reason else "done"
            case _:
                return "waiting"

    @property
    def emoji(self) -> tuple[str, ...]:
        """Seven names of `encchat.e2e.emoji.EMOJI`, empty while there is nothing to compare."""
        return self._state.emoji if isinstance(self._state, _Comparing) else ()

    @property
    def decimals(self) -> tuple[int, ...]:
        """Three numbers from 1000 to 9191."""
        return self._state.decimals if isinstance(self._state, _Comparing) else ()

    @property
    def reason(self) -> Reason | None:
        """Why it was cancelled."""
        return self._state.reason if isinstance(self._state, _Ended) else None

    def take(self) -> list[bytes]:
        """Payloads for the other device, in order; each once."""
        taken, self._outgoing = self._outgoing, []
        return taken

    def accept(self) -> None:
        """The person who was asked agrees; nothing if it is not ``asked``."""
        if isinstance(self._state, _Asked):
            sas = Sas()
            commitment = _commitment(sas.public_key.to_base64(), self._state.start)
            self._send(Accept(transaction=self.transaction, commitment=commitment))
            self._state = _Committed(sas)

    def confirm(self) -> bool:
        """The person says that they match; False if there is nothing to compare."""
        state = self._state
        if not isinstance(state, _Comparing) or state.confirmed:
            return False
        identity, device = self._macs(state.secret, self.me, self.other)
        self._send(Mac(transaction=self.transaction, identity=identity, device=device))
        self._state = _Ended(None) if state.proven else _with(state, confirmed=True)
        return True

    def cancel(self, reason: Reason) -> None:
        """End it and say why; nothing if it has ended."""
        if not isinstance(self._state, _Ended):
            self._send(Cancel(transaction=self.transaction, reason=reason))
            self._state = _Ended(reason)

    def receive(self, message: Message) -> None:
        """Take a message of the other device and this transaction; one out of turn ends it."""
        match self._state, message:
            case _Ended(), _:
                return
            case _, Cancel(reason=reason):
                self._state = _Ended(reason)
            case _Started() as state, Accept(commitment=commitment):
                self._send(Reveal(transaction=self.transaction, key=state.sas.public_key.to_base64()))
                self._state = _Shown(state.sas, state.start, commitment)
            case _Shown() as state, Reveal(key=key):
                self._take_key(state, key)
            case _Committed() as state, Reveal(key=key):
                own = state.sas.public_key.to_base64()
                if self._agree(state.sas, key):
                    self._send(Reveal(transaction=self.transaction, key=own))
            case _Comparing(proven=False) as state, Mac():
                self._take_macs(state, message)
            case _:
                self.cancel("unexpected")

    def _take_key(self, state: _Shown, key: str) -> None:
        if compare_digest(_commitment(key, state.start), state.commitment):
            self._agree(state.sas, key)
        else:
            self.cancel("broken-commitment")

    def _agree(self, sas: Sas, key: str) -> bool:
        own = sas.public_key.to_base64()
        try:
            secret = sas.diffie_hellman(Curve25519PublicKey.from_base64(key))
        except ValueError:  # a key of small order, or not canonical
            self.cancel("unexpected")
            return False
        keys = (own, key) if self.asking else (key, own)
        told = secret.bytes(_info("sas string", *self._both(), *keys))
        emoji = tuple(EMOJI[index][1] for index in told.emoji_indices)
        self._state = _Comparing(secret, emoji, tuple(told.decimals))
        return True

    def _take_macs(self, state: _Comparing, message: Mac) -> None:
        """The other side's MACs are over its keys as it knows them; ours are as the server showed them."""
        expected = self._macs(state.secret, self.other, self.me)
        if not compare_digest("".join(expected), message.identity + message.device):
            self.cancel("different-keys")
        else:
            self._state = _Ended(None) if state.confirmed else _with(state, proven=True)

    def _macs(self, secret: EstablishedSas, of: Party, to: Party) -> tuple[str, str]:
        """Over the keys of ``of``; who is meant, and all keys of both, are bound to them by the info."""
        place = (*self._both(), folded(of.user), of.device, folded(to.user), to.device)
        identity = _info("identity key", of.identity.algorithm, of.identity.key)
        return (
            secret.calculate_mac(identity, _info("sas mac identity", *place)),
            secret.calculate_mac(of.ed25519, _info("sas mac device", *place)),
        )

    def _both(self) -> tuple[str, ...]:
        """What both sides must know alike, the asking side first."""
        asking, asked = (self.me, self.other) if self.asking else (self.other, self.me)
        return self.transaction, *_fields(asking), *_fields(asked)

    def _send(self, message: Message) -> None:
        self._outgoing.append(msgspec.json.encode(message))


def _with(state: _Comparing, confirmed: bool = False, proven: bool = False) -> _Comparing:
    return _Comparing(state.secret, state.emoji, state.decimals, state.confirmed or confirmed, state.proven or proven)


def _fields(party: Party) -> tuple[str, ...]:
    return folded(party.user), party.device, party.ed25519, party.identity.algorithm, party.identity.key


def _info(purpose: str, *fields: str) -> str:
    """vodozemac takes text: the digest of a statement in base64."""
    return to_base64(sha256(statement(purpose, *fields)).digest())


def _commitment(key: str, start: bytes) -> str:
    """SHA-256 over the key and the start message, both with their lengths (Matrix: over both one after another)."""
    return to_base64(sha256(statement("sas commitment", key, start)).digest())
