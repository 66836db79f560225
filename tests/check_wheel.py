"""Say what is wrong with the contents of a built wheel; exit 1 if anything is.

Manual pages and completions are at the places below ``share`` where man, bash, zsh and fish look, and they are those
of the tree.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

NEEDED = (
    "encchat/py.typed",
    "encchat/plugins/__init__.py",
    "twisted/plugins/encchat_plugin.py",
)
SHARED = {
    "share/man/man1": ("docs/man", (".1",)),
    "share/man/man8": ("docs/man", (".8",)),
    "share/bash-completion/completions": ("docs/completions/bash", ("",)),
    "share/zsh/site-functions": ("docs/completions/zsh", ("",)),
    "share/fish/vendor_completions.d": ("docs/completions/fish", (".fish",)),
}
"""Folder of an installation: the folder of the tree it comes from, and the ends of the names that do."""
ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = ("tests/", "docs/", "benchmarks/", "twisted/__init__.py", "twisted/plugins/__init__.py")


def schemas() -> list[str]:
    """The files the stores are made from, also those an older store is brought up with."""
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "encchat").rglob("*.sql"))]


def faults(names: list[str]) -> list[str]:
    """One sentence for each thing missing or wrongly there."""
    missing = [f"{name} is missing" for name in (*NEEDED, *schemas()) if name not in names]
    extra = [f"{name} does not belong in the wheel" for name in names if name.startswith(FORBIDDEN)]
    return missing + extra


def shared() -> dict[str, Path]:
    """Where below ``data`` in the wheel each file of the tree is that ``share`` is to get."""
    return {
        f"{place}/{file.name}": file
        for place, (folder, ends) in SHARED.items()
        for file in sorted((ROOT / folder).iterdir())
        if file.name.endswith(ends)
    }


def share_faults(wheel: zipfile.ZipFile) -> list[str]:
    """The same for what goes to ``share``: missing, not that of the tree, or more than the tree has."""
    there = {name.partition(".data/data/")[2]: name for name in wheel.namelist() if ".data/data/" in name}
    wanted = shared()
    missing = [f"{place} is missing" for place in wanted if place not in there]
    stale = [
        f"{place} is not {file.relative_to(ROOT)}"
        for place, file in wanted.items()
        if place in there and wheel.read(there[place]) != file.read_bytes()
    ]
    return missing + stale + [f"{place} does not belong in the wheel" for place in there if place not in wanted]


def main(path: str) -> int:
    """Print the faults of the wheel in ``path``."""
    with zipfile.ZipFile(path) as wheel:
        found = faults(wheel.namelist()) + share_faults(wheel)
    print("\n".join(found) or "the wheel is whole")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
