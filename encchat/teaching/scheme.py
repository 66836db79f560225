"""The pair scheme ``insecure-ffdhe-rc4``: Diffie-Hellman between two people's devices, then RC4. Not for real secrets.

Theory of operation. Each device makes an exponent for a conversation and shows the public value to the other account's
devices; both sides then know a secret. Each message goes to each device under RC4 with a key made of that secret and a
fresh nonce (RC4's first 768 bytes are thrown away). What is wrong with it, on purpose, is what was wrong with the chats
it is modelled on: RC4's stream is biased, nothing notices changed bits, one secret serves for a whole
conversation, and a ciphertext can be shown twice. What is inside still says who speaks, and is signed.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from attrs import define, field
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher
from msgspec import Struct

from encchat import envelopes, wire
from encchat.e2e.interfaces import Conversation, Decrypted, Device, Host, Step
from encchat.errors import MalformedRequestError, NoKeysError, NotPreparedError, UndecryptableError, UsageError
from encchat.limits import REPAIR_FIRST_SECONDS
from encchat.names import folded
from encchat.teaching import group

NAME: Final = "insecure-ffdhe-rc4"
HELLO: Final = "teaching.hello"
_OWN: Final = "teaching-own"
_PEER: Final = "teaching-peer"
_NONCE: Final = 16
_DROPPED: Final = 768
_NOBODY: Final = (
    "nobody there answers in the scheme insecure-ffdhe-rc4: both clients need the option --insecure-teaching-scheme"
)


class Hello(Struct, frozen=True):
    """A device's public value; ``answer``: the other's is known already."""

    public: bytes
    answer: bool = False


@define
class TeachingScheme:
    """The scheme, for one machine."""

    host: Host | None = field(init=False, default=None)
    _waiting: dict[str, float] = field(init=False, factory=dict)

    @property
    def name(self) -> str:
        """The word on the wire; it stands on every line."""
        return NAME

    @property
    def by_olm(self) -> bool:
        """Public values go as parcels."""
        return True

    def start(self, host: Host) -> None:
        """A login."""
        self.host = host
        self._waiting.clear()

    def prepare_step(self, conversation: Conversation) -> Step:
        """Show the public value, and wait for the other one."""
        if len(conversation.members) != 2:
            raise UsageError(
                f"the scheme {NAME} is for two people; {conversation.name} has {len(conversation.members)}"
            )
        if self._partners(conversation):
            return "ready"
        if conversation.id not in self._waiting:
            devices = self._devices(conversation)
            if all(folded(device.user) == folded(self._host.user) for device in devices):
                raise NoKeysError(f"the other one in {conversation.name} has no device yet that this could be sent to")
            self._waiting[conversation.id] = self._host.clock() + REPAIR_FIRST_SECONDS
            self._greet(conversation, devices, answer=False)
        return "waiting"

    def encrypt(self, conversation: Conversation, ulid: str, payload: bytes) -> str:
        """A nonce and RC4's ciphertext for each device whose public value is known."""
        partners = self._partners(conversation)
        if not partners:
            raise NotPreparedError(f"there is no secret yet in {conversation.name}")
        parts: dict[str, tuple[bytes, bytes]] = {}
        for device, secret in partners.items():
            nonce = self._host.random(_NONCE)
            parts[f"{device.device} {folded(device.user)}"] = (nonce, _rc4(secret, nonce, payload))
        return envelopes.OtherEnvelope(self._host.device, msgspec.msgpack.encode(parts)).body

    def open(self, conversation: Conversation, said: wire.Message) -> Decrypted:
        """The part for this device, in conversations of this scheme: nobody else accepts what it protects so badly."""
        if conversation.scheme != self.name:
            raise UndecryptableError("wrong-conversation")
        try:
            envelope = envelopes.split(NAME, said.body)
            data = envelope.data if isinstance(envelope, envelopes.OtherEnvelope) else b""
            parts = msgspec.msgpack.decode(data, type=dict[str, tuple[bytes, bytes]])
        except (MalformedRequestError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UndecryptableError("broken") from None
        part = parts.get(f"{self._host.device} {folded(self._host.user)}")
        if part is None:
            raise UndecryptableError("not-for-this-device")
        secret = self._secret(conversation.id, said.sender, envelope.device)
        if secret is None:
            raise UndecryptableError("no-key")
        return Decrypted(_rc4(secret, *part), said.sender, envelope.device)

    def receive(self, kind: str, payload: bytes, sender: Device, conversation: str) -> bool:
        """Another device's public value."""
        if kind != HELLO:
            return False
        try:
            hello = msgspec.msgpack.decode(payload, type=Hello)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return True
        if group.secret(self._exponent(conversation), hello.public) is not None:
            self._host.keep.put(_PEER, _row(conversation, sender.user, sender.device), hello.public)
            self._met(conversation, sender, hello)
        return True

    def work(self) -> bool:
        """Give up on partners who do not answer."""
        for id, until in list(self._waiting.items()):
            where = self._host.conversation(id)
            if self._host.clock() >= until:
                del self._waiting[id]
                if where is not None:
                    self._host.resume(where, NoKeysError(_NOBODY))
        return False

    def why(self, session: str) -> str:
        """There are no keys one could wait for."""
        return ""

    def end(self, conversation: str) -> None:
        """Forget the exponent and what was agreed with it."""
        for kind in (_OWN, _PEER):
            for row in self._host.keep.all(kind):
                if row.partition(" ")[0] == conversation:
                    self._host.keep.put(kind, row, None)

    def restored(self) -> None:
        """Exponents do not move."""

    # Inside ------------------------------------------------------------------------------------
    @property
    def _host(self) -> Host:
        if self.host is None:
            raise NotPreparedError("not logged in yet")
        return self.host

    def _met(self, conversation: str, sender: Device, hello: Hello) -> None:
        where = self._host.conversation(conversation)
        if where is None:
            return
        if not hello.answer:
            self._greet(where, [sender], answer=True)
        if self._waiting.pop(conversation, None) is not None:
            self._host.resume(where)

    def _greet(self, conversation: Conversation, devices: list[Device], answer: bool) -> None:
        hello = msgspec.msgpack.encode(Hello(group.public(self._exponent(conversation.id)), answer))
        self._host.send_parcels(conversation, [(device, HELLO, hello) for device in devices])

    def _devices(self, conversation: Conversation) -> list[Device]:
        return list(self._host.devices_of(conversation))

    def _exponent(self, conversation: str) -> int:
        kept = self._host.keep.get(_OWN, conversation)
        if kept is None:
            kept = group.private(self._host.random).to_bytes(32, "big")
            self._host.keep.put(_OWN, conversation, kept)
        return int.from_bytes(kept, "big")

    def _partners(self, conversation: Conversation) -> dict[Device, bytes]:
        """The devices a secret is shared with; empty as long as none of them is the other person's."""
        found = {
            device: secret
            for device in self._devices(conversation)
            if (secret := self._secret(conversation.id, device.user, device.device)) is not None
        }
        others = [device for device in found if folded(device.user) != folded(self._host.user)]
        return found if others else {}

    def _secret(self, conversation: str, user: str, device: str) -> bytes | None:
        theirs = self._host.keep.get(_PEER, _row(conversation, user, device))
        return None if theirs is None else group.secret(self._exponent(conversation), theirs)


def _row(conversation: str, user: str, device: str) -> str:
    return f"{conversation} {device} {folded(user)}"


def _rc4(secret: bytes, nonce: bytes, data: bytes) -> bytes:
    """The same both ways: a stream cipher's ciphertext is the text with the stream added."""
    key = sha256(secret + nonce).digest()[:16]
    stream = Cipher(ARC4(key), mode=None).encryptor()
    stream.update(bytes(_DROPPED))
    return stream.update(data)
