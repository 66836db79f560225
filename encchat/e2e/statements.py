"""The bytes that are signed: every statement has a purpose of its own, and one reading only.

Theory of operation. A statement is its purpose and its fields, each with its length before it, so that no two
different statements are the same bytes and none of one purpose can be shown as one of another. All that anybody
signs in encchat's end-to-end encryption is made here and nowhere else. Names of accounts and rooms stand in their
folded form: two accounts never share one, and the server may say a name in any case.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from msgspec import Struct

from encchat import wire
from encchat.limits import MAX_DIGESTS
from encchat.names import folded

_DOMAIN: Final = b"encchat end to end v1"
_LENGTH: Final = struct.Struct(">I").pack

Field = str | int | bytes


def joined(fields: Iterable[Field]) -> bytes:
    """The fields one after another, each behind its length (4 bytes, big endian); numbers in decimals."""
    parts: list[bytes] = []
    for value in fields:
        # Surrogates cannot come over the wire; a statement about them is still bytes, and still only one's own.
        part = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        parts.append(_LENGTH(len(part)))
        parts.append(part)
    return b"".join(parts)


def statement(purpose: str, *fields: Field) -> bytes:
    """What is signed to say ``fields`` for ``purpose``."""
    return joined((_DOMAIN, purpose, *fields))


def _device_fields(keys: wire.DeviceKeys) -> tuple[Field, ...]:
    return (folded(keys.user), keys.device, keys.curve25519, keys.ed25519, keys.rsa)


def device_keys(keys: wire.DeviceKeys) -> bytes:
    """A device says which keys are its own; signed by its Ed25519 key (`wire.DeviceKeys.signature`)."""
    return statement("device keys", *_device_fields(keys))


def vouch(keys: wire.DeviceKeys) -> bytes:
    """An account says that a device is its own; signed by its identity key (`wire.DeviceKeys.vouch`)."""
    return statement("vouch", *_device_fields(keys))


def one_time_key(user: str, device: str, key_id: str, key: str) -> bytes:
    """A device says that a one-time or fallback key is its own; signed by its Ed25519 key (`wire.SignedKey`)."""
    return statement("one-time key", folded(user), device, key_id, key)


def identity_change(user: str, before: wire.Identity, after: wire.Identity) -> bytes:
    """An account says which identity key follows; signed by the one before (`wire.Identity.signature`)."""
    return statement(
        "identity change",
        folded(user),
        before.number,
        before.algorithm,
        before.key,
        after.number,
        after.algorithm,
        after.key,
    )


class Said(Struct, frozen=True):
    """A message as its sender signs it (`encchat.e2e.payload.Payload` without the signature)."""

    conversation: str
    sender: str
    device: str
    recipient: str
    ulid: str
    type: str
    text: str
    after: tuple[int, str] | None
    previous: str
    members: str
    version: int
    number: int


def message(said: Said) -> bytes:
    """A member says a text; signed by the account's identity key of that ``number``."""
    after = (b"",) if said.after is None else said.after
    return statement(
        "message",
        said.conversation,
        folded(said.sender),
        said.device,
        said.recipient,
        said.ulid,
        said.type,
        said.text,
        joined(after),
        said.previous,
        said.members,
        said.version,
        said.number,
    )


def opening(
    room: str,
    room_id: str,
    owner: str,
    scheme: str,
    policy: str,
    history: str,
    is_open: bool,
    ephemeral: bool = False,
) -> bytes:
    """An owner says how a room was opened; signed by the owner's identity key.

    That it is ephemeral is one field more, so that openings from before there were such rooms still hold.
    """
    off_the_record = ("ephemeral",) if ephemeral else ()
    return statement(
        "opening", folded(room), room_id, folded(owner), scheme, policy, history, int(is_open), *off_the_record
    )


def invitation(room_id: str, root: str, version: int, by: str, user: str) -> bytes:
    """A member invites an account to the room of that ``root``, being at ``version``; signed by its identity key.

    ``root`` is the digest of the opening (`encchat.e2e.memberships`).
    """
    return statement("invitation", room_id, root, version, folded(by), folded(user))


def joining(room_id: str, root: str, version: int, user: str) -> bytes:
    """An account joins, the room being at ``version``; signed by its identity key."""
    return statement("joining", room_id, root, version, folded(user))


def handover(room_id: str, by: str, user: str, device: str, digest: bytes) -> bytes:
    """A member hands the history's keys, ``digest`` of them, to a device; signed by the member's identity key."""
    return statement("history handover", room_id, folded(by), folded(user), device, digest)


def introduction(room_id: str, root: str, by: str, user: str, device: str, digest: bytes) -> bytes:
    """A member tells a device of somebody it has invited who else is a member; signed by the member's identity key."""
    return statement("introduction", room_id, root, folded(by), folded(user), device, digest)


def members_digest(members: Sequence[str]) -> bytes:
    """SHA-256 (32 bytes) over who is in a conversation, in whatever order they are given."""
    return _members_digest(tuple(members))


@lru_cache(maxsize=MAX_DIGESTS)
def _members_digest(members: tuple[str, ...]) -> bytes:
    """Remembered: every message has it, and a room of 1,000 takes half a millisecond."""
    return sha256(statement("members", *sorted({folded(name) for name in members}))).digest()
