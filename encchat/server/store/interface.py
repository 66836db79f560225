"""What every store promises; `tests.server.store.contract` holds each implementation to it.

All methods answer through a Deferred, except `append`, whose callback costs less on the way of every
message. Times are milliseconds since 1970 UTC and always arguments. Refusals are the classes of
`encchat.errors` named at each method; `StoreError` can come from any.
"""
# mypy: disable-error-code="misc, override, empty-body"
# Methods of a zope interface take no self.

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from encchat.errors import StoreError
from encchat.server.model import Account, Device, NewMessage, Stored
from encchat.wire import Kind, Role

Done = Callable[[Stored | StoreError], None]


@frozen
class PastMessage:
    """A message as `IStore.history` gives it; ``sender`` is the name as it was registered."""

    seq: int
    kind: Kind
    sender: str
    ulid: str
    time: int
    body: str
    scheme: str


class IStore(Interface):
    """Accounts, devices, invites and conversations, kept for good."""

    def open() -> Deferred[None]:
        """Make ready; nothing else may be called before this has fired. No thread runs before it."""

    def close() -> Deferred[None]:
        """Store what was handed over, call its callbacks, let go of everything. May be called twice."""

    def create_account(
        name: str, password_hash: str | None, role: Role, now: int, invite: str | None = None
    ) -> Deferred[Account]:
        """Make an account; a given invite is used up by one and its role is the account's, in one step.

        `NameRefusedError`: against the rules, taken, like one that is, or once deleted (the invite is not
        used up then). `RegistrationRefusedError`: the invite is unknown, used up or has expired.
        """

    def delete_account(account_id: int, now: int) -> Deferred[None]:
        """Remove an account, its password and devices; its name stays refused, its messages stay."""

    def account(name: str) -> Deferred[Account | None]:
        """The account of that name, upper and lower case being the same."""

    def password_hash(account_id: int) -> Deferred[str | None]:
        """The account's encoded password hash; None if it has none or there is no such account."""

    def mark_seen(account_id: int, now: int) -> Deferred[None]:
        """Set `Account.last_seen`; it never goes back."""

    def set_role(account_id: int, role: Role) -> Deferred[None]:
        """Change what the account may do."""

    def add_device(account_id: int, key: bytes, name: str) -> Deferred[Device]:
        """Make the raw X25519 ``key`` a device of the account; it keeps its name if it was one before.

        `LoginRefusedError`: the key is a device of another account.
        """

    def device(key: bytes) -> Deferred[tuple[Account, Device] | None]:
        """Whose device has that key."""

    def forget_device(key: bytes) -> Deferred[None]:
        """Remove the device, if there is one."""

    def add_invite(token: str, role: Role, uses: int, expires: int | None) -> Deferred[None]:
        """Let ``token`` make ``uses`` accounts of that role before ``expires``; only its hash is kept."""

    def invite_role(token: str, now: int) -> Deferred[Role | None]:
        """The role an invite would give; None if it is unknown, used up or has expired."""

    def is_new() -> Deferred[bool]:
        """True as long as no account and no invite was ever made."""

    def get_meta(key: str) -> Deferred[str | None]:
        """A value set with `set_meta`."""

    def set_meta(key: str, value: str) -> Deferred[None]:
        """Remember one value."""

    def append(message: NewMessage, done: Done) -> None:
        """Add a message to its conversation, making that one if need be.

        ``done`` is called in the reactor, never before this returns, in the order of the calls and once the
        message is safely stored: with its place, or with the `StoreError` that kept it out. A repeated
        (conversation, sender, ulid) gets the first one's place. Seqs count from 1 without gaps.
        """

    def contacts(account_id: int) -> Deferred[list[str]]:
        """Names, in order, of all who share a direct conversation with the account."""

    def history(conversation: str, after_seq: int, limit: int) -> Deferred[list[PastMessage]]:
        """The first ``limit`` messages of a conversation whose seq is greater than ``after_seq``."""
