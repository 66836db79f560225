"""docs/security.md as the tests read it."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "security.md"


@frozen
class Column:
    """What the page says of a column of the store."""

    form: str
    meaning: str

    @property
    def is_text(self) -> bool:
        """Whether words that people wrote may stand there, readable to the server."""
        return self.form == "**text**"


def section(title: str) -> str:
    """What stands under a heading of the second order, up to the next one."""
    _, _, rest = PAGE.read_text("utf-8").partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table, heads and rules left out."""
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def columns() -> dict[str, Column]:
    """Table "What the server stores": by ``table.column``."""
    stored = [row for row in rows(section("What the server stores")) if len(row) > 2]
    return {name.strip("`"): Column(form, meaning) for name, form, meaning in stored}


def forms() -> set[str]:
    """The forms that the same section explains."""
    return {row[0] for row in rows(section("What the server stores")) if len(row) == 2}


def claims() -> list[list[str]]:
    """Rows of "Can and cannot": can or cannot, what, the tests that show it."""
    return rows(section("Can and cannot"))
