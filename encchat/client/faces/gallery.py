"""Pictures that were fetched, shown above the line being typed on terminals that can show them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import define, field
from prompt_toolkit.output import Output

from encchat.client import events
from encchat.client.faces.steady import above_the_prompt
from encchat.client.preferences import Preferences
from encchat.client.terminal.pictures import Capability, capability, preview
from encchat.limits import MAX_PICTURE_BYTES


@define(eq=False)
class Gallery:
    """Shows pictures on ``output()`` unless the face is ``ending()``; they are made small in another thread."""

    _preferences: Callable[[], Preferences]
    _environ: Mapping[str, str]
    _output: Callable[[], Output]
    _ending: Callable[[], bool]
    _last: asyncio.Future[None] | None = field(init=False, default=None)
    """The newest picture, which waits for those before it."""

    def take(self, event: events.Transfer) -> None:
        """Show what has come if it is a picture; there is a line about it in any case."""
        came = event.direction == "in" and event.state == "done" and event.path
        how = capability(self._environ, self._preferences().images)
        if came and how is not None and event.media.startswith("image/") and not self._ending():
            self._last = asyncio.ensure_future(self._show(Path(event.path), how, self._last))

    async def _show(self, path: Path, how: Capability, before: asyncio.Future[None] | None) -> None:
        if before is not None:
            await before
        size = self._output().get_size()
        picture = await asyncio.to_thread(_preview_of, path, how, size.columns - 1, size.rows // 2)
        if picture is not None and not self._ending():
            async with above_the_prompt():
                self._output().write_raw(f"{picture}\r\n")
                self._output().flush()


def _preview_of(path: Path, how: Capability, columns: int, rows: int) -> str | None:
    """None where the file is gone, or is no picture."""
    try:
        with path.open("rb") as file:
            return preview(file.read(MAX_PICTURE_BYTES + 1), how, columns, rows)
    except OSError:
        return None
