"""What the rules decided somebody is to be told."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from encchat.wire import ServerLine


@frozen
class Delivery:
    """``event`` for every device of the accounts named in ``to`` (as registered); None means everybody."""

    to: Collection[str] | None
    event: ServerLine
