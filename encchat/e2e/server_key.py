"""The scheme ``server-key``: the server makes the room's AES-256 key and hands it to each device under its RSA key.

Theory of operation. The server could read all of it, and every face says so; what it is for is a room whose
administrator must be able to. A fresh version comes whenever membership shrinks or a device is revoked, so this
client asks for the latest before its first message after any change of members or devices, and for earlier ones when a
message needs them. Messages are AES-256-GCM under random nonces; the associated data binds the room, the version, the
sender, its device and the message's ULID.
"""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import define, field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from msgspec import Struct

from encchat import envelopes, limits, wire
from encchat.e2e.base64s import from_base64, to_base64
from encchat.e2e.interfaces import Answered, Conversation, Decrypted, Device, Host, Keep, KeyArrived, Step
from encchat.e2e.refusals import error_of
from encchat.e2e.statements import statement
from encchat.errors import (
    EncchatError,
    MalformedRequestError,
    NotPreparedError,
    RequestError,
    UndecryptableError,
)
from encchat.names import folded

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_KEYS: Final = "server-key"
_WANTED: Final = "server-key-wanted"
_RSA: Final = "server-key-rsa"


class Wanted(Struct, frozen=True):
    """A version of a room's key that messages wait for; ``refused`` is what the server said."""

    next: float
    asked: int = 0
    refused: str = ""


def device_rsa(keep: Keep) -> str:
    """The public RSA key of this device, in base64 of DER, for `wire.DeviceKeys.rsa`; made when there is none yet.

    Making it takes a twentieth of a second, once in a device's life.
    """
    public = _private(keep).public_key()
    return to_base64(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _private(keep: Keep) -> rsa.RSAPrivateKey:
    kept = keep.get(_RSA, "")
    if kept is not None:
        loaded = load_der_private_key(kept, None)
        if isinstance(loaded, rsa.RSAPrivateKey):
            return loaded
    made = rsa.generate_private_key(65_537, limits.MIN_RSA_BITS)
    keep.put(_RSA, "", made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    return made


def unwrapped(keep: Keep, wrapped: str) -> bytes | None:
    """The key in `wire.RoomKey.wrapped`; None if it is not one for this device."""
    data = from_base64(wrapped)
    try:
        key = _private(keep).decrypt(data or b"", _OAEP)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


@frozen
class _Latest:
    """The version in force as this client last heard, and what it knew of the room then."""

    version: int
    room_version: int
    devices: tuple[Device, ...]


@define
class ServerKey:
    """The scheme, for one machine."""

    host: Host | None = field(init=False, default=None)
    _latest: dict[str, _Latest] = field(init=False, factory=dict)
    _asking: set[str] = field(init=False, factory=set)
    _failed: dict[str, EncchatError] = field(init=False, factory=dict)
    _wanted: dict[str, Wanted] = field(init=False, factory=dict)

    @property
    def name(self) -> str:
        """The word on the wire."""
        return envelopes.SERVER_KEY

    @property
    def by_olm(self) -> bool:
        """The server hands out its keys."""
        return False

    def start(self, host: Host) -> None:
        """A login: nobody knows what has changed since the last one."""
        self.host = host
        self._latest.clear()
        self._asking.clear()
        self._failed.clear()
        rows = host.keep.all(_WANTED)
        self._wanted = {row: msgspec.msgpack.decode(value, type=Wanted) for row, value in rows.items()}
        host.publish_rsa(device_rsa(host.keep))

    def prepare_step(self, conversation: Conversation) -> Step:
        """Ask for the key in force, unless nothing has changed since it was asked for."""
        if self._version(conversation) is not None:
            return "ready"
        if conversation.id not in self._asking:
            self._asking.add(conversation.id)
            self._failed.pop(conversation.id, None)
            self._host.ask(
                wire.GetRoomKey, lambda answer: self._take_latest(conversation, answer), room=conversation.name
            )
        # Where there is no connection the answer comes at once, before anybody waits to be resumed.
        if (error := self._failed.pop(conversation.id, None)) is not None:
            raise error
        return "ready" if self._version(conversation) is not None else "waiting"

    def encrypt(self, conversation: Conversation, ulid: str, payload: bytes) -> str:
        """The payload under the key in force."""
        host, version = self._host, self._version(conversation)
        key = None if version is None else host.keep.get(_KEYS, _row(conversation.id, version))
        if version is None or key is None:
            raise NotPreparedError(f"the key of {conversation.name} has to be fetched")
        nonce = host.random(_NONCE_BYTES)
        bound = _bound(conversation.id, version, host.user, host.device, ulid)
        sealed = AESGCM(key).encrypt(nonce, payload, bound)
        return envelopes.ServerKeyEnvelope(host.device, version, nonce, sealed).body

    def open(self, conversation: Conversation, said: wire.Message) -> Decrypted:
        """Undo it; the key is asked for if it is not here. Only in rooms of this scheme: the server knows its keys."""
        if conversation.scheme != self.name:
            raise UndecryptableError("wrong-conversation")
        try:
            envelope = envelopes.split_server_key(said.body)
        except MalformedRequestError:
            raise UndecryptableError("broken") from None
        row = _row(conversation.id, envelope.version)
        key = self._host.keep.get(_KEYS, row)
        if key is None:
            self._want(row)
            raise UndecryptableError("no-key", row)
        bound = _bound(conversation.id, envelope.version, said.sender, envelope.device, said.ulid)
        try:
            payload = AESGCM(key).decrypt(envelope.nonce, envelope.ciphertext, bound)
        except (InvalidTag, ValueError):
            raise UndecryptableError("broken", row) from None
        return Decrypted(payload, said.sender, envelope.device, row)

    def receive(self, kind: str, payload: bytes, sender: Device, conversation: str) -> bool:
        """There are no letters of this scheme."""
        return False

    def work(self) -> bool:
        """Ask for a slice of the versions that messages wait for; whether more are due."""
        now = self._host.clock()
        due = [
            (row, each) for row, each in self._wanted.items() if each.next <= now and each.asked < limits.REPAIR_TIMES
        ]
        for row, each in due[: limits.REPAIR_SLICE]:
            wait = min(limits.REPAIR_FIRST_SECONDS * 5 ** (each.asked + 1), limits.REPAIR_MAX_SECONDS)
            self._put_wanted(row, msgspec.structs.replace(each, asked=each.asked + 1, next=now + wait))
            self._ask_for(row)
        return len(due) > limits.REPAIR_SLICE

    def why(self, session: str) -> str:
        """What became of a room key that is missing."""
        wanted = self._wanted.get(session)
        if wanted is None:
            return ""
        version = session.rpartition(" ")[2]
        said = f"; the server answers: {wanted.refused}" if wanted.refused else ""
        return f"Version {version} of the room's key is missing. The server was asked {wanted.asked} times{said}."

    def end(self, conversation: str) -> None:
        """This account is not in that room any more; what was said can still be read."""
        self._latest.pop(conversation, None)

    def restored(self) -> None:
        """Nonces are random and keys the server's: nothing here is older than it should be."""

    # Inside ------------------------------------------------------------------------------------
    @property
    def _host(self) -> Host:
        if self.host is None:
            raise NotPreparedError("not logged in yet")
        return self.host

    def _version(self, conversation: Conversation) -> int | None:
        """The version in force; None if something has changed since."""
        latest = self._latest.get(conversation.id)
        if latest is None or latest.room_version != conversation.version:
            return None
        return latest.version if latest.devices == tuple(self._host.devices_of(conversation)) else None

    def _take_latest(self, conversation: Conversation, answer: wire.Ok | wire.Error) -> None:
        self._asking.discard(conversation.id)
        error = self._take(conversation.id, answer)
        if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.RoomKey) and error is None:
            devices = tuple(self._host.devices_of(conversation))
            self._latest[conversation.id] = _Latest(answer.result.version, conversation.version, devices)
        elif error is not None:
            self._failed[conversation.id] = error
        self._host.resume(conversation, error)

    def _take(self, room: str, answer: wire.Ok | wire.Error) -> EncchatError | None:
        """Keep the key that came; the error if none did."""
        if isinstance(answer, wire.Error):
            return error_of(answer)
        key = unwrapped(self._host.keep, answer.result.wrapped) if isinstance(answer.result, wire.RoomKey) else None
        if not isinstance(answer.result, wire.RoomKey) or key is None:
            return RequestError("the server's room key cannot be read with this device's RSA key")
        row = _row(room, answer.result.version)
        if self._host.keep.get(_KEYS, row) is None:
            self._host.keep.put(_KEYS, row, key)
        if self._wanted.pop(row, None) is not None:
            self._host.keep.put(_WANTED, row, None)
            self._host.tell(KeyArrived(row))
        return None

    def _want(self, row: str) -> None:
        if row not in self._wanted:
            self._put_wanted(row, Wanted(next=self._host.clock()))

    def _put_wanted(self, row: str, wanted: Wanted) -> None:
        self._wanted[row] = wanted
        self._host.keep.put(_WANTED, row, msgspec.msgpack.encode(wanted))

    def _ask_for(self, row: str) -> None:
        room, _, version = row.rpartition(" ")
        where = self._host.conversation(room)
        if where is not None:
            done = self._took(row, room)
            self._host.ask(wire.GetRoomKey, done, room=where.name, version=int(version))

    def _took(self, row: str, room: str) -> Answered:
        def done(answer: wire.Ok | wire.Error) -> None:
            error = self._take(room, answer)
            wanted = self._wanted.get(row)
            if error is not None and wanted is not None:
                self._put_wanted(row, msgspec.structs.replace(wanted, refused=error.text))

        return done


def _row(room: str, version: int) -> str:
    return f"{room} {version}"


def _bound(room: str, version: int, sender: str, device: str, ulid: str) -> bytes:
    return statement("server-key message", room, version, folded(sender), device, ulid)
