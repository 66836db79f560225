"""One-time keys of other devices, claimed to begin Olm sessions with them.

A key is believed only if its device has signed it. A device that has none is asked for one again after a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from attrs import define, field

from encchat import wire
from encchat.e2e import statements
from encchat.e2e.identity import verify_with_device
from encchat.e2e.interfaces import Ask, Device, Done, Tell, Warned
from encchat.e2e.olm import OlmSessions
from encchat.e2e.refusals import error_of
from encchat.errors import InternalError
from encchat.limits import KEYLESS_SECONDS, MAX_PARCELS
from encchat.names import folded


@define
class Claims:
    """What has been claimed and is not used yet, by the device's `Device.peer` and the sessions' scope."""

    _ask: Ask
    _tell: Tell
    _clock: Callable[[], float]
    _sessions: OlmSessions
    _claimed: dict[tuple[str, str], str] = field(init=False, factory=dict)
    _keyless: dict[str, float] = field(init=False, factory=dict)

    def reachable(self, device: Device, scope: str = "") -> bool:
        """Whether there is an Olm session with the device; one is made if there is a key for it."""
        peer = device.peer
        if self._sessions.has(peer, scope):
            return True
        key = self._claimed.pop((peer, scope), None)
        return key is not None and self._sessions.begin(peer, key, scope)

    def ensure(self, conversation: str, devices: Sequence[Device], done: Done, scope: str = "") -> None:
        """Claim what `reachable` needs; ``done`` gets what prevented it, or None, also if some have no keys."""
        wanted = [device for device in devices if self._lacks(device, scope)]
        self._claim(conversation, wanted, done, scope)

    def renew(self, conversation: str, device: Device, done: Callable[[bool], None], scope: str = "") -> None:
        """Begin another session with a device there is one with already; whether there was a key for it."""
        self._claim(conversation, [device], lambda error: done(error is None and self._begun(device, scope)), scope)

    def lost(self) -> None:
        """The connection is gone; a device may have published keys before the next."""
        self._keyless.clear()

    def _begun(self, device: Device, scope: str) -> bool:
        key = self._claimed.pop((device.peer, scope), None)
        return key is not None and self._sessions.begin(device.peer, key, scope)

    def _lacks(self, device: Device, scope: str) -> bool:
        peer = device.peer
        if (peer, scope) in self._claimed or self._sessions.has(peer, scope):
            return False
        asked = self._keyless.get(peer)
        return asked is None or not 0 <= self._clock() - asked < KEYLESS_SECONDS

    def _claim(self, conversation: str, devices: Sequence[Device], done: Done, scope: str) -> None:
        if not devices:
            done(None)
            return
        part, rest = devices[:MAX_PARCELS], devices[MAX_PARCELS:]
        answered = partial(self._answered, conversation, part, rest, done, scope)
        self._ask(wire.ClaimKeys, answered, conversation=conversation, devices=[device.address for device in part])

    def _answered(
        self,
        conversation: str,
        part: Sequence[Device],
        rest: Sequence[Device],
        done: Done,
        scope: str,
        answer: wire.Ok | wire.Error,
    ) -> None:
        if isinstance(answer, wire.Error):
            done(error_of(answer))
            return
        if not isinstance(answer.result, wire.ClaimedKeys):
            done(InternalError("the server's answer about one-time keys is of another kind"))
            return
        given = {(folded(each.user), each.device): each.key for each in answer.result.keys}
        for device in part:
            self._take(device, given.get((folded(device.user), device.device)), scope)
        self._claim(conversation, rest, done, scope)

    def _take(self, device: Device, key: wire.SignedKey | None, scope: str) -> None:
        if key is not None and not _signed(device, key):
            self._tell(Warned("key-rejected", _FORGED.format(device.device, device.user)))
            key = None
        if key is None:
            self._keyless[device.peer] = self._clock()
        else:
            self._claimed[device.peer, scope] = key.key


def _signed(device: Device, key: wire.SignedKey) -> bool:
    statement = statements.one_time_key(device.user, device.device, key.id, key.key)
    return verify_with_device(device.ed25519, statement, key.signature)


_FORGED: Final = (
    "the server gave out a one-time key for device {} of {} that is not that device's: it was not used, and nothing was"
    " encrypted with it"
)
