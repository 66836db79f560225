"""What a server says: answers to requests, the results inside them, and events (protocol, same sections)."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from encchat.wire import files, keys, rooms
from encchat.wire.values import Kind, Line, Presence, Registration, Role, Value


# Results ---------------------------------------------------------------------------------------
class LoggedIn(Line, frozen=True, kw_only=True, tag="logged_in"):
    """Who this connection now is; ``user`` is the name as it was registered, ``device`` this device's id."""

    user: str
    device: str
    role: Role
    presence: Presence


class Sent(Line, frozen=True, kw_only=True, tag="sent"):
    """The message is in its conversation under this ``seq``; ``time`` in milliseconds since 1970 UTC.

    ``seq`` 0: it is in no log. It was given to whoever is in the ``ephemeral`` room and here, and is stored nowhere.
    """

    ulid: str
    conversation: str
    seq: int
    time: int


class UserEntry(Value, frozen=True, kw_only=True):
    """One row of `UserList`."""

    user: str
    presence: Presence


class UserList(Line, frozen=True, kw_only=True, tag="users"):
    """Everybody who is not OFFLINE, by name."""

    users: list[UserEntry]


class UserStatus(Line, frozen=True, kw_only=True, tag="status"):
    """One account's presence; ``last_seen`` in milliseconds since 1970 UTC, None if never."""

    user: str
    presence: Presence
    last_seen: int | None = None


class ParameterEntry(Value, frozen=True, kw_only=True):
    """One argument of a command, in the order it is typed; the last string takes the rest of the line."""

    name: str
    type: Literal["string", "integer", "number", "boolean"] = "string"
    required: bool = True


class CommandEntry(Value, frozen=True, kw_only=True):
    """One command: its verb is the request's ``type``."""

    verb: str
    help: str
    parameters: list[ParameterEntry] = []


class CommandList(Line, frozen=True, kw_only=True, tag="commands"):
    """The commands this account may use, by verb."""

    commands: list[CommandEntry]


class AdminGranted(Line, frozen=True, kw_only=True, tag="admin_granted"):
    """Admin commands work for this many seconds."""

    seconds: float


class Notice(Line, frozen=True, kw_only=True, tag="notice"):
    """A text from the server, as a result or an event."""

    text: str


class ConversationEntry(Value, frozen=True, kw_only=True):
    """One row of `ConversationList`: its last seq, the oldest kept (0: none kept), and this device's cursor."""

    conversation: str
    kind: Kind
    last_seq: int
    oldest: int
    cursor: int


class ConversationList(Line, frozen=True, kw_only=True, tag="conversations"):
    """All conversations of this account that have messages."""

    conversations: list[ConversationEntry]


class Listing(Line, frozen=True, kw_only=True, tag="listing"):
    """A table for people and programs: one text for each column in every row."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Message(Line, frozen=True, kw_only=True, tag="message"):
    """A message of a conversation; ``conversation`` as the receiver calls it, ``seq`` and ``time`` as in `Sent`."""

    conversation: str
    kind: Kind
    seq: int
    sender: str
    ulid: str
    time: int
    body: str
    scheme: str = "none"


class Page(Line, frozen=True, kw_only=True, tag="page"):
    """Messages of one conversation in the order of their seqs; there are more if the last one is before ``last_seq``.

    Seqs that are missing between two messages, or before the first, have been removed by retention.
    """

    conversation: str
    messages: list[Message]
    last_seq: int


Result = (
    LoggedIn
    | Sent
    | UserList
    | UserStatus
    | CommandList
    | AdminGranted
    | ConversationList
    | Page
    | Listing
    | Notice
    | keys.KeyCount
    | keys.KeyList
    | keys.ClaimedKeys
    | keys.InboxPage
    | keys.BackupPage
    | rooms.RoomState
    | rooms.RoomList
    | rooms.RoomKey
    | files.FileState
    | files.Chunk
)


# Answers ---------------------------------------------------------------------------------------
class Ok(Line, frozen=True, kw_only=True, tag="ok"):
    """The request with this ``id`` was done."""

    id: int
    result: Result | None = None


class Error(Line, frozen=True, kw_only=True, tag="error"):
    """The request with this ``id`` was refused; ``id`` is None if the line had none that could be read."""

    id: int | None = None
    code: str
    text: str


# Events ----------------------------------------------------------------------------------------
class Welcome(Line, frozen=True, kw_only=True, tag="welcome"):
    """The first line of every connection."""

    server: str
    version: str
    registration: Registration
    motd: str = ""


class PresenceChanged(Line, frozen=True, kw_only=True, tag="presence"):
    """Somebody who shares a direct conversation or a session with this account changed presence."""

    user: str
    presence: Presence


class SessionStarted(Line, frozen=True, kw_only=True, tag="session_started"):
    """This account is in a session with ``with`` now; ``by`` called, ``session`` is its id.

    ``resumed``: it is the session this connection's account was in before the connection was lost.
    """

    partner: str
    by: str
    session: str = ""
    resumed: bool = False


class Ringing(Line, frozen=True, kw_only=True, tag="ringing"):
    """``from`` calls; `Answer` says whether there is to be a session. ``over``: not any more."""

    sender: str
    over: bool = False


class SessionEnded(Line, frozen=True, kw_only=True, tag="session_ended"):
    """The session with ``with`` is over."""

    partner: str
    reason: Literal["goodbye", "lost"]


class Behind(Line, frozen=True, kw_only=True, tag="behind"):
    """This connection was read too slowly and missed messages; it is live again: sync from the cursors."""


class Kicked(Line, frozen=True, kw_only=True, tag="kicked"):
    """The last line before the server hangs up on a kicked account."""

    by: str
    reason: str = field(default="")


class Closing(Line, frozen=True, kw_only=True, tag="closing"):
    """The last line before the server closes this connection for another reason."""

    reason: str


ServerLine = (
    Ok
    | Error
    | Welcome
    | Message
    | PresenceChanged
    | SessionStarted
    | SessionEnded
    | Ringing
    | keys.InboxItem
    | keys.KeysChanged
    | rooms.Invited
    | Notice
    | Behind
    | Kicked
    | Closing
)
