"""The plaintext of what is encrypted: who says what to whom, where, after what, signed; and of parcels.

Theory of operation. Neither Olm nor Megolm binds names to what it encrypts, so everything that must not be mixed up
stands inside: a ciphertext that the server shows in another conversation, under another name or to another device
opens to a payload that says so, and `check` refuses it. A payload is JSON with spaces after it up to a multiple of
`PADDING` bytes; its signature is over the statement of its fields (`encchat.e2e.statements.message`), never over bytes
of a ciphertext.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from encchat import wire
from encchat.e2e import identity as identities_of
from encchat.e2e import statements
from encchat.e2e.base64s import to_base64
from encchat.e2e.identity import SIGNATURES, IdentityKey
from encchat.e2e.interfaces import Content, Conversation, Device, MessageType, Signature, Signed
from encchat.errors import UndecryptableError, UsageError
from encchat.limits import MAX_BODY, MAX_IDENTITIES, MAX_NAME, MAX_PAYLOAD, PADDING
from encchat.names import folded
from encchat.wire.keys import Base64, DeviceId
from encchat.wire.values import Seq, Ulid, form

Word = Annotated[str, Meta(max_length=128)]
"""A conversation's id, or a recipient ``user/device``: two names and what is between them."""
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
ContentType = Annotated[MessageType, form("[a-z][a-z0-9-]{0,31}")]
"""Not a list: what a newer client says has to be opened, though nobody here knows how to show it."""


class Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message inside its encryption; ``members`` is the digest of who is in the conversation, as the sender knows it.

    ``recipient``: ``user/device`` where each device gets a ciphertext of its own (Olm), else empty. ``number`` is of
    the identity key that made ``signature``; without signature 0.
    """

    conversation: Word
    sender: Name
    device: DeviceId
    recipient: Word = ""
    ulid: Ulid
    type: ContentType = "text"
    text: Annotated[str, Meta(max_length=MAX_BODY)]
    after: tuple[Seq, Ulid] | None = None
    previous: Ulid | Literal[""] = ""
    members: Annotated[str, Meta(max_length=64)]
    version: Seq = 0
    number: Annotated[int, Meta(ge=0, le=MAX_IDENTITIES)] = 0
    signature: Base64 = ""


class Parcel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an Olm parcel holds: a ``payload`` for one device of one account, about one conversation (its id).

    ``sender_key`` and ``recipient_key`` are the Ed25519 keys of both devices.
    """

    kind: Annotated[str, Meta(pattern="^[a-z][a-z0-9.-]{0,31}$")]
    conversation: Word
    sender: Name
    device: DeviceId
    sender_key: wire.keys.Key
    user: Name
    recipient: DeviceId
    recipient_key: wire.keys.Key
    payload: bytes


_message: Final = msgspec.json.Decoder(Payload)
_parcel: Final = msgspec.json.Decoder(Parcel)


def address(user: str, device: str) -> str:
    """``user/device`` as `Payload.recipient` has it."""
    return f"{folded(user)}/{device}"


def build(
    conversation: Conversation,
    content: Content,
    sender: str,
    device: str,
    identity: IdentityKey | None,
    recipient: str = "",
) -> bytes:
    """The plaintext of a message, signed by ``identity`` if there is one; `UsageError` if it is too long."""
    payload = Payload(
        conversation=conversation.id,
        sender=sender,
        device=device,
        recipient=recipient,
        ulid=content.ulid,
        type=content.type,
        text=content.text,
        after=content.after,
        previous=content.previous,
        members=to_base64(statements.members_digest(conversation.members)),
        version=conversation.version,
        number=identity.number if identity else 0,
    )
    if identity is not None:
        payload = msgspec.structs.replace(payload, signature=identity.sign(_statement(payload)))
    return padded(msgspec.json.encode(payload))


def padded(data: bytes) -> bytes:
    """JSON with spaces after it, to a multiple of `PADDING` bytes; `UsageError` over `MAX_PAYLOAD`."""
    if len(data) > MAX_PAYLOAD:
        raise UsageError("the text is too long once it is encrypted: split it")
    return data.ljust(-(-len(data) // PADDING) * PADDING)


def parse(data: bytes, session: str = "") -> Payload:
    """The message in a plaintext; `UndecryptableError` ``broken`` if there is none."""
    if len(data) % PADDING or len(data) > MAX_PAYLOAD:
        raise UndecryptableError("broken", session)
    try:
        return _message.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UndecryptableError("broken", session) from None


def check(
    payload: Payload,
    conversation: Conversation,
    said: wire.Message,
    device: str,
    recipient: str = "",
    session: str = "",
) -> None:
    """Raise `UndecryptableError` unless the payload is of this very message, said there, by that sender's ``device``.

    ``device``: whose session it was, or whom the envelope names where the scheme proves none. ``recipient``: the
    address this device must be meant by; empty where all members read the same ciphertext.
    """
    if payload.conversation != conversation.id:
        raise UndecryptableError("wrong-conversation", session)
    if folded(payload.sender) != folded(said.sender) or payload.device != device:
        raise UndecryptableError("wrong-sender", session)
    if payload.recipient != recipient:
        raise UndecryptableError("not-for-this-device", session)
    if payload.ulid != said.ulid:
        raise UndecryptableError("replayed", session)


def verify(payload: Payload, identities: Sequence[wire.Identity]) -> tuple[Signature, Signed]:
    """How the message is signed, and whether that holds under the sender's identity keys (a verified chain)."""
    if not payload.signature:
        return "none", "absent"
    key = identities_of.of_number(identities, payload.number)
    if key is None:
        return "none", "invalid"
    valid = identities_of.verify(key, _statement(payload), payload.signature)
    return SIGNATURES[key.algorithm], "valid" if valid else "invalid"


def members_agree(payload: Payload, conversation: Conversation) -> bool:
    """Whether the sender knew the same members; other versions of a room cannot be compared and agree."""
    if payload.version != conversation.version:
        return True
    return payload.members == to_base64(statements.members_digest(conversation.members))


def _statement(payload: Payload) -> bytes:
    return statements.message(
        statements.Said(
            conversation=payload.conversation,
            sender=payload.sender,
            device=payload.device,
            recipient=payload.recipient,
            ulid=payload.ulid,
            type=payload.type,
            text=payload.text,
            after=payload.after,
            previous=payload.previous,
            members=payload.members,
            version=payload.version,
            number=payload.number,
        )
    )


def build_parcel(
    kind: str,
    payload: bytes,
    conversation: str,
    sender: Device,
    recipient: Device,
) -> bytes:
    """The plaintext of a parcel from one device to another; `UsageError` if it is too long."""
    parcel = Parcel(
        kind=kind,
        conversation=conversation,
        sender=folded(sender.user),
        device=sender.device,
        sender_key=sender.ed25519,
        user=folded(recipient.user),
        recipient=recipient.device,
        recipient_key=recipient.ed25519,
        payload=payload,
    )
    return padded(msgspec.json.encode(parcel))


def parse_parcel(data: bytes, sender: Device, recipient: Device) -> Parcel:
    """The parcel in a plaintext that ``sender``'s Olm session gave ``recipient``; `UndecryptableError` for another."""
    if len(data) % PADDING or len(data) > MAX_PAYLOAD:
        raise UndecryptableError("broken")
    try:
        parcel = _parcel.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UndecryptableError("broken") from None
    if (parcel.sender, parcel.device, parcel.sender_key) != (folded(sender.user), sender.device, sender.ed25519):
        raise UndecryptableError("wrong-sender")
    ours = (folded(recipient.user), recipient.device, recipient.ed25519)
    if (parcel.user, parcel.recipient, parcel.recipient_key) != ours:
        raise UndecryptableError("not-for-this-device")
    return parcel
