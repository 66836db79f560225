"""How much may be asked: by a connection, by all of an account's together, by all of an address' together.

Theory of operation: each of the three has a bucket for every kind of request, so that a flood of one kind leaves
the others alone. Whatever is asked is charged to all three. Who owes is not read until the debt is earned (slowed:
nothing is lost, TCP holds back the rest). A connection that for `FLOOD_TOLD_SECONDS` has more to say whenever it is
read again is told, once a minute; after `FLOOD_SECONDS` it is hung up. What an address owes only slows: behind it
may be an office, and who shares it with a flood must not be hung up for that. Chunks of files only slow, too: a
large file is no flood, but always has more to come. Buckets are made when they are first needed: most connections are
idle.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, Literal, get_args

from attrs import define, field, frozen

from encchat.limits import (
    ACCOUNT_SHARE,
    ADDRESS_FILE_SHARE,
    ADDRESS_LOGIN_SHARE,
    ADDRESS_SHARE,
    FILE_SHARE,
    FLOOD_GAP,
    FLOOD_SECONDS,
    FLOOD_TOLD_EVERY,
    FLOOD_TOLD_SECONDS,
    RATE_HOLD_SECONDS,
)
from encchat.names import folded
from encchat.net.admission import address_key
from encchat.server.rate import Bucket

RequestKind = Literal["message", "query", "login", "moderation", "file"]

_KINDS: Final[tuple[RequestKind, ...]] = get_args(RequestKind)
_FEWEST_TO_SWEEP: Final = 1_024
_ONE: Final = {**dict.fromkeys(_KINDS, 1.0), "file": FILE_SHARE}
_ACCOUNT: Final = {**dict.fromkeys(_KINDS, ACCOUNT_SHARE), "file": FILE_SHARE}
_ADDRESS: Final = {
    **dict.fromkeys(_KINDS, ADDRESS_SHARE),
    "login": ADDRESS_LOGIN_SHARE,
    "file": ADDRESS_FILE_SHARE,
}


class Step(Enum):
    """What is to be done with somebody who owes, besides not reading for a while."""

    SLOW = "nothing"
    TELL = "tell"
    HANG_UP = "hang up"


@frozen
class Debt:
    """Do not read for ``seconds``, and take this step."""

    seconds: float
    step: Step


@define(eq=False)
class _Purse:
    """The buckets of one connection, account or address, each a ``share`` of one connection's."""

    share: dict[RequestKind, float]
    buckets: dict[RequestKind, Bucket] = field(factory=dict)
    users: int = 0

    def bucket(self, kind: RequestKind, rate: float, burst: float, now: float) -> Bucket:
        if kind not in self.buckets:
            self.buckets[kind] = Bucket.full(rate * self.share[kind], burst * self.share[kind], now)
        return self.buckets[kind]

    def change(self, rate: float, burst: float, now: float) -> None:
        for kind, bucket in self.buckets.items():
            bucket.change(rate * self.share[kind], burst * self.share[kind], now)

    def is_busy(self, now: float) -> bool:
        return self.users > 0 or not all(bucket.is_full(now) for bucket in self.buckets.values())


@define(eq=False)
class Meter:
    """One connection's; made by `Meters.connection`."""

    _meters: Meters
    _purses: dict[str, _Purse]
    """First the address', then the connection's own, then the account's."""
    _buckets: dict[RequestKind, tuple[Bucket, ...]] = field(init=False, factory=dict)
    _flooding_since: float = field(init=False, default=0.0)
    _free_at: float = field(init=False, default=float("-inf"))
    _told_at: float = field(init=False, default=float("-inf"))

    def charge(self, kind: RequestKind, cost: float) -> Debt | None:
        """Spend ``cost`` units on a request of ``kind``; None if it was there to spend."""
        enough = True
        for bucket in self._buckets.get(kind) or self._collect(kind):
            bucket.units -= cost  # as `Bucket.spend`, without three calls for every message
            if bucket.units < 0:
                enough = False
        return None if enough else self._debt(kind)

    def give_back(self, kind: RequestKind, cost: float) -> None:
        """Take back what was charged: it turned out to be of another kind."""
        for bucket in self._buckets.get(kind) or self._collect(kind):
            bucket.units += cost

    def log_in(self, name: str) -> None:
        """From now on it is this account's too."""
        self._meters.enter(self._purses, f"account {folded(name)}", _ACCOUNT)
        self._buckets.clear()

    def close(self) -> None:
        """The connection is gone."""
        self._meters.leave(self, self._purses)

    def _collect(self, kind: RequestKind) -> tuple[Bucket, ...]:
        self._buckets[kind] = self._meters.buckets(self._purses, kind)
        return self._buckets[kind]

    def _debt(self, kind: RequestKind) -> Debt | None:
        now = self._meters.now()
        address, *own = (bucket.wait(now) for bucket in self._buckets[kind])
        owed = max(address, *own)
        if owed <= 0:
            return None
        seconds = max(owed, RATE_HOLD_SECONDS)
        floods = max(own) > 0 and kind != "file"
        return Debt(seconds, self._step(now, seconds) if floods else Step.SLOW)

    def _step(self, now: float, seconds: float) -> Step:
        if now - self._free_at > FLOOD_GAP:
            self._flooding_since = now
        self._free_at = now + seconds
        flooding = now - self._flooding_since
        if flooding >= FLOOD_SECONDS:
            return Step.HANG_UP
        if flooding < FLOOD_TOLD_SECONDS or now - self._told_at < FLOOD_TOLD_EVERY:
            return Step.SLOW
        self._told_at = now
        return Step.TELL


@define(eq=False)
class Meters:
    """All of a server; ``rate`` and ``burst`` are one connection's for each kind, ``now`` gives seconds."""

    _rate: float
    _burst: float
    now: Callable[[], float]
    _shared: dict[str, _Purse] = field(init=False, factory=dict)
    _own: dict[Meter, _Purse] = field(init=False, factory=dict)
    _sweep_at: int = field(init=False, default=_FEWEST_TO_SWEEP)

    def connection(self, host: str) -> Meter:
        """For a new connection from ``host``."""
        own = _Purse(_ONE)
        purses: dict[str, _Purse] = {}
        self.enter(purses, f"address {address_key(host)}", _ADDRESS)
        purses["own"] = own
        meter = Meter(self, purses)
        self._own[meter] = own
        return meter

    def change(self, rate: float, burst: float) -> None:
        """Other limits, for everybody who is here too."""
        if (rate, burst) == (self._rate, self._burst):
            return
        self._rate, self._burst = rate, burst
        now = self.now()
        for purse in (*self._own.values(), *self._shared.values()):
            purse.change(rate, burst, now)

    def buckets(self, purses: dict[str, _Purse], kind: RequestKind) -> tuple[Bucket, ...]:
        """What a request of ``kind`` is charged to."""
        now = self.now()
        return tuple(purse.bucket(kind, self._rate, self._burst, now) for purse in purses.values())

    def enter(self, purses: dict[str, _Purse], key: str, share: dict[RequestKind, float]) -> None:
        """Add what all of ``key`` share."""
        if key not in self._shared:
            self._sweep()
            self._shared[key] = _Purse(share)
        purses[key] = self._shared[key]
        purses[key].users += 1

    def leave(self, meter: Meter, purses: dict[str, _Purse]) -> None:
        """``meter`` is gone; what it shared is remembered until it is full again."""
        if self._own.pop(meter, None) is not None:
            for purse in purses.values():
                purse.users -= 1

    def __len__(self) -> int:
        """How many accounts and addresses are remembered."""
        return len(self._shared)

    def _sweep(self) -> None:
        if len(self._shared) < self._sweep_at:
            return
        now = self.now()
        self._shared = {key: purse for key, purse in self._shared.items() if purse.is_busy(now)}
        self._sweep_at = max(_FEWEST_TO_SWEEP, 2 * len(self._shared))
