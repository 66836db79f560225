"""What the load's connections have in common, and one to encchat: as little of a client as the server asks for.

A member logs in and enters a room with blocking calls; then `benchmarks.traffic` drives all of them: it asks for what
to send with `said` and gives what has come to `take`, which only counts.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from typing import Any, Final, Protocol

from attrs import define, field, frozen
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from benchmarks.crowd import PASSWORD, device_key, name_of
from encchat import wire
from encchat.secure import Channel, ClientKeys, Plaintext, default_suites

Address = tuple[str, int]
SECONDS: Final = 60.0
"""After which a blocking call has failed."""
TEXT_LENGTH: Final = 100
READ: Final = 1 << 18
_SEALED: Final = b64encode(b"\x03" + bytes(TEXT_LENGTH + 72)).decode().rstrip("=")[2:]
"""As long as the Megolm message of a text of 100 bytes: its version, the text, 72 bytes of MAC and signature."""
_ERROR: Final = b'{"type":"error"'
_ENVELOPE: Final = f"BENCHDEVICE1.{'A' * 43}.Aw"
"""A device, a session, and what begins a Megolm message."""
BODY: Final = _ENVELOPE + _SEALED
"""Of a message of a hundred bytes."""


@frozen
class Counted:
    """What a read has brought: messages of others, answers to own ones, and all of it."""

    messages: int
    answers: int
    text: bytes


class Member(Protocol):
    """One connection. ``echoes``: who says something in a room gets it too."""

    socket: Any
    pending: bytes
    """What the kernel has not taken yet."""
    echoes: bool

    def prepare(self) -> None:
        """Do what a client can before it connects."""

    def log_in(self) -> None:
        """Connect and become somebody, once prepared."""

    def enter(self, room: str, *, first: bool) -> None:
        """Be in a room; whoever is ``first`` makes it."""

    def to_room(self, room: str) -> str:
        """Where to say what is for the room."""

    def to_member(self, other: Any) -> str:
        """Where to say what is for ``other`` only."""

    def said(self, to: str, stamp: str = "") -> bytes:
        """A message of a hundred bytes, which begins with ``stamp``, as bytes for the socket."""

    def take(self) -> Counted:
        """Read once and count; `ConnectionError` if the server has hung up."""


def connect(address: Address) -> socket.socket:
    """A socket that sends at once."""
    found = socket.create_connection(address, timeout=SECONDS)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


@define(eq=False)
class EncchatMember:
    """Speaks the wire over the suite ``noise-hybrid``, as the account ``number`` of a `benchmarks.crowd`."""

    address: Address
    number: int
    ephemeral: bool = False
    """Whether the rooms it makes are off the record."""
    socket: Any = field(init=False, default=None)
    pending: bytes = field(init=False, default=b"")
    echoes: bool = field(init=False, default=False)
    _channel: Channel = field(init=False)
    _rest: bytes = field(init=False, default=b"")
    _last: int = field(init=False, default=0)

    @property
    def name(self) -> str:
        return name_of(self.number)

    def prepare(self) -> None:
        """See `Member`."""
        self._prepare(device_key(self.number))

    def _prepare(self, key: X25519PrivateKey) -> None:
        self._channel, self._rest = Channel.initiator(default_suites()["noise-hybrid"], ClientKeys(key, None)), b""

    def secure(self) -> None:
        """The handshake, over a new connection."""
        self.socket = connect(self.address)
        while not self._channel.secured:
            self.socket.sendall(self._channel.data_to_send())
            self._lines()

    def log_in(self) -> None:
        """By the device's key, as a client does every time but the first."""
        self.secure()
        self.ask(wire.LoginDevice, user=self.name)

    def log_in_by_password(self, key: X25519PrivateKey) -> None:
        """As another device of the account."""
        self._prepare(key)
        self.secure()
        self.ask(wire.Login, user=self.name, password=PASSWORD)

    def enter(self, room: str, *, first: bool) -> None:
        """See `Member`."""
        self.requested(self.request_to_enter(room, first=first))

    def request_to_enter(self, room: str, *, first: bool) -> bytes:
        """To be sent; answered as every request."""
        if not first:
            return self.request(wire.Join, room=self.to_room(room), ulid=self.ulid())
        fields = {"room": self.to_room(room), "ulid": self.ulid(), "open": True}
        return self.request(wire.OpenRoom, ephemeral=self.ephemeral, **fields)

    def request_to_leave(self, room: str) -> bytes:
        """The same."""
        return self.request(wire.Leave, room=self.to_room(room), ulid=self.ulid())

    def ulid(self) -> str:
        """One that nobody else uses."""
        return f"7{self.number:013d}{self._last:012d}"

    def to_room(self, room: str) -> str:
        """See `Member`."""
        return f"#{room}"

    def to_member(self, other: EncchatMember) -> str:
        """See `Member`."""
        return f"@{other.name}"

    def request(self, kind: type[wire.Request], **fields: Any) -> bytes:
        """The next one, sealed."""
        self._last += 1
        return self._sealed(wire.encode(kind(id=self._last, **fields)) + b"\n")

    def requested(self, data: bytes) -> None:
        """Send the latest request and wait for its answer; `RuntimeError` if it is a refusal."""
        self.socket.sendall(data)
        while True:
            for line in self._lines().split(b"\n"):
                said = wire.decode_event(line) if line else None
                if isinstance(said, wire.Error):
                    raise RuntimeError(f"{self.name} was refused: {said.text}")
                if isinstance(said, wire.Ok) and said.id == self._last:
                    return

    def ask(self, kind: type[wire.Request], **fields: Any) -> None:
        """Both."""
        self.requested(self.request(kind, **fields))

    def said(self, to: str, stamp: str = "") -> bytes:
        """See `Member`."""
        id = self._last = self._last + 1
        body = f"{_ENVELOPE}{stamp}{_SEALED[len(stamp) :]}"
        head = f'{{"type":"send","id":{id},"ulid":"{id:026d}","conversation":"{to}"'
        return self._sealed(f'{head},"scheme":"megolm","body":"{body}"}}\n'.encode())

    def take(self) -> Counted:
        """See `Member`; `RuntimeError` if something was refused."""
        lines = self._lines()
        if _ERROR in lines:
            raise RuntimeError(f"{self.name} was refused: {lines[lines.index(_ERROR) :][:200]!r}")
        self.pending += self._channel.data_to_send()  # the answer to a probe
        return Counted(lines.count(b'{"type":"message"'), lines.count(b'{"type":"ok"'), lines)

    def _sealed(self, data: bytes) -> bytes:
        self._channel.send(data)
        return self._channel.data_to_send()

    def _lines(self) -> bytes:
        """All lines that the next read completes."""
        data = self.socket.recv(READ)
        if not data:
            raise ConnectionError(f"{self.name} was hung up")
        events = self._channel.receive_data(data)
        text = self._rest + b"".join([event.data for event in events if isinstance(event, Plaintext)])
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        return text[:end]
