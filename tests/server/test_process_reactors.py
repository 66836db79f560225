"""A real server runs on encchat's reactor, and on those of Twisted and uvloop when they are chosen."""

from __future__ import annotations

from importlib.util import find_spec

from twisted.trial.unittest import TestCase

from encchat.wire import Closing, Message
from tests import raw
from tests.processes import ServerProcess, start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": raw.PASSWORD}


class ReactorTests(TestCase):
    timeout = 120

    async def talks_and_stops(self, server: ServerProcess) -> None:
        """Two people, a message each way, and a goodbye."""
        alice = start_client(self, server.address, "--user", "alice", "--register", "--follow", environ=PASSWORD)
        bob = await raw.connect(self, server.port)
        await bob.register("bob")
        await alice.wait_for("logged_in", user="alice")
        await bob.send("lobby", "hello")
        await alice.wait_for("message", from_="bob", text="hello")
        alice.type("hello back")
        await alice.wait_for("sent", conversation="lobby")
        await bob.hears(Message, sender="alice")
        server.signal("TERM")
        await bob.hears(Closing, reason="the server is stopping")
        await alice.wait_for("disconnected", reason="the server is stopping")
        self.assertEqual(await server.exits(), -15)
        self.assertIn("stopped", [line["event"] for line in server.seen])
        self.assertNotIn("Traceback", server.errors + server.other)
        self.assertEqual([line for line in server.seen if line["level"] in ("error", "critical")], [])

    async def runs_on(self, chosen: str, name: str) -> None:
        """With ``--reactor=chosen``, or without, it is that class and does its work."""
        server = await start_server(self, "--registration", "open", on=chosen)
        self.assertIn(name, [line.get("reactor") for line in server.seen])
        await self.talks_and_stops(server)

    async def test_it_runs_on_its_own_where_none_is_chosen(self) -> None:
        """As `encchat.server.options` has it, where there is epoll."""
        await self.runs_on("", "encchat.net.reactor.EncchatReactor")

    async def test_its_own_can_be_chosen_by_name(self) -> None:
        """``--reactor=encchat``."""
        server = await start_server(self, on="encchat")
        self.assertIn("encchat.net.reactor.EncchatReactor", [line.get("reactor") for line in server.seen])

    async def test_it_runs_on_twisteds_epoll_reactor(self) -> None:
        """``--reactor=epoll`` is not overruled."""
        await self.runs_on("epoll", "twisted.internet.epollreactor.EPollReactor")

    async def test_it_runs_on_asyncio(self) -> None:
        """``--reactor=asyncio``."""
        await self.runs_on("asyncio", "twisted.internet.asyncioreactor.AsyncioSelectorReactor")

    async def test_it_runs_on_uvloop(self) -> None:
        """``--reactor=uvloop``."""
        await self.runs_on("uvloop", "encchat.net.uvloop_reactor.UvloopReactor")

    if find_spec("uvloop") is None:
        test_it_runs_on_uvloop.skip = "uvloop is not installed: pip install 'encchat[uvloop]'"  # type: ignore[attr-defined]
