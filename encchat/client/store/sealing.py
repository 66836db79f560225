"""How the client's store is sealed: a key for its rows, and that key wrapped under a password.

One random key of 32 bytes belongs to each store. From it come (HKDF-SHA256, RFC 5869) the key that seals rows with
ChaCha20-Poly1305 under random nonces, and the key that turns conversation names into tags, so that the rows of one
conversation can be found without its name standing in the file. Each seal is bound to its table and row by the
associated data: a row moved elsewhere does not open.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from encchat import names
from encchat.errors import StoreError
from encchat.limits import MAX_KEPT_MESSAGES, MAX_UNWRAP_LANES, MAX_UNWRAP_MEMORY, MAX_UNWRAP_PASSES

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 16
_WRAPPING: Final = b"encchat client store, wrapped key, 1"

Random = Callable[[int], bytes]


class Wrapped(Struct, frozen=True):
    """A store's key under a password: argon2id (RFC 9106) with these costs, memory in KiB, and the sealed key."""

    salt: bytes
    memory: int
    passes: int
    lanes: int
    sealed: bytes


@frozen
class Cost:
    """What one guess of a password costs: RFC 9106's second recommendation, section 4, a seventh of a second."""

    memory: int = 65_536
    passes: int = 3
    lanes: int = 4


def wrap(key: bytes, password: str, random: Random, cost: Cost) -> Wrapped:
    """``key`` under ``password``."""
    salt, nonce = random(_SALT_BYTES), random(_NONCE_BYTES)
    wrapping = ChaCha20Poly1305(_derived(password, salt, cost))
    sealed = nonce + wrapping.encrypt(nonce, key, _WRAPPING)
    return Wrapped(salt, cost.memory, cost.passes, cost.lanes, sealed)


def unwrap(wrapped: Wrapped, password: str) -> bytes | None:
    """The key, None if it is not this password's; `StoreError` if the costs are none of ours."""
    if not (
        8 * wrapped.lanes <= wrapped.memory <= MAX_UNWRAP_MEMORY
        and 1 <= wrapped.passes <= MAX_UNWRAP_PASSES
        and 1 <= wrapped.lanes <= MAX_UNWRAP_LANES
        and len(wrapped.salt) == _SALT_BYTES
    ):
        raise StoreError("the key of the message store is wrapped in a way that is not encchat's")
    key = _derived(password, wrapped.salt, Cost(wrapped.memory, wrapped.passes, wrapped.lanes))
    nonce, sealed = wrapped.sealed[:_NONCE_BYTES], wrapped.sealed[_NONCE_BYTES:]
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, _WRAPPING)
    except (InvalidTag, ValueError):
        return None


def _derived(password: str, salt: bytes, cost: Cost) -> bytes:
    """NFC, so that a password typed on another system is the same."""
    secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    kdf = Argon2id(salt=salt, length=KEY_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory)
    return kdf.derive(secret)


def _subkey(key: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, None, b"encchat client store, " + purpose).derive(key)


@frozen
class Seal:
    """Seals and opens the rows of one store."""

    _key: bytes = field(repr=False)
    _random: Random
    _rows: ChaCha20Poly1305 = field(init=False)
    _names: hmac.HMAC = field(init=False)
    _tags: dict[str, bytes] = field(init=False, repr=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_rows", ChaCha20Poly1305(_subkey(self._key, b"rows")))
        object.__setattr__(self, "_names", hmac.HMAC(_subkey(self._key, b"names"), hashes.SHA256()))

    def seal(self, place: bytes, plain: bytes) -> bytes:
        """``plain`` for the row at ``place``, which names its table too."""
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._rows.encrypt(nonce, plain, place)

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """What `seal` took; `StoreError` if it was sealed otherwise or elsewhere."""
        try:
            return self._rows.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise StoreError("the message store is damaged or was tampered with: move it away") from None

    def tag(self, conversation: str) -> bytes:
        """What stands for a conversation's name in the file; remembered, as every message needs it twice."""
        tag = self._tags.get(conversation)
        if tag is None:
            if len(self._tags) >= MAX_KEPT_MESSAGES:
                self._tags.clear()
            tag = self._tags[conversation] = self._tagged(names.folded(conversation))
        return tag

    def exact_tag(self, kind: str, name: str) -> bytes:
        """What stands for the name of an entry of the state; no conversation's name has a NUL in it."""
        return self._tagged(f"{kind}\0{name}")

    def _tagged(self, text: str) -> bytes:
        keyed = self._names.copy()
        keyed.update(text.encode("utf-8", "surrogatepass"))
        return keyed.finalize()[:_TAG_BYTES]
