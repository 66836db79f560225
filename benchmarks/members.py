"""The two kinds of clients of the relay benchmark, as little of each as its server asks for.

A member logs in with blocking calls, one after another; then `benchmarks.traffic` drives all of them: it asks for
what to send with `said` and gives what has come to `take`, which only counts.
"""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from typing import Any, Final, Protocol

from attrs import define, field, frozen
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from encchat import wire
from encchat.secure import Channel, ClientKeys, Plaintext, default_suites

_PASSWORD: Final = "correct horse battery"  # noqa: S105 - of accounts that exist for a minute
_SECONDS: Final = 60.0
_TEXT: Final = b"x" * 100
_BODY: Final = f"BENCHDEVICE1.{'A' * 43}." + b64encode(b"\x03" + _TEXT + bytes(72)).decode().rstrip("=")
"""As long as the Megolm message of a text of 100 bytes: its version, the text, 72 bytes of MAC and signature."""


@frozen
class Counted:
    """What a read has brought: messages of others, and answers to own ones."""

    messages: int
    answers: int


class Member(Protocol):
    """One connection that is logged in."""

    socket: Any
    pending: bytes
    """What the kernel has not taken yet."""

    def said(self, to: str, count: int) -> bytes:
        """So many messages to a room or a member, as bytes for the socket."""

    def take(self) -> Counted:
        """Read once and count; `ConnectionError` if the server has hung up."""


@define(eq=False)
class EncchatMember:
    """Speaks the wire over the suite ``noise-hybrid``; ``address`` is the server's."""

    address: tuple[str, int]
    name: str
    socket: Any = field(init=False)
    pending: bytes = field(init=False, default=b"")
    _channel: Channel = field(init=False)
    _rest: bytes = field(init=False, default=b"")
    _last: int = field(init=False, default=0)

    def log_in(self) -> None:
        """With a password that is new, as a real client does the first time."""
        self.socket = socket.create_connection(self.address, timeout=_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keys = ClientKeys(X25519PrivateKey.generate(), None)
        self._channel = Channel.initiator(default_suites()["noise-hybrid"], keys)
        while not self._channel.secured:
            self.socket.sendall(self._channel.data_to_send())
            self._lines()
        self.ask(wire.Register, user=self.name, password=_PASSWORD)

    def ask(self, kind: type[wire.Request], **fields: Any) -> None:
        """Wait for the answer; `RuntimeError` if it is a refusal."""
        self._last += 1
        self.socket.sendall(self._sealed(wire.encode(kind(id=self._last, **fields)) + b"\n"))
        while True:
            for line in self._lines().split(b"\n"):
                said = wire.decode_event(line) if line else None
                if isinstance(said, wire.Error):
                    raise RuntimeError(f"{kind.__name__} of {self.name} was refused: {said.text}")
                if isinstance(said, wire.Ok) and said.id == self._last:
                    return

    def said(self, to: str, count: int) -> bytes:
        """See `Member`."""
        first, self._last = self._last + 1, self._last + count
        head, tail = f'{{"type":"send","conversation":"{to}","id":', f'"scheme":"megolm","body":"{_BODY}"}}\n'
        lines = [f'{head}{id},"ulid":"{id:026d}",{tail}' for id in range(first, self._last + 1)]
        return self._sealed("".join(lines).encode())

    def take(self) -> Counted:
        """See `Member`."""
        lines = self._lines()
        return Counted(lines.count(b'{"type":"message"'), lines.count(b'{"type":"ok"'))

    def _sealed(self, data: bytes) -> bytes:
        self._channel.send(data)
        return self._channel.data_to_send()

    def _lines(self) -> bytes:
        """All lines that the next read completes."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError(f"{self.name} was hung up")
        events = self._channel.receive_data(data)
        text = self._rest + b"".join([event.data for event in events if isinstance(event, Plaintext)])
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        return text[:end]


@define(eq=False)
class IrcMember:
    """Speaks IRC (RFC 2812), over TLS if ``tls`` is given."""

    address: tuple[str, int]
    name: str
    tls: ssl.SSLContext | None
    socket: Any = field(init=False)
    pending: bytes = field(init=False, default=b"")
    _rest: bytes = field(init=False, default=b"")

    def log_in(self) -> None:
        """Whoever asks may come in."""
        plain = socket.create_connection(self.address, timeout=_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self.tls.wrap_socket(plain) if self.tls else plain
        self.ask(f"PASS x\r\nNICK {self.name}\r\nUSER {self.name} 0 * :x", b" 001 ")

    def ask(self, command: str, until: bytes) -> None:
        """Wait for a line with that in it."""
        self.socket.sendall(command.encode() + b"\r\n")
        while until not in (lines := self._lines()):
            for line in lines.split(b"\r\n"):
                if line.startswith(b"PING "):
                    self.socket.sendall(b"PONG " + line[5:] + b"\r\n")

    def said(self, to: str, count: int) -> bytes:
        """See `Member`."""
        return (f"PRIVMSG {to} :".encode() + _TEXT + b"\r\n") * count

    def take(self) -> Counted:
        """See `Member`; IRC answers nothing."""
        return Counted(self._lines().count(b" PRIVMSG "), 0)

    def _lines(self) -> bytes:
        text = self._rest + self._read()
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        return text[:end]

    def _read(self) -> bytes:
        """All that TLS has: of the rest of a record the kernel would tell nothing."""
        try:
            data: bytes = self.socket.recv(1 << 18)
        except ssl.SSLWantReadError:
            return b""
        if not data:
            raise ConnectionError(f"{self.name} was hung up")
        while self.tls and self.socket.pending():
            data += self.socket.recv(1 << 18)
        return data
