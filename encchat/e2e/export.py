"""Files of keys: named values sealed under a passphrase, to be carried to another device.

A file is text: a first line that says what it is and its version, then base64 in lines. Inside stand argon2id's
(RFC 9106) salt and costs, and the values under ChaCha20-Poly1305; the associated data is everything before them.
"""

from __future__ import annotations

import unicodedata
from base64 import b64decode, encodebytes
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import msgspec
from attrs import frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta, Struct

from encchat.e2e.statements import statement
from encchat.errors import RecoveryError
from encchat.limits import MAX_EXPORT, MAX_UNWRAP_LANES, MAX_UNWRAP_MEMORY, MAX_UNWRAP_PASSES, MIN_PASSWORD

HEADER: Final = b"encchat keys, version 1\n"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class _File(Struct, frozen=True, array_like=True):
    """Bounds are checked before anything is computed: a file cannot ask for more work than our own."""

    salt: Annotated[bytes, Meta(min_length=_SALT_BYTES, max_length=_SALT_BYTES)]
    memory: Annotated[int, Meta(ge=8, le=MAX_UNWRAP_MEMORY)]
    passes: Annotated[int, Meta(ge=1, le=MAX_UNWRAP_PASSES)]
    lanes: Annotated[int, Meta(ge=1, le=MAX_UNWRAP_LANES)]
    nonce: Annotated[bytes, Meta(min_length=_NONCE_BYTES, max_length=_NONCE_BYTES)]
    sealed: bytes


_file: Final = msgspec.msgpack.Decoder(_File)
_values: Final = msgspec.msgpack.Decoder(dict[str, bytes])


@frozen
class Cost:
    """What one guess of a passphrase costs: RFC 9106's second recommendation, section 4; memory in KiB."""

    memory: int = 65_536
    passes: int = 3
    lanes: int = 4


def seal(
    values: Mapping[str, bytes], passphrase: str, random: Callable[[int], bytes], cost: Cost | None = None
) -> bytes:
    """The file; `RecoveryError` if the passphrase is shorter than `MIN_PASSWORD` characters."""
    if len(passphrase) < MIN_PASSWORD:
        raise RecoveryError(f"a passphrase for keys has {MIN_PASSWORD} characters or more")
    cost = cost or Cost()
    head = _File(random(_SALT_BYTES), cost.memory, cost.passes, cost.lanes, random(_NONCE_BYTES), b"")
    sealed = _cipher(head, passphrase).encrypt(head.nonce, msgspec.msgpack.encode(dict(values)), _bound(head))
    return HEADER + encodebytes(msgspec.msgpack.encode(msgspec.structs.replace(head, sealed=sealed)))


def unseal(data: bytes, passphrase: str) -> dict[str, bytes]:
    """The values; `RecoveryError` if it is no such file, or another passphrase's. Takes a seventh of a second."""
    kept = _parsed(data)
    try:
        plain = _cipher(kept, passphrase).decrypt(kept.nonce, kept.sealed, _bound(kept))
        return _values.decode(plain)
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        raise RecoveryError("the passphrase is not this file's, or the file is damaged") from None


def _parsed(data: bytes) -> _File:
    if len(data) > MAX_EXPORT:
        raise RecoveryError(f"a file of keys has at most {MAX_EXPORT} bytes")
    if not data.startswith(b"encchat keys, "):
        raise RecoveryError("this is not a file of keys that encchat wrote")
    # Mail turns line ends into others.
    head, _, text = data.partition(b"\n")
    if head.rstrip() != HEADER.rstrip():
        raise RecoveryError("the file of keys is of a version that this encchat does not know")
    try:
        kept = _file.decode(b64decode(b"".join(text.split()), validate=True))
    except (msgspec.MsgspecError, ValueError):
        raise RecoveryError("the file of keys is damaged") from None
    if kept.memory < 8 * kept.lanes:  # RFC 9106 section 3.1: at least 8 KiB a lane
        raise RecoveryError("the file of keys is damaged")
    return kept


def _bound(head: _File) -> bytes:
    return statement("export", HEADER, head.salt, head.memory, head.passes, head.lanes, head.nonce)


def _cipher(head: _File, passphrase: str) -> ChaCha20Poly1305:
    """NFC, so that a passphrase typed on another system is the same."""
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    kdf = Argon2id(salt=head.salt, length=_KEY_BYTES, iterations=head.passes, lanes=head.lanes, memory_cost=head.memory)
    return ChaCha20Poly1305(kdf.derive(secret))
