"""The Noise Protocol Framework, revision 34, with the specification's own names; it knows nothing of encchat.

A `NoiseProtocol` (what a name such as ``Noise_XX_25519_ChaChaPoly_SHA256`` says) and a `HandshakeState` are all a user
needs; the handshake ends in two `CipherState`.
"""

from encchat.secure.noise.cipher_state import CipherState
from encchat.secure.noise.functions import KemPair, KeyPair, x448_pair, x25519_pair
from encchat.secure.noise.handshake_state import HandshakeState
from encchat.secure.noise.patterns import Pattern
from encchat.secure.noise.protocol import NoiseProtocol

__all__ = [
    "CipherState",
    "HandshakeState",
    "KemPair",
    "KeyPair",
    "NoiseProtocol",
    "Pattern",
    "x448_pair",
    "x25519_pair",
]
