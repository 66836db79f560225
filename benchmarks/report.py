"""Numbers as Markdown, with the machine they are from, put between the markers of a page."""

from __future__ import annotations

import os
import platform
import re
import ssl
import statistics
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("Twisted", "vodozemac", "cryptography", "msgspec")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def middle(values: Sequence[float]) -> str:
    """The median and, if the values differ, their range."""
    least, most = _short(min(values)), _short(max(values))
    found = _short(statistics.median(values))
    return found if least == most else f"{found} ({least} to {most})"


def _short(value: float) -> str:
    """Three digits, as nobody believes more."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> str:
    """Where and with what it ran."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = f"{platform.python_implementation()} {platform.python_version()}, {ssl.OPENSSL_VERSION}"
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; {python}; {packages}"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def write(page: Path, name: str, text: str) -> None:
    """Put ``text`` between ``<!-- benchmark: NAME -->`` and ``<!-- end -->``; `ValueError` where they are not."""
    region = re.compile(rf"(<!-- benchmark: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    before = page.read_text()
    if not region.search(before):
        raise ValueError(f"{page} has no place for the benchmark {name}")
    page.write_text(region.sub(lambda found: f"{found[1]}{text}\n{found[2]}", before))
