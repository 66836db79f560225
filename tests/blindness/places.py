"""Where the server's knowledge is: its memory while it runs, its files, and the bytes on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet import reactor as _reactor
from twisted.protocols.portforward import ProxyClient, ProxyClientFactory, ProxyFactory, ProxyServer
from twisted.trial.unittest import TestCase

reactor: Any = _reactor


def memory(process: int) -> Iterator[bytes]:
    """Every piece of memory that a process may have written; `PermissionError` where the kernel forbids to look."""
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as image:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span, rights, *_, name = [*line.split(maxsplit=5), ""][:7]
            start, end = (int(number, 16) for number in span.split("-"))
            as_on_disk = "w" not in rights and name.startswith("/")  # a program's or library's own file
            if rights.startswith("r") and not as_on_disk and not name.startswith(("[vvar", "[vsyscall")):
                with suppress(OSError, OverflowError):  # a piece that the kernel gives to nobody
                    image.seek(start)
                    yield _whole(image, end - start)


def _whole(image: Any, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := image.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def files(*places: Path) -> Iterator[bytes]:
    """The content and the name of every file under these directories."""
    for place in places:
        for path in sorted(place.rglob("*")):
            yield str(path.relative_to(place)).encode()
            if path.is_file():
                with suppress(FileNotFoundError):
                    yield path.read_bytes()


class _Up(ProxyServer):
    """The client's side."""

    factory: Any

    def connectionMade(self) -> None:
        self.clientProtocolFactory = _DownFactory
        self.factory.open.append(self)
        super().connectionMade()
        self.said = bytearray()
        self.factory.directions.append(self.said)

    def dataReceived(self, data: bytes) -> None:
        self.said += data
        super().dataReceived(data)


class _Down(ProxyClient):
    """The server's side."""

    peer: Any

    def connectionMade(self) -> None:
        super().connectionMade()
        self.said = bytearray()
        self.peer.factory.directions.append(self.said)

    def dataReceived(self, data: bytes) -> None:
        self.said += data
        super().dataReceived(data)


class _DownFactory(ProxyClientFactory):
    noisy = False
    protocol = _Down


class _Recorder(ProxyFactory):
    noisy = False
    protocol = _Up

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.directions: list[bytearray] = []
        self.open: list[_Up] = []


@define(eq=False)
class Capture:
    """A line to the server that keeps every byte said on it; ``address`` is where clients connect to."""

    _target: int
    _factory: _Recorder = field(init=False)
    _listening: Any = field(init=False)
    port: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._factory = _Recorder(self._target)
        self._listening = reactor.listenTCP(0, self._factory, interface="127.0.0.1")
        self.port = self._listening.getHost().port

    def end_with(self, test: TestCase) -> None:
        """The test's end ends it."""
        test.addCleanup(self.cut)
        test.addCleanup(lambda: self._listening.stopListening())

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def directions(self) -> list[bytes]:
        """What each side of each connection has said, both ways."""
        return [bytes(said) for said in self._factory.directions]

    def cut(self) -> None:
        """End every connection now."""
        for side in self._factory.open:
            transport: Any = side.transport
            transport.abortConnection()
        self._factory.open.clear()

    async def close(self) -> None:
        """Take no more connections, and end those there are."""
        await self._listening.stopListening()
        self.cut()

    def reopen(self) -> None:
        """Take connections again, where it did before."""
        self._listening = reactor.listenTCP(self.port, self._factory, interface="127.0.0.1")
