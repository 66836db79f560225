"""Answers of many rows end where they become too long."""

from __future__ import annotations

from typing import TypeVar

from encchat.limits import MAX_PAGE_BYTES
from encchat.wire import encode
from encchat.wire.values import Value

T = TypeVar("T", bound=Value)


def fitting(rows: list[T]) -> list[T]:
    """As many as make a page of `MAX_PAGE_BYTES`, but one at least."""
    size = 0
    for count, row in enumerate(rows):
        size += len(encode(row)) + 1
        if size > MAX_PAGE_BYTES and count:
            return rows[:count]
    return rows
