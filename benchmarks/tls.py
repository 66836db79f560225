"""Members over TLS 1.3, and the certificate of the servers they speak to."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.members import READ, Address, Counted, connect

KEY: Final = "key.pem"
CERTIFICATE: Final = "certificate.pem"


def certify(directory: Path) -> None:
    """Write `KEY` and `CERTIFICATE`, good for the next days; every server's user may read them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(9)
    )
    certificate = builder.sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    plain = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / KEY).write_bytes(plain)
    (directory / CERTIFICATE).write_bytes(certificate.public_bytes(encoding))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is the one that was started here
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


_CONTEXT: Final = _context()


@define(eq=False)
class TlsMember:
    """What those of `benchmarks.irc` and `benchmarks.xmpp` share; ``number`` makes its name."""

    address: Address
    number: int
    socket: Any = field(init=False, default=None)
    pending: bytes = field(init=False, default=b"")
    echoes: bool = field(init=False, default=False)
    _rest: bytes = field(init=False, default=b"")
    _incoming: ssl.MemoryBIO = field(init=False, factory=ssl.MemoryBIO)
    _outgoing: ssl.MemoryBIO = field(init=False, factory=ssl.MemoryBIO)
    _tls: ssl.SSLObject = field(init=False)

    end = b"\n"
    """What ends a piece that can be counted."""
    mark = b""
    """What each message has once."""

    @property
    def name(self) -> str:
        return f"u{self.number}"

    def prepare(self) -> None:
        """There is nothing that could be done before."""

    def secure(self) -> None:
        """Connect and shake hands."""
        self._tls = _CONTEXT.wrap_bio(self._incoming, self._outgoing)
        self.socket = connect(self.address)
        while not self._shaken():
            self.socket.sendall(self._outgoing.read())
            self._receive()
        self.socket.sendall(self._outgoing.read())

    def _shaken(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def sealed(self, text: str) -> bytes:
        """One record."""
        self._tls.write(text.encode())
        return self._outgoing.read()

    def take(self) -> Counted:
        """`benchmarks.members.Member.take`; nothing is answered."""
        text = self.pieces()
        return Counted(text.count(self.mark), 0, text)

    def pieces(self) -> bytes:
        """All that the next read completes."""
        text = self._rest + self._read()
        end = text.rfind(self.end) + 1
        self._rest = text[end:]
        return text[:end]

    def _read(self) -> bytes:
        """What all whole records of the next read contain."""
        self._receive()
        found = []
        while True:
            try:
                found.append(self._tls.read(READ))
            except ssl.SSLWantReadError:
                return b"".join(found)

    def _receive(self) -> None:
        data = self.socket.recv(READ)
        if not data:
            raise ConnectionError(f"{self.name} was hung up")
        self._incoming.write(data)
