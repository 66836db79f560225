"""A clock that can be made to jump under running processes: a small library in front of the C library's.

The library is compiled on the spot from `clock.c`; a process started with `environ` reads its offset from a
file at every call, so that writing there is a jump. Only the time of day jumps; the monotonic clock goes on.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from attrs import define

SOURCE = Path(__file__).with_name("clock.c")


@define(eq=False)
class JumpingClock:
    """The clock of the processes started with `environ`."""

    library: Path
    offset: Path

    def jump_to(self, seconds: float) -> None:
        """From now on these processes see the true time plus so many seconds."""
        with self.offset.open("r+b", buffering=0) as file:
            file.write(struct.pack("@q", round(seconds * 1e9)))

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs in its environment."""
        return {"LD_PRELOAD": str(self.library), "FAULT_CLOCK": str(self.offset)}


def why_no_clock() -> str:
    """Why there can be no `JumpingClock` here; empty if there can."""
    if os.uname().sysname != "Linux":
        return "clocks jump by LD_PRELOAD, which is tried on Linux alone"
    return "" if _compiler() else "there is no C compiler (cc) for the library that makes the clock jump"


def make_clock(directory: Path) -> JumpingClock:
    """Compile the library into ``directory`` unless it is there; each call makes another clock."""
    library = directory / "clock.so"
    if not library.exists():
        compiler = _compiler()
        assert compiler is not None, why_no_clock()
        command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    number = len(list(directory.glob("offset.*")))
    offset = directory / f"offset.{number}"
    offset.write_bytes(bytes(8))
    return JumpingClock(library, offset)


def _compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")
