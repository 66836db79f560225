"""Server and clients as processes of their own, on this machine's loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
_TWISTD: Final = "from twisted.scripts.twistd import run; run()"
_SECONDS: Final = 300.0
"""After which a client is not waited for any more."""


@contextmanager
def server(directory: Path, **settings: object) -> Iterator[str]:
    """A server on that data directory, with those settings; gives its address."""
    with running(directory, **settings) as (_, port):
        yield f"127.0.0.1:{port}"


@contextmanager
def running(directory: Path, **settings: object) -> Iterator[tuple[int, int]]:
    """The same; gives its process id and its port."""
    config = directory.with_suffix(".toml")
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    arguments = ["-n", "--pidfile=", "encchat", f"--data-dir={directory}", "--port=0", "--log-format=json"]
    command = [sys.executable, "-c", _TWISTD, *arguments, f"--config={config}"]
    log = directory.with_suffix(".log")
    with open(log, "w") as output:  # a pipe that nobody reads would fill up and hold the server
        process = subprocess.Popen(command, stdout=output, cwd=ROOT)  # noqa: S603 - this program
    try:
        yield process.pid, _port(process, log)
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    while process.poll() is None:
        for line in log.read_text().splitlines(keepends=True):
            said = json.loads(line) if line.startswith("{") and line.endswith("\n") else {}
            if said.get("event") == "listening":
                return int(said["port"])
        time.sleep(0.02)
    raise RuntimeError(f"the server has not started: {log.read_text()[-500:]}")


class Child:
    """``python -m benchmarks.client`` in some role."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "benchmarks.client", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)  # noqa: S603 - ours

    def line(self) -> dict[str, Any]:
        """What it says next."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"a client ended with exit code {self._process.wait(_SECONDS)}")
        found: dict[str, Any] = json.loads(line)
        return found

    def rest(self) -> list[dict[str, Any]]:
        """What it says until it ends."""
        output, _ = self._process.communicate(timeout=_SECONDS)
        if self._process.returncode:
            raise RuntimeError(f"a client ended with exit code {self._process.returncode}")
        return [json.loads(line) for line in output.splitlines()]

    def kill(self) -> None:
        """It is not needed any more."""
        self._process.kill()
        self._process.communicate()
