"""Hostile text from end to end: whatever a peer or a server says, not one of its bytes reaches the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from encchat import wire
from encchat.client import Client
from encchat.client.exits import Exit
from encchat.limits import MAX_DEVICE_NAME, MAX_REASON
from tests.client.hostile_server import HOSTILE, HostileFactory, traces, unasked
from tests.client.seats import CTRL_U, ENTER, PASSWORD, TAB, Seated
from tests.client.terminal import CLIENT, Terminal
from tests.processes import directory, reactor, start_server
from tests.raw import connect

SPELLED = "<U+202E>"
"""Stands on the screen where the text is shown."""
_PLUGIN = """
from encchat.server.command import command
from encchat.wire import Notice, Request

class Evil(Request, tag="evil", frozen=True, kw_only=True):
    word: str = ""

@command({help!r})
def evil(context, request: Evil):
    return Notice(text={help!r})
"""
_FILE: Final = {
    "file": "01HZZZZZZZZZZZZZZZZZZZZZZ9",
    "size": 10,
    "type": "text/plain",
    "key": "A" * 43,
    "sha256": "A" * 43,
    "chunk": 32768,
}
_DEVICE_NAME: Final = HOSTILE[:MAX_DEVICE_NAME]


class HostileServers(TestCase):
    """A server that lies in every field of everything it can say, before a real client on a terminal."""

    timeout = 120

    async def test_nothing_a_server_says_reaches_the_terminal(self) -> None:
        """Its greeting, answers, refusals, lists, commands and their help, events, and what it says in passing."""
        factory = HostileFactory()
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        home = directory(self)
        arguments = [f"127.0.0.1:{port.getHost().port}", "--home", str(home), "--user", "ann", "--register"]
        arguments += ["--recovery-file", str(home / "phrase")]
        terminal = Terminal(home, CLIENT, *arguments, columns=120, rows=40, environ={"ENCCHAT_PASSWORD": PASSWORD})
        self.addCleanup(terminal.close)
        await self.shows(terminal, "connected")
        for said in unasked(HOSTILE):
            factory.connection.say(said)
            await self.shows(terminal, SPELLED)
        for line in self.typed():
            terminal.send(line)
            await deferToThread(terminal.until_quiet)
        factory.connection.say(wire.Kicked(by=HOSTILE, reason=HOSTILE))
        factory.connection.say(wire.Closing(reason=HOSTILE))
        await deferToThread(terminal.until_quiet)
        factory.connection.transport.loseConnection()
        await deferToThread(terminal.until_ended)
        self.assertEqual(traces(terminal.raw), [])
        self.assertGreater(terminal.raw.count(SPELLED.encode()), 20)
        self.assertTrue(terminal.echoes())

    def typed(self) -> list[str]:
        """Commands whose answers, and keys whose words, the server has a say in."""
        words = ["users", "status bob", "rooms", "devices", "hostile x", "help", "help hostile", "who #a", "unread"]
        words += ["history", "mentions", "search evil", "connect bob", "join #a", "msg bob hi", "go @bob", "go lobby"]
        keys = [
            "evil" + TAB + TAB,
            "\x15/host" + TAB,
            "\x15/msg ev" + TAB + TAB,
            "\x15@ev" + TAB,
            "\x15/go #" + TAB + TAB,
        ]
        keys += ["\x15/go #" + TAB + TAB, "\x15", "\x1b2", "\x1b3", "\x1b[1;3C", "\x1b[1;3C", "\x1b1"]
        return [*(f"/{word}{ENTER}" for word in words), *keys]

    async def shows(self, terminal: Terminal, text: str) -> None:
        """Wait for it while the server goes on."""
        await deferToThread(terminal.until_shows, text)


class HostilePeers(Seated):
    """Others lie in what a real server passes on."""

    async def test_nothing_a_peer_says_reaches_the_terminal(self) -> None:
        """Messages, topics, files, devices, reasons, notices, and what a server's owner and its plugins say."""
        server = await start_server(
            self, "--registration", "open", f"--config={self.config()}", environ={"PYTHONPATH": str(self.plugin())}
        )
        mallory = Client(await server.invite(), "mallory", PASSWORD, home=directory(self))
        await mallory.connect()
        self.addCleanup(lambda: Deferred.fromCoroutine(mallory.close()))
        ann = self.sit_down(server, "ann", columns=120, rows=40)
        await self.speak(mallory, ann)
        await self.log_in_elsewhere(server.port)
        for line in ("/devices", "/help", "/evil x", "/files", "/rooms", "/who", "/unread", "/search evil", "/history"):
            ann.send(line + ENTER)
            ann.until_quiet()
        for keys in ("/ev" + TAB, CTRL_U + "/go " + TAB + TAB, CTRL_U + "/accept " + TAB, CTRL_U):
            ann.send(keys)
            ann.until_quiet()
        mallory.do(f"/admin {PASSWORD}")
        mallory.do(f"/announce {HOSTILE}")
        mallory.do(f"/kick ann {HOSTILE[:MAX_REASON]}")
        await deferToThread(ann.until_ended)
        self.assertEqual(traces(ann.raw), [])
        self.assertGreater(ann.raw.count(SPELLED.encode()), 12)
        self.assertEqual(ann.exit_code(), Exit.KICKED)

    async def speak(self, mallory: Client, ann: Terminal) -> None:
        """Wherever one can: what is on the screen is spelled out."""
        mallory.do("/chat #garden ann")
        await deferToThread(ann.until_shows, "invites")
        ann.send("/join #garden" + ENTER)
        await deferToThread(ann.until_shows, "#garden>")
        core: Any = mallory._core  # what a client of theirs would send that does not care
        topic = {"content": "topic"}
        file = {"content": "file"}
        said = json.dumps({**_FILE, "name": HOSTILE})
        for place in ("#garden", "lobby", "@ann"):
            await mallory.send(place, HOSTILE)
            await mallory.send(place, f"ann: {HOSTILE}")
            if place != "lobby":
                core.say("", place, said, **file)
        core.say("", "#garden", HOSTILE, **topic)
        await mallory.send("#garden", "that was all")
        await deferToThread(ann.until_shows, "that was all")
        for place in ("lobby", "@mallory", "#garden"):
            ann.send(f"/go {place}{ENTER}")
            await deferToThread(ann.until_shows, f"{place}>")
            await deferToThread(ann.until_shows, SPELLED)

    async def log_in_elsewhere(self, port: int) -> None:
        """Another device of Ann's, whose name is hostile."""
        raw = await connect(self, port)
        answer = await raw.request(wire.Login, user="ann", password=PASSWORD, device_name=_DEVICE_NAME)
        self.assertIsInstance(answer, wire.Ok)

    def plugin(self) -> Path:
        """A folder with a command whose help and answer are hostile."""
        folder = directory(self)
        (folder / "encchat" / "plugins").mkdir(parents=True)
        (folder / "encchat" / "plugins" / "evil.py").write_text(_PLUGIN.format(help=HOSTILE))
        return folder

    def config(self) -> Path:
        """What a server's owner may have written."""
        path = directory(self) / "server.toml"
        path.write_text('motd = "' + "".join(f"\\U{ord(one):08x}" for one in HOSTILE) + '"\n')
        return path
