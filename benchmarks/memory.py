"""What a client's memory does over many messages: resident memory of who says them and who reads them, at each tenth.

Both are bots of the library with sealed stores on the disk, in one direct conversation, as in `benchmarks.e2e`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from attrs import frozen

from benchmarks.e2e import Row, talk
from benchmarks.report import middle, table

PARTS = 10


@frozen
class Size:
    """How many messages, and how often."""

    messages: int = 1_000_000
    rounds: int = 1


QUICK = Size(2_000)


def run(size: Size) -> str:
    """Measure; the table in Markdown."""
    with tempfile.TemporaryDirectory(prefix="encchat-bench-") as place:
        talks = [talk(Path(place) / f"talk{number}", size.messages, PARTS) for number in range(size.rounds)]
    return _table(size.messages, talks)


def _table(messages: int, talks: list[dict[str, list[Row]]]) -> str:
    head = ("messages", "sends, MB", "receives, decrypts, verifies, keeps, shows, MB")
    rows = []
    for part in range(PARTS):
        memory = [middle([one[role][part]["memory"] / 1e6 for one in talks]) for role in ("sends", "receives")]
        rows.append((f"{messages * (part + 1) // PARTS:,}", *memory))
    return table(head, rows)
