"""What commands ask of the end-to-end keys: the part of `encchat.e2e.machine.Machine` they see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from encchat import wire
from encchat.e2e.identity import IdentityKey
from encchat.e2e.interfaces import Conversation, Device, Done, Keep, Policy, Trust
from encchat.errors import EncchatError


class KeyMachine(Protocol):
    """What it can say only later it tells as an effect; what cannot be done raises `encchat.errors.EncchatError`."""

    @property
    def keep(self) -> Keep:
        """The client's store."""

    @property
    def identity(self) -> IdentityKey | None:
        """The account's identity key, if this device has it."""

    def identities_of(self, user: str) -> Sequence[wire.Identity]:
        """The identity keys by which what somebody says is verified, as far as they are known."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since 1970."""

    def prepare(self, conversation: Conversation, done: Callable[[EncchatError | None], None]) -> None:
        """Make ready to encrypt there: members' keys are asked for; ``done`` once, maybe at once."""

    def has_asked(self, user: str) -> bool:
        """Whether the server has been asked for somebody's keys, and has nothing newer as far as it has said."""

    @property
    def knowledge(self) -> tuple[int, int, int]:
        """Is another as soon as anything is known of anybody's keys that was not, or not so."""

    @property
    def policy(self) -> Policy:
        """Whose keys are written to."""

    @property
    def vouched(self) -> bool:
        """Whether this device has the account's identity key, so that others write to it."""

    def trust_of(self, user: str) -> Trust:
        """What is known of somebody's identity key."""

    def fingerprint(self, user: str | None = None) -> str:
        """Somebody's (None: one's own) identity key in short."""

    def devices(self, user: str) -> Sequence[Device]:
        """Somebody's vouched devices, as far as they are known here."""

    def look_at(self, user: str, done: Done) -> None:
        """Ask for what somebody has published, if it is not known; ``done`` gets what prevented it, maybe at once."""

    def safety_number(self, user: str) -> str:
        """60 digits, the same on both sides."""

    def verify(self, user: str) -> None:
        """Begin to compare keys, or take up what the other side has begun."""

    def stop_verifying(self, user: str) -> None:
        """They were not the same, or there is no time now."""

    def verified(self, user: str) -> None:
        """They were the same."""

    def trust(self, user: str) -> None:
        """Accept a changed key."""

    def set_policy(self, policy: Policy) -> None:
        """Whose keys are written to from now on."""

    def sign_with(self, algorithm: str) -> None:
        """Make a new identity key."""

    def recover(self, phrase: str) -> None:
        """Bring the account's keys here."""

    def recovery_phrase(self) -> str:
        """The words that do so elsewhere."""

    def approve(self, code: str) -> None:
        """Give another own device, which shows ``code``, the identity key."""

    def invited(self, conversation: Conversation, user: str) -> None:
        """This client invites somebody now: what the room's setting promises counts from here."""

    def hand_over_history(self, conversation: Conversation, user: str) -> int:
        """Somebody whom this client has invited has joined: give what the room's setting promises."""

    def introduce(self, conversation: Conversation, user: str, names: Sequence[str]) -> None:
        """Somebody whom this client has invited has joined: tell that those of ``names`` are members."""

    def collect_keys(self, passphrase: str, done: Callable[[bytes | EncchatError], None]) -> None:
        """The keys of past messages, sealed, those in the account's backup included; ``done`` maybe at once."""

    def import_keys(self, exported: bytes, passphrase: str) -> int:
        """Take them up; how many were new."""

    def why(self, session: str) -> str:
        """What is being done about a missing key."""
