"""Moderation, floods and reloads with real processes: the server, and `encchat-client --face json`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.threads import deferToThread
from twisted.protocols.portforward import ProxyFactory, ProxyServer
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from encchat.client.exits import Exit
from encchat.links import parse_link
from encchat.wire import Welcome
from tests import raw
from tests.processes import (
    SECONDS,
    JsonProcess,
    ServerProcess,
    directory,
    free_port,
    spawn_server,
    start_client,
    start_server,
)

reactor: Any = _reactor
PASSWORD = {"ENCCHAT_PASSWORD": "correct horse"}
ELSEWHERE = "127.0.0.9"


class Elsewhere:
    """A reactor whose connections come from `ELSEWHERE`."""

    @staticmethod
    def connectTCP(host: str, port: int, factory: object) -> object:
        """As the reactor's."""
        return reactor.connectTCP(host, port, factory, bindAddress=(ELSEWHERE, 0))


class ElsewhereProxy(ProxyServer):  # type: ignore[misc]
    """Forwards a connection as if it came from there."""

    reactor = Elsewhere


class Silent(Protocol):
    """Says nothing; ``over`` fires when it is hung up on, with what it has heard."""

    def __init__(self) -> None:
        self.over: Deferred[bytes] = Deferred()
        self._heard = b""

    def dataReceived(self, data: bytes) -> None:
        self._heard += data

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.over.callback(self._heard)


class ModerationCase(TestCase):
    """A server, and people on it."""

    timeout = 90

    async def start(self, *options: str) -> ServerProcess:
        """With open registration; root is its admin and has confirmed."""
        self.server = await start_server(self, "--registration", "open", *options)
        link = await self.server.invite()
        self.root = start_client(self, link, "--user", "root", "--follow", environ=PASSWORD)
        await self.root.wait_for("logged_in", role="admin")
        self.root.type("/admin correct horse")
        await self.root.wait_for("notice", text="admin commands work for the next 10 minutes")
        return self.server

    async def joined(self, name: str, address: str = "", home: Path | None = None) -> JsonProcess:
        """A client that has registered, or logged in as before, and stays."""
        options = ("--user", name, "--register", "--follow")
        client = start_client(self, address or self.server.address, *options, home=home, environ=PASSWORD)
        await client.wait_for("logged_in", user=name)
        return client

    async def notice(self, client: JsonProcess, is_it: Callable[[str], bool]) -> str:
        """The first notice of that kind."""
        while True:
            text: str = (await client.wait_for("notice"))["text"]
            if is_it(text):
                return text


class BanTests(ModerationCase):
    """What people see of it."""

    async def test_a_banned_user_is_put_out_and_his_client_says_why(self) -> None:
        """Exit code 5, then and at every later try, by key and by password, until he is let in again."""
        await self.start()
        home = directory(self)
        bob = await self.joined("bob", home=home)
        self.root.type("/ban bob 1h caps lock")
        kicked = await bob.wait_for("kicked")
        self.assertEqual(kicked["by"], "root")
        self.assertRegex(kicked["reason"], r"^banned until .* UTC: caps lock$")
        self.assertEqual(await bob.exits(), Exit.KICKED)
        for where in (home, directory(self)):
            again = start_client(self, self.server.address, "--user", "bob", "--follow", home=where, environ=PASSWORD)
            self.assertIn("by root: caps lock", (await again.wait_for("error", code="banned"))["text"])
            self.assertEqual(await again.exits(), Exit.KICKED)
        self.root.type("/bans")
        listing = await self.root.wait_for("listing", title="bans and mutes")
        self.assertEqual([row[:2] for row in listing["rows"]], [["ban", "bob"]])
        self.root.type("/unban bob")
        await self.notice(self.root, lambda text: "unban" in text)
        await self.joined("bob", home=home)

    async def test_a_banned_address_is_refused_before_the_handshake(self) -> None:
        """Who is connected from there is put out; a new connection is closed without a byte; others notice nothing."""
        await self.start()
        factory = ProxyFactory("127.0.0.1", self.server.port)
        factory.protocol, factory.noisy = ElsewhereProxy, False
        proxy = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(proxy.stopListening)
        alice = await self.joined("alice")
        bob = await self.joined("bob", f"127.0.0.1:{proxy.getHost().port}")
        self.root.type("/ban 127.0.0.1 1h me")
        self.assertIn("your own address", (await self.root.wait_for("error", code="forbidden"))["text"])
        self.root.type(f"/ban {ELSEWHERE}/31 1h flood")
        self.assertRegex((await bob.wait_for("kicked"))["reason"], "^banned until .*: flood$")
        self.assertEqual(await bob.exits(), Exit.KICKED)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.server.port, bindAddress=(ELSEWHERE, 0))
        silent = await connectProtocol(endpoint, Silent())
        self.assertEqual(await silent.over.addTimeout(SECONDS, reactor), b"")
        await self.server.wait_for("not_admitted", address=ELSEWHERE)
        alice.type("still here")
        await self.root.wait_for("message", text="still here")

    async def test_commands_reach_the_client_with_hyphens_and_a_rest_of_the_line(self) -> None:
        """A link, an announcement, a mute, the audit log."""
        await self.start()
        bob = await self.joined("bob")
        self.root.type("/invite-link moderator")
        link = await self.notice(self.root, lambda text: text.startswith("encchat://"))
        mona = start_client(self, link, "--user", "mona", "--follow", environ=PASSWORD)
        await mona.wait_for("logged_in", role="moderator")
        self.assertEqual(parse_link(link).address.port, self.server.port)
        self.root.type("/announce the server moves at eight")
        await self.notice(bob, lambda text: text == "root announces: the server moves at eight")
        self.root.type("/mute bob 30m hush now")
        await self.notice(bob, lambda text: text.startswith("you are muted until ") and "root: hush now" in text)
        bob.type("HELLO?")
        self.assertIn("hush now", (await bob.wait_for("error", code="muted"))["text"])
        self.root.type("/audit 3")
        rows = (await self.root.wait_for("listing", title="audit log"))["rows"]
        self.assertEqual(
            [row[1:] for row in rows],
            [
                ["root", "mute", "bob", "30m hush now"],
                ["root", "announce", "", "the server moves at eight"],
                ["root", "invite_link", "", "moderator"],
            ],
        )


class FloodTests(ModerationCase):
    """Too much at once."""

    async def test_five_thousand_pasted_lines_are_slowed_and_none_is_lost(self) -> None:
        """All are accepted, in order, and heard; somebody else's line goes through meanwhile."""
        await self.start("--request-rate=1000", "--request-burst=500", "--retain-lobby-count=0")
        bob, alice = await self.joined("bob"), await self.joined("alice")
        alice.type(*(f"line {number}" for number in range(5_000)))
        alice.end_input()
        await alice.wait_for("sent")
        bob.type("excuse me")
        await bob.wait_for("sent")
        accepted = len([line for line in alice.seen if line["event"] == "sent"])
        self.assertLess(accepted, 4_000, "bob's line did not wait for all of hers")
        await bob.wait_for("message", text="line 4999")
        heard = [line["text"] for line in bob.seen if line["event"] == "message"]
        self.assertEqual([text for text in heard if text.startswith("line")], [f"line {n}" for n in range(5_000)])


class ReloadTests(ModerationCase):
    """SIGHUP."""

    async def test_limits_registration_motd_and_log_level_change_without_dropping_anybody(self) -> None:
        """The rates of who is connected, too. A bad file changes nothing and the log says why."""
        config = directory(self) / "encchat.toml"
        config.write_text('registration = "open"\n', encoding="utf-8")
        self.server = await start_server(self, "--config", str(config))
        alice = await self.joined("alice")
        config.write_text(
            'registration = "closed"\nmotd = "Moved"\nrequest_rate = 4.0\nrequest_burst = 2.0\n', encoding="utf-8"
        )
        self.server.signal("HUP")
        await self.server.wait_for("reloaded")
        bob = start_client(self, self.server.address, "--user", "bob", "--register", environ=PASSWORD)
        await bob.wait_for("error", code="registration-refused")
        self.assertIn("Moved", [line.get("motd", line.get("text")) for line in bob.seen])
        began = reactor.seconds()
        alice.type(*(f"line {number}" for number in range(10)))
        for _ in range(10):
            await alice.wait_for("sent")
        self.assertGreater(reactor.seconds() - began, 1.0)
        config.write_text('registration = "open"\nlog_level = "loud"\n', encoding="utf-8")
        self.server.signal("HUP")
        reason = (await self.server.wait_for("not_reloaded"))["reason"]
        self.assertIn("log_level = loud is not debug, info, warn, error or critical", reason)
        await (await raw.connect(self, self.server.port)).hears(Welcome, motd="Moved", registration="closed")
        config.write_text('registration = "open"\nlog_level = "error"\nmotd = "Quiet"\n', encoding="utf-8")
        self.server.signal("HUP")
        await self.reloaded("Quiet")
        carol = await self.joined("carol")
        carol.type("hello")
        await alice.wait_for("message", text="hello")
        self.assertEqual([line for line in alice.seen if line["event"] == "disconnected"], [])
        await self.server.stops()
        self.assertEqual([line for line in self.server.seen if line.get("user") == "carol"], [])

    async def test_the_log_for_people_obeys_the_level_as_well(self) -> None:
        """What is below the level is not written, after SIGHUP neither."""
        config = directory(self) / "encchat.toml"
        config.write_text('registration = "open"\n', encoding="utf-8")
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind("")  # an abstract address of the kernel's choice
        manager.settimeout(SECONDS)
        environ = {"NOTIFY_SOCKET": f"@{manager.getsockname()[1:].decode('ascii')}"}
        options = ("--log-format=text", "--config", str(config), f"--port={free_port()}")
        self.server = spawn_server(self, *options, environ=environ)
        self.server.port = int(options[-1].partition("=")[2])
        await deferToThread(manager.recv, 100)
        await self.joined("alice")
        config.write_text('registration = "open"\nlog_level = "warn"\nmotd = "Quiet"\n', encoding="utf-8")
        self.server.signal("HUP")
        await self.reloaded("Quiet")
        await self.joined("bob")
        config.write_text("log_level = 5\n", encoding="utf-8")
        self.server.signal("HUP")
        await self.joined("carol")
        await self.server.stops()
        log = self.server.other
        self.assertIn("alice logged in", log)
        self.assertNotIn("bob logged in", log)
        self.assertIn("the configuration stays as it was: ", log)
        self.assertNotIn("carol logged in", log)

    async def reloaded(self, motd: str) -> None:
        """Wait until the server greets with that: its log may be silent."""
        for _ in range(100):
            client = await raw.connect(self, self.server.port)
            if (await client.hears(Welcome)).motd == motd:
                return
        self.fail("it did not read its configuration again")
