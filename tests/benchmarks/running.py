"""Running a benchmark as a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest import SkipTest

ROOT = Path(__file__).resolve().parent.parent.parent
_SECONDS = 300
"""How long the short mode may take on a busy machine."""


def benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, ended."""
    if not (ROOT / "benchmarks").is_dir():
        raise SkipTest("only the source tree has benchmarks")
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False)


def rows(output: str) -> list[list[str]]:
    """The cells of all tables, without their heads."""
    lines = [line.strip("| ").split(" | ") for line in output.splitlines() if line.startswith("| ")]
    heads = [at - 1 for at, cells in enumerate(lines) if set(cells) == {"---"}]
    return [cells for at, cells in enumerate(lines) if at not in heads and set(cells) != {"---"}]
