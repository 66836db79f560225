"""Fresh Olm sessions with devices whose parcels cannot be opened; each device so often and no more.

What was lost is not asked for here: the other side, when it hears of the new session, sends under it from then on, and
what is missing is found missing by the schemes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from attrs import frozen

from encchat.e2e.claims import Claims
from encchat.e2e.interfaces import Device, Keep
from encchat.limits import RENEW_SECONDS

KIND: Final = "olm.renewed"
"""The parcel that tells the other side of it, and holds nothing."""
_RENEWED: Final = "olm-renewed"


@frozen
class Renewals:
    """``send`` sends a parcel of `KIND` to a device."""

    _keep: Keep
    _clock: Callable[[], float]
    _claims: Claims
    _send: Callable[[Device], None]

    def renew(self, conversation: str, device: Device, scope: str = "") -> None:
        """Begin another session with ``device``, unless that was done a short while ago."""
        name = f"{device.peer} {scope}"
        if not self._is_due(name):
            return
        self._keep.put(_RENEWED, name, str(self._clock()).encode())
        self._claims.renew(conversation, device, partial(self._renewed, device, scope), scope)

    def _renewed(self, device: Device, scope: str, has_begun: bool) -> None:
        if has_begun and not scope:
            self._send(device)

    def _is_due(self, name: str) -> bool:
        last = self._keep.get(_RENEWED, name)
        return last is None or not 0 <= self._clock() - float(last) < RENEW_SECONDS
