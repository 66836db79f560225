"""HandshakeState (Noise section 5.3): one run of a handshake pattern.

The pattern's tokens are data. Writing or reading a message takes the next message pattern and lets each token work on
the `SymmetricState`; after the last one `split` gives the two transport cipher states. A message that cannot be read
raises `encchat.errors.HandshakeError`, and the state must not be used again: its hash has moved on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from attrs import define, field

from encchat.errors import HandshakeError, RecordError
from encchat.limits import MAX_FRAME, TAG_LENGTH
from encchat.secure.noise.cipher_state import CipherState
from encchat.secure.noise.functions import Kem, KemPair, KeyPair
from encchat.secure.noise.patterns import Message, Tokens
from encchat.secure.noise.protocol import NoiseProtocol
from encchat.secure.noise.symmetric_state import SymmetricState

PSK_LENGTH: Final = 32

_T = TypeVar("_T")


@define
class HandshakeState:
    """``s`` and ``e`` are our static and ephemeral keys, ``rs`` and ``re`` the peer's raw public ones."""

    _protocol: NoiseProtocol
    _initiator: bool
    _symmetric: SymmetricState
    _s: KeyPair | None
    _rs: bytes | None
    _psks: list[bytes] = field(repr=False)
    _remaining: list[Message]
    _e: KeyPair | None = None
    _re: bytes | None = None
    _e1: KemPair | None = None
    _re1: bytes | None = None

    @classmethod
    def initialize(
        cls,
        protocol: NoiseProtocol,
        initiator: bool,
        prologue: bytes = b"",
        s: KeyPair | None = None,
        rs: bytes | None = None,
        psks: Sequence[bytes] = (),
    ) -> HandshakeState:
        """Initialize; ``rs`` where the pattern has it as a pre-message, ``psks`` (32 bytes each) in their order."""
        symmetric = SymmetricState.initialize(protocol.name.encode("ascii"), protocol.cipher, protocol.hash)
        symmetric.mix_hash(prologue)
        state = cls(protocol, initiator, symmetric, s, rs, list(psks), list(protocol.pattern.messages))
        # Section 5.3: the initiator's pre-message public keys are hashed first.
        if protocol.pattern.initiator_known:
            symmetric.mix_hash(state._static_of(initiator))
        if protocol.pattern.responder_known:
            symmetric.mix_hash(state._static_of(not initiator))
        return state

    @property
    def finished(self) -> bool:
        """Whether all messages are done and `split` may be called."""
        return not self._remaining

    @property
    def handshake_hash(self) -> bytes:
        """``h``: once finished, both parties' unique name of this channel (section 11.2)."""
        return self._symmetric.h

    def static_shown(self) -> bytes:
        """``rs``: the peer's raw static public key, proven once the messages with its DH tokens are read."""
        return self._static_of(False)

    def write_message(self, payload: bytes) -> bytes:
        """WriteMessage; `HandshakeError` out of turn, or if the message would be over 65,535 bytes."""
        parts = [self._write(token) for token in self._take_turn(self._initiator)]
        parts.append(self._symmetric.encrypt_and_hash(payload))
        message = b"".join(parts)
        if len(message) > MAX_FRAME:
            raise HandshakeError(f"a handshake message has at most {MAX_FRAME} bytes, not {len(message)}")
        return message

    def read_message(self, message: bytes) -> bytes:
        """ReadMessage: the payload; `HandshakeError` out of turn or for a message that is cut short or forged."""
        if len(message) > MAX_FRAME:
            raise HandshakeError(f"a handshake message has at most {MAX_FRAME} bytes, not {len(message)}")
        place = 0
        try:
            for token in self._take_turn(not self._initiator):
                place += self._read(token, message, place)
            return self._symmetric.decrypt_and_hash(message[place:])
        except RecordError:
            raise HandshakeError("a handshake message does not authenticate") from None

    def split(self) -> tuple[CipherState, CipherState]:
        """Split: the state for what the initiator sends, and for what the responder sends."""
        if self._remaining:
            raise HandshakeError("the handshake is not finished")
        return self._symmetric.split()

    def _take_turn(self, from_initiator: bool) -> Tokens:
        if not self._remaining or self._remaining[0].from_initiator != from_initiator:
            raise HandshakeError("a handshake message is out of order")
        return self._remaining.pop(0).tokens

    def _write(self, token: str) -> bytes:
        match token:
            case "e":
                self._e = self._protocol.dh.generate()
                self._mix_ephemeral(self._e.public)
                return self._e.public
            case "s":
                return self._symmetric.encrypt_and_hash(self._static_of(True))
            case "e1":
                self._e1 = self._kem().generate()
                return self._symmetric.encrypt_and_hash(self._e1.public)
            case "ekem1":
                return self._write_ekem1()
        self._mix(token)
        return b""

    def _read(self, token: str, message: bytes, place: int) -> int:
        """Work ``token`` on what stands at ``place`` of ``message``; the number of bytes it took."""
        match token:
            case "e":
                self._re = _cut(message, place, self._protocol.dh.length)
                self._mix_ephemeral(self._re)
                return len(self._re)
            case "s":
                self._rs, length = self._decrypt(message, place, self._protocol.dh.length)
                return length
            case "e1":
                self._re1, length = self._decrypt(message, place, self._kem().public_length)
                return length
            case "ekem1":
                return self._read_ekem1(message, place)
        self._mix(token)
        return 0

    def _write_ekem1(self) -> bytes:
        try:
            secret, ciphertext = self._kem().encapsulate(_needed(self._re1, "re1"))
        except ValueError:
            raise HandshakeError("the peer's KEM public key is none") from None
        # Noise HFS section 4: the ciphertext goes out under the old key, then its secret is mixed in.
        sealed = self._symmetric.encrypt_and_hash(ciphertext)
        self._symmetric.mix_key(secret)
        return sealed

    def _read_ekem1(self, message: bytes, place: int) -> int:
        ciphertext, length = self._decrypt(message, place, self._kem().ciphertext_length)
        self._symmetric.mix_key(_needed(self._e1, "e1").decapsulate(ciphertext))
        return length

    def _mix(self, token: str) -> None:
        match token:
            case "ee":
                self._mix_dh(self._e, self._re)
            case "ss":
                self._mix_dh(self._s, self._rs)
            # Section 5.3: "es" is the initiator's e with the responder's s, whoever computes it; "se" the reverse.
            case "es" if self._initiator:
                self._mix_dh(self._e, self._rs)
            case "es":
                self._mix_dh(self._s, self._re)
            case "se" if self._initiator:
                self._mix_dh(self._s, self._re)
            case "se":
                self._mix_dh(self._e, self._rs)
            case _:  # "psk"
                self._mix_psk()

    def _mix_dh(self, pair: KeyPair | None, public: bytes | None) -> None:
        try:
            secret = _needed(pair, "a key of ours").agree(_needed(public, "a key of the peer"))
        except ValueError:
            raise HandshakeError("the peer's public key has small order") from None
        self._symmetric.mix_key(secret)

    def _mix_psk(self) -> None:
        if not self._psks or len(self._psks[0]) != PSK_LENGTH:
            raise HandshakeError(f"the handshake needs a pre-shared key of {PSK_LENGTH} bytes")
        self._symmetric.mix_key_and_hash(self._psks.pop(0))

    def _mix_ephemeral(self, public: bytes) -> None:
        self._symmetric.mix_hash(public)
        # Section 9.2: "In handshakes that use a psk, all 'e' tokens are followed by MixKey(e.public_key)".
        if self._protocol.pattern.has_psk:
            self._symmetric.mix_key(public)

    def _decrypt(self, message: bytes, place: int, length: int) -> tuple[bytes, int]:
        """DecryptAndHash of ``length`` bytes and, once there is a key, their tag; with the bytes that took."""
        sealed = length + TAG_LENGTH if self._symmetric.has_key() else length
        return self._symmetric.decrypt_and_hash(_cut(message, place, sealed)), sealed

    def _static_of(self, ours: bool) -> bytes:
        return _needed(self._s, "s").public if ours else _needed(self._rs, "rs")

    def _kem(self) -> Kem:
        return _needed(self._protocol.kem, "a KEM")


def _cut(message: bytes, place: int, length: int) -> bytes:
    part = message[place : place + length]
    if len(part) != length:
        raise HandshakeError("a handshake message is cut short")
    return part


def _needed(value: _T | None, name: str) -> _T:
    if value is None:
        raise HandshakeError(f"the handshake needs {name}, which it was not given")
    return value
