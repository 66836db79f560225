"""The recovery phrase: twelve words (BIP39) that are the key of an account's sealed backup on its server.

Theory of operation. The words are 128 random bits and a checksum. From the bits come (HKDF-SHA256, RFC 5869, bound to
the account's name) the key that seals entries with ChaCha20-Poly1305 under random nonces, and the key whose HMAC makes
the names of entries: the server sees neither what an entry is nor whose key it holds. An entry names itself inside its
seal, and its name outside is bound by the associated data: the server can keep back or bring back old entries, but can
neither make nor swap them.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final, Self

import msgspec
from attrs import field, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from mnemonic import Mnemonic
from msgspec import Struct

from encchat import wire
from encchat.e2e.base64s import from_base64, to_base64
from encchat.e2e.statements import statement
from encchat.errors import RecoveryError
from encchat.limits import MAX_BACKUP_VALUE, MAX_PHRASE
from encchat.names import folded

ENTROPY_BYTES: Final = 16
WORDS: Final = 12
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ENGLISH: Final = Mnemonic("english")
_WORDS: Final = frozenset(_ENGLISH.wordlist)


class _Entry(Struct, frozen=True, array_like=True):
    kind: str
    name: str
    value: bytes


_entry: Final = msgspec.msgpack.Decoder(_Entry)


@frozen
class Backup:
    """Seals and opens backup entries of one account; made from the phrase's bits."""

    user: str
    _entropy: bytes = field(repr=False)

    @classmethod
    def make(cls, user: str, random: Callable[[int], bytes]) -> Self:
        """With fresh words."""
        return cls(user, random(ENTROPY_BYTES))

    @classmethod
    def from_phrase(cls, user: str, phrase: str) -> Self:
        """From words in any case and spacing; `RecoveryError` says which word is wrong, or that one is mistyped."""
        words = phrase[:MAX_PHRASE].casefold().split()
        if unknown := [word for word in words if word not in _WORDS]:
            raise RecoveryError(f"{unknown[0][:32]} is not a word of a recovery phrase: look at what was written down")
        if len(words) != WORDS:
            raise RecoveryError(f"a recovery phrase has {WORDS} words; these are {len(words)}")
        try:
            return cls(user, bytes(_ENGLISH.to_entropy(words)))
        except ValueError:
            raise RecoveryError(
                "these words do not belong together: one is mistyped, or two have changed places"
            ) from None

    @property
    def phrase(self) -> str:
        """The twelve words."""
        return _ENGLISH.to_mnemonic(self._entropy)

    @property
    def secret(self) -> bytes:
        """What `Backup(user, secret)` is made from again."""
        return self._entropy

    def name(self, kind: str, name: str) -> str:
        """What an entry is called on the server: 64 hexadecimal digits."""
        return hmac.new(self._key(b"names"), statement("backup entry", kind, name), sha256).hexdigest()

    def seal(self, kind: str, name: str, value: bytes, random: Callable[[int], bytes]) -> wire.BackupEntry:
        """An entry for `PutBackup`; `RecoveryError` if ``value`` is longer than `MAX_BACKUP_VALUE` bytes."""
        if len(value) > MAX_BACKUP_VALUE:
            raise RecoveryError(f"{len(value)} bytes are too long to back up in one entry")
        outside, nonce = self.name(kind, name), random(_NONCE_BYTES)
        plain = msgspec.msgpack.encode(_Entry(kind, name, value))
        sealed = self._cipher().encrypt(nonce, plain, outside.encode("ascii"))
        return wire.BackupEntry(name=outside, sealed=to_base64(nonce + sealed))

    def open(self, entry: wire.BackupEntry) -> tuple[str, str, bytes]:
        """Kind, name and value; `RecoveryError` if it was sealed under other words, or is not what it is called."""
        data = from_base64(entry.sealed) or b""
        nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        try:
            outside = entry.name.encode("utf-8", "surrogatepass")
            kept = _entry.decode(self._cipher().decrypt(nonce, sealed, outside))
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            raise RecoveryError(
                "these words do not open the backup: they are another account's, or an older one's"
            ) from None
        if self.name(kept.kind, kept.name) != entry.name:
            raise RecoveryError("an entry of the backup is not what it is called")
        return kept.kind, kept.name, kept.value

    def _cipher(self) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(self._key(b"entries"))

    def _key(self, purpose: bytes) -> bytes:
        info = statement("recovery", folded(self.user), purpose)
        return HKDF(hashes.SHA256(), _KEY_BYTES, None, info).derive(self._entropy)
