"""CipherState (Noise section 5.1): one key, one counter.

What OpenSSL makes ready for a key takes two kilobytes and a microsecond. So the states that used theirs last keep it,
`MAX_READY_CIPHERS` of them, and of thousands of idle connections each has little more than its keys.
"""

from __future__ import annotations

from collections import deque
from typing import Final
from weakref import ref

from attrs import define, field
from cryptography.exceptions import InvalidTag

from encchat.errors import CounterExhaustedError, RecordError
from encchat.limits import MAX_READY_CIPHERS
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

    def initialize_key(self, key: bytes) -> None:
        """InitializeKey: take ``key`` and begin to count at zero."""
        self.k, self.n, self._aead = key, 0, None

    def has_key(self) -> bool:
        """HasKey."""
        return self.k is not None

    def set_nonce(self, nonce: int) -> None:
        """SetNonce."""
        self.n = nonce

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """EncryptWithAd: ciphertext and tag, or the plaintext itself while there is no key."""
        aead = self._aead or self._ready()
        if aead is None:
            return plaintext
        nonce = self._next_nonce()
        self.n += 1
        return aead.encrypt(nonce, plaintext, ad)

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """DecryptWithAd; `RecordError` when it does not authenticate, and then ``n`` stays as it was."""
        aead = self._aead or self._ready()
        if aead is None:
            return ciphertext
        try:
            plaintext = aead.decrypt(self._next_nonce(), ciphertext, ad)
        except InvalidTag:
            raise RecordError(f"record {self.n} does not authenticate") from None
        self.n += 1
        return plaintext

    def rekey(self) -> None:
        """Rekey (section 11.3): a new key out of the old one; ``n`` goes on."""
        if self.k is not None:
            # Section 4.2: "REKEY(k) ... the first 32 bytes from ENCRYPT(k, maxnonce, zerolen, zeros)".
            aead = self._cipher.under(self.k)
            self.k = aead.encrypt(self._cipher.nonce(MAX_NONCE), bytes(KEY_LENGTH), b"")[:KEY_LENGTH]
            self._aead = None

    def _ready(self) -> Aead | None:
        """The cipher under the key, if there is one; some other state's is given up for it."""
        if self.k is None:
            return None
        if len(_READY) >= MAX_READY_CIPHERS and (oldest := _READY.popleft()()) is not None:
            oldest._aead = None
        _READY.append(ref(self))
        self._aead = self._cipher.under(self.k)
        return self._aead

    def _next_nonce(self) -> bytes:
        if self.n >= MAX_NONCE:
            raise CounterExhaustedError("the last nonce of this key is used up: connect again")
        return self._cipher.nonce(self.n)


_READY: Final[deque[ref[CipherState]]] = deque()
"""Those that have a cipher ready, the one that has had it for longest first."""
