"""SymmetricState (Noise section 5.2): the chaining key and the handshake hash."""

from __future__ import annotations

from attrs import define, field

from encchat.secure.noise.cipher_state import CipherState
from encchat.secure.noise.functions import KEY_LENGTH, Aead, Cipher, Hash


@define
class _BriefCipherState(CipherState):
    """That of a handshake: each key seals one or two things and is gone.

    Its ciphers are not among those kept ready, or a few hundred newcomers would have all others make theirs again.
    """

    def _ready(self) -> Aead | None:
        self._aead = None if self.k is None else self._cipher.under(self.k)
        return self._aead


@define
class SymmetricState:
    """``ck`` and ``h`` of HASHLEN bytes each, and the handshake's own `CipherState`."""

    _hash: Hash
    _cipher: Cipher
    _ck: bytes = field(repr=False)
    h: bytes
    _cipher_state: CipherState

    @classmethod
    def initialize(cls, protocol_name: bytes, cipher: Cipher, hash_: Hash) -> SymmetricState:
        """InitializeSymmetric."""
        # Section 5.2: a name of at most HASHLEN bytes is padded with zeros, a longer one is hashed.
        short = len(protocol_name) <= hash_.length
        h = protocol_name.ljust(hash_.length, b"\0") if short else hash_.digest(protocol_name)
        return cls(hash_, cipher, h, h, _BriefCipherState(cipher))

    def has_key(self) -> bool:
        """Whether what is sent now is encrypted."""
        return self._cipher_state.has_key()

    def mix_key(self, material: bytes) -> None:
        """MixKey."""
        self._ck, key = self._hash.hkdf(self._ck, material, 2)
        self._cipher_state.initialize_key(key[:KEY_LENGTH])

    def mix_hash(self, data: bytes) -> None:
        """MixHash."""
        self.h = self._hash.digest(self.h + data)

    def mix_key_and_hash(self, material: bytes) -> None:
        """MixKeyAndHash, for pre-shared keys."""
        self._ck, temporary, key = self._hash.hkdf(self._ck, material, 3)
        self.mix_hash(temporary)
        self._cipher_state.initialize_key(key[:KEY_LENGTH])

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """EncryptAndHash."""
        ciphertext = self._cipher_state.encrypt_with_ad(self.h, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """DecryptAndHash; `RecordError` when it does not authenticate."""
        plaintext = self._cipher_state.decrypt_with_ad(self.h, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        """Split: the initiator's sending state, then the responder's."""
        first, second = self._hash.hkdf(self._ck, b"", 2)
        return CipherState(self._cipher, first[:KEY_LENGTH]), CipherState(self._cipher, second[:KEY_LENGTH])
