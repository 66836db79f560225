"""How five older chat programs broke, each as a test against a real server process (docs: "Bad input")."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat.limits import LOGIN_FREE_FAILURES, MAX_LINE
from encchat.links import parse_link
from encchat.wire import (
    Admin,
    Behind,
    Closing,
    Connect,
    Error,
    Goodbye,
    Kick,
    Kicked,
    Login,
    Message,
    Ok,
    Presence,
    PresenceChanged,
    Send,
    SessionEnded,
    SessionStarted,
    Status,
    UserList,
    Users,
    UserStatus,
    Welcome,
    encode,
)
from tests.envelopes import unsealed
from tests.processes import ServerProcess, reactor, start_server
from tests.raw import PASSWORD, RawClient, connect, json_line


@define(eq=False, slots=False)
class Stranger(Protocol):
    """A TCP connection that knows nothing of encchat."""

    received: bytes = b""
    gone: Deferred[None] = field(factory=Deferred)
    paused: bool = False
    written: int = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.gone.callback(None)

    def write(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)

    def hang_up(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


async def stranger(port: int) -> Stranger:
    """Connect without a handshake."""
    connected: Stranger = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Stranger())
    return connected


class ProcessCase(TestCase):
    timeout = 120
    server: ServerProcess

    async def start(self, *options: str) -> None:
        self.server = await start_server(self, "--registration", "open", *options)

    async def user(self, name: str) -> RawClient:
        client = await connect(self, self.server.port)
        await client.register(name)
        return client

    async def presence_of(self, name: str, asked_by: RawClient) -> Presence:
        answer = await asked_by.request(Status, user=name)
        assert isinstance(answer, Ok), answer
        assert isinstance(answer.result, UserStatus), answer
        return answer.result.presence

    async def assert_refused(self, client: RawClient, code: str, **fields: object) -> str:
        request_id = client.next_id()
        client.write(json_line(id=request_id, **fields))
        answer = await client.answer(request_id)
        assert isinstance(answer, Error), answer
        self.assertEqual(answer.code, code, answer.text)
        return answer.text

    def log_events(self) -> list[str]:
        return [line["event"] for line in self.server.seen]


class HandshakeTests(ProcessCase):
    async def test_garbage_at_the_handshake_kills_nobody(self) -> None:
        """Not the server, not those who are connected; whoever sends it is hung up on, untold why."""
        await self.start()
        alice = await self.user("alice")
        greetings = [
            b"\0" * 100,
            b"\xff" * 100_000,
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x07" * 500,
            b"\x00\x16encchat/1 noise-hybrid\x00\x05hello",
            b"\x00\x0fencchat/1 noise\x00\x00\x00\x00",
            b"\x00\x00" * 1_000,
        ]
        for greeting in greetings:
            with self.subTest(greeting=greeting[:30]):
                one = await stranger(self.server.port)
                one.write(greeting)
                await one.gone
                self.assertNotIn(b"rror", one.received)
        self.assertEqual((await alice.send("lobby", "still here")).seq, 1)
        self.assertNotIn("Traceback", self.server.errors + self.server.other)

    async def test_connect_and_close_kills_nobody_and_spins_no_core(self) -> None:
        """Two hundred of them, half with the first bytes of a handshake; then the server is idle."""
        await self.start()
        alice = await self.user("alice")
        for number in range(200):
            one = await stranger(self.server.port)
            if number % 2:
                one.write(b"\x00\x16encchat/1 ")
            one.hang_up()
            await one.gone
        await alice.send("lobby", "still here")
        before = self.cpu_seconds()
        await deferLater(reactor, 0.5)  # what is measured is this time
        self.assertLess(self.cpu_seconds() - before, 0.25)

    def cpu_seconds(self) -> float:
        transport: Any = self.server.transport
        fields = Path(f"/proc/{transport.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def test_a_handshake_that_never_ends_is_ended(self) -> None:
        """Whoever connects and says nothing, or half of it, has a limited time."""
        await self.start("--handshake-seconds", "0.3")
        silent, slow = await stranger(self.server.port), await stranger(self.server.port)
        slow.write(b"\x00\x16encchat/1 noise-")
        await gatherResults([silent.gone, slow.gone])
        await self.user("alice")

    async def test_100_mb_before_the_handshake_are_refused(self) -> None:
        """A frame's length is checked before anything of it is kept: the server does not grow."""
        await self.start()
        before = self.peak_memory()
        one = await stranger(self.server.port)
        one.write(b"\xff" * 100_000_000)
        await one.gone
        await self.user("alice")
        self.assertLess(self.peak_memory() - before, 30_000_000)

    async def test_100_mb_before_login_are_refused(self) -> None:
        """Inside the channel there is a byte limit for strangers, whether in lines or in one that does not end."""
        await self.start()
        before = self.peak_memory()
        for piece in (b"x" * 100_000, b"x\n" * 50_000, json_line(id=1, type="login", user="x" * 60_000, password="y")):
            client = await connect(self, self.server.port)
            for _ in range(1_000):
                client.write(piece)
                await deferLater(reactor, 0)
                if client.is_closed:
                    break
            await client.closed()
        await self.user("alice")
        self.assertLess(self.peak_memory() - before, 30_000_000)

    def peak_memory(self) -> int:
        transport: Any = self.server.transport
        status = Path(f"/proc/{transport.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1_024

    async def test_a_stranger_who_does_not_log_in_is_sent_away(self) -> None:
        """With a word on why."""
        await self.start("--unauthenticated-seconds", "0.3")
        client = await connect(self, self.server.port)
        await client.hears(Closing, reason="no login came within 0.3 seconds")
        await client.closed()

    async def test_one_address_cannot_take_all_connections(self) -> None:
        """Over the limit a connection is closed at once; those that stand go on, and a free place can be taken."""
        await self.start("--connections-per-address", "3")
        users = [await self.user(f"user{number}") for number in range(3)]
        fourth = await stranger(self.server.port)
        await fourth.gone
        await users[0].send("lobby", "three of us")
        await users[2].leave()
        while await self.presence_of("user2", users[0]) != "OFFLINE":
            await deferLater(reactor, 0)
        await self.user("user3")


class GhostTests(ProcessCase):
    async def session(self, *options: str) -> tuple[RawClient, RawClient]:
        await self.start(*options)
        alice, bob = await self.user("alice"), await self.user("bob")
        self.assertIsInstance(await alice.request(Connect, user="bob"), Ok)
        await bob.hears(SessionStarted, partner="alice")
        self.assertEqual(await self.presence_of("bob", alice), "BUSY")
        return alice, bob

    async def test_a_client_that_quits_or_resets_leaves_no_ghost(self) -> None:
        """It is OFFLINE as soon as the server can know; its partner need not wait for it."""
        alice, bob = await self.session()
        bob.reset()
        await alice.hears(PresenceChanged, user="bob", presence="OFFLINE")
        await alice.request(Goodbye)
        await alice.hears(SessionEnded, partner="bob", reason="goodbye")
        self.assertEqual([await self.presence_of(name, alice) for name in ("bob", "alice")], ["OFFLINE", "FREE"])

    async def test_a_client_that_vanishes_without_a_packet_leaves_no_ghost(self) -> None:
        """A cable pulled, a process stopped: two keepalive periods later it is gone."""
        alice, bob = await self.session("--keepalive", "0.5")
        bob.stop_reading()  # and so answers no probe, while the kernel keeps the connection
        await alice.hears(SessionEnded, partner="bob", reason="lost")  # after the time a session waits for the lost one
        self.assertEqual([await self.presence_of(name, alice) for name in ("bob", "alice")], ["OFFLINE", "FREE"])

    async def test_writing_to_somebody_who_vanished_harms_nobody(self) -> None:
        """The next sender's message is accepted, and so is the one after."""
        alice, bob = await self.session()
        await alice.send("@bob", "before")
        bob.reset()
        sent = [await alice.send("@bob", "into the gap"), await alice.send("@bob", "after")]
        self.assertEqual([one.seq for one in sent], [2, 3])
        await alice.hears(PresenceChanged, user="bob", presence="OFFLINE")

    async def test_a_name_is_free_to_log_in_again_at_once(self) -> None:
        """The vanished connection is not in the way of the next one."""
        alice, bob = await self.session()
        bob.reset()
        again = await connect(self, self.server.port)
        self.assertIsInstance(await again.request(Login, user="bob", password=PASSWORD), Ok)
        await alice.send("@bob", "welcome back")
        self.assertEqual(unsealed((await again.hears(Message, sender="alice")).body), "welcome back")


class SlowReaderTests(ProcessCase):
    async def test_a_reader_who_stopped_reading_blocks_nobody(self) -> None:
        """The others get every message; the sleeper leaves the live feed, and is told so when it wakes up."""
        await self.start("--max-unsent", "1000000", "--request-rate", "1000000")
        alice, bob, sleeper = [await self.user(name) for name in ("alice", "bob", "sleeper")]
        sleeper.stop_reading()
        number = 0
        while "slow_reader" not in self.log_events():
            number += 1
            await alice.send("lobby", f"{number} " + "x" * 16_000)
            self.assertLess(number, 2_000)
        await alice.send("lobby", "the last")
        for expected in range(1, number + 2):
            self.assertEqual((await bob.hears(Message)).seq, expected)
        sleeper.resume_reading()
        await sleeper.hears(Behind)
        await alice.send("lobby", "good morning")
        await sleeper.hears(Message, body="good morning", seq=number + 2)


class FramingTests(ProcessCase):
    async def test_a_burst_in_one_segment_loses_nothing(self) -> None:
        """Five hundred requests in one write: five hundred answers, every message in order at the other end."""
        await self.start()
        alice, bob = await self.user("alice"), await self.user("bob")
        requests = [Send(id=alice.next_id(), **alice.message("@bob", f"message {number}")) for number in range(500)]
        alice.write(b"".join(encode(request) + b"\n" for request in requests))
        for number, request in enumerate(requests):
            answer = await alice.answer(request.id)
            assert isinstance(answer, Ok), answer
            heard = await bob.hears(Message)
            self.assertEqual((heard.seq, unsealed(heard.body)), (number + 1, f"message {number}"))

    async def test_a_frame_split_over_segments_keeps_sync(self) -> None:
        """Byte by byte; what follows it is understood too."""
        await self.start()
        alice = await self.user("alice")
        request_id = alice.next_id()
        for byte in alice.sealed(encode(Users(id=request_id)) + b"\n"):
            alice.write_raw(bytes([byte]))
            await deferLater(reactor, 0.001)
        answer = await alice.answer(request_id)
        self.assertIsInstance(answer, Ok)
        await alice.send("lobby", "in sync")

    async def test_a_line_split_over_frames_keeps_sync(self) -> None:
        """Records and lines need not end together."""
        await self.start()
        alice = await self.user("alice")
        line = encode(Send(id=alice.next_id(), conversation="lobby", ulid=alice.ulid(), body="é" * 1_000)) + b"\n"
        for start in range(0, len(line), 7):
            alice.write(line[start : start + 7])
        self.assertIsInstance(await alice.answer(alice._last_id - 1), Ok)

    async def test_an_oversize_line_is_an_error_and_the_next_line_is_read(self) -> None:
        """At `MAX_LINE` minus one, at it, and over it by one and by much."""
        await self.start("--unauthenticated-bytes", "1000000")
        alice = await self.user("alice")
        for size in (MAX_LINE - 1, MAX_LINE):
            alice.write(b'{"id":%d,' % alice.next_id() + b" " * (size - 100))
            head = b'{"id":%d,' % alice._last_id
            padding = size - (len(head) + size - 100) - len(b'"type":"users"}')
            alice.write(b" " * padding + b'"type":"users"}\n')
            self.assertIsInstance(await alice.answer(alice._last_id), Ok)
        for size in (MAX_LINE + 1, 5 * MAX_LINE):
            alice.write(b" " * size + b"\n")
            self.assertEqual((await alice.hears(Error)).code, "line-too-long")
            await alice.send("lobby", "in sync")

    async def test_empty_arguments_and_odd_lines_are_refused_and_crash_nothing(self) -> None:
        """Each gets an error, and the connection is still good for a message."""
        await self.start()
        alice = await self.user("alice")
        ulid = alice.ulid()
        for fields in (
            {"type": "status", "user": ""},
            {"type": "status"},
            {"type": "send", "conversation": "", "ulid": ulid, "body": "x"},
            {"type": "send", "conversation": "lobby", "ulid": ulid, "body": ""},
            {"type": "kick", "user": ""},
            {"type": "connect", "user": None},
            {"type": "presence", "presence": ["FREE"]},
        ):
            with self.subTest(fields=fields):
                await self.assert_refused(alice, "malformed", **fields)
        await self.assert_refused(alice, "unknown-user", type="status", user="nobody")
        await alice.send("lobby", "still here")
        for line in (b"\n", b"null\n"):
            alice.write(line)
            self.assertEqual((await alice.hears(Error)).code, "malformed")
        await alice.send("lobby", "still here")

    async def test_malformed_lines_without_end_are_hung_up(self) -> None:
        """A small budget, then the connection ends; everybody else keeps chatting."""
        await self.start()
        alice, fool = await self.user("alice"), await self.user("fool")
        fool.write(b"[]\n" * 1_000)
        await fool.closed()
        self.assertLess(len([line for line in fool.lines if isinstance(line, Error)]), 20)
        await alice.send("lobby", "still here")


class NameTests(ProcessCase):
    async def test_everybody_is_addressable_as_listed(self) -> None:
        """A dozen users: each name in the list is what a message goes to."""
        await self.start()
        users = {name: await self.user(name) for name in [f"user{number}" for number in range(11)] + ["Ann.Lee-1"]}
        alice = users["user0"]
        answer = await alice.request(Users)
        assert isinstance(answer, Ok), answer
        assert isinstance(answer.result, UserList), answer
        self.assertEqual({entry.user for entry in answer.result.users}, set(users))
        for entry in answer.result.users:
            if entry.user != "user0":
                await alice.send(f"@{entry.user}", f"hello {entry.user}")
                heard = await users[entry.user].hears(Message, sender="user0")
                self.assertEqual(unsealed(heard.body), f"hello {entry.user}")

    async def test_the_sender_of_a_message_is_set_by_the_server(self) -> None:
        """Whatever a client writes beside its text."""
        await self.start()
        alice, bob = await self.user("alice"), await self.user("bob")
        forged = {"from": "bob", "sender": "bob", "user": "bob", "seq": 99, "time": 1, "kind": "direct"}
        alice.write(
            json_line(
                id=alice.next_id(), type="send", conversation="lobby", ulid=alice.ulid(), body="I am bob", **forged
            )
        )
        heard = await bob.hears(Message)
        self.assertEqual((heard.sender, heard.seq, heard.kind), ("alice", 1, "lobby"))
        self.assertGreater(heard.time, 1_600_000_000_000)


class KickTests(ProcessCase):
    async def admin(self) -> RawClient:
        root = await connect(self, self.server.port)
        await root.register("root", invite=parse_link(await self.server.invite()).invite)
        self.assertIsInstance(await root.request(Admin, password=PASSWORD), Ok)
        return root

    async def test_a_kicked_user_cannot_go_on(self) -> None:
        """It hears by whom and why; nothing it sends after that reaches anybody; its connections end."""
        await self.start()
        root, mallory = await self.admin(), await self.user("mallory")
        second = await connect(self, self.server.port)
        await second.request(Login, user="mallory", password=PASSWORD)
        self.assertIsInstance(await root.request(Kick, user="mallory", reason="spam"), Ok)
        for client in (mallory, second):
            client.ask(Send, conversation="lobby", ulid=client.ulid(), body="I am still here")
        self.assertEqual(await self.presence_of("mallory", root), "OFFLINE")
        for client in (mallory, second):
            await client.hears(Kicked, by="root", reason="spam")
            await client.closed()
        self.assertEqual((await root.send("lobby", "first")).seq, 1)
        self.assertEqual([line for line in root.lines if isinstance(line, Message)], [])

    async def test_a_kick_without_the_right_to_is_refused_and_logged(self) -> None:
        """By role, by a missing confirmation, of oneself; the log has who, whom and why, and no message text."""
        await self.start()
        root, alice = await self.admin(), await self.user("alice")
        await self.assert_refused(alice, "forbidden", type="kick", user="root", reason="coup")
        logged = await self.server.wait_for("forbidden", user="alice", verb="kick", target="root")
        self.assertNotIn("coup", json.dumps(logged))
        unconfirmed = await connect(self, self.server.port)
        await unconfirmed.request(Login, user="root", password=PASSWORD)
        await self.assert_refused(unconfirmed, "forbidden", type="kick", user="alice")
        await self.assert_refused(root, "forbidden", type="kick", user="root")


class SecrecyTests(ProcessCase):
    async def test_the_same_text_never_has_the_same_ciphertext(self) -> None:
        """Neither what a client sends nor what the server sends; in every suite."""
        await self.start("--suite", "noise-hybrid", "--suite", "noise", "--suite", "rsa-aes128gcm")
        for suite in ("noise-hybrid", "noise", "rsa-aes128gcm"):
            client = await connect(self, self.server.port, suite)
            await client.hears(Welcome)
            line = encode(Status(id=1, user="nobody")) + b"\n"
            sent = []
            client.received.clear()
            for _ in range(20):
                frames = client.sealed(line)
                sent.append(frames)
                client.write_raw(frames)
                await client.answer(1)
            self.assertEqual(len({frames[2:] for frames in sent}), 20)
            received = b"".join(client.received)
            self.assertEqual(len(client.received), 20)
            size = len(received) // 20
            self.assertEqual(len({received[start : start + size] for start in range(0, len(received), size)}), 20)
            self.assertNotIn(b"nobody", b"".join(sent) + received)

    async def test_a_replayed_changed_or_dropped_record_ends_the_connection(self) -> None:
        """Nothing of it is acted on; the log has one line for each."""
        await self.start()
        watcher = await self.user("watcher")
        for number, spoil in enumerate(("replayed", "changed", "dropped")):
            client = await self.user(f"user{number}")
            line = encode(Send(id=client.next_id(), conversation="lobby", ulid=client.ulid(), body="once")) + b"\n"
            frames = client.sealed(line)
            if spoil == "replayed":
                client.write_raw(frames + frames)
            elif spoil == "changed":
                client.write_raw(frames[:-1] + bytes([frames[-1] ^ 1]))
            else:
                client.write(line)
            await client.closed()
            await self.server.wait_for("channel_failed", code="record")
        self.assertEqual(len([line for line in watcher.lines if isinstance(line, Message)]), 0)

    async def test_passwords_cannot_be_tried_without_limit(self) -> None:
        """After a few wrong ones everybody waits, whether the name exists or not, and the right one waits too."""
        await self.start()
        await self.user("alice")
        guesser = await connect(self, self.server.port)
        codes = []
        for number in range(LOGIN_FREE_FAILURES + 2):
            answer = await guesser.request(Login, user="alice", password=f"wrong {number}")
            assert isinstance(answer, Error), answer
            codes.append(answer.code)
        self.assertEqual(codes, ["login-refused"] * LOGIN_FREE_FAILURES + ["throttled"] * 2)
        other = await connect(self, self.server.port)
        answer = await other.request(Login, user="alice", password=PASSWORD)
        assert isinstance(answer, Error), answer
        self.assertEqual(answer.code, "throttled")

    async def test_the_log_never_has_texts_passwords_keys_or_tokens(self) -> None:
        """Canaries through everything a client can send, then a look at every line the server wrote."""
        await self.start()
        link = parse_link(await self.server.invite())
        logged = len(self.server.seen)
        root, canary = await connect(self, self.server.port), "canary-4711"
        await root.register("root", f"{canary}-password", link.invite)
        await root.request(Admin, password=f"{canary}-password")
        await root.request(Admin, password=f"{canary}-wrong")
        alice = await connect(self, self.server.port)
        await alice.request(Login, user="alice", password=f"{canary}-guess")
        await alice.register("alice", f"{canary}-password")
        await alice.send("lobby", f"{canary}-text")
        await alice.send("@root", f"{canary}-text")
        await alice.request(Kick, user="root", reason=f"{canary}-reason")
        alice.write(f'{{"{canary}-broken\n'.encode())
        alice.write(json_line(id=alice.next_id(), type=f"{canary}"))
        await alice.answer(alice._last_id)
        alice.reset()
        await alice.closed()
        await root.leave()
        await self.server.stops()
        output = json.dumps(self.server.seen[logged:]) + self.server.other + self.server.errors
        for secret in (
            f"{canary}-password",
            f"{canary}-wrong",
            f"{canary}-guess",
            f"{canary}-text",
            f"{canary}-broken",
        ):
            self.assertNotIn(secret, output)
        self.assertNotIn(link.invite, output)
        for name in ("identity.pem", "static.pem"):
            body = "".join((self.server.data_dir / name).read_text(encoding="ascii").splitlines()[1:-1])
            self.assertNotIn(body, output)


class RepositoryTests(SynchronousTestCase):
    def test_no_private_key_or_password_is_in_the_repository(self) -> None:
        """Neither as a file nor inside one."""
        root = Path(__file__).parent.parent.parent
        if not (root / ".git").exists():
            self.skipTest("not run from a clone")  # type: ignore[no-untyped-call]
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
        files = [root / name for name in listed.decode("utf-8").split("\0") if name]
        self.assertGreater(len(files), 10)
        suffixes = {".pem", ".key", ".der", ".p12", ".db", ".sqlite", ".pid"}
        self.assertEqual([file for file in files if file.suffix in suffixes or file.name.startswith("id_")], [])
        marker = b"PRIVATE " + b"KEY-----\n"
        self.assertEqual([file for file in files if file.is_file() and marker in file.read_bytes()], [])
