"""What a cipher suite is to the channel: `Suite` makes a `Handshake`, which ends in a `Session`.

Typestate: a handshake cannot seal, a session cannot shake hands; finishing yields the one and kills the other.
"""

from __future__ import annotations

from typing import Protocol

from encchat.secure.identity import ClientKeys, Peer, ServerKeys


class Session(Protocol):
    """Two directions of authenticated records, each in its order."""

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""

    @property
    def max_plaintext(self) -> int:
        """Bytes that fit one record."""

    def seal(self, plaintext: bytes, /) -> bytes:
        """One record of at most `encchat.limits.MAX_FRAME` bytes; ``plaintext`` has at most ``max_plaintext``."""

    def open(self, record: bytes, /) -> bytes:
        """The plaintext of the next record; `encchat.errors.RecordError` if it is any other than the next."""


class Handshake(Protocol):
    """One side of a handshake that is not finished."""

    def advance(self, message: bytes | None, /) -> tuple[bytes | None, Session | None]:
        """Take the peer's message (None begins, for the initiator): what to send, and the session once finished.

        Any failure is an `encchat.errors.HandshakeError`; after it, and after finishing, every call is one.
        """


class Suite(Protocol):
    """A way to encrypt a connection, known by its name in the first frame.

    ``initiate`` and ``respond`` raise `encchat.errors.ConfigurationError` where the keys lack what the suite needs.
    """

    @property
    def name(self) -> str:
        """1 to 54 ASCII letters, digits, and ``. _ + -``."""

    def initiate(self, prologue: bytes, keys: ClientKeys, /) -> Handshake:
        """The client's side; both sides' ``prologue`` must be the same bytes."""

    def respond(self, prologue: bytes, keys: ServerKeys, /) -> Handshake:
        """The server's side."""
