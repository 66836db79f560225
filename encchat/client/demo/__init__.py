"""``encchat-client --demo``: a server of one's own with two talking bots, gone without a trace afterwards.

The server and the bots are child processes of a keeper (`encchat.client.demo.keeper`), which is started before there is
a reactor here and ends when the pipe to this process is closed. What is said by the bots is in
`encchat.client.demo.script`.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from encchat.client.demo.lifeline import environment
from encchat.client.home import Home
from encchat.client.options import Options
from encchat.client.settings import Settings
from encchat.errors import CannotConnectError
from encchat.limits import DEMO_END_SECONDS, DEMO_START_SECONDS
from encchat.links import parse_link

GUEST: Final = "guest"
"""Who the newcomer is, unless ``--user`` says another name."""
KEEPER: Final = (sys.executable, "-P", "-m", "encchat.client.demo.keeper")
"""``-P``: what lies about in the present folder is not taken for a module."""


@frozen
class Place:
    """A running demo: what the client needs to come in."""

    link: str
    home: Path

    def options(self, given: Options) -> Options:
        """``given``, for this place; the settings in force are changed for this run only, files are received here."""
        link, downloads = parse_link(self.link), self.home / "downloads"
        settings = Settings(now=evolve(given.settings.now, downloads=str(downloads)))
        return evolve(
            given,
            address=link.address,
            link=link,
            home=Home(self.home),
            user=given.user or GUEST,
            settings=settings,
        )


def new_password() -> str:
    """The guest's, which nobody ever has to know."""
    return secrets.token_urlsafe(24)


@contextmanager
def open_place(command: Sequence[str] = KEEPER) -> Iterator[Place]:
    """Start a demo by its keeper, end it afterwards; raise `CannotConnectError` where it does not start."""
    keeper = subprocess.Popen(  # noqa: S603 - this Python, our own code
        command,
        env=environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what the person presses on the keyboard is not for the keeper
    )
    try:
        yield _place(keeper)
    finally:
        _end(keeper)


def _place(keeper: subprocess.Popen[bytes]) -> Place:
    if keeper.stdout is None:
        raise CannotConnectError("the demo could not be started: it cannot say where it is")
    ready, _, _ = select.select([keeper.stdout], [], [], DEMO_START_SECONDS)
    line = keeper.stdout.readline() if ready else b""
    try:
        said: dict[str, str] = json.loads(line)
        return Place(said["link"], Path(said["home"]))
    except ValueError:
        why = "it took too long" if not ready else "its keeper ended"
    except KeyError:
        why = said.get("failed", "")
    raise CannotConnectError(f"the demo could not be started: {why}")


def _end(keeper: subprocess.Popen[bytes]) -> None:
    """Close the pipe, which ends it, and wait until everything is removed."""
    for stream in (keeper.stdin, keeper.stdout):
        if stream is not None:
            stream.close()
    try:
        keeper.wait(DEMO_END_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.terminate()
