"""Where something broke, for the log, without what it was about.

The text of an unexpected exception may quote a message, a password or a key, so it is left out: the
log has the classes and the places, innermost last.
"""

from __future__ import annotations

from twisted.python.failure import Failure


def trace(failure: Failure) -> str:
    """``ValueError at handle (roll.py:12)`` and the frames before it, one a line."""
    frames = [f"  {name} ({path}:{line})" for name, path, line, *_ in failure.frames]
    return "\n".join([f"{type(failure.value).__qualname__}, most recent call last:", *frames])
