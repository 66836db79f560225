"""Records of the suite `rsa-aes128gcm`: a random IV (12 bytes), then AES-128-GCM ciphertext and tag.

The running counter (8 bytes, big endian) is the associated data, so that a record which is replayed, dropped or out of
its order does not authenticate. Every `REKEY_AFTER_RECORDS` records the key is replaced by one derived from it: random
IVs under one key stay far from meeting each other.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from attrs import define, field
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from encchat.errors import CounterExhaustedError, FrameError, RecordError
from encchat.limits import MAX_FRAME, REKEY_AFTER_RECORDS, TAG_LENGTH
from encchat.secure.identity import Peer
from encchat.secure.rsa_schedule import AES_KEY_LENGTH, derived

IV_LENGTH: Final = 12
MAX_RSA_PLAINTEXT: Final = MAX_FRAME - IV_LENGTH - TAG_LENGTH
MAX_COUNTER: Final = 2**64 - 1
"""Never used, as Noise never uses its last nonce."""

_COUNTER: Final = Struct(">Q").pack


@define
class Direction:
    """The key of one direction and the number of its next record."""

    _key: bytes = field(repr=False)
    counter: int = 0
    _aead: AESGCM = field(init=False, repr=False)

    @_aead.default
    def _make_aead(self) -> AESGCM:
        return AESGCM(self._key)

    def seal(self, iv: bytes, plaintext: bytes) -> bytes:
        """The next record; ``iv`` is fresh from a random source."""
        record = iv + self._aead.encrypt(iv, plaintext, self._associated_data())
        self._count()
        return record

    def open(self, record: bytes) -> bytes:
        """The next record's plaintext; after a `RecordError` nothing has changed."""
        try:
            if len(record) < IV_LENGTH + TAG_LENGTH:
                raise InvalidTag
            plaintext = self._aead.decrypt(record[:IV_LENGTH], record[IV_LENGTH:], self._associated_data())
        except InvalidTag:
            raise RecordError(f"record {self.counter} does not authenticate") from None
        self._count()
        return plaintext

    def _associated_data(self) -> bytes:
        if self.counter >= MAX_COUNTER:
            raise CounterExhaustedError("the last record of this key is used up: connect again")
        return _COUNTER(self.counter)

    def _count(self) -> None:
        self.counter += 1
        if not self.counter % REKEY_AFTER_RECORDS:
            self._key = derived(self._key, b"", b"rekey", AES_KEY_LENGTH)
            self._aead = AESGCM(self._key)


@define
class RsaSession:
    """Records in both directions; ``random`` gives as many random bytes as it is asked for."""

    peer: Peer
    _random: Callable[[int], bytes]
    _sending: Direction
    _receiving: Direction
    max_plaintext: int = field(init=False, default=MAX_RSA_PLAINTEXT)

    def seal(self, plaintext: bytes) -> bytes:
        """One record: IV, ciphertext, tag."""
        if len(plaintext) > MAX_RSA_PLAINTEXT:
            raise FrameError(f"a record holds at most {MAX_RSA_PLAINTEXT} bytes, not {len(plaintext)}")
        return self._sending.seal(self._random(IV_LENGTH), plaintext)

    def open(self, record: bytes) -> bytes:
        """The plaintext of the next record."""
        return self._receiving.open(record)
