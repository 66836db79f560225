"""What the client core shows: one class an event, each the JSON object of the json face (docs/client.md).

``type`` tells the objects apart. `json_line` repeats it as ``event`` where the event has no finer name of its
own, so that one reader serves for these lines and the server's JSON log.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from encchat.client.store.interface import Trust
from encchat.e2e.interfaces import Signature, Signed
from encchat.wire import (
    HistoryPolicy,
    Kind,
    MemberRole,
    MemberState,
    Presence,
    Role,
    RoomEntry,
    SigningPolicy,
    UserEntry,
)

Encryption = str
"""``megolm``, ``olm``, ``server-key``, ``none``, or the name of a scheme from a plugin."""
Direction = Literal["in", "out"]
TransferState = Literal["going", "waiting", "done", "failed"]
RoomChange = Literal["opened", "invited", "joined", "declined", "left", "expelled", "topic"]


class ScreenEvent(Struct, frozen=True, kw_only=True, tag_field="type", rename={"sender": "from", "partner": "with"}):
    """Base of all."""


class Connected(ScreenEvent, frozen=True, kw_only=True, tag="connected"):
    """The channel stands; ``new_pin``: this identity was seen and pinned for the first time."""

    server: str
    fingerprint: str
    suite: str
    new_pin: bool


class LoggedIn(ScreenEvent, frozen=True, kw_only=True, tag="logged_in"):
    """The account and device this client is now."""

    user: str
    device: str
    role: Role


class Sent(ScreenEvent, frozen=True, kw_only=True, tag="sent"):
    """The server has taken this client's message; ``ephemeral``: it has given it to who was there, and has no copy."""

    ulid: str
    conversation: str
    seq: int
    ephemeral: bool = False


class Unconfirmed(ScreenEvent, frozen=True, kw_only=True, tag="unconfirmed"):
    """What was said off the record when the connection was lost: it was heard or not, and is not sent again."""

    ulid: str
    conversation: str
    text: str


class Message(ScreenEvent, frozen=True, kw_only=True, tag="message"):
    """Somebody said something; ``time`` is ISO 8601 in UTC with milliseconds.

    ``encryption`` is the scheme, ``signature`` the algorithm of the sender's identity key, ``signed`` whether it holds.
    ``missed``: it was said while this device was not connected. ``ephemeral``: off the record, so ``seq`` is 0.
    """

    conversation: str
    kind: Kind
    seq: int
    sender: str
    text: str
    time: str
    ulid: str
    encryption: Encryption
    signature: Signature
    signed: Signed = "absent"
    trust: Trust
    missed: bool = False
    ephemeral: bool = False


class File(ScreenEvent, frozen=True, kw_only=True, tag="file"):
    """Somebody sends a file: ``/accept ULID`` and ``/save ULID`` fetch it; all of it but the bytes is in the message.

    ``name`` is fit to be a file's name on any system, ``size`` in bytes, ``media`` what the sender says that it is
    (``image/png``), empty if unknown. The other fields are those of `Message`.
    """

    conversation: str
    kind: Kind
    seq: int
    sender: str
    name: str
    size: int
    media: str
    time: str
    ulid: str
    encryption: Encryption
    signature: Signature
    signed: Signed = "absent"
    trust: Trust
    missed: bool = False


class Transfer(ScreenEvent, frozen=True, kw_only=True, tag="transfer"):
    """How far a file has come, ``done`` of ``size`` bytes; at most four a second of each file.

    ``direction`` is ``out`` (to ``conversation``) or ``in``. ``state``: ``going``, ``waiting`` (for a connection, or
    for the server: it goes on by itself, also after a restart), ``done`` or ``failed``, and the ``reason``. ``path`` is
    where it is kept, once it is ``done`` and came ``in``.
    """

    ulid: str
    conversation: str
    name: str
    media: str = ""
    direction: Direction
    done: int
    size: int
    state: TransferState
    reason: str = ""
    path: str = ""


class Undecryptable(ScreenEvent, frozen=True, kw_only=True, tag="undecryptable"):
    """Somebody said something that cannot be read here (yet); ``/why ULID`` tells more, `Message` follows if it can.

    ``reason``: ``no-key``, ``replayed``, ``wrong-conversation``, ``wrong-sender``, ``broken``,
    ``not-for-this-device``, ``session-over``, ``not-encrypted``, ``on-record``, ``not-stored`` or ``locked``; also
    ``bad-file`` (a file that is described as none can be) and ``newer`` (only a newer client knows what it is).
    """

    ulid: str
    conversation: str
    sender: str
    reason: str
    kind: Kind = "direct"
    seq: int = 0
    time: str = ""
    missed: bool = False


Said = Message | File | Undecryptable
"""What stands in lists of past messages."""


class Waiting(ScreenEvent, frozen=True, kw_only=True, tag="waiting"):
    """A message of this client waits in its outbox for a connection; `Sent` follows when it is through."""

    ulid: str
    conversation: str


class Went(ScreenEvent, frozen=True, kw_only=True, tag="went"):
    """What is typed goes to ``conversation`` from now on, for the person said so."""

    conversation: str


class Unread(Struct, frozen=True, kw_only=True):
    """One row of `UnreadList`; ``mentions``: how many of the messages name this account."""

    conversation: str
    unread: int
    mentions: int


class UnreadList(ScreenEvent, frozen=True, kw_only=True, tag="unread"):
    """What this face has not shown: the answer to ``/unread``; faces that show everything as it comes have nothing."""

    conversations: list[Unread]


class History(ScreenEvent, frozen=True, kw_only=True, tag="history"):
    """Past messages of a conversation as they are kept here, oldest first: the answer to ``/history``."""

    conversation: str
    messages: list[Said]


class Recovered(ScreenEvent, frozen=True, kw_only=True, tag="recovered"):
    """What a client that was killed had kept and perhaps no longer shown; comes once, at the next start."""

    conversation: str
    messages: list[Said]


class Found(ScreenEvent, frozen=True, kw_only=True, tag="found"):
    """Past messages that have all words of ``text``, oldest first: the answer to ``/search``."""

    text: str
    messages: list[Said]


class Listing(ScreenEvent, frozen=True, kw_only=True, tag="listing"):
    """A table, of the server's or of files: one text for each column in every row."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Users(ScreenEvent, frozen=True, kw_only=True, tag="users"):
    """Everybody who is FREE, BUSY or AWAY."""

    users: list[UserEntry]


class Status(ScreenEvent, frozen=True, kw_only=True, tag="status"):
    """One account's presence; ``last_seen`` as `Message.time`, None if never."""

    user: str
    presence: Presence
    last_seen: str | None


class PresenceChanged(ScreenEvent, frozen=True, kw_only=True, tag="presence"):
    """A contact came, went or changed."""

    user: str
    presence: Presence


class Session(ScreenEvent, frozen=True, kw_only=True, tag="session"):
    """A session began, ended or was refused."""

    partner: str
    event_: Literal["started", "ended", "refused"] = field(name="event")
    reason: str = ""


class Ringing(ScreenEvent, frozen=True, kw_only=True, tag="ringing"):
    """Somebody calls: ``/answer`` or ``/refuse``; ``over``: not any more."""

    sender: str
    over: bool = False


class Room(ScreenEvent, frozen=True, kw_only=True, tag="room"):
    """A room has changed: ``user`` is whom it concerns, ``by`` who did it; ``text`` is the topic.

    ``time`` as `Message.time`, empty for what this client has just done; ``missed`` as there. ``ephemeral``: what is
    said in the room is off the record.
    """

    room: str
    event_: RoomChange = field(name="event")
    user: str
    by: str
    text: str = ""
    time: str = ""
    missed: bool = False
    ephemeral: bool = False


class WhoMember(Struct, frozen=True, kw_only=True):
    """One row of `Who`."""

    user: str
    role: MemberRole
    state: MemberState
    presence: Presence
    trust: Trust


class Who(ScreenEvent, frozen=True, kw_only=True, tag="who"):
    """A room, how what is said in it is protected, and who is in it: the answer to ``/who``."""

    room: str
    scheme: str
    policy: SigningPolicy
    history: HistoryPolicy
    ephemeral: bool = False
    open: bool
    owner: str
    topic: str
    members: list[WhoMember]


class Rooms(ScreenEvent, frozen=True, kw_only=True, tag="rooms"):
    """This account's rooms and invitations, and the open rooms it may join: the answer to ``/rooms``."""

    rooms: list[RoomEntry]


class KeyChanged(ScreenEvent, frozen=True, kw_only=True, tag="key_changed"):
    """The identity key of ``user`` is another one than before.

    ``announced``: the old key has signed the new one, so its owner made it. ``trust`` is what follows for this
    client: ``changed`` until ``/trust`` or ``/verify``, if its policy says so.
    """

    user: str
    announced: bool = False


class Verification(ScreenEvent, frozen=True, kw_only=True, tag="verification"):
    """A step of comparing keys with ``user``.

    ``step``: ``number`` (the safety number is in ``number``), ``asked`` (the other side waits for ``/verify``),
    ``waiting``, ``compare`` (``emoji``, by name, and ``decimals`` are to be the same on both sides), ``confirmed`` (by
    this side), ``done``, or ``cancelled`` and the ``reason``.
    """

    user: str
    step: str
    emoji: list[str] = []
    decimals: list[int] = []
    number: str = ""
    reason: str = ""


class Recovery(ScreenEvent, frozen=True, kw_only=True, tag="recovery"):
    """The words that bring this account's keys to a new device; shown when it is made, and by ``/recovery``."""

    phrase: str

    def __repr__(self) -> str:
        """Not the words: what is printed for somebody who looks for a fault may stay somewhere."""
        return "Recovery(...)"


class Warned(ScreenEvent, frozen=True, kw_only=True, tag="warning"):
    """Something that the person has to know, most often about keys; ``code`` is stable. Nothing is lost by it."""

    code: str
    text: str


class Notice(ScreenEvent, frozen=True, kw_only=True, tag="notice"):
    """A text for the person at the keyboard; may have several lines."""

    text: str


class Kicked(ScreenEvent, frozen=True, kw_only=True, tag="kicked"):
    """The server ended this account's connections on somebody's behalf."""

    by: str
    reason: str


class Error(ScreenEvent, frozen=True, kw_only=True, tag="error"):
    """Something typed or asked was refused."""

    code: str
    text: str


class Disconnected(ScreenEvent, frozen=True, kw_only=True, tag="disconnected"):
    """The connection is gone."""

    reason: str


class Reconnecting(ScreenEvent, frozen=True, kw_only=True, tag="reconnecting", rename={"seconds": "in"}):
    """The next attempt comes in this many seconds."""

    seconds: float


def json_line(event: ScreenEvent) -> bytes:
    """The json face's line for ``event``, without the line feed."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    fields.setdefault("event", fields["type"])
    return msgspec.json.encode(fields)
