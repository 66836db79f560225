"""The two bots of a demo as a process: logs them in, waits for the newcomer, has them act `encchat.client.demo.script`.

``main()`` with the demo's directory as argument; reads ``{"link": ...}``, an administrator's invite link, from standard
input, writes ``{"event": "guest", "link": ...}`` for the newcomer, and lives as long as standard input is open.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater, react

from encchat import wire
from encchat.client.commands import BY_VERB
from encchat.client.demo.lifeline import hold
from encchat.client.demo.script import ADA, BOB, BOTS, Line, Play
from encchat.client.library import Client
from encchat.limits import DEMO_LINE_SECONDS, DEMO_LOOK_SECONDS, DEMO_PATIENCE_SECONDS, DEMO_READ_SECONDS

_GIFT: Final = "letter.txt"
_LETTER: Final = "Dear friend,\n\nthis came in sealed pieces through a server that cannot read them.\n\n  bob\n"


def main() -> None:
    """Run until standard input is closed."""
    line = sys.stdin.buffer.readline()
    if line:
        hold()
        react(_run, (Path(sys.argv[1]), json.loads(line)["link"]))


def _run(reactor: Any, place: Path, link: str) -> Deferred[None]:
    return ensureDeferred(_perform(reactor, place, link))


async def _perform(reactor: Any, place: Path, link: str) -> None:
    password = secrets.token_urlsafe()
    ada = _bot(reactor, place, ADA, link, password)
    await ada.connect()
    await ada.request(wire.Admin, password=password)
    bob = _bot(reactor, place, BOB, await _invite(ada), password)
    print(json.dumps({"event": "guest", "link": await _invite(ada)}), flush=True)
    await bob.connect()
    play = Play(await _newcomer(reactor, ada), _gift(place))
    stage = Stage(reactor, play, {ADA: ada, BOB: bob})
    for bot in BOTS:
        ensureDeferred(stage.listen(bot)).addErrback(stage.broke)
    stage.begin()
    await stage.over


def _bot(reactor: Any, place: Path, name: str, link: str, password: str) -> Client:
    return Client(link, name, password, home=place / name, reactor=reactor)


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

    ``over`` fails when a bot has lost its server.
    """

    _reactor: Any
    _play: Play
    _bots: dict[str, Client]
    over: Deferred[None] = field(init=False, factory=Deferred)
    _lines: deque[Line] = field(init=False, factory=deque)
    _rest: Any = field(init=False, default=None)
    """The timer that ends a silence; None while lines are typed."""

    def begin(self) -> None:
        """The newcomer is there."""
        self._lines.extend(self._play.began())
        self._step()

    def add(self, lines: Iterable[Line]) -> None:
        """These follow; what waits already comes first."""
        self._lines.extend(lines)
        if self._lines and self._rest is not None:
            self._rest.cancel()
            self._rest = None
            self._step()

    async def listen(self, bot: str) -> None:
        """Hand the play what ``bot`` sees, as long as it is connected."""
        async for event in self._bots[bot].events():
            self.add(self._play.heard(bot, event))

    def broke(self, failure: Any) -> None:
        """A bot is gone."""
        if not self.over.called:
            self.over.errback(failure)

    def _step(self) -> None:
        """Type a line, and wait until it has been read; when there is none, until it is time to say something."""
        if not self._lines:
            self._rest = self._reactor.callLater(DEMO_PATIENCE_SECONDS, self._remind)
            return
        line = self._lines.popleft()
        self._bots[line.bot].type(line.text)
        pause = max(DEMO_LINE_SECONDS, DEMO_READ_SECONDS * len(line.spoken))
        self._reactor.callLater(pause, self._step)

    def _remind(self) -> None:
        self._rest = None
        self._lines.extend(self._play.waited())
        self._step()
