"""Keys of both sides, the server's voucher for its static key, and what a finished handshake has proven."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from attrs import Attribute, field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from encchat.errors import ConfigurationError, HandshakeError, PinMismatchError
from encchat.limits import MIN_RSA_BITS
from encchat.secure.noise import KeyPair, x25519_pair

STATIC_DOMAIN: Final = b"encchat server static v1\0"
IDENTITY_LENGTH: Final = 32
SIGNATURE_LENGTH: Final = 64


def fingerprint(identity: bytes) -> str:
    """``SHA256:`` and the unpadded base64 of the SHA-256 of a raw 32-byte Ed25519 public key, as ssh prints it."""
    digest = hashlib.sha256(identity).digest()
    return "SHA256:" + base64.b64encode(digest).rstrip(b"=").decode("ascii")


@frozen
class Peer:
    """Who is at the other end; keys are raw 32 bytes, ``identity`` is the server's, None as the server sees it."""

    suite: str
    static: bytes
    identity: bytes | None
    handshake_hash: bytes


def _is_long_enough(_: object, __: Attribute[RSAPrivateKey | None], key: RSAPrivateKey | None) -> None:
    if key is not None and key.key_size < MIN_RSA_BITS:
        raise ConfigurationError(f"the RSA key has {key.key_size} bits; it needs {MIN_RSA_BITS} or more")


@frozen
class ServerKeys:
    """What a server answers handshakes with; `ConfigurationError` for an RSA key that is too short.

    ``voucher`` is the identity key (32) and its signature (64) over the static key: message 2's payload in Noise.
    It and ``pair`` are what all handshakes have in common, made once.
    """

    identity: Ed25519PrivateKey
    static: X25519PrivateKey
    rsa: RSAPrivateKey | None = field(default=None, validator=_is_long_enough)
    pair: KeyPair = field(init=False, repr=False)
    voucher: bytes = field(init=False, repr=False)

    @pair.default
    def _make_pair(self) -> KeyPair:
        return x25519_pair(self.static)

    @voucher.default
    def _make_voucher(self) -> bytes:
        return self.identity.public_key().public_bytes_raw() + self.identity.sign(STATIC_DOMAIN + self.pair.public)


@frozen
class ClientKeys:
    """What a client begins handshakes with; ``pin`` is a fingerprint, None accepts any server identity."""

    static: X25519PrivateKey
    pin: str | None = None
    rsa_pin: RSAPublicKey | None = None


def check_identity(identity: bytes, signature: bytes, signed: bytes, pin: str | None) -> None:
    """Raise unless ``identity`` made ``signature`` over ``signed`` (`HandshakeError`) and is ``pin``'s.

    The signature is looked at first: a `PinMismatchError` names an identity that was really shown.
    """
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise HandshakeError("the server's identity did not sign the key that the server uses") from None
    shown = fingerprint(identity)
    if pin is not None and pin != shown:
        raise PinMismatchError(pin, shown)


def check_voucher(voucher: bytes, static: bytes, pin: str | None) -> bytes:
    """The identity out of message 2's payload, once its signature over ``static`` and ``pin`` are checked."""
    if len(voucher) != IDENTITY_LENGTH + SIGNATURE_LENGTH:
        raise HandshakeError("the server's second handshake message has a payload of the wrong length")
    identity, signature = voucher[:IDENTITY_LENGTH], voucher[IDENTITY_LENGTH:]
    check_identity(identity, signature, STATIC_DOMAIN + static, pin)
    return identity
