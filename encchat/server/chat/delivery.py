"""What the rules decided somebody is to be told."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from encchat.wire import ServerLine


class Delivery(Struct, frozen=True):
    """``event`` for every device of the accounts named in ``to`` (as registered); None means everybody."""

    to: Collection[str] | None
    event: ServerLine
