"""The suites `noise` and `noise-hybrid`: a Noise XX handshake whose second message vouches for the server's static key.

Message 2 carries the server identity and its signature over the Noise static key, so that the static key can rotate
under one pin. The client checks both before message 3 exists: a wrong server never sees the device's key. Message 3
carries that key, which is the proof for a device login. The payloads of messages 1 and 3 are empty.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from encchat.errors import FrameError, HandshakeError
from encchat.limits import MAX_FRAME, REKEY_AFTER_RECORDS, TAG_LENGTH
from encchat.secure.identity import ClientKeys, Peer, ServerKeys, check_voucher
from encchat.secure.interfaces import Handshake, Session
from encchat.secure.noise import CipherState, HandshakeState, KeyPair, NoiseProtocol, x25519_pair

MAX_NOISE_PLAINTEXT: Final = MAX_FRAME - TAG_LENGTH


@define
class NoiseSession:
    """Records under the two cipher states of a finished Noise handshake; each rekeys by its own count."""

    peer: Peer
    _sending: CipherState
    _receiving: CipherState
    max_plaintext: int = field(init=False, default=MAX_NOISE_PLAINTEXT)

    def seal(self, plaintext: bytes) -> bytes:
        """One record: ciphertext and tag."""
        if len(plaintext) > MAX_NOISE_PLAINTEXT:
            raise FrameError(f"a record holds at most {MAX_NOISE_PLAINTEXT} bytes, not {len(plaintext)}")
        sending = self._sending
        record = sending.encrypt_with_ad(b"", plaintext)
        if not sending.n % REKEY_AFTER_RECORDS:
            sending.rekey()
        return record

    def open(self, record: bytes) -> bytes:
        """The plaintext of the next record."""
        receiving = self._receiving
        plaintext = receiving.decrypt_with_ad(b"", record)
        if not receiving.n % REKEY_AFTER_RECORDS:
            receiving.rekey()
        return plaintext


@define
class _NoiseInitiator:
    _suite: str
    _keys: ClientKeys
    _state: HandshakeState | None

    def advance(self, message: bytes | None) -> tuple[bytes | None, Session | None]:
        """None makes message 1; message 2 makes message 3 and the session."""
        state, self._state = _alive(self._state), None
        if message is None:
            first = state.write_message(b"")
            self._state = state
            return first, None
        voucher = state.read_message(message)
        static = state.static_shown()
        identity = check_voucher(voucher, static, self._keys.pin)
        last = state.write_message(b"")
        sending, receiving = state.split()
        return last, NoiseSession(Peer(self._suite, static, identity, state.handshake_hash), sending, receiving)


@define
class _NoiseResponder:
    _suite: str
    _voucher: bytes
    _state: HandshakeState | None

    def advance(self, message: bytes | None) -> tuple[bytes | None, Session | None]:
        """Message 1 makes message 2; message 3 makes the session."""
        state, self._state = _alive(self._state), None
        if message is None:
            raise HandshakeError("the server does not begin a handshake")
        if state.read_message(message):
            raise HandshakeError("the client's handshake messages carry no payload")
        if not state.finished:
            second = state.write_message(self._voucher)
            self._state = state
            return second, None
        receiving, sending = state.split()
        peer = Peer(self._suite, state.static_shown(), None, state.handshake_hash)
        return None, NoiseSession(peer, sending, receiving)


def _alive(state: HandshakeState | None) -> HandshakeState:
    if state is None:
        raise HandshakeError("the handshake is over")
    return state


@frozen
class NoiseSuite:
    """A `Suite` over a Noise protocol with the XX pattern and DH 25519, hfs or not."""

    name: str
    protocol: NoiseProtocol

    def initiate(self, prologue: bytes, keys: ClientKeys) -> Handshake:
        """The client's side."""
        return _NoiseInitiator(self.name, keys, self._state(True, prologue, x25519_pair(keys.static)))

    def respond(self, prologue: bytes, keys: ServerKeys) -> Handshake:
        """The server's side."""
        return _NoiseResponder(self.name, keys.voucher, self._state(False, prologue, keys.pair))

    def _state(self, initiator: bool, prologue: bytes, static: KeyPair) -> HandshakeState:
        return HandshakeState.initialize(self.protocol, initiator, prologue, static)
