"""A disk that gets full: a small tmpfs where one can be mounted, and a limit on the sizes of the server's files."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

from attrs import define

from tests.processes import ServerProcess

TMPFS_BYTES = 12 * 2**20
"""Room for the keys, the store and a write-ahead log of its usual size."""


@define(eq=False)
class SmallDisk:
    """A tmpfs; full as long as the ballast is in it."""

    path: Path

    def fill(self, server: ServerProcess) -> None:
        """Leave not a byte."""
        with (self.path / "ballast").open("wb", buffering=0) as ballast:
            for size in (2**16, 2**12, 1):
                try:
                    while ballast.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def free(self, server: ServerProcess) -> None:
        """Take the ballast out."""
        (self.path / "ballast").unlink()


class FileSizeLimit:
    """RLIMIT_FSIZE of a running server: its files grow no further than the largest is now."""

    def fill(self, server: ServerProcess) -> None:
        """From now on, no."""
        sizes = [path.stat().st_size for path in server.data_dir.rglob("*") if path.is_file()]
        self._set(server, max(sizes))

    def free(self, server: ServerProcess) -> None:
        """Without a limit again; the limit of a server that was killed has gone with it."""
        if server.exit_code is None:
            self._set(server, resource.RLIM_INFINITY)

    def _set(self, server: ServerProcess, size: int) -> None:
        transport: Any = server.transport
        hard = resource.prlimit(transport.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(transport.pid, resource.RLIMIT_FSIZE, (size, hard))


def small_disk(test: Any) -> SmallDisk | None:
    """Mount one, unmounted at the test's end; None where that is not allowed."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or unmount is None:
        return None
    path = Path(test.mktemp()).absolute()
    path.mkdir(parents=True)
    command = [mount, "-t", "tmpfs", "-o", f"size={TMPFS_BYTES},mode=0700", "encchat-faults", str(path)]
    if subprocess.run(command, capture_output=True, timeout=20).returncode != 0:
        return None
    test.addCleanup(lambda: subprocess.run([unmount, "-l", str(path)], check=True, capture_output=True, timeout=20))
    return SmallDisk(path)
