"""Who is kept out or silent: in memory, since every connection, login and message asks; changed through the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from encchat.errors import BannedError, MutedError
from encchat.names import folded
from encchat.net.networks import NetworkSet, parse_network
from encchat.server.model import Sanction, SanctionKind
from encchat.server.times import utc

_WORDS: Final = {"ban": "banned from this server", "mute": "muted"}


def described(sanction: Sanction) -> str:
    """``banned from this server until 2026-11-21 04:05 UTC by carol: spam``."""
    reason = f": {sanction.reason}" if sanction.reason else ""
    return f"{_WORDS[sanction.kind]} {term(sanction)} by {sanction.by}{reason}"


def term(sanction: Sanction) -> str:
    """``until ...`` or ``for ever``."""
    return "for ever" if sanction.until is None else f"until {utc(sanction.until)}"


@define(eq=False)
class Sanctions:
    """Those in force; ``store`` provides `IStore`, ``now`` gives milliseconds since 1970 UTC."""

    _store: Any
    _now: Callable[[], int]
    _all: dict[tuple[SanctionKind, str], Sanction] = field(init=False, factory=dict)
    _networks: NetworkSet = field(init=False, factory=NetworkSet)
    _next_end: int | None = field(init=False, default=None)

    async def load(self) -> None:
        """Take what the store has."""
        self._replace(await self._store.sanctions(self._now()))

    async def add(self, sanction: Sanction) -> None:
        """In force once it is stored; it takes the place of one of the same kind and target."""
        await self._store.add_sanction(sanction)
        self._replace([*(one for one in self._all.values() if not _same(one, sanction)), sanction])

    async def remove(self, sanction: Sanction) -> None:
        """No more in force once the store has forgotten it."""
        await self._store.remove_sanction(sanction.kind, sanction.target)
        self._replace([one for one in self._all.values() if not _same(one, sanction)])

    def find(self, kind: SanctionKind, target: str) -> Sanction | None:
        """The one in force against an account's name or a network's text."""
        self._drop_ended()
        return self._all.get((kind, folded(target)))

    def in_force(self) -> list[Sanction]:
        """All of them, by kind and target."""
        self._drop_ended()
        return [one for _, one in sorted(self._all.items())]

    def bars(self, host: str) -> bool:
        """Whether an address may not connect."""
        self._drop_ended()
        return host in self._networks

    def check_ban(self, name: str) -> None:
        """Raise `BannedError` if the account of that name may not be here."""
        ban = self.find("ban", name)
        if ban is not None:
            raise BannedError(f"{name} is {described(ban)}")

    def check_mute(self, name: str) -> None:
        """Raise `MutedError` if the account of that name may not send."""
        if not self._all:  # asked for every message
            return
        mute = self.find("mute", name)
        if mute is not None:
            raise MutedError(f"you are {described(mute)}; you can still read")

    def _drop_ended(self) -> None:
        if self._next_end is not None and self._now() >= self._next_end:
            self._replace(list(self._all.values()))

    def _replace(self, sanctions: list[Sanction]) -> None:
        now = self._now()
        current = [one for one in sanctions if one.until is None or one.until > now]
        self._all = {(one.kind, one.target): one for one in current}
        networks = (parse_network(one.target) for one in current if one.kind == "ban" and "/" in one.target)
        self._networks = NetworkSet(network for network in networks if network is not None)
        self._next_end = min((one.until for one in current if one.until is not None), default=None)


def _same(one: Sanction, other: Sanction) -> bool:
    return (one.kind, one.target) == (other.kind, other.target)
