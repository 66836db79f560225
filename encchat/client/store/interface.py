"""What every store of the client promises; `tests.client.store.contract` holds each implementation to it.

All calls are synchronous and short. Conversations are named as this client sees them (``lobby``, ``@NAME``); upper and
lower case are the same. Each method can raise `StoreError`.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol

from attrs import define, field
from msgspec import Struct

from encchat.e2e import interfaces as e2e
from encchat.wire import Kind


class Outgoing(Struct, frozen=True):
    """A message of this client that the server has not accepted yet."""

    ulid: str
    conversation: str
    body: str
    content: Literal["text", "topic", "file"] = "text"


Trust = Literal[e2e.Trust, "none"]
"""What is known of the sender's identity key; ``none`` in the lobby, where nothing is signed."""
Content = str
"""What a body is: ``text``, ``topic`` (a room's), ``file`` (its description, JSON), ``event`` (a change of a room,
JSON), ``sealed`` (ciphertext that could not be opened yet), or `NEWER` and a word that only a newer client knows.
"""
NEWER: Final = "new:"
"""Before the type of a message that is unknown here, so that none can pass for an event of the server's."""
SPOKEN: Final = frozenset({"text", "topic", "file"})
"""What others can say of a body that this client knows."""


class StoredMessage(Struct, frozen=True):
    """A message of a conversation; ``time`` in milliseconds since 1970 UTC.

    ``scheme`` is how it came, the rest what opening it has shown (`encchat.e2e.interfaces.Opened`).
    """

    conversation: str
    kind: Kind
    seq: int
    sender: str
    ulid: str
    time: int
    body: str
    scheme: str = "none"
    encryption: str = "none"
    signature: e2e.Signature = "none"
    signed: e2e.Signed = "absent"
    trust: Trust = "none"
    content: Content = "text"
    reason: str = ""
    """Why it could not be opened."""


@define(repr=False)  # they hold keys
class Changes:
    """What happens in one transaction: all of it or nothing."""

    queued: list[Outgoing] = field(factory=list)
    """Messages that enter the outbox, at its end."""
    settled: list[str] = field(factory=list)
    """ULIDs that leave it, the ones of ``queued`` included."""
    messages: list[StoredMessage] = field(factory=list)
    """Messages to keep; a place (conversation, seq) that is taken stays as it is."""
    opened: list[StoredMessage] = field(factory=list)
    """Messages kept before as ciphertext, in their new form; at a place where nothing is kept they are nothing."""
    cursors: dict[str, int] = field(factory=dict)
    """Up to where each conversation is complete here."""
    state: dict[tuple[str, str], bytes | None] = field(factory=dict)
    """What end-to-end encryption remembers, by kind and exact name; None removes."""

    def __bool__(self) -> bool:
        return bool(self.queued or self.settled or self.messages or self.opened or self.cursors or self.state)


class Store(Protocol):
    """The outbox, the messages and the cursors of one account on one server."""

    @property
    def durable(self) -> bool:
        """Whether it outlives the process: only then may the server be told that something has been taken."""

    def outbox(self) -> list[Outgoing]:
        """What waits to be accepted, in the order it was queued."""

    def cursors(self) -> dict[str, int]:
        """Every conversation's cursor, by its name."""

    def apply(self, changes: Changes) -> None:
        """Carry out ``changes`` in one transaction; safe on the disk when this returns."""

    def holds(self, conversation: str, seq: int) -> bool:
        """Whether the message at that place is kept."""

    def at(self, conversation: str, seq: int) -> StoredMessage | None:
        """The message kept at that place."""

    def state(self, kind: str, name: str) -> bytes | None:
        """What is remembered under that name; upper and lower case differ."""

    def states(self, kind: str) -> dict[str, bytes]:
        """Everything of a kind, by its name."""

    def history(self, conversation: str, count: int) -> list[StoredMessage]:
        """The newest ``count`` messages of a conversation, oldest first."""

    def search(self, text: str, count: int) -> list[StoredMessage]:
        """The newest ``count`` messages that have every word of ``text``, or a word that begins so, oldest first.

        Only texts, topics and the names of files are looked through.
        """

    def doubtful(self) -> list[StoredMessage]:
        """Messages kept just before a process ended without `close`: nobody knows whether they were shown."""

    def close(self) -> None:
        """Everything kept was shown; let go of all resources. May be called twice."""
