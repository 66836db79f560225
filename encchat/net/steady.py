"""Timers that do not care what the time of day is set to.

Twisted's reactors measure delays on the time of day. Set back by an hour (a wrong clock put right, a virtual machine
that was restored), every wait that had begun, a reconnect's or a keepalive's, would last an hour longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def keep_steady(reactor: Any, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Let ``reactor.seconds`` and all its delays go on by ``monotonic`` from where they are now.

    For a program's composition, before anything is timed. Whoever wants the time of day asks `time.time`.
    """
    ahead = reactor.seconds() - monotonic()
    reactor.seconds = lambda: monotonic() + ahead
