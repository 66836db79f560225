"""The keeper of a demo: starts its server and its bots in a directory of their own, and removes all of it at the end.

``python -m encchat.client.demo.keeper``; standard input is the pipe to the client (`encchat.client.demo.lifeline`), the
one line on standard output is a `Place` or a `Failed`. Theory of operation:

    client --pipe--> keeper --pipe--> server
                       +------pipe--> bots

Whoever's writing end is gone is dead: the keeper ends its two children and removes the directory when the client is
gone, the children end by themselves should the keeper be gone. It needs the standard library alone, so that it
starts at once and nothing in it can hang.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from encchat.client.demo.lifeline import environment, hold

_HOLD: Final = "from encchat.client.demo.lifeline import hold; hold()"
_SERVER: Final = f"{_HOLD}; from twisted.scripts.twistd import run; run()"
_BOTS: Final = "from encchat.client.demo.bots import main; main()"
_OWN: Final = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", "PYTHONUNBUFFERED": "1"}
"""Besides a home of their own: nobody's keyring is touched."""
_KEPT_LINES: Final = 5
"""Lines of a child's that are shown when it could not be started."""

Child = subprocess.Popen[bytes]


class StartError(Exception):
    """A child ended, or said something else than it should; the text says what."""


class Leaving:
    """Ends the process at a signal, by `SystemExit`: once, so that nothing interrupts the tidying up."""

    def __init__(self) -> None:
        self._held = self._wanted = False
        self._handle(self)

    def __call__(self, number: int, frame: object) -> None:
        self._handle(signal.SIG_IGN)
        self._wanted = True
        if not self._held:
            sys.exit(0)

    @contextmanager
    def later(self) -> Iterator[None]:
        """What is done here is not left half done."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._wanted:
            sys.exit(0)

    def _handle(self, handler: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, handler)


def main() -> None:
    """Run until standard input is closed or a signal comes."""
    leaving = Leaving()
    hold(number=signal.SIGTERM)
    try:
        with _directory(leaving) as place, ExitStack() as children:
            _say(_start(place, children, leaving))
            threading.Event().wait()
    except (StartError, OSError) as error:
        _say({"failed": str(error)})


def _start(place: Path, children: ExitStack, leaving: Leaving) -> dict[str, str]:
    """Start both; they load at the same time. Returns what the client needs: its link and its home."""
    options = ["--data-dir", str(place / "server"), "--log-format=json", "--endpoint=tcp:0:interface=127.0.0.1"]
    with leaving.later():
        server = _child(_SERVER, ["-n", "--pidfile=", "encchat", *options, "--address=127.0.0.1"], place, children)
        bots = _child(_BOTS, [str(place)], place, children)
    _tell(bots, {"link": _read(server, "invite")["link"]})
    _drain(server)
    link = _read(bots, "guest")["link"]
    _drain(bots)
    return {"link": link, "home": str(place / "you")}


@contextmanager
def _directory(leaving: Leaving) -> Iterator[Path]:
    with ExitStack() as stack:
        with leaving.later():
            path = Path(tempfile.mkdtemp(prefix="encchat-demo-"))
            stack.callback(shutil.rmtree, path)
        yield path


def _child(code: str, arguments: Sequence[str], place: Path, children: ExitStack) -> Child:
    child = subprocess.Popen(  # noqa: S603 - this Python, our own code
        [sys.executable, "-P", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=place,
        env=environment(os.environ) | _OWN | {"HOME": str(place)},
    )
    children.callback(_end, child)
    return child


def _end(child: Child) -> None:
    """Nothing of a demo is worth waiting for."""
    child.kill()
    child.wait()


def _read(child: Child, event: str) -> dict[str, Any]:
    """The first line of the child with that ``event``; raise `StartError` if it ends before."""
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    for raw in _stream(child.stdout):
        line = raw.decode("utf-8", "replace").strip()
        last.append(line)
        if line.startswith("{"):
            try:
                found: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            if found.get("event") == event:
                return found
    raise StartError("\n".join(last) or "it ended without a word")


def _drain(child: Child) -> None:
    """Read on, so that it never waits for its output to be read."""
    stream = _stream(child.stdout)
    threading.Thread(target=deque, args=(stream, 0), daemon=True).start()


def _tell(child: Child, what: Mapping[str, str]) -> None:
    stream = _stream(child.stdin)
    try:
        stream.write(json.dumps(what).encode() + b"\n")
        stream.flush()
    except BrokenPipeError:
        raise StartError("the bots ended before they were told where the server is") from None


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise StartError("no pipe to a child")
    return stream


def _say(what: Mapping[str, str]) -> None:
    with suppress(BrokenPipeError):  # the client is gone; standard input says so, too
        print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
