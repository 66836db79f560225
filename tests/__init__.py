"""Tests of encchat; run by pytest or ``python -m twisted.trial tests``."""

from hypothesis import settings

# How long one example takes says something about the machine, not about the promise.
settings.register_profile("encchat", deadline=None)
settings.load_profile("encchat")
