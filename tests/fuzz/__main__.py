"""`python -m tests.fuzz --atheris SECONDS`: each harness, or the named ones, under atheris for that long."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.harnesses import HARNESSES

ROOT = Path(__file__).parent.parent.parent
MISSING = "atheris is not installed: pip install atheris"

_CHILD = """
import sys, atheris
with atheris.instrument_imports(include=["encchat"]):
    from tests.fuzz.harnesses import HARNESSES
atheris.Setup(sys.argv, HARNESSES[{name!r}])
atheris.Fuzz()
"""


def available() -> bool:
    """Whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def main(words: Sequence[str] | None = None) -> int:
    """Run; 1 if a harness failed, 2 without atheris."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--atheris", type=int, required=True, metavar="SECONDS", help="for each harness")
    parser.add_argument("harness", nargs="*", help=f"{', '.join(HARNESSES)}; all without one")
    chosen = parser.parse_args(words)
    unknown = set(chosen.harness) - set(HARNESSES)
    if unknown:
        parser.error(f"there is no harness {', '.join(sorted(unknown))}; there are {', '.join(HARNESSES)}")
    if not available():
        print(MISSING, file=sys.stderr)
        return 2
    failed = [name for name in chosen.harness or HARNESSES if not run(name, chosen.atheris)]
    print(f"failed: {', '.join(failed)}" if failed else "nothing found")
    return 1 if failed else 0


def run(name: str, seconds: int) -> bool:
    """One harness in a process of its own, since atheris ends it; whether it held."""
    print(f"{name}: {HARNESSES[name].__doc__}", flush=True)
    command = [sys.executable, "-c", _CHILD.format(name=name), f"-max_total_time={seconds}", "-max_len=2000"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
