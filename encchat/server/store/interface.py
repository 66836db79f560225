"""What every store promises; `tests.server.store.contract` holds each implementation to it.

All methods answer through a Deferred, except `append`, whose callback costs less on the way of every
message. Times are milliseconds since 1970 UTC and always arguments. Refusals are the classes of
`encchat.errors` named at each method; `StoreError` can come from any.
"""
# mypy: disable-error-code="misc, override, empty-body"
# Methods of a zope interface take no self.

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface

from encchat import wire
from encchat.errors import StoreError
from encchat.limits import LOBBY_HISTORY
from encchat.server.membership import GrantedKey, Orphan, Readable, RoomChange, StoredRoom
from encchat.server.model import (
    Account,
    AuditEntry,
    CallPolicy,
    ConversationState,
    Device,
    FileTerms,
    NewFile,
    NewMessage,
    Sanction,
    SanctionKind,
    Stored,
    StoredChunk,
    Tail,
)
from encchat.wire import Kind, Role, RoomState

Done = Callable[[Stored | StoreError], None]


@frozen
class Uploaded:
    """Where a device's keys stand after an upload, and whether its device keys are others than before."""

    count: wire.KeyCount
    is_news: bool


@frozen
class Posted:
    """A parcel in the inbox of the device with that key, of the account ``to`` (as registered)."""

    to: str
    device_key: bytes
    item: wire.InboxItem


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
        """Remove an account: its password, devices, keys, sanctions; its name stays refused, its messages stay."""

    def account(name: str) -> Deferred[Account | None]:
        """The account of that name, upper and lower case being the same."""

    def password_hash(account_id: int) -> Deferred[str | None]:
        """The account's encoded password hash; None if it has none or there is no such account."""

    def mark_seen(accounts: Mapping[int, int], devices: Mapping[bytes, int]) -> Deferred[None]:
        """Set `Account.last_seen` of accounts by their ids, and `Device.last_seen` by keys; neither ever goes back."""

    def set_role(account_id: int, role: Role) -> Deferred[None]:
        """Change what the account may do."""

    def calls(account_id: int) -> Deferred[CallPolicy]:
        """What becomes of calls to the account; ``never`` if there is no such account."""

    def set_calls(account_id: int, policy: CallPolicy) -> Deferred[None]:
        """Change that."""

    def add_device(
        account_id: int, key: bytes, name: str, now: int = 0, lobby_history: int = LOBBY_HISTORY
    ) -> Deferred[Device]:
        """Make the raw X25519 ``key`` a device of the account; it stays as it is if it was one before.

        Its cursor in the lobby stands before the last ``lobby_history`` messages, in direct conversations at 0.
        `LoginRefusedError`: the key is a device of another account, or the account has `MAX_DEVICES`.
        """

    def device(key: bytes) -> Deferred[tuple[Account, Device] | None]:
        """Whose device has that key."""

    def devices(account_id: int) -> Deferred[list[Device]]:
        """The account's devices, the first made first."""

    def revoke_device(account_id: int, device_id: str) -> Deferred[Device | None]:
        """Remove the account's device of that id, its cursors, keys and inbox too; None if it has none such."""

    def forget_device(key: bytes) -> Deferred[None]:
        """Remove the device, its cursors, keys and inbox, if there is one."""

    def knows_device(key: bytes) -> Deferred[bool]:
        """Whether there is a device with that key."""

    def move_cursor(device_key: bytes, key: str, seq: int) -> Deferred[None]:
        """The device has taken all of the conversation up to ``seq``; never back, never past its end.

        Nothing happens if there is no such device or conversation.
        """

    def publish_identity(account_id: int, identity: wire.Identity, vouches: Sequence[wire.Vouch]) -> Deferred[bool]:
        """Put the account's next identity key in force, and keep ``vouches`` for its devices that have keys; whether
        anything is new.

        The newest one again is fine. With a new one all vouches of the one before end. `RequestError`: its number is
        not the next, or it is not signed as its number wants.
        """

    def upload_keys(device_key: bytes, upload: wire.UploadKeys) -> Deferred[Uploaded]:
        """Publish keys of a device (`wire.UploadKeys` says how); `KeyCount.generation` is the one from before.

        What was uploaded and claimed before is not offered again. One-time keys over `MAX_ONE_TIME_KEYS` are not taken.
        Other Olm keys than before end the one-time and fallback keys of those. `UnknownDeviceError`: it was revoked.
        """

    def published_keys(names: Sequence[str]) -> Deferred[wire.KeyList]:
        """What is published of each account that exists, in that order; of the first ones only if it is long."""

    def claim_keys(addresses: Sequence[wire.DeviceAddress], now: int) -> Deferred[list[wire.ClaimedKey]]:
        """A one-time key of each device that has published keys, given to nobody else ever; else its fallback key."""

    def put_parcels(sender: Device, ulid: str, parcels: Sequence[wire.Parcel], now: int) -> Deferred[list[Posted]]:
        """Put parcels into inboxes; what was put, nothing if this ``ulid`` of the account's was before.

        Parcels for devices that are no more, or whose inbox is full (`MAX_INBOX`), are left out; `UnavailableError` if
        nothing was put and an inbox is full.
        """

    def inbox(device_key: bytes, after: int, limit: int) -> Deferred[wire.InboxPage]:
        """The first ``limit`` parcels of the device whose seq is greater; fewer if they are long."""

    def ack_inbox(device_key: bytes, seq: int) -> Deferred[None]:
        """Drop the device's parcels up to ``seq``."""

    def put_backup(account_id: int, entries: Sequence[wire.BackupEntry]) -> Deferred[None]:
        """Keep sealed values, all or none; `RequestError` if there would be more than `MAX_BACKUP`."""

    def get_backup(account_id: int, after: str | None, name: str | None, limit: int) -> Deferred[wire.BackupPage]:
        """The first ``limit`` after a name, or that one alone; fewer if they are long."""

    def add_sanction(sanction: Sanction) -> Deferred[None]:
        """Put it in force, in the place of one of the same kind and target."""

    def remove_sanction(kind: SanctionKind, target: str) -> Deferred[bool]:
        """Take it back; whether there was one."""

    def sanctions(now: int) -> Deferred[list[Sanction]]:
        """Those in force, by kind and target; the others are dropped for good."""

    def audit(entry: AuditEntry) -> Deferred[None]:
        """Write it down."""

    def audit_log(limit: int) -> Deferred[list[AuditEntry]]:
        """The last ``limit`` entries, newest first."""

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
        message is safely stored: with its place, or with the `StoreError` that kept it out, as the refusal of the
        message it is chained to does (`NewMessage.after`), whenever that one was appended. A repeated
        (conversation, sender, ulid) gets the first one's place, also when retention has taken that one away
        (for `REMEMBER_REMOVED_DAYS`). Seqs count without gaps from 1, or from (epoch << 32) + 1 after a restore.
        """

    def change_room(change: RoomChange) -> Deferred[tuple[Stored, ...]]:
        """Store a change of a room in one piece, in order with `append`; where its messages came to rest.

        An ulid that was stored before changes nothing: the last place is a duplicate. `StoreError` also for what
        does not fit to what is stored.
        """

    def rooms(room_id: str | None = None) -> Deferred[list[StoredRoom]]:
        """The rooms that somebody is in, or that one of them; read after all changes that were handed over before."""

    def room_state(room_id: str, after: str, limit: int) -> Deferred[RoomState | None]:
        """A room and its first ``limit`` members whose folded name is after ``after``; presence is not filled in."""

    def room_change_done(account_id: int, ulid: str) -> Deferred[bool]:
        """Whether the account has changed a room under that ULID."""

    def readable_room(account_id: int, name: str) -> Deferred[Readable | None]:
        """What the account may read of the room of that folded name; of an earlier one if it never was in this one."""

    def readable_rooms(account_id: int, device_key: bytes) -> Deferred[list[ConversationState]]:
        """As `conversations`, of the rooms the account is or was in; ends where it may read no more."""

    def room_key(room_id: str, account_id: int, version: int, device_key: bytes) -> Deferred[GrantedKey | None]:
        """A key of the room (0: the latest), if the account is in it and may read what was sent under it.

        Read after all changes that were handed over before.
        """

    def rotate_room_key(room_id: str, key: bytes) -> Deferred[None]:
        """Put the room's next key in force."""

    def orphans() -> Deferred[list[Orphan]]:
        """Accounts that are in a room or invited to it, and deleted."""

    def contacts(account_id: int) -> Deferred[list[str]]:
        """Names, in order, of all who share a direct conversation with the account."""

    def history(conversation: str, after_seq: int, limit: int) -> Deferred[list[PastMessage]]:
        """The first ``limit`` messages of a conversation whose seq is greater than ``after_seq``."""

    def conversation(key: str) -> Deferred[Tail | None]:
        """Where it ends; None if nothing was ever said in it."""

    def conversations(account_id: int, device_key: bytes) -> Deferred[list[ConversationState]]:
        """All of the account's that anything was said in: the lobby, then direct ones in the order they began."""

    def retain(kind: Kind, keep: int | None, before: int | None, slice: int) -> Deferred[int]:
        """Remove the oldest messages of every conversation of that kind, at most ``slice`` in all; how many it were.

        Those go that are not among the newest ``keep`` of theirs, or are older than ``before`` with all that
        came before them; None sets no limit. Direct conversations hold messages of kind session too.
        """

    def forget_removed(now: int) -> Deferred[None]:
        """Forget the places of removed messages, claimed one-time keys and ULIDs of parcels that are older than
        `REMEMBER_REMOVED_DAYS`."""

    def offer_file(new: NewFile, space: int) -> Deferred[int]:
        """Begin a file, or go on with one that was offered in the same words; how many of its chunks are there.

        `FileNotTakenError`: the account's files would have more than ``space`` bytes or be more than `MAX_FILES`, or
        it was offered in other words or dropped. `UnknownFileError`: there is one of that ULID, of somebody else.
        `OverloadedError`: the disk has less than `DISK_RESERVE` left.
        """

    def put_chunk(ulid: str, account_id: int, number: int, data: bytes, now: int) -> Deferred[None]:
        """Add the next chunk of the account's file, which lives on from ``now``; one that is there is left as it is.

        `FileNotTakenError`: it is not the next one, or not as long as it has to be. `UnknownFileError`: the account
        has no such file. `OverloadedError` as above.
        """

    def file_chunk(ulid: str, number: int) -> Deferred[StoredChunk | None]:
        """A chunk of a file; None if there is no such file that is whole, not dropped and of an account that lives."""

    def drop_file(ulid: str, account_id: int) -> Deferred[None]:
        """Give the account's file away to `sweep_files`; `UnknownFileError` if it has no such file."""

    def sweep_files(terms: FileTerms, slice: int) -> Deferred[int]:
        """Erase files that were dropped, are of deleted accounts, for rooms in which nobody is, or too old.

        At most ``slice`` chunks and files in all; how many it were.
        """

    def dossier(account_id: int) -> Deferred[dict[str, Any]]:
        """Everything that is stored about an account, also a deleted one, for JSON; empty if there never was one.

        Of the password hash only whether there is one.
        """

    def backup(path: str | Path) -> Deferred[None]:
        """Write all that is stored to a new file, mode 0600; `StoreError` if it exists."""
