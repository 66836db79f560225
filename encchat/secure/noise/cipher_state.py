"""CipherState (Noise section 5.1): one key, one counter."""

from __future__ import annotations

from typing import Final

from attrs import define, field
from cryptography.exceptions import InvalidTag

from encchat.errors import CounterExhaustedError, RecordError
from encchat.secure.noise.functions import KEY_LENGTH, Aead, Cipher

MAX_NONCE: Final = 2**64 - 1
"""Section 5.1: "The maximum n value (2^64-1) is reserved for other use"."""


@define
class CipherState:
    """Encrypts and decrypts with a key ``k`` (32 bytes or none yet) and a nonce ``n`` that counts up."""

    _cipher: Cipher
    k: bytes | None = field(default=None, repr=False)
    n: int = field(init=False, default=0)
    _aead: Aead | None = field(init=False, default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.k is not None:
            self.initialize_key(self.k)

    def initialize_key(self, key: bytes) -> None:
        """InitializeKey: take ``key`` and begin to count at zero."""
        self.k, self.n, self._aead = key, 0, self._cipher.under(key)

    def has_key(self) -> bool:
        """HasKey."""
        return self.k is not None

    def set_nonce(self, nonce: int) -> None:
        """SetNonce."""
        self.n = nonce

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """EncryptWithAd: ciphertext and tag, or the plaintext itself while there is no key."""
        if self._aead is None:
            return plaintext
        nonce = self._next_nonce()
        self.n += 1
        return self._aead.encrypt(nonce, plaintext, ad)

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """DecryptWithAd; `RecordError` when it does not authenticate, and then ``n`` stays as it was."""
        if self._aead is None:
            return ciphertext
        try:
            plaintext = self._aead.decrypt(self._next_nonce(), ciphertext, ad)
        except InvalidTag:
            raise RecordError(f"record {self.n} does not authenticate") from None
        self.n += 1
        return plaintext

    def rekey(self) -> None:
        """Rekey (section 11.3): a new key out of the old one; ``n`` goes on."""
        if self._aead is not None:
            # Section 4.2: "REKEY(k) ... the first 32 bytes from ENCRYPT(k, maxnonce, zerolen, zeros)".
            self.k = self._aead.encrypt(self._cipher.nonce(MAX_NONCE), bytes(KEY_LENGTH), b"")[:KEY_LENGTH]
            self._aead = self._cipher.under(self.k)

    def _next_nonce(self) -> bytes:
        if self.n >= MAX_NONCE:
            raise CounterExhaustedError("the last nonce of this key is used up: connect again")
        return self._cipher.nonce(self.n)
