"""Rooms as the chat and the store tell each other of them."""

from __future__ import annotations

from attrs import frozen

from encchat.names import folded
from encchat.wire import HistoryPolicy, MemberRole, MemberState, RoomEvent, SigningPolicy


@frozen
class RoomHead:
    """What a room is; all but ``open`` stands from its opening on. ``name`` begins with ``#``.

    ``ephemeral``: of what is said in it nothing is stored; who comes and goes is.
    """

    id: str
    name: str
    scheme: str
    policy: SigningPolicy
    history: HistoryPolicy
    open: bool
    ephemeral: bool = False

    @property
    def key(self) -> str:
        """The store's key of its conversation."""
        return f"room:{self.id}"

    @property
    def folded(self) -> str:
        """The form under which its name is looked up."""
        return folded(self.name)


@frozen
class Step:
    """One message of the room's log: what happened to the account ``account_id``."""

    event: RoomEvent
    ulid: str
    account_id: int


@frozen
class RoomChange:
    """What is stored in one piece: the messages, and what they mean for room and members.

    ``by_id`` is who did it, ``time`` in ms since 1970 UTC; ``key``: the key of a ``server-key`` room from now on;
    ``closes``: nobody is in it any more.
    """

    head: RoomHead
    by_id: int
    time: int
    steps: tuple[Step, ...]
    key: bytes | None = None
    closes: bool = False


@frozen
class StoredMember:
    """A member or an invited account, as `StoredRoom` has it."""

    account_id: int
    name: str
    role: MemberRole
    state: MemberState
    by: str


@frozen
class StoredRoom:
    """An open room; ``members`` in the order in which they joined or were invited. ``key_version`` 0: no key."""

    head: RoomHead
    key_version: int
    members: tuple[StoredMember, ...]


@frozen
class Readable:
    """What of a room's log an account may read: after ``first`` - 1 up to ``last_seq``; its messages as ``name``."""

    key: str
    name: str
    first: int
    last_seq: int


@frozen
class GrantedKey:
    """A room's AES key, and the RSA public key (base64 of DER, or empty) of the device that asks for it."""

    version: int
    key: bytes
    rsa: str


@frozen
class Orphan:
    """A member whose account is deleted."""

    room: str
    account_id: int
    name: str
