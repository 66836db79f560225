"""Real clients talking through a real server: the machine face of ``encchat-client``, exit codes included."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import TestCase

from encchat.client.exits import Exit
from encchat.limits import MAX_BODY
from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": "correct horse"}
TIMEOUT = 60


async def joined(
    test: TestCase, server: ServerProcess, name: str, *options: str, home: Path | None = None
) -> JsonProcess:
    """A client that has registered and stays."""
    options = ("--user", name, "--register", "--follow", *options)
    client = start_client(test, server.address, *options, home=home, environ=PASSWORD)
    await client.wait_for("logged_in", user=name)
    return client


async def first_error(client: JsonProcess) -> str:
    text: str = (await client.wait_for("error"))["text"]
    return text


class Talking(TestCase):
    """The main job, from two processes."""

    timeout = TIMEOUT

    async def test_two_people_talk_in_the_lobby_and_directly(self) -> None:
        """The sender sees sent, the receiver message; the server names the sender."""
        server = await start_server(self, "--registration", "open")
        alice = await joined(self, server, "alice")
        bob = await joined(self, server, "bob")
        alice.type("hello everybody", "/msg bob hello bob", "//help")
        for conversation, kind, text in (
            ("lobby", "lobby", "hello everybody"),
            ("@alice", "direct", "hello bob"),
            ("lobby", "lobby", "/help"),
        ):
            message = await bob.wait_for("message", text=text)
            sent = await alice.wait_for("sent", ulid=message["ulid"])
            self.assertEqual(message["seq"], sent["seq"])
            self.assertEqual((message["conversation"], message["kind"]), (conversation, kind))
            encryption = "none" if kind == "lobby" else "megolm"
            self.assertEqual((message["from"], message["encryption"]), ("alice", encryption))
            self.assertRegex(message["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual([line for line in alice.seen if line["event"] == "message"], [])

    async def test_a_script_on_a_pipe_needs_to_wait_for_nothing(self) -> None:
        """All of it is done in order, all of it accepted, then the client leaves with 0."""
        server = await start_server(self, "--registration", "open")
        bob = await joined(self, server, "bob")
        options = ("--user", "alice", "--register")
        alice = start_client(self, server.address, *options, environ=PASSWORD)
        alice.type("/connect bob", *(f"line {count}" for count in range(300)), "/goodbye", "to all")
        alice.end_input()
        self.assertEqual(await alice.exits(), Exit.FINE)
        self.assertEqual(len([line for line in alice.seen if line["event"] == "sent"]), 301)
        said = [await bob.wait_for("message") for _ in range(301)]
        # The session's lines may wait at bob for alice's keys, the lobby's never do.
        heard = {name: [line["text"] for line in said if line["conversation"] == name] for name in ("@alice", "lobby")}
        self.assertEqual(heard, {"@alice": [f"line {count}" for count in range(300)], "lobby": ["to all"]})
        accepted = [line["conversation"] for line in alice.seen if line["event"] == "sent"]
        self.assertEqual(accepted, ["@bob"] * 300 + ["lobby"])
        self.assertEqual((alice.other, alice.errors), ("", ""))

    async def test_a_session_makes_both_busy_and_its_lines_are_of_kind_session(self) -> None:
        """Until goodbye, which leaves both connected."""
        server = await start_server(self, "--registration", "open")
        alice = await joined(self, server, "alice")
        bob = await joined(self, server, "bob")
        alice.type("/connect bob", "psst", "/users")
        await bob.wait_for("started", type="session")
        self.assertEqual((await bob.wait_for("message", text="psst"))["kind"], "session")
        users = (await alice.wait_for("users"))["users"]
        self.assertEqual({entry["presence"] for entry in users}, {"BUSY"})
        bob.type("hi")
        self.assertEqual((await alice.wait_for("message", text="hi"))["conversation"], "@bob")
        alice.type("/goodbye", "/status bob")
        await bob.wait_for("ended", type="session")
        self.assertEqual((await alice.wait_for("status", user="bob"))["presence"], "FREE")

    async def test_the_largest_message_gets_through(self) -> None:
        """Of wide characters, as many as a line can hold."""
        server = await start_server(self, "--registration", "open")
        bob = await joined(self, server, "bob")
        alice = await joined(self, server, "alice")
        text = "\N{GREEK SMALL LETTER ALPHA}" * MAX_BODY
        alice.type(text)
        self.assertEqual((await bob.wait_for("message", from_="alice"))["text"], text)

    async def test_secure_text_is_never_sent_in_clear(self) -> None:
        """In the lobby it cannot be encrypted, so it stays here."""
        server = await start_server(self, "--registration", "open")
        bob = await joined(self, server, "bob")
        alice = await joined(self, server, "alice", "--classic")
        alice.type("secure: canary", "online", "after")
        self.assertIn("nothing was sent: in the lobby everybody reads", await first_error(alice))
        await alice.wait_for("users")
        self.assertEqual((await bob.wait_for("message"))["text"], "after")


class LoggingIn(TestCase):
    """Devices, passwords, names."""

    timeout = TIMEOUT

    async def test_a_link_pins_registers_and_the_device_logs_in_without_password_afterwards(self) -> None:
        """The first administrator's whole way in, twice with the same command."""
        server = await start_server(self)
        link, home = await server.invite(), directory(self)
        link = link.replace("localhost", "127.0.0.1")
        first = start_client(self, link, "--user", "root", home=home, environ=PASSWORD)
        first.end_input()
        connected = await first.wait_for("connected", fingerprint=server.fingerprint, new_pin=True)
        self.assertEqual(connected["suite"], "noise-hybrid")
        await first.wait_for("logged_in", user="root", role="admin")
        self.assertEqual(await first.exits(), Exit.FINE)
        for address in (link, server.address):
            again = start_client(self, address, home=home)
            again.end_input()
            await again.wait_for("connected", new_pin=False)
            await again.wait_for("logged_in", user="root", role="admin")
            self.assertEqual(await again.exits(), Exit.FINE)

    async def test_forget_device_makes_the_password_necessary_again(self) -> None:
        """Here and on the server: a copy of the old key is refused."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        await (await joined(self, server, "alice", home=home)).ends()
        [key] = (home / "devices").rglob("alice.pem")
        copy = key.read_bytes()
        forgetting = start_client(self, server.address, "--user", "alice", "--forget-device", home=home)
        self.assertEqual(await forgetting.exits(), Exit.FINE)
        self.assertFalse(key.exists())
        key.write_bytes(copy)
        key.chmod(0o600)
        refused = start_client(self, server.address, "--user", "alice", home=home)
        self.assertIn("does not know this device", await first_error(refused))
        self.assertEqual(await refused.exits(), Exit.LOGIN_REFUSED)
        by_password = start_client(self, server.address, "--user", "alice", home=home, environ=PASSWORD)
        await by_password.wait_for("logged_in", user="alice")

    async def test_a_wrong_password_ends_with_4(self) -> None:
        """And so does a name nobody has; from a file as from the environment."""
        server = await start_server(self, "--registration", "open")
        await joined(self, server, "alice")
        file = directory(self) / "password"
        file.write_text("wrong horse\n")
        for name in ("alice", "nobody"):
            client = start_client(self, server.address, "--user", name, "--password-file", str(file))
            await client.wait_for("error", code="login-refused")
            self.assertEqual(await client.exits(), Exit.LOGIN_REFUSED)

    async def test_a_missing_password_or_name_is_a_usage_error_that_names_the_ways(self) -> None:
        """Where nobody can be asked."""
        server = await start_server(self, "--registration", "open")
        client = start_client(self, server.address, "--user", "alice")
        self.assertIn("--password-file FILE, set ENCCHAT_PASSWORD", await first_error(client))
        self.assertEqual(await client.exits(), Exit.USAGE)
        client = start_client(self, server.address)
        self.assertIn("--user NAME", await first_error(client))
        self.assertEqual(await client.exits(), Exit.USAGE)

    async def test_files_of_the_home_are_readable_by_their_owner_only(self) -> None:
        """Files 0600, folders 0700."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        await joined(self, server, "alice", home=home)
        for path in home.rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o700 if path.is_dir() else 0o600, str(path))


class Pins(TestCase):
    """Who the server must be."""

    timeout = TIMEOUT

    async def test_a_changed_server_key_is_loud_and_ends_with_3(self) -> None:
        """Both fingerprints and what to do are in the text, and nothing is sent; --fingerprint mends it."""
        home = directory(self)
        server = await start_server(self, "--registration", "open")
        await (await joined(self, server, "alice", home=home)).ends()
        await server.stops()
        other = await start_server(self, "--registration", "open", f"--port={server.port}")
        client = start_client(self, server.address, "--user", "alice", home=home, environ=PASSWORD)
        text = await first_error(client)
        for part in (server.fingerprint, other.fingerprint, "HAS CHANGED", f"--fingerprint {other.fingerprint}"):
            self.assertIn(part, text)
        self.assertEqual(await client.exits(), Exit.PIN_MISMATCH)
        options = ("--user", "alice", "--register", "--fingerprint", other.fingerprint)
        mended = start_client(self, server.address, *options, home=home, environ=PASSWORD)
        await mended.wait_for("connected", new_pin=True)
        await mended.wait_for("logged_in", user="alice")

    async def test_a_wrong_fingerprint_is_refused_at_first_contact(self) -> None:
        """Nothing gets pinned."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        options = ("--user", "alice", "--fingerprint", "SHA256:" + "A" * 43)
        client = start_client(self, server.address, *options, home=home, environ=PASSWORD)
        self.assertIn("NOT THE ONE --fingerprint NAMES", await first_error(client))
        self.assertEqual(await client.exits(), Exit.PIN_MISMATCH)
        self.assertEqual(list(home.iterdir()), [])


class Ending(TestCase):
    """Every way out has its exit code."""

    timeout = TIMEOUT

    async def test_usage_errors_end_with_1(self) -> None:
        """On stderr, nothing on stdout."""
        for arguments in (
            ["localhost", "--colour"],
            ["::bad::"],
            ["encchat://x"],
            ["localhost", "--user", "a b"],
            ["localhost", "--fingerprint", "x"],
            ["localhost", "--retry", "-1"],
        ):
            client = start_client(self, *arguments)
            self.assertEqual(await client.exits(), Exit.USAGE, arguments)
            self.assertTrue(client.errors)
            self.assertEqual((client.seen, client.other), ([], ""))

    async def test_a_server_that_is_not_there_ends_with_2(self) -> None:
        """At once; with --retry after so many seconds."""
        server = await start_server(self)
        await server.stops()
        for options, tries_again in (((), False), (("--retry", "1"), True)):
            client = start_client(self, server.address, "--user", "alice", *options)
            self.assertEqual(await client.exits(), Exit.CANNOT_CONNECT)
            self.assertEqual(client.seen[-1]["code"], "cannot-connect")
            self.assertEqual("reconnecting" in [line["event"] for line in client.seen], tries_again)

    async def test_a_suite_the_server_does_not_offer_ends_with_2(self) -> None:
        """The text says which there are; nothing falls back."""
        server = await start_server(self)
        client = start_client(self, server.address, "--user", "alice", "--suite", "rsa-aes128gcm", "--retry", "60")
        self.assertIn("noise-hybrid", await first_error(client))
        self.assertEqual(await client.exits(), Exit.CANNOT_CONNECT)

    async def test_a_lost_server_ends_a_client_that_does_not_follow(self) -> None:
        """With 2, after the server's goodbye."""
        server = await start_server(self, "--registration", "open")
        options = ("--user", "alice", "--register")
        client = start_client(self, server.address, *options, environ=PASSWORD)
        await client.wait_for("logged_in")
        await server.stops()
        await client.wait_for("disconnected")
        self.assertEqual(await client.exits(), Exit.CANNOT_CONNECT)

    async def test_a_client_that_follows_comes_back_and_sends_what_waited(self) -> None:
        """A restart of the server is no reason to lose a message."""
        server = await start_server(self, "--registration", "open")
        alice = await joined(self, server, "alice")
        bob = await joined(self, server, "bob")
        await server.stops()
        await alice.wait_for("reconnecting")
        alice.type("typed without a server")
        await start_server(self, "--registration", "open", f"--port={server.port}", data_dir=server.data_dir)
        await bob.wait_for("logged_in")
        await alice.wait_for("sent")
        alice.type("/msg bob there again")
        self.assertEqual((await bob.wait_for("message", conversation="@alice"))["text"], "there again")

    async def test_a_kicked_client_ends_with_5_and_does_not_come_back(self) -> None:
        """Who did it and why are told, also to one that follows."""
        server = await start_server(self, "--registration", "open")
        link = (await server.invite()).replace("localhost", "127.0.0.1")
        root = start_client(self, link, "--user", "root", environ=PASSWORD)
        await root.wait_for("logged_in", role="admin")
        bob = await joined(self, server, "bob", "--retry", "60")
        root.type("/kick bob", "/admin correct horse", "/kick bob too loud", "/status bob")
        await root.wait_for("error", code="forbidden")
        kicked = await bob.wait_for("kicked")
        self.assertEqual((kicked["by"], kicked["reason"]), ("root", "too loud"))
        self.assertEqual(await bob.exits(), Exit.KICKED)
        self.assertEqual([line for line in bob.seen if line["event"] == "reconnecting"], [])
        self.assertEqual((await root.wait_for("status", user="bob"))["presence"], "OFFLINE")

    async def test_quit_and_signals_end_with_0(self) -> None:
        """SIGINT and SIGTERM as ``/quit``; the server sees an orderly end."""
        server = await start_server(self, "--registration", "open")
        for name, end in {"one": "", "two": "INT", "three": "TERM"}.items():
            client = await joined(self, server, name)
            if end:
                client.signal(end)
            else:
                client.type("/quit")
            self.assertEqual(await client.exits(), Exit.FINE, name)
            self.assertEqual(client.errors, "")

    async def test_a_server_that_does_not_answer_cannot_hold_who_quits(self) -> None:
        """After a few seconds the client leaves and says what is lost; ``/quit`` again would not wait."""
        server = await start_server(self, "--registration", "open")
        alice = await joined(self, server, "alice")
        alice.type("/users")
        await alice.wait_for("users")
        server.signal("STOP")
        alice.type("hello", "/quit")
        self.assertIn("1 of what was typed was not accepted", await first_error(alice))
        self.assertEqual(await alice.exits(), Exit.FINE)

    async def test_quit_said_twice_ends_the_waiting_for_a_connection(self) -> None:
        """Nobody has to wait for a server that does not come."""
        server = await start_server(self)
        await server.stops()
        client = start_client(self, server.address, "--user", "alice", "--retry", "60")
        await client.wait_for("reconnecting")
        client.type("/quit", "/quit")
        self.assertEqual(await client.exits(), Exit.FINE)

    async def test_a_home_that_cannot_be_used_ends_with_7(self) -> None:
        """A damaged file is named."""
        home = directory(self)
        (home / "servers.json").write_text("{")
        client = start_client(self, "localhost", "--user", "alice", home=home)
        self.assertIn("servers.json", await first_error(client))
        self.assertEqual(await client.exits(), Exit.LOCAL)
        client = start_client(self, "localhost", "--password-file", os.devnull)
        self.assertEqual(await client.exits(), Exit.LOCAL)
        self.assertIn("empty", client.errors)
