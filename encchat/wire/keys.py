"""End-to-end keys as the server hands them out, and the inbox of a device (protocol, section "Keys").

The server checks forms and sizes only: clients verify every signature and trust no key that the account's identity
key does not vouch for. All base64 is the standard alphabet without padding.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from encchat import limits
from encchat.wire.values import Line, Name, Value, form

Algorithm = Literal["ed25519", "rsa", "dsa"]
Key = Annotated[str, form("[A-Za-z0-9+/]{43}")]
"""32 bytes: an X25519 or Ed25519 public key."""
KeyId = Annotated[str, form("[A-Za-z0-9+/]{1,32}")]
DeviceId = Annotated[str, form("[A-Za-z0-9]{1,32}")]
Base64 = Annotated[str, form("[A-Za-z0-9+/]*", max_length=limits.MAX_KEY_FIELD)]
"""A public key in DER (SubjectPublicKeyInfo), or a signature; empty where there is none."""
Sealed = Annotated[str, form("[A-Za-z0-9+/]+", max_length=limits.MAX_ENVELOPE)]
BackupName = Annotated[str, form("[a-z0-9-]{1,64}")]


class SignedKey(Value, frozen=True, kw_only=True):
    """A one-time or fallback key (X25519); ``signature`` by the device's Ed25519 key."""

    id: KeyId
    key: Key
    signature: Base64


class Identity(Value, frozen=True, kw_only=True):
    """An account's identity key; ``number`` counts from 1, ``signature`` is by the one before, empty for the first."""

    algorithm: Algorithm
    key: Base64
    number: Annotated[int, Meta(ge=1, le=limits.MAX_IDENTITIES)] = 1
    signature: Base64 = ""


class DeviceKeys(Value, frozen=True, kw_only=True):
    """The keys of a device, for Olm, and its RSA key (DER) for `server-key` rooms if it has one.

    ``signature`` is by ``ed25519``, ``vouch`` by the account's identity key, both over all other fields.
    """

    user: Name
    device: DeviceId
    curve25519: Key
    ed25519: Key
    rsa: Base64 = ""
    signature: Base64
    vouch: Base64 = ""


class UserKeys(Value, frozen=True, kw_only=True):
    """All that is published of one account; ``identities`` in the order of their numbers, the last is in force."""

    user: str
    identities: list[Identity] = []
    devices: list[DeviceKeys] = []


class DeviceAddress(Value, frozen=True, kw_only=True):
    """One device of one account."""

    user: Name
    device: DeviceId


class ClaimedKey(Value, frozen=True, kw_only=True):
    """What there was for one device: a one-time key, else its fallback key, else None."""

    user: str
    device: str
    key: SignedKey | None = None


class Parcel(Value, frozen=True, kw_only=True):
    """Something for one device, encrypted for it with Olm."""

    user: Name
    device: DeviceId
    body: Annotated[str, form("[01][A-Za-z0-9+/]+", max_length=limits.MAX_ENVELOPE)]


class BackupEntry(Value, frozen=True, kw_only=True):
    """A value sealed under the account's recovery key; ``name`` tells the server nothing."""

    name: BackupName
    sealed: Sealed


# Results ---------------------------------------------------------------------------------------
class KeyCount(Line, frozen=True, kw_only=True, tag="key_count"):
    """One-time keys left, whether the fallback key was handed out, and the generation known before this upload."""

    one_time: int
    fallback_used: bool = False
    generation: int = 0


class KeyList(Line, frozen=True, kw_only=True, tag="keys"):
    """What is published of each account that was asked for; accounts that do not exist are left out.

    ``more``: it would be too long; ask again for those that are missing.
    """

    users: list[UserKeys]
    more: bool = False


class ClaimedKeys(Line, frozen=True, kw_only=True, tag="claimed_keys"):
    """One entry for each device asked for that exists."""

    keys: list[ClaimedKey]


class InboxItem(Line, frozen=True, kw_only=True, tag="inbox_item"):
    """A parcel for this device, as an event or inside `InboxPage`; ``device`` is the sender's, ``seq`` grows."""

    seq: int
    sender: str
    device: str
    body: str


class InboxPage(Line, frozen=True, kw_only=True, tag="inbox"):
    """Parcels in the order of their seqs; ``more``: there are others after them."""

    items: list[InboxItem]
    more: bool = False


class BackupPage(Line, frozen=True, kw_only=True, tag="backup"):
    """Entries by name; ``more``: there are others after them."""

    entries: list[BackupEntry]
    more: bool = False


# Events ----------------------------------------------------------------------------------------
class KeysChanged(Line, frozen=True, kw_only=True, tag="keys_changed"):
    """The identity or the devices of ``user`` are others than before: ask again before encrypting for them."""

    user: str
