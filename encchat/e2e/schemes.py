"""What a scheme is: how the text of one conversation is encrypted, behind one protocol that the machine drives.

Theory of operation. The machine knows accounts, devices, trust and Olm; a scheme knows one way to encrypt for many.
Before a message, the machine brings its device lists up to date, checks trust, calls `Scheme.fetch` (what has to be
asked of the server), makes sure of an Olm session with each of `Scheme.wants`, and calls `Scheme.prepare_step` until
nothing is left; each step is one slice of at most 50 ms. Then `Scheme.encrypt` works until `Scheme.due` says that
something changed. A scheme keeps nothing in its objects that must outlive them: all of it goes through `Post.keep`,
which is part of the turn's one transaction. What it has to tell other devices are letters: a word for the kind and
bytes, which the machine encrypts with Olm for one device, keeps until the server has accepted them, and hands to
`Scheme.receive` over there together with the device that provably sent them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import frozen

from encchat import names, wire
from encchat.e2e.interfaces import Conversation, Effect, Keep
from encchat.errors import EncchatError


@frozen
class Address:
    """One device of one account, as one compares them: ``user`` folded."""

    user: str
    device: str

    @classmethod
    def of(cls, user: str, device: str) -> Address:
        """The address of ``device`` of ``user``, whatever the case of the name."""
        return cls(names.folded(user), device)

    def __str__(self) -> str:
        return f"{self.user}/{self.device}"


@frozen
class Letter:
    """Something for one device, to be encrypted with Olm: ``kind`` names the payload for `Scheme.receive`."""

    to: Address
    kind: str
    payload: bytes


@frozen
class Unsealed:
    """What was inside an envelope: the padded payload, the device whose key it was, and what to say with it.

    ``session`` names the key as in `KeyArrived`; ``handed_by`` the account that handed the key over, if it was not
    the sender's own device.
    """

    plaintext: bytes
    device: str
    session: str
    handed_by: str = ""


class Post(Protocol):
    """What a scheme may use of the machine."""

    @property
    def user(self) -> str:
        """This account's name, as registered."""

    @property
    def device(self) -> str:
        """This device's id."""

    @property
    def keep(self) -> Keep: ...

    def clock(self) -> float:
        """Seconds since 1970."""

    def random(self, count: int) -> bytes: ...

    def ulid(self) -> str: ...

    def devices_of(self, conversation: Conversation) -> tuple[Address, ...]:
        """The vouched devices of all members but this device; the same tuple as long as nothing changed."""

    def own_devices(self) -> tuple[Address, ...]:
        """The vouched devices of this account but this one."""

    def conversation(self, id: str) -> Conversation | None:
        """The conversation of that id as it is now, if this account is in it."""

    def reach(
        self,
        conversation: Conversation,
        devices: Sequence[Address],
        done: Callable[[EncchatError | None], None],
        fresh: bool = False,
    ) -> None:
        """Make sure of an Olm session with each, a new one if ``fresh``; those that have no keys are passed over."""

    def send_parcels(self, conversation: Conversation, letters: Sequence[Letter]) -> None:
        """Encrypt, keep and send letters; those for devices without an Olm session are dropped."""

    def ask(self, kind: type[wire.Request], done: Callable[[wire.Ok | wire.Error], None], **fields: object) -> None:
        """A quiet request (`encchat.e2e.interfaces.Ask`)."""

    def tell(self, effect: Effect) -> None: ...


class Scheme(Protocol):
    """One way to encrypt what is said in a conversation."""

    @property
    def name(self) -> str:
        """The scheme's word on the wire."""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of letters that are for this scheme."""

    def start(self, post: Post) -> None:
        """Called at each login, before all else."""

    def fetch(self, conversation: Conversation, done: Callable[[EncchatError | None], None]) -> None:
        """Ask the server for what encrypting needs of it; ``done`` exactly once, maybe at once."""

    def wants(self, conversation: Conversation) -> tuple[Address, ...]:
        """The devices that have to be told something before the next message."""

    def prepare_step(self, conversation: Conversation) -> bool:
        """Do one slice of the preparation; whether more is left."""

    def due(self, conversation: Conversation) -> bool:
        """Whether a preparation has to come before the next message."""

    def encrypt(self, conversation: Conversation, ulid: str, plaintext: bytes) -> str:
        """The envelope of the payload; raise `NotPreparedError` if a preparation is due."""

    def open(self, conversation: Conversation, said: wire.Message) -> Unsealed:
        """What an envelope holds; raise `UndecryptableError`."""

    def receive(self, kind: str, payload: bytes, sender: Address) -> None:
        """Take a letter of one of `kinds` from the vouched device that sent it; what is wrong with it is passed over."""

    def ended(self, conversation: Conversation) -> None:
        """This account is not in that conversation any more: forget what was for sending."""

    def work(self) -> bool:
        """Do one slice of what is left to do besides; whether more is left now."""

    def why(self, session: str) -> str:
        """A sentence on the key of that name: what is missing and what is done about it; empty if unknown here."""
