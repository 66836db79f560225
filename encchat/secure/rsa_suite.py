"""The suite `rsa-aes128gcm`: a key the client makes, sent under the server's RSA key. It has no forward secrecy.

::

    1  client -> server   random (32)
    2  server -> client   random (32), static X25519 key (32), identity key (32), RSA key (2 bytes of length, then a
                          SubjectPublicKeyInfo in DER), the identity's signature (64)
    3  client -> server   RSA-OAEP-SHA256(fresh seed (32)), AES-128-GCM(device X25519 key (32), proof (32))

All of it goes into a running SHA-256 (`rsa_schedule.Transcript`), the prologue first. The signature is over a domain
string and the hash of what stands before it. The sealed block's key is HKDF-SHA256 of the seed, salted with the hash
after the OAEP ciphertext; it is used once, with nonce zero and that hash as associated data. The proof is an HMAC under
the X25519 secret of device key and server static key: only the device key's owner can make it, for this handshake only.
The random bytes of both sides make an old handshake worthless against either. The record keys come from the seed and
the hash of everything, which is also the handshake hash.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from attrs import define, frozen
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from encchat.errors import ConfigurationError, HandshakeError
from encchat.limits import MAX_RSA_BITS, MIN_RSA_BITS, TAG_LENGTH
from encchat.secure.identity import (
    IDENTITY_LENGTH,
    SIGNATURE_LENGTH,
    ClientKeys,
    Peer,
    ServerKeys,
    check_identity,
)
from encchat.secure.interfaces import Handshake, Session
from encchat.secure.rsa_schedule import AES_KEY_LENGTH, PROOF_LENGTH, Transcript, derived, proof, record_keys
from encchat.secure.rsa_session import IV_LENGTH, Direction, RsaSession

NAME: Final = "rsa-aes128gcm"
RSA_SIGNATURE_DOMAIN: Final = b"encchat server rsa-aes128gcm v1\0"
RANDOM_LENGTH: Final = 32
SEED_LENGTH: Final = 32
X25519_LENGTH: Final = 32
BLOCK_LENGTH: Final = X25519_LENGTH + PROOF_LENGTH + TAG_LENGTH

_HELLO_LENGTH: Final = RANDOM_LENGTH + X25519_LENGTH + IDENTITY_LENGTH + 2
OAEP_SHA256: Final = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)

Random = Callable[[int], bytes]


@define
class _Initiator:
    """What comes next is ``_next``: begin, message 2, or nothing more."""

    _keys: ClientKeys
    _random: Random
    _transcript: Transcript
    _next: str = "begin"

    def advance(self, message: bytes | None) -> tuple[bytes | None, Session | None]:
        """None makes message 1; message 2 makes message 3 and the session."""
        expected, self._next = self._next, "nothing"
        if expected == "begin" and message is None:
            self._next = "message 2"
            first = self._random(RANDOM_LENGTH)
            self._transcript.add(first)
            return first, None
        if expected != "message 2" or message is None:
            raise HandshakeError(f"a handshake message is out of order, {expected} was expected")
        return self._finish(message)

    def _finish(self, message: bytes) -> tuple[bytes, Session]:
        hello = _Hello.parsed(message)
        signed = RSA_SIGNATURE_DOMAIN + self._transcript.add(hello.signed)
        check_identity(hello.identity, hello.signature, signed, self._keys.pin)
        self._transcript.add(hello.signature)
        rsa = _checked_rsa(hello.rsa, self._keys.rsa_pin)
        seed = self._random(SEED_LENGTH)
        wrapped = rsa.encrypt(seed, OAEP_SHA256)
        bound = self._transcript.add(wrapped)
        device = self._keys.static.public_key().public_bytes_raw()
        claim = device + proof(self._keys.static, hello.static, device, bound)
        block = _block_cipher(seed, bound).encrypt(bytes(IV_LENGTH), claim, bound)
        final = self._transcript.add(block)
        sending, receiving = map(Direction, record_keys(seed, final))
        peer = Peer(NAME, hello.static, hello.identity, final)
        return wrapped + block, RsaSession(peer, self._random, sending, receiving)


@define
class _Responder:
    """What comes next is ``_next``: message 1, message 3, or nothing more."""

    _keys: ServerKeys
    _rsa: RSAPrivateKey
    _random: Random
    _transcript: Transcript
    _next: str = "message 1"

    def advance(self, message: bytes | None) -> tuple[bytes | None, Session | None]:
        """Message 1 makes message 2; message 3 makes the session."""
        expected, self._next = self._next, "nothing"
        if expected == "nothing" or message is None:
            raise HandshakeError(f"a handshake message is out of order, {expected} was expected")
        if expected == "message 1":
            self._next = "message 3"
            return self._hello(message), None
        return None, self._finish(message)

    def _hello(self, first: bytes) -> bytes:
        if len(first) != RANDOM_LENGTH:
            raise HandshakeError(f"handshake message 1 has {len(first)} bytes instead of {RANDOM_LENGTH}")
        self._transcript.add(first)
        rsa = self._rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        static = self._keys.static.public_key().public_bytes_raw()
        identity = self._keys.identity.public_key().public_bytes_raw()
        hello = self._random(RANDOM_LENGTH) + static + identity + len(rsa).to_bytes(2, "big") + rsa
        signature = self._keys.identity.sign(RSA_SIGNATURE_DOMAIN + self._transcript.add(hello))
        self._transcript.add(signature)
        return hello + signature

    def _finish(self, message: bytes) -> Session:
        wrapped, block = message[:-BLOCK_LENGTH], message[-BLOCK_LENGTH:]
        bound = self._transcript.add(wrapped)
        seed = self._unwrapped(wrapped)
        try:
            claim = _block_cipher(seed, bound).decrypt(bytes(IV_LENGTH), block, bound)
        except InvalidTag:
            raise HandshakeError("handshake message 3 does not authenticate") from None
        device, shown = claim[:X25519_LENGTH], claim[X25519_LENGTH:]
        if not hmac.compare_digest(shown, proof(self._keys.static, device, device, bound)):
            raise HandshakeError("the client does not own the device key it shows")
        final = self._transcript.add(block)
        receiving, sending = map(Direction, record_keys(seed, final))
        return RsaSession(Peer(NAME, device, None, final), self._random, sending, receiving)

    def _unwrapped(self, wrapped: bytes) -> bytes:
        try:
            seed = self._rsa.decrypt(wrapped, OAEP_SHA256)
        except ValueError:
            seed = b""
        if len(seed) != SEED_LENGTH:
            raise HandshakeError("handshake message 3 holds no seed under the server's RSA key")
        return seed


@frozen
class _Hello:
    """Message 2 taken apart; ``signed`` is all that stands before the signature."""

    signed: bytes
    static: bytes
    identity: bytes
    rsa: bytes
    signature: bytes

    @classmethod
    def parsed(cls, message: bytes) -> _Hello:
        end = _HELLO_LENGTH + int.from_bytes(message[_HELLO_LENGTH - 2 : _HELLO_LENGTH], "big")
        if len(message) != end + SIGNATURE_LENGTH:
            raise HandshakeError("handshake message 2 is cut short or too long")
        static = message[RANDOM_LENGTH : RANDOM_LENGTH + X25519_LENGTH]
        identity = message[RANDOM_LENGTH + X25519_LENGTH : _HELLO_LENGTH - 2]
        return cls(message[:end], static, identity, message[_HELLO_LENGTH:end], message[end:])


def _checked_rsa(der: bytes, pin: RSAPublicKey | None) -> RSAPublicKey:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise HandshakeError("the server's RSA key cannot be read") from None
    if not isinstance(key, RSAPublicKey) or not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise HandshakeError(f"the server's key is no RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    if pin is not None and key != pin:
        raise HandshakeError("the server's RSA key is not the pinned one: somebody may be listening in")
    return key


def _block_cipher(seed: bytes, bound: bytes) -> AESGCM:
    return AESGCM(derived(seed, bound, b"message 3", AES_KEY_LENGTH))


@frozen
class RsaSuite:
    """The `Suite`; ``random`` gives as many random bytes as it is asked for."""

    random: Random

    @property
    def name(self) -> str:
        """The name in the preamble."""
        return NAME

    def initiate(self, prologue: bytes, keys: ClientKeys) -> Handshake:
        """The client's side."""
        return _Initiator(keys, self.random, _begun(prologue))

    def respond(self, prologue: bytes, keys: ServerKeys) -> Handshake:
        """The server's side; `ConfigurationError` without an RSA key."""
        if keys.rsa is None:
            raise ConfigurationError(f"the suite {NAME} needs the server's RSA key: give a PEM file with --rsa-key")
        return _Responder(keys, keys.rsa, self.random, _begun(prologue))


def _begun(prologue: bytes) -> Transcript:
    transcript = Transcript()
    transcript.add(prologue)
    return transcript
