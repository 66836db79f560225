"""What the parts of end-to-end encryption are to each other, to the client's core, and to schemes from outside.

Inward: the core gives the machine `Keep` (named secrets, committed with the rest of its turn) and `Ask` (quiet
requests). Outward: the machine tells `Effect`s. Sideways: a `Scheme` turns the payload of a message into the body of an
envelope and back; it gets everything it needs from its `Host`, which is the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from attrs import field, frozen
from msgspec import Struct

from encchat import wire
from encchat.e2e.identity import IdentityKey
from encchat.e2e.recovery import Backup
from encchat.errors import EncchatError
from encchat.names import folded

MessageType = str
"""What a message's text is: ``text``, ``topic`` (of a room), ``file`` (a description of one, JSON).

Others come from newer clients: they are opened and kept like these, so that they can be read after an upgrade.
"""
Signature = Literal["ed25519", "rsa-pss", "dsa", "none"]
Signed = Literal["valid", "invalid", "absent"]
Trust = Literal["verified", "pinned", "changed"]
Policy = Literal["first-use", "verified-only", "always"]
Step = Literal["ready", "more", "waiting"]
Done = Callable[[EncchatError | None], None]
T = TypeVar("T")
Answered = Callable[["wire.Ok | wire.Error"], None]


# What the client's core gives ------------------------------------------------------------------
class Keep(Protocol):
    """Named secrets in the client's store; what is put becomes part of the turn's one transaction."""

    def get(self, kind: str, name: str) -> bytes | None:
        """The value, with what was put in this turn; None if there is none."""

    def put(self, kind: str, name: str, value: bytes | None) -> None:
        """Set the value; None removes it."""

    def all(self, kind: str) -> dict[str, bytes]:
        """All values of a kind by name."""


class Ask(Protocol):
    """A request nobody sees; ``done`` gets the answer, an `Error` ``not-connected`` if the connection goes."""

    def __call__(self, kind: type[wire.Request], done: Answered, **fields: Any) -> None:
        """Ask now; ``fields`` are those of the request but ``id``."""


class Aside(Protocol):
    """Makes something that takes long where nobody waits for it; ``done`` gets it, later or at once."""

    def __call__(self, make: Callable[[], T], done: Callable[[T], None]) -> None: ...


def at_once(make: Callable[[], T], done: Callable[[T], None]) -> None:
    """`Aside` where everybody waits."""
    done(make())


# What is talked about --------------------------------------------------------------------------
@frozen
class Conversation:
    """Where something is said and who is there.

    ``name`` as the server calls it for this account, ``id`` binds what is encrypted to it: ``direct:alice:bob``
    (folded, sorted), ``session:ULID``, ``room:ULID``, ``room:ULID:ephemeral``. ``members``: accounts as registered,
    oneself included. ``version``: seq of a room's latest change of members; ``signed``: whether messages carry a
    signature; ``history``: which part of a room's past new members are given; ``witnesses``: accounts outside whose
    keys are needed to know who is really in it; ``ephemeral``: what is said there is kept nowhere.
    """

    name: str
    id: str
    kind: wire.Kind
    scheme: str
    members: tuple[str, ...]
    version: int = 0
    signed: bool = True
    history: wire.HistoryPolicy = "none"
    witnesses: tuple[str, ...] = ()
    ephemeral: bool = False


@frozen
class Content:
    """What is to be said.

    ``after``: (seq, ulid) of the newest message of the conversation this client had; ``previous``: the ulid of this
    device's message before this one there.
    """

    ulid: str
    text: str
    type: MessageType = "text"
    after: tuple[int, str] | None = None
    previous: str = ""


class Opened(Struct, frozen=True):
    """What was said, and how far it can be believed."""

    text: str
    type: MessageType
    encryption: str
    signature: Signature
    signed: Signed
    trust: Trust
    warnings: tuple[Warned, ...] = ()
    after: tuple[int, str] | None = None
    """As in `Content`: the client's core compares it with what it has kept."""
    previous: str = ""
    """The same."""
    conversation: str = ""
    """The id of the conversation it was written for: that of its session, where there are several."""


@frozen
class Device:
    """A device that its account's identity key vouches for; keys in base64, ``rsa`` empty if it has none."""

    user: str
    device: str
    curve25519: str
    ed25519: str
    rsa: str = ""

    @property
    def address(self) -> wire.keys.DeviceAddress:
        """Where parcels for it go."""
        return wire.keys.DeviceAddress(user=self.user, device=self.device)

    @property
    def peer(self) -> str:
        """Its name for Olm: a device that publishes another's key has sessions, and troubles, of its own."""
        return f"{folded(self.user)}/{self.device}/{self.curve25519}"


# What the machine tells ------------------------------------------------------------------------
@frozen
class KeyArrived:
    """Messages of ``session`` that could not be opened may be tried again."""

    session: str


@frozen
class IdentityChanged:
    """``user`` has another identity key; ``vouched``: the one before signed the change."""

    user: str
    vouched: bool


@frozen
class Verification:
    """How far verifying ``user`` has come; ``emoji`` (names) and ``decimals`` (three) when they can be compared."""

    user: str
    step: str
    emoji: tuple[str, ...] = ()
    decimals: tuple[int, ...] = ()
    reason: str = ""


@frozen
class Recovery:
    """The words that bring the identity key and the history's keys to another device; to be kept on paper."""

    phrase: str = field(repr=False)


@frozen
class Warned:
    """Something a person should know; ``code`` never changes between releases."""

    code: str
    text: str


@frozen
class Unvouched:
    """This device lacks the account's identity key; ``text`` says what to do."""

    text: str


@frozen
class Introduced:
    """More is known of who is a member of the room with that conversation id, or is to be told to somebody new."""

    conversation: str


Effect = KeyArrived | Introduced | IdentityChanged | Verification | Recovery | Warned | Unvouched
Tell = Callable[[Effect], None]


# Schemes ---------------------------------------------------------------------------------------
class Decrypted(Struct, frozen=True):
    """A payload out of an envelope; ``user`` and ``device`` whose session it was, as the scheme has proven it.

    ``device`` is empty where the scheme proves no device; ``session`` and ``index`` name the key if there is one;
    ``handed_by`` the account that handed the key over, if that was not the sender's own device.
    """

    payload: bytes
    user: str = ""
    device: str = ""
    session: str = ""
    index: int = 0
    handed_by: str = ""


class Host(Protocol):
    """What a scheme gets from the machine. ``user`` and ``device`` are this client's, as the server calls them."""

    @property
    def user(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def keep(self) -> Keep: ...

    @property
    def ask(self) -> Ask: ...

    @property
    def tell(self) -> Tell: ...

    @property
    def clock(self) -> Callable[[], float]: ...

    @property
    def random(self) -> Callable[[int], bytes]: ...

    @property
    def ulid(self) -> Callable[[], str]: ...

    def devices_of(self, conversation: Conversation) -> Sequence[Device]:
        """The vouched devices of all members, own other devices included, without this one."""

    def device_of(self, user: str, device: str) -> Device | None:
        """That device, if it is known and vouched for."""

    def may_give(self, user: str) -> bool:
        """Whether ``user`` may be given keys under the policy of trust, as it may be sent messages."""

    def conversation(self, id: str) -> Conversation | None:
        """The conversation of that id as it is now; None if this account is not in it."""

    def send_parcels(
        self, conversation: Conversation, parcels: Sequence[tuple[Device, str, bytes]]
    ) -> Sequence[Device]:
        """Send (to, payload type, payload) through Olm, kept until the server has them; at most `MAX_PARCELS` at once.

        Returns the devices there is no Olm session with and no key to make one: nothing was sent to those.
        """

    def publish_rsa(self, key: str) -> None:
        """Publish this device's RSA key (`wire.DeviceKeys.rsa`), at each login the same until another is given."""

    def learn(self, conversation: Conversation, user: str) -> None:
        """Ask for the devices of ``user`` if they are not known; `devices_of` has them some time later."""

    def renew_session(self, conversation: Conversation, device: Device) -> None:
        """Make a fresh Olm session with a device whose messages cannot be decrypted (rate limited)."""

    def resume(self, conversation: Conversation, error: EncchatError | None = None) -> None:
        """What `Scheme.prepare_step` was waiting for is there, or cannot be had."""

    @property
    def backup(self) -> Backup | None:
        """What seals entries of the account's backup; on vouched devices only."""

    @property
    def identity(self) -> IdentityKey | None:
        """The account's identity key; on vouched devices only."""

    def identities_of(self, user: str) -> Sequence[wire.Identity]:
        """The identity keys by which what ``user`` says is verified, as far as they are known."""


class Scheme(Protocol):
    """One way to encrypt a conversation's messages; payloads are opaque bytes to it."""

    @property
    def name(self) -> str:
        """The word in `Send.scheme`."""

    @property
    def by_olm(self) -> bool:
        """Whether it sends parcels to the conversation's devices before a message: keys are claimed for them first."""

    def start(self, host: Host) -> None:
        """A login: read what is kept. The same host every time for one machine."""

    def prepare_step(self, conversation: Conversation) -> Step:
        """One slice, at most 50 ms, of what must happen before `encrypt`; `EncchatError` if it cannot be.

        ``more``: call again; ``waiting``: for an answer, after which it calls `Host.resume`.
        """

    def encrypt(self, conversation: Conversation, ulid: str, payload: bytes) -> str:
        """The body of the envelope; `NotPreparedError` if `prepare_step` is due."""

    def open(self, conversation: Conversation, said: wire.Message) -> Decrypted:
        """Undo it, or `UndecryptableError`."""

    def receive(self, kind: str, payload: bytes, sender: Device, conversation: str) -> bool:
        """Take a parcel's payload from a vouched device, sent for the conversation of that id; False: not ours."""

    def work(self) -> bool:
        """One slice of what is left besides preparing; whether more is left."""

    def why(self, session: str) -> str:
        """A sentence on the key of that name: what is missing, what is done about it; empty if nothing is known."""

    def end(self, conversation: str) -> None:
        """The conversation of that id is over (a session's goodbye): drop its keys."""

    def restored(self) -> None:
        """The store was an old copy, its ratchets have been used since: forget everything for sending."""
