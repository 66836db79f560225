"""Old messages leave the store, a slice at a time, by number and age as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from encchat.errors import StoreError
from encchat.limits import RETAIN_PAUSE_SECONDS, RETAIN_SECONDS, RETAIN_SLICE
from encchat.net.timing import Scheduler
from encchat.server.settings import Settings
from encchat.wire import Kind

log = Logger()

DAY: Final = 86_400_000
"""Milliseconds."""


@define(eq=False)
class Retention:
    """Goes round every `RETAIN_SECONDS` from `start` to `stop`; ``store`` provides `IStore` and is open meanwhile."""

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
        self._loop.start(RETAIN_SECONDS)

    def stop(self) -> None:
        """Begin no further slice."""
        loop, self._loop = self._loop, None
        if loop is not None and loop.running:
            loop.stop()

    async def _round(self) -> None:
        now, settings = int(self.wall() * 1000), self.settings()
        try:
            removed = await self._kind("lobby", settings.retain_lobby_count, settings.retain_lobby_days, now)
            removed += await self._kind("direct", settings.retain_direct_count, settings.retain_direct_days, now)
            removed += await self._kind("room", settings.retain_room_count, settings.retain_room_days, now)
            if self._loop is not None:
                await self.store.forget_removed(now)
        except StoreError as error:
            log.error("old messages were not removed: {why}", event="store_broke", why=error.text)
            return
        if removed:
            log.info("{count} old messages were removed", event="retained", count=removed)

    async def _kind(self, kind: Kind, count: int, days: int, now: int) -> int:
        keep, before = count or None, now - days * DAY if days else None
        removed = 0
        while self._loop is not None and (keep is not None or before is not None):
            slice: Deferred[int] = self.store.retain(kind, keep, before, RETAIN_SLICE)
            done = await slice
            removed += done
            if done < RETAIN_SLICE:
                break
            # What people say meanwhile is stored between two slices, and the disk has time for it.
            await deferLater(cast(IReactorTime, self.clock), RETAIN_PAUSE_SECONDS)
        return removed
