"""When accounts and devices were here last: written down a little later, all of a moment in one go.

A crowd that comes or goes makes one write of it and not one each. What is not in the store yet is known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.limits import SEEN_SECONDS
from encchat.net.timing import Scheduler, Timer
from encchat.server.model import Account, Device
from encchat.server.traces import trace

log = Logger()


@define(eq=False)
class LastSeen:
    """``store`` provides `IStore`; ``now`` gives milliseconds since 1970 UTC."""

    _store: Any
    _clock: Scheduler
    _now: Callable[[], int]
    _accounts: dict[int, int] = field(init=False, factory=dict)
    _devices: dict[bytes, int] = field(init=False, factory=dict)
    _timer: Timer | None = field(init=False, default=None)

    def device(self, device: Device) -> None:
        """It is here now, and so is its account."""
        self._devices[device.key] = self._now()
        self.account(device.account_id)

    def account(self, account_id: int) -> None:
        """It is here, or was until now."""
        self._accounts[account_id] = self._now()
        if self._timer is None:
            self._timer = self._clock.callLater(SEEN_SECONDS, self._write)

    def of_account(self, account: Account) -> int | None:
        """When it was here last, as of the latest that is known."""
        return self._accounts.get(account.id, account.last_seen)

    def of_device(self, device: Device) -> int | None:
        """The same of a device."""
        return self._devices.get(device.key, device.last_seen)

    def start(self) -> None:
        """There is nothing to write yet."""

    def stop(self) -> Deferred[None]:
        """Fires when everything is written."""
        if self._timer is None:
            return succeed(None)
        self._timer.cancel()
        return self._write()

    def _write(self) -> Deferred[None]:
        accounts, devices, self._timer = self._accounts.copy(), self._devices.copy(), None
        written: Deferred[None] = self._store.mark_seen(accounts, devices)
        written.addCallback(lambda _: self._forget(accounts, devices))
        return written.addErrback(_broke)

    def _forget(self, accounts: dict[int, int], devices: dict[bytes, int]) -> None:
        """What is written, unless there is something newer to write."""
        self._accounts = {one: time for one, time in self._accounts.items() if accounts.get(one) != time}
        self._devices = {one: time for one, time in self._devices.items() if devices.get(one) != time}


def _broke(failure: Failure) -> None:
    log.error("the store failed: {trace}", event="store_broke", trace=trace(failure))
