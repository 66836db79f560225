"""The suites encchat comes with, by name."""

from __future__ import annotations

import os
from typing import Final

from encchat.secure.interfaces import Suite
from encchat.secure.noise import NoiseProtocol
from encchat.secure.noise_suite import NoiseSuite
from encchat.secure.rsa_suite import RsaSuite

DEFAULT_SUITE: Final = "noise-hybrid"
DEFAULT_OFFER: Final = ("noise-hybrid", "noise")

NOISE_HYBRID: Final = NoiseSuite("noise-hybrid", NoiseProtocol.named("Noise_XXhfs_25519+MLKEM768_ChaChaPoly_SHA256"))
NOISE: Final = NoiseSuite("noise", NoiseProtocol.named("Noise_XX_25519_ChaChaPoly_SHA256"))

RSA_AES128GCM: Final = RsaSuite(os.urandom)


def default_suites() -> dict[str, Suite]:
    """A new dict of all of them; put another `Suite` in under its name to have a fourth."""
    suites: tuple[Suite, ...] = (NOISE_HYBRID, NOISE, RSA_AES128GCM)
    return {suite.name: suite for suite in suites}
