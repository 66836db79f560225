"""ULIDs: ids that sort by the time they were made (github.com/ulid/spec)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 26
_RANDOM_BITS: Final = 80
_MAX: Final = 2**128 - 1


@define
class UlidMaker:
    """Makes ULIDs that only grow; ``clock`` gives seconds since 1970 UTC, ``random(n)`` n random bytes."""

    _clock: Callable[[], float]
    _random: Callable[[int], bytes]
    _last: int = 0

    def __call__(self) -> str:
        """The next one; a clock that stands still or goes back is answered by counting on (spec, Monotonicity)."""
        milliseconds = int(self._clock() * 1000)
        fresh = milliseconds << _RANDOM_BITS | int.from_bytes(self._random(_RANDOM_BITS // 8))
        grows = milliseconds > self._last >> _RANDOM_BITS
        self._last = min(fresh if grows else self._last + 1, _MAX)
        return _encoded(self._last)


def _encoded(value: int) -> str:
    """Crockford's base 32, most significant first: 26 characters for 128 bits."""
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
