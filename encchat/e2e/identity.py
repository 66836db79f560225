"""An account's identity key: made, signed with, verified, changed for another, kept.

Ed25519 (RFC 8032) by default; RSASSA-PSS (RFC 8017 section 8.1, SHA-256 with a salt of 32 bytes) and DSA (FIPS 186-4,
SHA-256) by choice. An account that changes its key keeps the whole chain public: each key is signed by the one before.
Verifying never raises, whatever bytes it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Final, Literal, Self

import msgspec
from attrs import field, frozen
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from vodozemac import Ed25519PublicKey, Ed25519Signature

from encchat import wire
from encchat.e2e import statements
from encchat.e2e.base64s import from_base64, to_base64
from encchat.errors import RecoveryError
from encchat.limits import DSA_BITS, DSA_ORDER_BITS, IDENTITY_RSA_BITS, MAX_IDENTITIES, MAX_IDENTITY_RSA_BITS

Private = Ed25519PrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey
Public = Ed25519PublicKey | rsa.RSAPublicKey | dsa.DSAPublicKey

SIGNATURES: Final[dict[wire.Algorithm, Literal["ed25519", "rsa-pss", "dsa"]]] = {
    "ed25519": "ed25519",
    "rsa": "rsa-pss",
    "dsa": "dsa",
}
"""What a signature is called on screen, by the algorithm of its key."""

_PSS: Final = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
_RSA_EXPONENT: Final = 65_537
_KEY_BYTES: Final = 32

# Ed25519 points of small order, in every spelling: under them one signature fits many messages (RFC 8032 section 5.1.7
# leaves it open whether to refuse them; Chalkias et al., "Taming the many EdDSAs", section 2, lists them).
_P: Final = 2**255 - 19
_ORDER_8: Final = (
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
)


def _spellings() -> frozenset[bytes]:
    heights = (0, 1, _P - 1, _P, _P + 1, *_ORDER_8)
    return frozenset((y | sign << 255).to_bytes(32, "little") for y in heights for sign in (0, 1))


_SMALL_ORDER: Final = _spellings()


class _Exported(msgspec.Struct, frozen=True, kw_only=True):
    algorithm: wire.Algorithm
    number: int
    private: bytes


_exported: Final = msgspec.msgpack.Decoder(_Exported)


@frozen
class IdentityKey:
    """The private part, which never leaves the account's devices; ``number`` counts its changes from 1."""

    algorithm: wire.Algorithm
    number: int
    _private: Private = field(repr=False)

    @classmethod
    def make(cls, algorithm: wire.Algorithm, random: Callable[[int], bytes], number: int = 1) -> Self:
        """A fresh one; ``random`` serves Ed25519, the others take the system's. DSA's parameters take a second."""
        match algorithm:
            case "ed25519":
                return cls(algorithm, number, Ed25519PrivateKey.from_private_bytes(random(_KEY_BYTES)))
            case "rsa":
                return cls(algorithm, number, rsa.generate_private_key(_RSA_EXPONENT, IDENTITY_RSA_BITS))
            case "dsa":
                return cls(algorithm, number, dsa.generate_private_key(DSA_BITS))

    @property
    def public(self) -> wire.Identity:
        """What is published of the first key; for later ones see `successor`."""
        return wire.Identity(algorithm=self.algorithm, key=to_base64(_public_bytes(self._private)), number=self.number)

    def sign(self, statement: bytes) -> str:
        """The signature over a statement of `encchat.e2e.statements`, in base64."""
        match self._private:
            case Ed25519PrivateKey() as key:
                return to_base64(key.sign(statement))
            case rsa.RSAPrivateKey() as key:
                return to_base64(key.sign(statement, _PSS, hashes.SHA256()))
            case key:
                return to_base64(key.sign(statement, hashes.SHA256()))

    def successor(
        self, user: str, algorithm: wire.Algorithm, random: Callable[[int], bytes]
    ) -> tuple[IdentityKey, wire.Identity]:
        """The account's next key, and what is published of it, signed by this one."""
        key = IdentityKey.make(algorithm, random, self.number + 1)
        return key, self.followed_by(user, key)

    def followed_by(self, user: str, key: IdentityKey) -> wire.Identity:
        """What is published of ``key``, the account's next one, signed by this one."""
        signature = self.sign(statements.identity_change(user, self.public, key.public))
        return msgspec.structs.replace(key.public, signature=signature)

    def export(self) -> bytes:
        """The private part as bytes, to be sealed before they go anywhere."""
        form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        private = self._private.private_bytes(*form)
        return msgspec.msgpack.encode(_Exported(algorithm=self.algorithm, number=self.number, private=private))

    @classmethod
    def load(cls, data: bytes) -> Self:
        """What `export` gave; `RecoveryError` for anything else."""
        try:
            kept = _exported.decode(data)
            private = serialization.load_der_private_key(kept.private, None)
        except (msgspec.MsgspecError, ValueError, TypeError, UnsupportedAlgorithm):
            raise RecoveryError("what was kept as the identity key is none") from None
        if not isinstance(private, Private) or kept.number not in range(1, MAX_IDENTITIES + 1):
            raise RecoveryError("what was kept as the identity key is none")
        key = cls(kept.algorithm, kept.number, private)
        if _public_key(key.public) is None:
            raise RecoveryError("the identity key is weaker than encchat allows, or not what it is called")
        return key


def _public_bytes(private: Private) -> bytes:
    """Raw for Ed25519, else SubjectPublicKeyInfo in DER."""
    if isinstance(private, Ed25519PrivateKey):
        return private.public_key().public_bytes_raw()
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form)


def same_key(one: wire.Identity, other: wire.Identity) -> bool:
    """Whether both are the same public key, wherever they stand in a chain."""
    return (one.algorithm, one.key) == (other.algorithm, other.key)


def fingerprint(identity: wire.Identity) -> str:
    """``ed25519 SHA256:`` and the unpadded base64 of the SHA-256 of the public key, as ssh prints it."""
    data = from_base64(identity.key) or b""
    return f"{identity.algorithm} SHA256:{to_base64(sha256(data).digest())}"


def verify(identity: wire.Identity, statement: bytes, signature: str) -> bool:
    """Whether ``identity`` made ``signature`` (base64) over ``statement``; False for a key encchat would not make."""
    key, made = _public_key(identity), from_base64(signature)
    if key is None or not made:
        return False
    try:
        match key:
            case Ed25519PublicKey():
                # A third of the time that OpenSSL takes, and every message and device is verified.
                key.verify_signature(statement, Ed25519Signature.from_base64(signature))
            case rsa.RSAPublicKey():
                key.verify(made, statement, _PSS, hashes.SHA256())
            case _:
                key.verify(made, statement, hashes.SHA256())
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def usable(identity: wire.Identity) -> bool:
    """Whether it is a public key that encchat would make: of its algorithm, long enough, not degenerate."""
    return _public_key(identity) is not None


def verify_with_device(ed25519: str, statement: bytes, signature: str) -> bool:
    """Whether the device whose Ed25519 key this is (base64) made ``signature`` over ``statement``."""
    return verify(wire.Identity(algorithm="ed25519", key=ed25519), statement, signature)


def verify_chain(user: str, identities: Sequence[wire.Identity]) -> bool:
    """Whether these are all identity keys of ``user``: numbered from 1, each signed by the one before, none twice."""
    if not identities or [one.number for one in identities] != list(range(1, len(identities) + 1)):
        return False
    if identities[0].signature or len({(one.algorithm, one.key) for one in identities}) != len(identities):
        return False
    return usable(identities[0]) and all(_follows(user, before, after) for before, after in pairwise(identities))


def _follows(user: str, before: wire.Identity, after: wire.Identity) -> bool:
    statement = statements.identity_change(user, before, after)
    return usable(after) and verify(before, statement, after.signature)


def of_number(identities: Sequence[wire.Identity], number: int) -> wire.Identity | None:
    """The key of that number in a chain."""
    return next((one for one in identities if one.number == number), None)


def _public_key(identity: wire.Identity) -> Public | None:
    return _checked(identity.algorithm, identity.key)


@lru_cache(maxsize=1_000)
def _checked(algorithm: wire.Algorithm, text: str) -> Public | None:
    """Remembered, since checking a DSA key takes 5 ms and every message asks; nothing secret is in here."""
    data = from_base64(text)
    if data is None:
        return None
    if algorithm == "ed25519":
        return _ed25519(data)
    try:
        key = serialization.load_der_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if _in_der(key) != data:
        return None
    if algorithm == "rsa":
        return key if isinstance(key, rsa.RSAPublicKey) and _is_good_rsa(key) else None
    return key if isinstance(key, dsa.DSAPublicKey) and _is_good_dsa(key) else None


def _in_der(key: object) -> bytes | None:
    if not isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        return None
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _ed25519(data: bytes) -> Ed25519PublicKey | None:
    if len(data) != _KEY_BYTES or data in _SMALL_ORDER:
        return None
    try:
        return Ed25519PublicKey.from_base64(to_base64(data))
    except ValueError:
        return None  # 32 bytes that are no point of the curve


def _is_good_rsa(key: rsa.RSAPublicKey) -> bool:
    """Sizes are bounded on both sides: a huge modulus would keep who verifies busy."""
    size_fits = IDENTITY_RSA_BITS <= key.key_size <= MAX_IDENTITY_RSA_BITS
    return size_fits and key.public_numbers().e == _RSA_EXPONENT


def _is_good_dsa(key: dsa.DSAPublicKey) -> bool:
    """FIPS 186-4 section 4.1, and SP 800-89 section 5.3.1: generator and key are of the order q, and not 1."""
    numbers = key.public_numbers()
    p, q, g = numbers.parameter_numbers.p, numbers.parameter_numbers.q, numbers.parameter_numbers.g
    if p.bit_length() != DSA_BITS or q.bit_length() != DSA_ORDER_BITS or (p - 1) % q:
        return False
    return all(1 < element < p and pow(element, q, p) == 1 for element in (g, numbers.y))
