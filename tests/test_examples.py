"""The programs shown in the documentation run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from attrs import Factory, define
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase

from tests.processes import JsonProcess, ServerProcess, directory, reactor, spawn, start_client, start_server

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = re.compile(r"<!-- example: ([\w.]+) -->\n```python\n(.*?)```", re.DOTALL)
PASSWORD = {"ENCCHAT_PASSWORD": "correct horse battery"}


def example(name: str) -> str:
    """The program of that file name, as a reader would copy it."""
    shown = {
        found: text
        for page in sorted((ROOT / "docs").glob("*.md"))
        for found, text in EXAMPLE.findall(page.read_text())
    }
    return shown[name]


@define(eq=False, slots=False)
class Program(JsonProcess):
    """A program that says on stdout which port it listens on."""

    listening: Deferred[int] = Factory(Deferred)

    def _line(self, line: bytes) -> None:
        if line.startswith(b"listening on "):
            self.listening.callback(int(line.split()[-1]))


class Collector(Protocol):
    """Fires ``complete`` once it has received ``wanted``."""

    def __init__(self, wanted: bytes) -> None:
        self.wanted, self.received = wanted, b""
        self.complete: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if len(self.received) >= len(self.wanted):
            self.complete.callback(self.received)


class Examples(TestCase):
    """docs/client.md and docs/plugins.md."""

    timeout = 120

    async def test_the_echo_bot_answers(self) -> None:
        """It registers by its link, then says back what it is told, to whoever told it."""
        server = await start_server(self, "--registration", "open")
        bot = JsonProcess()
        spawn(self, bot, example("echo_bot.py"), [await server.invite(), PASSWORD["ENCCHAT_PASSWORD"]], directory(self))
        alice = await self.somebody(server, "alice")
        await self.present(alice, "echo")
        alice.type("/msg echo is there anybody?")
        answer = await alice.wait_for("message", from_="echo")
        self.assertEqual((answer["text"], answer["conversation"]), ("is there anybody?", "@echo"))

    async def somebody(self, server: ServerProcess, name: str) -> JsonProcess:
        """A client that has registered and is in."""
        client = start_client(self, server.address, "--user", name, "--register", environ=PASSWORD)
        await client.wait_for("logged_in", user=name)
        return client

    async def present(self, client: JsonProcess, name: str) -> None:
        """Ask until ``name`` is here; a `JsonProcess` that has ended, or its time limit, ends the asking."""
        while True:
            client.type("/users")
            if name in [row["user"] for row in (await client.wait_for("users"))["users"]]:
                return

    async def test_the_roll_command_is_offered_and_answers(self) -> None:
        """A file dropped into a plugin directory shows in ``/help`` and does what it says."""
        plugins = directory(self) / "encchat" / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "roll.py").write_text(example("roll.py"))
        server = await start_server(self, "--registration", "open", environ={"PYTHONPATH": str(plugins.parent.parent)})
        alice = await self.somebody(server, "alice")
        alice.type("/help", "/roll 1", "/roll many")
        self.assertIn("/roll", (await alice.wait_for("notice"))["text"])
        self.assertEqual((await alice.wait_for("notice"))["text"], "alice rolls 1")
        self.assertIn("SIDES", (await alice.wait_for("error"))["text"])

    async def test_the_endpoint_example_serves_encrypted_echo(self) -> None:
        """Any Twisted program listens and connects through the channel by endpoint strings."""
        home = directory(self)
        server = Program()
        spawn(self, server, example("echo_endpoints.py"), [str(home / "identity.pem")], home)
        port = await server.listening.addTimeout(20, reactor)
        endpoint = clientFromString(reactor, rf"noise:tcp\:127.0.0.1\:{port}:pin=any")
        collector: Any = await connectProtocol(endpoint, Collector(b"through the channel"))
        collector.transport.write(b"through the channel")
        self.assertEqual(await collector.complete.addTimeout(20, reactor), b"through the channel")
        collector.transport.abortConnection()
