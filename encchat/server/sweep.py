"""Files leave the store, a slice at a time: dropped ones, and those that are too old as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from encchat.errors import StoreError
from encchat.limits import OFFER_SECONDS, RETAIN_PAUSE_SECONDS, SWEEP_SECONDS, SWEEP_SLICE
from encchat.net.timing import Scheduler
from encchat.server.model import FileTerms
from encchat.server.retention import DAY
from encchat.server.settings import Settings

log = Logger()


@define(eq=False)
class FileSweep:
    """Goes round every `SWEEP_SECONDS` from `start` to `stop`; ``store`` provides `IStore` and is open meanwhile."""

    store: Any
    settings: Callable[[], Settings]
    clock: Scheduler
    wall: Callable[[], float]
    """The time of day, in seconds since 1970 UTC."""
    _loop: LoopingCall | None = field(default=None, init=False)

    def start(self) -> None:
        """Go round now and then again and again; what the settings are is asked each time."""
        self._loop = LoopingCall(lambda: ensureDeferred(self._round()))
        self._loop.clock = cast(IReactorTime, self.clock)
        self._loop.start(SWEEP_SECONDS)

    def stop(self) -> None:
        """Begin no further slice."""
        loop, self._loop = self._loop, None
        if loop is not None and loop.running:
            loop.stop()

    async def _round(self) -> None:
        terms = file_terms(self.settings(), int(self.wall() * 1000))
        try:
            while self._loop is not None:
                slice: Deferred[int] = self.store.sweep_files(terms, SWEEP_SLICE)
                if await slice < SWEEP_SLICE:
                    break
                # As in retention: what people say meanwhile is stored between two slices.
                await deferLater(cast(IReactorTime, self.clock), RETAIN_PAUSE_SECONDS)
        except StoreError as error:
            log.error("old files were not removed: {why}", event="store_broke", why=error.text)


def file_terms(settings: Settings, now: int) -> FileTerms:
    """What goes at ``now``, in ms since 1970 UTC: no file outlives the messages of its conversation."""

    def before(*days: int) -> int | None:
        bounds = [one for one in days if one]
        return now - min(bounds) * DAY if bounds else None

    return FileTerms(
        unfinished=now - OFFER_SECONDS * 1000,
        direct=before(settings.file_retention, settings.retain_direct_days),
        room=before(settings.file_retention, settings.retain_room_days),
    )
