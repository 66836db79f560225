"""The suites encchat comes with, by name."""

from __future__ import annotations

from typing import Final

from encchat.secure.interfaces import Suite
from encchat.secure.noise import NoiseProtocol
from encchat.secure.noise_suite import NoiseSuite

DEFAULT_SUITE: Final = "noise-hybrid"
DEFAULT_OFFER: Final = ("noise-hybrid", "noise")

NOISE_HYBRID: Final = NoiseSuite("noise-hybrid", NoiseProtocol.named("Noise_XXhfs_25519+MLKEM768_ChaChaPoly_SHA256"))
NOISE: Final = NoiseSuite("noise", NoiseProtocol.named("Noise_XX_25519_ChaChaPoly_SHA256"))


def default_suites() -> dict[str, Suite]:
    """A new dict of all of them; put another `Suite` in under its name to have a fourth."""
    suites: tuple[Suite, ...] = (NOISE_HYBRID, NOISE)
    return {suite.name: suite for suite in suites}
