"""Seeds that once broke a promise; a test runs every one of them again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).with_name("seeds.txt")


def known() -> list[int]:
    """Those in seeds.txt: one a line, and after a # what it was."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [int(number) for line in lines if (number := line.partition("#")[0].strip())]


def remember(seeds: Iterable[int]) -> None:
    """Add those that are new."""
    new = sorted(set(seeds) - set(known()))
    with FILE.open("a", encoding="utf-8") as file:
        file.writelines(f"{seed}  # say what it found\n" for seed in new)
