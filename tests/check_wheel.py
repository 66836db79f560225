"""Say what is wrong with the contents of a built wheel; exit 1 if anything is."""

from __future__ import annotations

import sys
import zipfile

NEEDED = (
    "encchat/py.typed",
    "encchat/plugins/__init__.py",
    "encchat/server/store/schema/0001.sql",
    "encchat/server/store/schema/0002.sql",
    "twisted/plugins/encchat_plugin.py",
)
FORBIDDEN = ("tests/", "docs/", "benchmarks/", "twisted/__init__.py", "twisted/plugins/__init__.py")


def faults(names: list[str]) -> list[str]:
    """One sentence for each thing missing or wrongly there."""
    missing = [f"{name} is missing" for name in NEEDED if name not in names]
    extra = [f"{name} does not belong in the wheel" for name in names if name.startswith(FORBIDDEN)]
    return missing + extra


def main(path: str) -> int:
    """Print the faults of the wheel in ``path``."""
    with zipfile.ZipFile(path) as wheel:
        found = faults(wheel.namelist())
    print("\n".join(found) or "the wheel is whole")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
