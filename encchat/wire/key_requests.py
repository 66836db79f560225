"""What a client may ask about end-to-end keys, inboxes and key backups (protocol, section "Keys")."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from encchat import limits
from encchat.wire.keys import (
    BackupEntry,
    BackupName,
    Base64,
    DeviceAddress,
    DeviceId,
    DeviceKeys,
    Identity,
    Parcel,
    SignedKey,
)
from encchat.wire.requests import Request
from encchat.wire.values import ConversationName, Name, Seq, Ulid, Value


class Vouch(Value, frozen=True, kw_only=True):
    """The signature of a new identity key over the keys of one device (`DeviceKeys.vouch`)."""

    device: DeviceId
    vouch: Base64


class PublishIdentity(Request, frozen=True, kw_only=True, tag="publish_identity"):
    """Put the account's next identity key in force, with its vouches for its devices; the same one twice is fine."""

    identity: Identity
    vouches: Annotated[list[Vouch], Meta(max_length=limits.MAX_DEVICES)] = []


class UploadKeys(Request, frozen=True, kw_only=True, tag="upload_keys"):
    """Publish this device's keys; answered by `KeyCount`.

    ``keys`` replaces what was published before. A one-time key that waits or was claimed is not offered again; under
    the id of a claimed one, other bytes are another key. ``replace``: drop the one-time and fallback keys of before.
    ``generation`` grows with every start of the device, so that both sides see when the other was restored from a
    backup.
    """

    generation: Seq
    keys: DeviceKeys | None = None
    one_time: Annotated[list[SignedKey], Meta(max_length=limits.MAX_ONE_TIME_KEYS)] = []
    fallback: SignedKey | None = None
    replace: bool = False


class QueryKeys(Request, frozen=True, kw_only=True, tag="query_keys"):
    """Ask what accounts of a conversation have published; answered by `KeyList`."""

    conversation: ConversationName
    users: Annotated[list[Name], Meta(min_length=1, max_length=limits.MAX_KEY_USERS)]


class ClaimKeys(Request, frozen=True, kw_only=True, tag="claim_keys"):
    """Take a one-time key of each device, of accounts of that conversation; answered by `ClaimedKeys`."""

    conversation: ConversationName
    devices: Annotated[list[DeviceAddress], Meta(min_length=1, max_length=limits.MAX_PARCELS)]


class SendParcels(Request, frozen=True, kw_only=True, tag="send_parcels"):
    """Put parcels into inboxes of devices, of accounts of that conversation; the same ``ulid`` twice is fine."""

    conversation: ConversationName
    ulid: Ulid
    parcels: Annotated[list[Parcel], Meta(min_length=1, max_length=limits.MAX_PARCELS)]


class Inbox(Request, frozen=True, kw_only=True, tag="inbox"):
    """Read this device's inbox after a seq; answered by `InboxPage`."""

    after: Seq = 0


class AckInbox(Request, frozen=True, kw_only=True, tag="ack_inbox"):
    """This device has safely taken its parcels up to ``seq``: they are dropped."""

    seq: Seq


class PutBackup(Request, frozen=True, kw_only=True, tag="put_backup"):
    """Keep sealed values for this account's devices of later; one of the same name is replaced."""

    entries: Annotated[list[BackupEntry], Meta(min_length=1, max_length=limits.MAX_PARCELS)]


class GetBackup(Request, frozen=True, kw_only=True, tag="get_backup"):
    """Read what is kept, after a name; answered by `BackupPage`. ``name``: that entry alone."""

    after: BackupName | None = None
    name: BackupName | None = None


KEY_REQUESTS: tuple[type[Request], ...] = (
    PublishIdentity,
    UploadKeys,
    QueryKeys,
    ClaimKeys,
    SendParcels,
    Inbox,
    AckInbox,
    PutBackup,
    GetBackup,
)
