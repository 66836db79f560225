"""Files on their way: what a message says of one, and its pieces, each sealed so that it fits nowhere else.

Theory of operation. Every file has a key of its own, of 256 random bits, which only the end-to-end encrypted message
about it tells. Piece ``number`` of ``count`` is AES-256-GCM under that key with the number as nonce, so no piece may be
sealed in two versions: who uploads makes sure that the bytes are still the same (`encchat.client.files.uploads`). The
associated data binds the file's ULID, the number and the count, so a piece that the server alters, swaps, repeats,
leaves out or takes from another file does not open. The SHA-256 of the whole stands in the message as well.

A description from others is believed as far as it could be one of ours: a name that `clean_name` would alter, a size
over what is taken, or a key of another length make it a `FileRefusedError`, which says which.
"""

from __future__ import annotations

import struct
import unicodedata
from typing import Annotated, Final

import msgspec
from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from encchat.client.text import printable
from encchat.e2e.base64s import from_base64, to_base64
from encchat.errors import FileRefusedError
from encchat.limits import FILE_CHUNK, MAX_FILE_NAME, MAX_FILE_TAKEN, MAX_MEDIA
from encchat.wire.files import chunks_of
from encchat.wire.values import Ulid, form

KEY_BYTES: Final = 32
HASH_BYTES: Final = 32
_DOMAIN: Final = b"encchat file 1"
_NONCE_BYTES: Final = 12
_PLACE: Final = struct.Struct(">II").pack


@frozen
class ChunkSeal:
    """Seals and opens the ``count`` pieces of the file with that ULID."""

    _file: str
    _count: int
    _key: bytes = field(repr=False)
    _cipher: AESGCM = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_cipher", AESGCM(self._key))

    def seal(self, number: int, plain: bytes) -> bytes:
        """The piece as the server gets it; never to be called with other bytes for the same number."""
        return self._cipher.encrypt(_nonce(number), plain, self._bound(number))

    def open(self, number: int, sealed: bytes) -> bytes:
        """The bytes of it; `FileRefusedError` unless this is that very piece of that very file."""
        try:
            return self._cipher.decrypt(_nonce(number), sealed, self._bound(number))
        except (InvalidTag, ValueError):
            raise FileRefusedError(_ALTERED.format(number + 1, self._count)) from None

    def _bound(self, number: int) -> bytes:
        return _DOMAIN + self._file.encode() + _PLACE(number, self._count)


_ALTERED: Final = "piece {} of {} is not what was sent: somebody, perhaps the server, has altered it"


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


# What a message says of a file -----------------------------------------------------------------
class Descriptor(Struct, frozen=True, kw_only=True):
    """The text of a message of type ``file``, as JSON; ``type`` is a media type or empty, ``chunk`` `FILE_CHUNK`.

    ``key`` and ``sha256`` are in base64.
    """

    file: Ulid
    name: str
    size: int
    type: Annotated[str, form("(?:[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*)?", max_length=MAX_MEDIA)] = ""
    key: str
    sha256: str
    chunk: int

    def __repr__(self) -> str:
        """Not the key."""
        return f"Descriptor({self.name!r}, {self.size})"

    @property
    def count(self) -> int:
        """How many pieces it has."""
        return chunks_of(self.size)

    @property
    def digest(self) -> bytes:
        """SHA-256 of all of it."""
        return from_base64(self.sha256) or b""

    def seal(self) -> ChunkSeal:
        """What opens its pieces."""
        return ChunkSeal(self.file, self.count, from_base64(self.key) or b"")


_descriptor: Final = msgspec.json.Decoder(Descriptor)


def description(file: str, name: str, size: int, media: str, key: bytes, sha256: bytes) -> str:
    """The text of a message about a file."""
    said = Descriptor(
        file=file,
        name=clean_name(name),
        size=size,
        type=media,
        key=to_base64(key),
        sha256=to_base64(sha256),
        chunk=FILE_CHUNK,
    )
    return msgspec.json.encode(said).decode()


def described(text: str) -> Descriptor:
    """What a message says of a file; `FileRefusedError` tells what cannot be."""
    try:
        found = _descriptor.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise FileRefusedError("its description cannot be read") from None
    if clean_name(found.name) != found.name:
        raise FileRefusedError(f"its name is none a file may have here: {found.name[:MAX_FILE_NAME]}")
    if not 0 <= found.size <= MAX_FILE_TAKEN:
        raise FileRefusedError(f"its size cannot be: {found.size} bytes; up to {MAX_FILE_TAKEN} are taken")
    if found.chunk != FILE_CHUNK:
        raise FileRefusedError(f"it is in pieces of {found.chunk} bytes, {FILE_CHUNK} are taken")
    if len(from_base64(found.key) or b"") != KEY_BYTES:
        raise FileRefusedError(f"its key is not one of {KEY_BYTES} bytes")
    if len(found.digest) != HASH_BYTES:
        raise FileRefusedError(f"its SHA-256 is not one of {HASH_BYTES} bytes")
    return found


def kept_name(text: str) -> str:
    """The name in what a message says of a file, whatever else it says; empty if there is none to read."""
    try:
        return described(text).name
    except FileRefusedError:
        return ""


# Names -----------------------------------------------------------------------------------------
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""What Windows takes for a device, whatever follows the first dot."""
_SPECIAL: Final = frozenset('<>:"|?*')
"""What Windows allows in no name."""
_NONAME: Final = "file"
_LONGEST_ENDING: Final = 16
"""Bytes of an ending (``.tar``) that is kept when a name is cut."""


def clean_name(name: str) -> str:
    """The last part of a path as a name that every system takes, shows as it is, and hides from nobody.

    What cannot be shown or is special somewhere becomes ``_``. A name that is clean already stays as it is.
    """
    name = unicodedata.normalize("NFC", name)
    while (cleaner := _cleaner(name)) != name:
        name = cleaner
    return name


def _cleaner(name: str) -> str:
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    safe = "".join(sign if printable(sign) == sign and sign not in _SPECIAL else "_" for sign in last)
    safe = safe.lstrip(". ").rstrip(". ")
    if safe.startswith("-"):  # a command would take it for an option
        safe = f"_{safe[1:]}"
    if safe.partition(".")[0].strip().casefold() in _RESERVED:
        safe = f"_{safe}"
    return _cut(safe) or _NONAME


def _cut(name: str) -> str:
    if len(name.encode()) <= MAX_FILE_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > _LONGEST_ENDING:
        stem, dot, ending = name, "", ""
    room = MAX_FILE_NAME - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + ending
