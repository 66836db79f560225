"""Who may open a connection: who is not barred, how many at once and how fast, by address; the clock is an argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from attrs import define, field

from encchat.limits import CONNECTIONS_PER_ADDRESS, HANDSHAKES_PER_ADDRESS_BURST, HANDSHAKES_PER_ADDRESS_PER_SECOND
from encchat.net.networks import parse_host

_FEWEST_TO_SWEEP: Final = 1_024
"""Addresses remembered before forgetting is worth a walk over them."""


@define(eq=False)
class _Visitor:
    """One address: connections open now, and the burst that is left of it as of ``at``."""

    tokens: float
    at: float
    open: int = 0


def nobody(host: str) -> bool:
    """Bars nobody."""
    return False


@define(eq=False)
class Admission:
    """Counts the connections of each address and meters its new ones with a token bucket.

    An address is remembered while it has a connection open or has not yet earned its whole burst back, which takes
    ``handshakes_burst / handshakes_per_second`` seconds; the quiet ones are forgotten whenever their number has
    doubled, so memory stays within twice what is busy. ``clock`` gives seconds; ``barred`` says which hosts are
    refused whatever they count.
    """

    _connections_per_address: int
    _handshakes_per_second: float
    _handshakes_burst: float
    _clock: Callable[[], float]
    _barred: Callable[[str], bool] = nobody
    _visitors: dict[str, _Visitor] = field(init=False, factory=dict)
    _sweep_at: int = field(init=False, default=_FEWEST_TO_SWEEP)

    @classmethod
    def standard(cls, clock: Callable[[], float]) -> Admission:
        """With the limits of `encchat.limits`."""
        return cls(CONNECTIONS_PER_ADDRESS, HANDSHAKES_PER_ADDRESS_PER_SECOND, HANDSHAKES_PER_ADDRESS_BURST, clock)

    def change(self, connections_per_address: int, handshakes_per_second: float, handshakes_burst: float) -> None:
        """Other limits from now on; what is open stays open and stays counted."""
        now = self._clock()
        for visitor in self._visitors.values():
            self._earn(visitor, now)
            visitor.tokens += handshakes_burst - self._handshakes_burst
        self._connections_per_address = connections_per_address
        self._handshakes_per_second, self._handshakes_burst = handshakes_per_second, handshakes_burst

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._visitors)

    def admit(self, host: str) -> bool:
        """Whether ``host`` may open one more connection now; if so it counts until `released`."""
        if self._barred(host):
            return False
        now = self._clock()
        visitor = self._visitor(address_key(host), now)
        self._earn(visitor, now)
        if visitor.open >= self._connections_per_address or visitor.tokens < 1.0:
            return False
        visitor.tokens -= 1.0
        visitor.open += 1
        return True

    def released(self, host: str) -> None:
        """An admitted connection of ``host`` has ended."""
        visitor = self._visitors.get(address_key(host))
        if visitor is not None and visitor.open:
            visitor.open -= 1

    def _visitor(self, key: str, now: float) -> _Visitor:
        visitor = self._visitors.get(key)
        if visitor is None:
            self._forget_quiet(now)
            visitor = self._visitors[key] = _Visitor(self._handshakes_burst, now)
        return visitor

    def _earn(self, visitor: _Visitor, now: float) -> None:
        earned = max(0.0, now - visitor.at) * self._handshakes_per_second
        visitor.tokens = min(self._handshakes_burst, visitor.tokens + earned)
        visitor.at = now

    def _forget_quiet(self, now: float) -> None:
        if len(self._visitors) < self._sweep_at:
            return
        for visitor in self._visitors.values():
            self._earn(visitor, now)
        self._visitors = {key: visitor for key, visitor in self._visitors.items() if self._is_busy(visitor)}
        self._sweep_at = max(_FEWEST_TO_SWEEP, 2 * len(self._visitors))

    def _is_busy(self, visitor: _Visitor) -> bool:
        return visitor.open > 0 or visitor.tokens < self._handshakes_burst


@lru_cache(_FEWEST_TO_SWEEP)
def address_key(host: str) -> str:
    """Under what ``host`` is counted: an IPv4 address as it is (also when mapped into IPv6), IPv6 by its /64.

    A subscriber line owns at least a /64 (RFC 6177), so single IPv6 addresses count nothing.
    """
    address = parse_host(host)
    if address is None:
        return host
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)
