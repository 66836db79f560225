"""Names for rooms whose opener has named none: two short words that are easy to say and to type."""

from __future__ import annotations

from typing import Final

_WORDS: Final = """
amber autumn blue brave bright calm clear coral early fair fresh gentle golden green happy hazel
ivory jolly kind light lunar merry mild misty noble olive quick quiet rosy silver sunny swift

acorn bay beach birch brook canyon cedar cliff cove creek dune elm falcon fern field forest
garden grove harbor heron hill island lake maple meadow orchard otter pine pond river robin willow
"""
_FIRST, _SECOND = (block.split() for block in _WORDS.split("\n\n"))
RANDOM_BYTES: Final = 2
"""How many `made_up` takes."""


def made_up(random: bytes) -> str:
    """A room's name of `RANDOM_BYTES` random bytes, like ``#quiet-harbor``; there are 1,024."""
    return f"#{_FIRST[random[0] % len(_FIRST)]}-{_SECOND[random[1] % len(_SECOND)]}"
