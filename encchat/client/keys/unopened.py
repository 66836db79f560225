"""Messages that are kept as ciphertext until their key comes: which they are, and for which key they wait."""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import define, field
from msgspec import Struct

from encchat import names
from encchat.client.ledger import Ledger
from encchat.limits import MAX_UNOPENED

_KIND: Final = "unopened"


class Unopened(Struct, frozen=True):
    """One of them; ``heard`` is what `encchat.client.chain.Chain.heard` said of it, ``told``: it was shown as such."""

    conversation: str
    seq: int
    ulid: str
    session: str
    reason: str
    heard: str = ""
    missed: bool = False
    told: bool = False

    @property
    def name(self) -> str:
        """What it is remembered by."""
        return f"{names.folded(self.conversation)}/{self.seq}"


@define(eq=False)
class UnopenedMessages:
    """Those that ``ledger`` remembers; beyond `MAX_UNOPENED` the first are left as they are for good."""

    _ledger: Ledger
    _rows: dict[str, Unopened] = field(init=False, factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rows)

    def load(self) -> None:
        """Read them all; once for each store."""
        rows = (msgspec.msgpack.decode(row, type=Unopened) for row in self._ledger.all(_KIND).values())
        self._rows = {row.name: row for row in sorted(rows, key=lambda row: (names.folded(row.conversation), row.seq))}

    def add(self, row: Unopened) -> None:
        """One more, or one whose reason is another now."""
        self._rows[row.name] = row
        self._ledger.put(_KIND, row.name, msgspec.msgpack.encode(row))
        if len(self._rows) > MAX_UNOPENED:
            self.remove(next(iter(self._rows.values())))

    def remove(self, row: Unopened) -> None:
        """It has been opened."""
        self._rows.pop(row.name, None)
        self._ledger.put(_KIND, row.name, None)

    def of(self, session: str) -> list[Unopened]:
        """Those that wait for that key."""
        return [row for row in self._rows.values() if row.session == session]

    def at(self, conversation: str, seq: int) -> Unopened | None:
        """The one at that place."""
        return self._rows.get(f"{names.folded(conversation)}/{seq}")

    def untold(self) -> list[Unopened]:
        """Those that nobody was told of."""
        return [row for row in self._rows.values() if not row.told]

    def find(self, ulid: str) -> Unopened | None:
        """The one with that ULID; the latest for ""."""
        found = (row for row in self._rows.values() if not ulid or row.ulid == ulid.upper())
        return max(found, key=lambda row: row.ulid, default=None)
