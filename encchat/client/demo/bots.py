"""The two bots of a demo as a process: logs them in, waits for the newcomer, has them act `encchat.client.demo.script`.

``main()`` with the demo's directory as argument; reads ``{"link": ...}``, an administrator's invite link, from standard
input, writes ``{"event": "guest", "link": ...}`` for the newcomer, and lives as long as standard input is open.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, FirstError, ensureDeferred, gatherResults
from twisted.internet.task import deferLater, react

from encchat import wire
from encchat.client.commands import BY_VERB
from encchat.client.demo.lifeline import hold
from encchat.client.demo.script import ADA, BOB, BOTS, Line, Play
from encchat.client.library import Client
from encchat.limits import DEMO_LEAST_READ, DEMO_LOOK_SECONDS, DEMO_PATIENCE_SECONDS, DEMO_READ_SECONDS

_GIFT: Final = "letter.txt"
_LETTER: Final = "Dear friend,\n\nthis came in sealed pieces through a server that cannot read them.\n\n  bob\n"


def main() -> None:
    """Run until standard input is closed."""
    line = sys.stdin.buffer.readline()
    if line:
        hold()
        react(_run, (Path(sys.argv[1]), json.loads(line)["link"]))


def _run(reactor: Any, place: Path, link: str) -> Deferred[None]:
    return ensureDeferred(perform(reactor, place, link, _announce))


def _announce(link: str) -> None:
    print(json.dumps({"event": "guest", "link": link}), flush=True)


async def perform(
    reactor: Any, place: Path, link: str, announce: Callable[[str], None], pace: float = DEMO_READ_SECONDS
) -> None:
    """Register the bots by ``link``, ``announce`` the newcomer's link, then act until cancelled or cut off.

    ``place`` is a directory for what they keep, ``pace`` the seconds that people need to read a character.
    """
    password = secrets.token_urlsafe()
    async with AsyncExitStack() as bots:

        async def enter(name: str, link: str) -> Client:
            bot = Client(link, name, password, home=place / name, reactor=reactor)
            return await bots.enter_async_context(bot)

        ada = await enter(ADA, link)
        await ada.request(wire.Admin, password=password)
        bobs = await _invite(ada)
        announce(await _invite(ada))
        bob = await enter(BOB, bobs)
        play = Play(await _newcomer(reactor, ada), _gift(place))
        await Stage(reactor, play, {ADA: ada, BOB: bob}, pace).act()


async def _invite(admin: Client) -> str:
    made = await admin.request(wire.InviteLink)
    if not isinstance(made, wire.Notice):
        raise TypeError("an invite link is answered by a notice")
    return made.text


async def _newcomer(reactor: Any, bot: Client) -> str:
    """The name of whoever comes."""
    while True:
        there = await bot.request(wire.Users)
        if isinstance(there, wire.UserList):
            for entry in there.users:
                if entry.user not in BOTS:
                    return entry.user
        await deferLater(reactor, DEMO_LOOK_SECONDS)


def _gift(place: Path) -> Path | None:
    """A file to send, where this encchat sends files."""
    if "send" not in BY_VERB:
        return None
    path = place / _GIFT
    path.write_text(_LETTER)
    return path


@define(eq=False)
class Stage:
    """Has the bots type the lines of the play one after another, slowly enough to be read.

    An answer to the newcomer comes soon, and before what is told unasked.
    """

    _reactor: Any
    _play: Play
    _bots: dict[str, Client]
    _pace: float
    _answers: list[Line] = field(init=False, factory=list)
    _untold: list[Line] = field(init=False, factory=list)
    _timer: Any = field(init=False, default=None)

    async def act(self) -> None:
        """From the beginning until cancelled; fails when a bot has lost its server."""
        listening = [ensureDeferred(self._listen(bot)) for bot in BOTS]
        self._untold += self._play.began()
        self._step()
        try:
            await gatherResults(listening, consumeErrors=True)
        except FirstError as first:
            first.subFailure.raiseException()
        finally:
            self._timer.cancel()

    async def _listen(self, bot: str) -> None:
        async for event in self._bots[bot].events():
            if lines := self._play.heard(bot, event):
                self._answer(lines)

    def _answer(self, lines: list[Line]) -> None:
        if any(line.hint for line in lines):
            self._answers, self._untold = _lasting(self._answers), _lasting(self._untold)
        self._answers += lines
        self._wait(DEMO_LEAST_READ)

    def _step(self) -> None:
        """Type a line, and wait until it has been read; when there is none, until it is time to say something."""
        lines = self._answers or self._untold
        if not lines:
            self._timer = self._reactor.callLater(DEMO_PATIENCE_SECONDS, self._remind)
            return
        line = lines.pop(0)
        self._bots[line.bot].do(line.text)
        self._wait(max(DEMO_LEAST_READ, len(line.spoken)))

    def _wait(self, characters: int) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(characters * self._pace, self._step)

    def _remind(self) -> None:
        self._untold += self._play.waited()
        self._step()


def _lasting(lines: list[Line]) -> list[Line]:
    return [line for line in lines if not line.hint]
