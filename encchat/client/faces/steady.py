"""A terminal that stays with the line being typed while something is printed above it.

prompt_toolkit hands the terminal back for everything that is printed: then the terminal itself shows the keys pressed
in that moment, wherever the cursor is, and takes Ctrl+U, Ctrl+R and others for its own. For an editor or Ctrl+Z that
is right; for a print of a few milliseconds, many times a second, it is a line disturbed and keys lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final

from prompt_toolkit.application import Application, in_terminal
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


def knows_its_place(app: Application[Any]) -> bool:
    """Whether the prompt of ``app`` is on the screen, and in which row: `print_above` may be called."""
    renderer = app.renderer
    busy = app._running_in_terminal or renderer.waiting_for_cpr  # an editor, or a row that is being asked for
    return app.is_running and not app.is_done and renderer.height_is_known and not busy


def print_above(app: Application[Any], put: Callable[[], int]) -> None:
    """As `above_the_prompt`, at once: ``put`` writes rows and tells how many they are on the terminal.

    prompt_toolkit asks the terminal after each print where its cursor is, and leaves out the bar until the answer has
    come; many times a second the bar flickers then. The row is known, as what was printed is.
    """
    renderer, rows = app.renderer, app.output.get_size().rows
    first = renderer.rows_above_layout + 1
    renderer.erase()
    first = min(first + put(), rows)
    renderer.report_absolute_cursor_row(first)
    app._redraw()
