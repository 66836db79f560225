"""A terminal that stays with the line being typed while something is printed above it.

prompt_toolkit hands the terminal back for everything that is printed: then the terminal itself shows the keys pressed
in that moment, wherever the cursor is, and takes Ctrl+U, Ctrl+R and others for its own. For an editor or Ctrl+Z that
is right; for a print of a few milliseconds, many times a second, it is a line disturbed and keys lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Final

from prompt_toolkit.application import in_terminal
from prompt_toolkit.input.vt100 import Vt100Input

_PRINTING: Final = ContextVar("printing", default=False)
"""Set in the task that prints, so that others get the terminal as ever."""


class SteadyInput(Vt100Input):
    """The keys of a terminal; neither detached nor cooked for who is `above_the_prompt`."""

    def cooked_mode(self) -> AbstractContextManager[None]:
        """The terminal as a shell has it."""
        return nullcontext() if _PRINTING.get() else super().cooked_mode()

    def detach(self) -> AbstractContextManager[None]:
        """No keys are read."""
        return nullcontext() if _PRINTING.get() else super().detach()


@asynccontextmanager
async def above_the_prompt() -> AsyncIterator[None]:
    """Room for output that is written at once; the prompt comes back below it."""
    token = _PRINTING.set(True)
    try:
        async with in_terminal():
            yield
    finally:
        _PRINTING.reset(token)
