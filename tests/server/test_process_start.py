"""A real server: how it starts, refuses to start, stops and starts again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from encchat.errors import SuiteRefusedError
from encchat.links import parse_link
from encchat.secure import fingerprint
from encchat.wire import Closing, Error, Login, Ok, Send, Welcome
from tests import raw
from tests.processes import (
    ServerProcess,
    directory,
    environment,
    reactor,
    run_admin,
    spawn_server,
    start_server,
)


class FirstStartTests(TestCase):
    timeout = 120

    async def test_the_first_start_prints_fingerprint_and_one_admin_invite(self) -> None:
        """The link registers an administrator, once; it names the server's key and port."""
        server = await start_server(self)
        link = parse_link(await server.invite())
        self.assertEqual(
            (str(link.address), fingerprint(link.identity)), (f"localhost:{server.port}", server.fingerprint)
        )
        root = await raw.connect(self, server.port)
        self.assertEqual(root.peer_identity, link.identity)
        self.assertEqual((await root.register("root", invite=link.invite)).role, "admin")
        other = await raw.connect(self, server.port)
        with self.assertRaisesRegex(AssertionError, "registration-refused"):
            await other.register("other", invite=link.invite)

    async def test_a_second_start_keeps_identity_and_accounts_and_prints_no_invite(self) -> None:
        """The link was there once; the same directory is the same server."""
        first = await start_server(self, "--registration", "open")
        alice = await raw.connect(self, first.port)
        await alice.register("alice")
        await first.stops()
        second = await start_server(self, data_dir=first.data_dir)
        self.assertEqual(second.fingerprint, first.fingerprint)
        again = await raw.connect(self, second.port)
        answer = await again.request(Login, user="alice", password=raw.PASSWORD)
        self.assertIsInstance(answer, Ok)
        await second.stops()
        self.assertEqual([line for line in second.seen if line["event"] == "invite"], [])

    async def test_keys_and_store_are_readable_by_the_server_alone(self) -> None:
        """Directory 0700, files 0600."""
        server = await start_server(self, "--suite", "noise", "--suite", "rsa-aes128gcm")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in server.data_dir.iterdir()}
        self.assertLessEqual({"identity.pem", "static.pem", "rsa.pem", "encchat.db"}, set(modes))
        self.assertEqual({name: mode for name, mode in modes.items() if mode != 0o600}, {})
        self.assertEqual(stat.S_IMODE(server.data_dir.stat().st_mode), 0o700)

    async def test_the_address_option_goes_into_the_link(self) -> None:
        """With the port in use, or with another that is forwarded to it."""
        server = await start_server(self, "--address", "chat.example.org")
        self.assertEqual(str(parse_link(await server.invite()).address), f"chat.example.org:{server.port}")
        forwarded = await start_server(self, "--address", "chat.example.org:443")
        self.assertEqual(str(parse_link(await forwarded.invite()).address), "chat.example.org:443")

    async def test_the_welcome_shows_name_notice_and_policy_of_the_configuration_file(self) -> None:
        """The options of --config arrive; the command line wins; SIGHUP brings new ones."""
        config = directory(self) / "encchat.toml"
        config.write_text('server_name = "Ours"\nmotd = "Be kind"\nregistration = "closed"\n', encoding="utf-8")
        server = await start_server(self, "--config", str(config), "--registration", "open")
        client = await raw.connect(self, server.port)
        await client.hears(Welcome, server="Ours", motd="Be kind", registration="open")
        config.write_text('server_name = "Renamed"\n', encoding="utf-8")
        server.signal("HUP")
        await server.wait_for("reloaded")
        client = await raw.connect(self, server.port)
        await client.hears(Welcome, server="Renamed", motd="", registration="open")
        config.write_text("server_name = 5\n", encoding="utf-8")
        server.signal("HUP")
        self.assertIn("server_name = 5 is not a text", (await server.wait_for("not_reloaded"))["reason"])
        client = await raw.connect(self, server.port)
        await client.hears(Welcome, server="Renamed")

    async def test_the_server_may_open_as_many_files_as_the_system_lets_it(self) -> None:
        """A client is a file; 1024 of them are not thousands of users."""
        server = await start_server(self)
        transport: Any = server.transport
        limits = Path(f"/proc/{transport.pid}/limits").read_text(encoding="ascii")
        [soft, hard] = re.findall(r"^Max open files +(\S+) +(\S+)", limits, re.MULTILINE)[0]
        self.assertEqual(soft, hard)

    async def test_systemd_is_told_when_the_server_is_ready_and_when_it_stops(self) -> None:
        """READY=1 comes when the port is open, STOPPING=1 before the goodbyes."""
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind("")  # an abstract address of the kernel's choice
        manager.settimeout(20)
        name = manager.getsockname()[1:].decode("ascii")
        server = await start_server(self, environ={"NOTIFY_SOCKET": f"@{name}"})
        self.assertEqual(await deferToThread(manager.recv, 100), b"READY=1")
        server.signal("TERM")
        self.assertEqual(await deferToThread(manager.recv, 100), b"STOPPING=1")
        await server.exits()


class RefusalTests(TestCase):
    """What cannot work is one clear line on stderr and a failure, never a traceback."""

    timeout = 120

    async def refused(self, *options: str, data_dir: Path | None = None) -> str:
        server = spawn_server(self, *options, data_dir=data_dir)
        self.assertEqual(await server.exits(), 1, server.errors)
        self.assertNotIn("Traceback", server.errors + server.other)
        self.assertRegex(server.errors, r"\Aencchat: [^\n]*\n\Z")
        return server.errors

    async def test_a_port_in_use_is_named(self) -> None:
        """The other server's clients notice nothing."""
        server = await start_server(self)
        text = await self.refused("--port", str(server.port))
        self.assertIn(f"cannot listen on tcp:{server.port}: Address already in use", text)

    async def test_a_data_directory_in_use_is_named(self) -> None:
        """Two servers never share one."""
        server = await start_server(self)
        text = await self.refused(data_dir=server.data_dir)
        self.assertIn(f"another encchat server is running on the data directory {server.data_dir}", text)

    async def test_an_unusable_data_directory_is_named(self) -> None:
        """Below a file there are no directories, for root neither."""
        file = directory(self) / "file"
        file.touch()
        self.assertIn("file/data cannot be used: Not a directory", await self.refused(data_dir=file / "data"))

    async def test_bad_endpoint_strings_are_refused_before_anything_starts(self) -> None:
        """Whatever Twisted makes of them."""
        for endpoint in ("tcp:http", "carrier-pigeon:7", "", "tcp", "ssl:5", "systemd:domain=INET:index=0"):
            with self.subTest(endpoint=endpoint):
                self.assertIn("is no endpoint to listen on", await self.refused("--endpoint", endpoint))

    async def test_endpoints_that_cannot_be_bound_are_named(self) -> None:
        """No such address, no such port."""
        for endpoint in ("tcp:0:interface=203.0.113.1", "tcp:99999", "unix:/nowhere/at/all.sock"):
            with self.subTest(endpoint=endpoint):
                self.assertIn(f"cannot listen on {endpoint}: ", await self.refused("--endpoint", endpoint))

    async def test_an_endpoint_is_not_encrypted_twice(self) -> None:
        """The channel is on every endpoint by itself."""
        self.assertIn("encrypted twice", await self.refused("--endpoint", r"noise:tcp\:0:identity=x"))

    async def test_an_unknown_suite_is_refused_with_the_known_ones(self) -> None:
        """So that the right name can be copied."""
        text = await self.refused("--suite", "enigma")
        self.assertIn("there is no suite enigma; there are noise, noise-hybrid, rsa-aes128gcm", text)

    async def test_a_bad_registration_policy_is_refused_with_the_good_ones(self) -> None:
        """As is every option with a bad value."""
        text = await self.refused("--registration", "sometimes")
        self.assertIn("--registration sometimes is not open, invite or closed", text)

    async def test_an_unknown_option_is_refused(self) -> None:
        """Not only its value."""
        self.assertIn("--colour", await self.refused("--colour", "red"))

    async def test_a_bad_configuration_file_is_refused_with_file_and_key(self) -> None:
        """And a missing one by its name."""
        config = directory(self) / "encchat.toml"
        self.assertIn(f"{config} cannot be read", await self.refused("--config", str(config)))
        config.write_text("prot = 5\n", encoding="utf-8")
        self.assertIn(
            f"{config}: there is no option prot; did you mean port?", await self.refused("--config", str(config))
        )

    async def test_a_missing_rsa_key_that_was_named_is_refused_with_the_command_that_makes_one(self) -> None:
        """A forgotten mount must not become a new key."""
        text = await self.refused("--suite", "rsa-aes128gcm", "--rsa-key", "/nowhere/rsa.pem")
        self.assertIn("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out /nowhere/rsa.pem", text)

    async def test_a_broken_key_file_is_refused_by_name(self) -> None:
        """It is not overwritten."""
        data_dir = directory(self)
        identity = data_dir / "identity.pem"
        identity.touch(mode=0o600)
        identity.write_text("not a key", encoding="utf-8")
        self.assertIn("identity.pem", await self.refused(data_dir=data_dir))
        self.assertEqual(identity.read_text(encoding="utf-8"), "not a key")

    async def test_a_broken_store_is_refused_by_name(self) -> None:
        """It opens when the server is already half there; it fails no less."""
        data_dir = directory(self)
        store = data_dir / "encchat.db"
        store.touch(mode=0o600)
        store.write_bytes(b"this is no database" * 100)
        self.assertIn("encchat.db", await self.refused(data_dir=data_dir))

    async def test_an_unknown_auth_plugin_is_refused(self) -> None:
        """--help-auth lists the known ones."""
        self.assertIn("horoscope", await self.refused("--auth", "horoscope:leo"))


class SuiteTests(TestCase):
    timeout = 120

    async def test_rsa_aes128gcm_is_off_unless_named(self) -> None:
        """A client that asks for it is told what there is."""
        server = await start_server(self)
        error = await self.assertFailure(
            Deferred.fromCoroutine(raw.connect(self, server.port, "rsa-aes128gcm")), SuiteRefusedError
        )
        self.assertEqual(error.offered, ("noise-hybrid", "noise"))

    async def test_the_suites_named_are_offered_and_no_others(self) -> None:
        """All three work when named; the RSA key is the one openssl made."""
        key = directory(self) / "rsa.pem"
        command = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key)]
        await deferToThread(subprocess.run, command, check=True, capture_output=True)
        key.chmod(0o600)
        server = await start_server(
            self, "--registration", "open", "--suite", "rsa-aes128gcm", "--suite", "noise", "--rsa-key", str(key)
        )
        for number, suite in enumerate(("rsa-aes128gcm", "noise")):
            client = await raw.connect(self, server.port, suite)
            await client.register(f"user{number}")
            self.assertEqual((await client.send("lobby", "hello")).seq, number + 1)
        error = await self.assertFailure(
            Deferred.fromCoroutine(raw.connect(self, server.port, "noise-hybrid")), SuiteRefusedError
        )
        self.assertEqual(error.offered, ("rsa-aes128gcm", "noise"))


class EndpointTests(TestCase):
    timeout = 120

    async def test_several_endpoints_are_listened_on(self) -> None:
        """Each has its line in the log; a Unix socket has no port."""
        short = tempfile.TemporaryDirectory()  # a socket's path has at most 107 bytes
        self.addCleanup(short.cleanup)
        path = f"{short.name}/socket"
        server = await start_server(self, "--endpoint", "tcp:0:interface=127.0.0.1", "--endpoint", f"unix:{path}")
        await server.wait_for("listening", endpoint=f"unix:{path}", port=None)
        client = await raw.connect(self, server.port)
        await client.hears(Welcome)
        local = raw.new_client()
        await connectProtocol(UNIXClientEndpoint(reactor, path), local)
        self.addCleanup(lambda: Deferred.fromCoroutine(local.leave()))
        await local.secured
        await local.hears(Welcome)


class AuthTests(TestCase):
    timeout = 120

    async def test_an_auth_plugin_takes_the_place_of_the_server_s_own_passwords(self) -> None:
        """Twisted's checker for a file of names and passwords: the account is there at the first login."""
        file = directory(self) / "passwords"
        file.write_text(f"alice:{raw.PASSWORD}\n", encoding="utf-8")
        server = await start_server(self, "--registration", "open", "--auth", f"file:{file}")
        alice = await raw.connect(self, server.port)
        wrong = await alice.request(Login, user="alice", password="something else")
        assert isinstance(wrong, Error), wrong
        self.assertEqual(wrong.code, "login-refused")
        self.assertIsInstance(await alice.request(Login, user="alice", password=raw.PASSWORD), Ok)
        await alice.send("lobby", "hello")
        bob = await raw.connect(self, server.port)
        with self.assertRaisesRegex(AssertionError, "registration-refused"):
            await bob.register("bob")


class StopTests(TestCase):
    timeout = 120

    async def test_a_stop_says_goodbye_to_everybody(self) -> None:
        """SIGTERM and SIGINT; logged in or not."""
        for name, number in (("TERM", 15), ("INT", 2)):
            with self.subTest(signal=name):
                server = await start_server(self, "--registration", "open")
                alice, stranger = await raw.connect(self, server.port), await raw.connect(self, server.port)
                await alice.register("alice")
                server.signal(name)
                await alice.hears(Closing, reason="the server is stopping")
                await stranger.hears(Closing, reason="the server is stopping")
                await alice.closed()
                self.assertIn(await server.exits(), (0, -number))
                self.assertNotIn("Traceback", server.errors + server.other)
                self.assertIn("stopped", [line["event"] for line in server.seen])

    async def test_a_reader_who_does_not_read_cannot_hold_up_the_stop(self) -> None:
        """The goodbye has a time limit."""
        fast = ("--request-rate", "1000000", "--request-burst", "1000000")
        server = await start_server(
            self, "--registration", "open", "--stop-seconds", "0.5", "--max-unsent", "100000000", *fast
        )
        alice, sleeper = await raw.connect(self, server.port), await raw.connect(self, server.port)
        await alice.register("alice")
        await sleeper.register("sleeper")
        sleeper.stop_reading()
        for _ in range(500):
            alice.ask(Send, conversation="lobby", ulid=alice.ulid(), body="x" * 16_000)
        await alice.send("lobby", "the last")
        started = reactor.seconds()
        await server.stops()
        self.assertLess(reactor.seconds() - started, 5)

    async def test_what_was_accepted_is_stored_when_the_server_stops(self) -> None:
        """The next message of the lobby has the next number."""
        server = await start_server(self, "--registration", "open")
        alice = await raw.connect(self, server.port)
        await alice.register("alice")
        for _ in range(50):
            last = await alice.send("lobby", "hello")
        await server.stops()
        second = await start_server(self, "--registration", "open", data_dir=server.data_dir)
        bob = await raw.connect(self, second.port)
        await bob.register("bob")
        self.assertEqual((await bob.send("lobby", "hello")).seq, last.seq + 1)

    async def test_the_server_restarts_on_the_same_port_at_once(self) -> None:
        """Connections of the old one do not stand in the way of the new one."""
        server = await start_server(self, "--registration", "open")
        alice = await raw.connect(self, server.port)
        await alice.register("alice")
        await server.stops()
        second = await start_server(self, "--port", str(server.port), data_dir=server.data_dir)
        self.assertEqual(second.port, server.port)
        again = await raw.connect(self, server.port)
        await again.request(Login, user="alice", password=raw.PASSWORD)
        second.signal("KILL")
        await second.exits()
        third = await start_server(self, "--port", str(server.port), data_dir=server.data_dir)
        self.assertEqual((third.port, third.fingerprint), (server.port, server.fingerprint))


class DaemonTests(TestCase):
    timeout = 120

    async def twistd(self, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *options]
        return await deferToThread(  # type: ignore[no-any-return]
            subprocess.run, command, cwd=home, env=environment(home), capture_output=True, text=True, timeout=60
        )

    async def test_a_daemon_has_a_pid_file_and_a_log_file(self) -> None:
        """It lives on when the command is done, and both files are its owner's alone."""
        home = directory(self)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        done = await self.twistd(
            home,
            "--pidfile=it.pid",
            "--logfile=it.log",
            "encchat",
            f"--port={port}",
            "--data-dir=data",
            "--log-format=json",
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        server = Daemon(home / "it.pid")
        self.addCleanup(server.kill)
        client = await raw.connect(self, port)
        await client.hears(Welcome)
        self.assertEqual({stat.S_IMODE((home / name).stat().st_mode) for name in ("it.pid", "it.log")}, {0o600})
        os.kill(server.pid, 15)
        await client.hears(Closing)
        await server.gone()
        self.assertFalse((home / "it.pid").exists())
        events = [json.loads(line)["event"] for line in (home / "it.log").read_text(encoding="utf-8").splitlines()]
        self.assertLessEqual({"listening", "invite", "stopped"}, set(events))

    async def test_a_daemon_that_cannot_start_says_so_on_the_terminal(self) -> None:
        """With a failure, no pid file, and the reason in the log."""
        home = directory(self)
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))  # noqa: S104
            taken.listen()
            port = taken.getsockname()[1]
            done = await self.twistd(home, "encchat", f"--port={port}", "--data-dir=data")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot listen on tcp:{port}", done.stderr)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it tells its parent before it tidies up
            await Daemon(home / "twistd.pid").gone()
        self.assertFalse((home / "twistd.pid").exists())
        self.assertIn("Address already in use", (home / "twistd.log").read_text(encoding="utf-8"))


class Daemon:
    """A process that is nobody's child any more."""

    def __init__(self, pid_file: Path) -> None:
        self.pid = int(pid_file.read_text(encoding="ascii"))
        self._handle = os.pidfd_open(self.pid)

    def kill(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            os.kill(self.pid, 9)

    async def gone(self) -> None:
        """A pidfd becomes readable when its process ends."""
        await deferToThread(select.select, [self._handle], [], [], 20)
        os.close(self._handle)
        self._handle = -1


class AdminTests(TestCase):
    timeout = 120

    async def admin(self, *arguments: str) -> tuple[int, str]:
        process = run_admin(self, *arguments)
        code = await process.exits()
        return code, (process.other + process.errors).strip()

    async def test_invites_are_made_whether_the_server_runs_or_not(self) -> None:
        """The link names the port the server last had; role and uses are what was asked for."""
        server = await start_server(self)
        directory = f"--data-dir={server.data_dir}"
        code, text = await self.admin("invite", directory, "--role", "moderator", "--uses", "2")
        link = parse_link(text)
        self.assertEqual((code, str(link.address)), (0, f"localhost:{server.port}"))
        for name in ("one", "two"):
            client = await raw.connect(self, server.port)
            self.assertEqual((await client.register(name, invite=link.invite)).role, "moderator")
        client = await raw.connect(self, server.port)
        with self.assertRaisesRegex(AssertionError, "registration-refused"):
            await client.register("three", invite=link.invite)
        await server.stops()
        code, text = await self.admin("invite", directory, "--address", "chat.example.org")
        link = parse_link(text)
        self.assertEqual((code, str(link.address)), (0, f"chat.example.org:{server.port}"))
        second = await start_server(self, data_dir=server.data_dir)
        client = await raw.connect(self, second.port)
        self.assertEqual((await client.register("three", invite=link.invite)).role, "user")

    async def test_the_fingerprint_is_the_one_clients_see(self) -> None:
        """For reading it out on the telephone."""
        server = await start_server(self)
        self.assertEqual(await self.admin("fingerprint", f"-D{server.data_dir}"), (0, server.fingerprint))

    async def test_a_directory_without_a_server_is_refused_and_left_alone(self) -> None:
        """A typing error in --data-dir makes no second server."""
        empty = directory(self)
        code, text = await self.admin("invite", f"--data-dir={empty}")
        self.assertEqual(code, 1)
        self.assertIn(f"no encchat server has kept its data in {empty}", text)
        self.assertEqual(list(empty.iterdir()), [])

    async def test_bad_arguments_are_refused_with_what_is_right(self) -> None:
        """Of --uses and --expires."""
        for arguments, right in (
            (("--uses", "0"), "whole number from 1"),
            (("--uses", "many"), "whole number from 1"),
            (("--expires", "soon"), "30m, 12h, 7d or 2w"),
            (("--expires", "0d"), "30m, 12h, 7d or 2w"),
            (("--role", "king"), "moderator"),
            (("--address", "a b/c"), "no address"),
        ):
            with self.subTest(arguments=arguments):
                server = ServerProcess()
                code, text = await self.admin("invite", f"--data-dir={server.data_dir}", *arguments)
                self.assertNotEqual(code, 0)
                self.assertTrue(right in text or "no encchat server" in text, text)
