"""The last words of a server that cannot start: one line on stderr, exit status 1, no traceback."""

from __future__ import annotations

import atexit
import os
import sys


class StartError(SystemExit, Exception):
    """The server cannot start.

    As an Exception twistd tells it to the terminal it was daemonized from and takes its pid file away;
    as a SystemExit it then ends the process with status 1 and no traceback.
    """

    def __init__(self, text: str) -> None:
        super().__init__(f"encchat: {text}")
        self.code = 1


def last_words(text: str) -> None:
    """Write one line to the process's own stderr; twistd has pointed sys.stderr at the log."""
    if sys.__stderr__ is not None:
        print(f"encchat: {text}", file=sys.__stderr__, flush=True)


def leave_with_failure(text: str) -> None:
    """Write the last words and make the exit status 1 once the reactor has stopped.

    A reactor that is stopped from within ends twistd with status 0, and nothing can be raised through it.
    """
    last_words(text)
    atexit.register(os._exit, 1)
