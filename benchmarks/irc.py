"""A connection to a server that speaks IRC (RFC 2812)."""

from __future__ import annotations

from attrs import define

from benchmarks.members import TEXT_LENGTH
from benchmarks.tls import TlsMember


@define(eq=False)
class IrcMember(TlsMember):
    """`benchmarks.members.Member`."""

    password: bool = False
    """Whether the server wants one, whatever it is."""

    mark = b" PRIVMSG "

    def log_in(self) -> None:
        """Whoever asks may come in."""
        self.secure()
        password = "PASS x\r\n" if self.password else ""
        self._ask(f"{password}NICK {self.name}\r\nUSER {self.name} 0 * :x", b" 001 ")

    def enter(self, room: str, *, first: bool) -> None:
        """Whoever comes first makes it without having to say so."""
        self._ask(f"JOIN {self.to_room(room)}", b" 366 ")

    def to_room(self, room: str) -> str:
        """A channel."""
        return f"#{room}"

    def to_member(self, other: IrcMember) -> str:
        """A nick."""
        return other.name

    def said(self, to: str, stamp: str = "") -> bytes:
        """No answer comes."""
        return self.sealed(f"PRIVMSG {to} :{stamp.ljust(TEXT_LENGTH, 'x')}\r\n")

    def _ask(self, command: str, until: bytes) -> None:
        """Wait for a line with that in it."""
        self.socket.sendall(self.sealed(command + "\r\n"))
        while until not in (lines := self.pieces()):
            for line in lines.split(b"\r\n"):
                if line.startswith(b"PING "):
                    self.socket.sendall(self.sealed(f"PONG {line[5:].decode()}\r\n"))
                if line.startswith(b"ERROR "):
                    raise RuntimeError(f"{self.name} was refused: {line.decode(errors='replace')}")
