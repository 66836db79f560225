"""A process that ends with the one that started it, however that ended: it holds the reading end of a pipe.

The writing end is in the other process only, and is closed by the kernel when that is gone, by SIGKILL as well.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_ENOUGH: Final = 4_096
_ROOT: Final = Path(__file__).resolve().parents[3]
"""Where ``encchat`` and ``twisted/plugins`` are."""


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """For a child that finds the same encchat, and nothing of the person's own settings."""
    kept = {name: value for name, value in given.items() if not name.startswith(("XDG_", "ENCCHAT_"))}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), given.get("PYTHONPATH"))))}


def hold(fd: int = 0, number: int = signal.SIGKILL) -> None:
    """Send this process the signal ``number`` as soon as the pipe at ``fd`` (standard input) is closed."""
    threading.Thread(target=_wait, args=(fd, number), daemon=True).start()


def _wait(fd: int, number: int) -> None:
    while os.read(fd, _ENOUGH):
        pass
    # To the main thread, whatever it waits for: only there does Python handle signals.
    signal.pthread_kill(threading.main_thread().ident or 0, number)
