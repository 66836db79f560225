"""Rooms from real clients through a real server: every line that a person types about them, as programs see it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from tests.client.terminal import CLIENT, Terminal
from tests.client.test_process_client import PASSWORD, joined
from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server

TIMEOUT = 90


async def crowd(test: TestCase, *names: str, options: tuple[str, ...] = ()) -> tuple[ServerProcess, list[JsonProcess]]:
    """A server, and a client for each of ``names``, registered all at once."""
    server = await start_server(test, "--registration", "open")
    started = [Deferred.fromCoroutine(joined(test, server, name, *options)) for name in names]
    clients = await gatherResults(started)
    for client in clients:  # their keys are published by then
        await client.wait_for("recovery")
        client.type("/users")
        await client.wait_for("users")
    return server, clients


async def entered(host: JsonProcess, room: str, **guests: JsonProcess) -> None:
    """Each of ``guests`` takes the invitation to ``room``, and ``host`` has seen it."""
    for name, guest in guests.items():
        await guest.wait_for("invited", type="room", room=room, user=name)
        guest.type(f"/join {room}")
        await guest.wait_for("joined", type="room", room=room, user=name, by=name)
        await host.wait_for("joined", type="room", room=room, user=name)


def marks(line: dict[str, Any]) -> tuple[object, ...]:
    """How a message came."""
    return tuple(line[name] for name in ("encryption", "signature", "signed", "trust"))


class Living(TestCase):
    """A room from its opening to its end."""

    timeout = TIMEOUT

    async def test_a_room_is_opened_entered_talked_in_and_left(self) -> None:
        """Everybody sees who comes and goes, reads what is said, and nobody else does."""
        _, (alice, bob, carol) = await crowd(self, "alice", "bob", "carol")
        alice.type("/chat #garden bob carol")
        await alice.wait_for("opened", type="room", room="#garden", user="alice", by="alice")
        for name in ("bob", "carol"):
            await alice.wait_for("invited", type="room", room="#garden", user=name, by="alice")
        await entered(alice, "#garden", bob=bob)
        await carol.wait_for("invited", type="room")
        carol.type("/decline")
        for client in (alice, bob, carol):
            await client.wait_for("declined", type="room", room="#garden", user="carol")
        alice.type("/topic tulips", "hello garden")
        for client in (alice, bob):
            shown = await client.wait_for("topic", type="room", room="#garden", user="alice")
            self.assertEqual(shown["text"], "tulips")
        said = await bob.wait_for("message", text="hello garden")
        self.assertEqual((said["conversation"], said["kind"], said["from"]), ("#garden", "room", "alice"))
        self.assertEqual(marks(said), ("megolm", "ed25519", "valid", "pinned"))
        bob.type("/who", "/rooms", "/leave", "back in the lobby")
        who = await bob.wait_for("who")
        self.assertEqual((who["room"], who["scheme"], who["policy"]), ("#garden", "megolm", "signed"))
        self.assertEqual([one["user"] for one in who["members"]], ["alice", "bob"])
        self.assertEqual([one["room"] for one in (await bob.wait_for("rooms"))["rooms"]], ["#garden"])
        await alice.wait_for("left", type="room", user="bob")
        self.assertEqual((await carol.wait_for("message"))["conversation"], "lobby")
        alice.type("nobody hears this")
        await alice.wait_for("sent", conversation="#garden", seq=said["seq"] + 2)
        self.assertNotIn("nobody hears this", [line.get("text") for line in (*bob.seen, *carol.seen)])

    async def test_a_room_opened_in_one_breath_with_the_registration_is_signed(self) -> None:
        """What is typed waits for the account's key: without it nobody would believe who opened the room."""
        server, (bob,) = await crowd(self, "bob")
        alice = start_client(self, server.address, "--user", "alice", "--register", "--follow", environ=PASSWORD)
        alice.type("/chat #early bob", "hello")
        await entered(alice, "#early", bob=bob)
        bob.type("hello back")
        self.assertEqual((await alice.wait_for("message", text="hello back"))["signed"], "valid")
        self.assertEqual([line for line in (*alice.seen, *bob.seen) if line["event"] == "warning"], [])

    async def test_several_rooms_at_once_and_who_was_away_finds_the_invitation(self) -> None:
        """/go chooses where a bare line goes; the inviter is told of who is OFFLINE; --open lets everybody in."""
        server, (alice, bob, dave) = await crowd(self, "alice", "bob", "dave")
        home = directory(self)
        carol = await joined(self, server, "carol", home=home)
        carol.type("/quit")
        await carol.exits()
        alice.type("/chat #one bob carol", "/chat #two bob --open", "/go #one", "for one", "/go #two", "for two")
        told = await alice.wait_for(
            "notice", text="carol is OFFLINE and finds the invitation to #one when coming online"
        )
        self.assertTrue(told)
        await bob.wait_for("invited", type="room", room="#one")
        bob.type("/join #one", "/join #two", "/msg #one to one", "/go #nowhere", "still two")
        await alice.wait_for("message", text="to one", conversation="#one")
        await alice.wait_for("message", text="still two", conversation="#two")
        self.assertIn("you are not in #nowhere", (await bob.wait_for("error"))["text"])
        dave.type("/rooms", "/join #two", "hello from dave")
        self.assertEqual(
            [(one["room"], one["state"]) for one in (await dave.wait_for("rooms"))["rooms"]], [("#two", "open")]
        )
        self.assertEqual((await alice.wait_for("message", from_="dave"))["signed"], "valid")
        carol = await joined(self, server, "carol", home=home)
        await carol.wait_for("invited", type="room", room="#one", by="alice", missed=True)
        carol.type("/join", "here now")
        self.assertEqual((await alice.wait_for("message", from_="carol"))["conversation"], "#one")

    async def test_who_is_expelled_reads_nothing_more_and_says_nothing_more(self) -> None:
        """By the owner, or by whom the owner made a moderator."""
        _, (alice, bob, carol) = await crowd(self, "alice", "bob", "carol")
        alice.type("/chat #garden bob carol")
        await entered(alice, "#garden", bob=bob, carol=carol)
        carol.type("/expel bob")
        self.assertIn("as member you can expel only lower roles", (await carol.wait_for("error"))["text"])
        alice.type("/moderator bob")
        await bob.wait_for("notice", text="bob is moderator of #garden now, says alice")
        bob.type("/expel carol", "after the removal")
        await carol.wait_for("expelled", type="room", room="#garden", user="carol", by="bob")
        await alice.wait_for("message", text="after the removal")
        carol.type("may I?", "/invite #garden bob", "/go lobby", "in the lobby")
        for _ in range(2):
            self.assertIn("you are not in #garden", (await carol.wait_for("error"))["text"])
        await bob.wait_for("message", conversation="lobby", text="in the lobby")
        self.assertNotIn("after the removal", [line.get("text") for line in carol.seen])
        self.assertNotIn("may I?", [line.get("text") for line in (*alice.seen, *bob.seen)])

    async def test_what_cannot_be_done_says_why(self) -> None:
        """And what would be right."""
        _, (alice, bob) = await crowd(self, "alice", "bob")
        for line, text in (
            ("/topic tulips", "you are in no room: /chat NAME... opens one"),
            ("/leave #nowhere", "you are not in #nowhere"),
            ("/go #nowhere", "you are not in #nowhere"),
            ("/join #nowhere", "there is no room #nowhere"),
            ("/join", "no invitation waits for you"),
            ("/who #nowhere", "there is no room #nowhere"),
            ("/chat alice", "alice is you"),
            ("/chat #b@d bob", "#b@d is no room: # and 1 to 32 letters"),
            ("/chat bad/name", "a name has 1 to 32 letters"),
            ("/chat bob --scheme rot13", "this server does not allow the scheme rot13"),
            ("/chat bob --history some", "there are none, since-invite, all"),
            ("/chat #garden nobody", "/invite nobody: there is no user nobody"),
            ("/chat #GARDEN", "already: choose another name"),
            ("/invite alice", "alice is you"),
            ("/expel bob", "bob is not in #garden"),
            ("/expel alice", "/leave leaves the room"),
        ):
            alice.type(line)
            self.assertIn(text, (await alice.wait_for("error"))["text"], line)
        alice.type("/invite bob")
        await entered(alice, "#garden", bob=bob)
        for line, text in (
            ("/expel alice", "alice is owner in #garden"),
            ("/open", "only the owner of #garden"),
            ("/moderator alice", "only the owner of #garden"),
            ("/invite alice", "alice is in #garden already"),
        ):
            bob.type(line)
            self.assertIn(text, (await bob.wait_for("error"))["text"], line)
        bob.type("/join #garden", "/go #garden", "joined once")
        await alice.wait_for("message", text="joined once")


class Settings(TestCase):
    """What /chat takes besides names."""

    timeout = TIMEOUT

    async def test_a_server_key_room_is_marked_and_gets_a_new_key_when_somebody_is_expelled(self) -> None:
        """Keys come by themselves; secure: refuses to send there."""
        _, (alice, bob, carol) = await crowd(self, "alice", "bob", "carol")
        alice.type("/chat #vault bob carol --scheme server-key")
        await entered(alice, "#vault", bob=bob, carol=carol)
        alice.type("one")
        for client in (bob, carol):
            self.assertEqual(marks(await client.wait_for("message"))[::2], ("server-key", "valid"))
        alice.type("/expel carol", "two", "secure: three", "/who")
        self.assertEqual(marks(await bob.wait_for("message", text="two"))[::2], ("server-key", "valid"))
        self.assertIn("the server holds the key of #vault", (await alice.wait_for("error"))["text"])
        self.assertEqual((await alice.wait_for("who"))["scheme"], "server-key")
        carol.type("/status bob")
        await carol.wait_for("status")
        self.assertNotIn("two", [line.get("text") for line in carol.seen])

    async def test_a_deniable_room_is_unsigned_and_says_so(self) -> None:
        """In /who and with every message."""
        _, (alice, bob) = await crowd(self, "alice", "bob")
        alice.type("/chat #whisper bob --deniable")
        await entered(alice, "#whisper", bob=bob)
        alice.type("off the record", "/who")
        self.assertEqual(marks(await bob.wait_for("message")), ("megolm", "none", "absent", "pinned"))
        self.assertEqual((await alice.wait_for("who"))["policy"], "deniable")

    async def test_a_new_member_reads_what_the_room_promises(self) -> None:
        """Nothing of before, what was said since the invitation, or all of it."""
        _, (alice, bob, carol) = await crowd(self, "alice", "bob", "carol")
        for history, read in (
            ("none", ["after"]),
            ("since-invite", ["between", "after"]),
            ("all", ["before", "between", "after"]),
        ):
            room = f"#{history}"
            alice.type(f"/chat {room} bob --history {history}")
            await entered(alice, room, bob=bob)
            alice.type("before", f"/invite {room} carol")
            await alice.wait_for("invited", type="room", room=room, user="carol")
            alice.type("between")
            await bob.wait_for("message", conversation=room, text="between")
            await entered(alice, room, carol=carol)
            alice.type("after")
            for text in read:
                said = await carol.wait_for("message", conversation=room, text=text)
                self.assertEqual(marks(said), ("megolm", "ed25519", "valid", "pinned"))
            said = [line["text"] for line in carol.seen if line.get("conversation") == room and "text" in line]
            self.assertEqual(sorted(said), sorted(read), room)


class Faces(TestCase):
    """The same for people."""

    timeout = TIMEOUT

    async def test_classic_words_open_a_room_invite_and_join(self) -> None:
        """As in the older chats: chat, invite, join, all, status, connect, secure:, goodbye."""
        _, (alice, bob, carol) = await crowd(self, "alice", "bob", "carol", options=("--classic",))
        alice.type("chat bob", "invite carol")
        room = (await bob.wait_for("invited", type="room"))["room"]
        self.assertEqual((await carol.wait_for("invited", type="room"))["room"], room)
        bob.type("join")
        carol.type(f"join {room}")
        for name in ("bob", "carol"):
            await alice.wait_for("joined", type="room", user=name)
        alice.type("secure: hello you two", "all", "status bob")
        for client in (bob, carol):
            self.assertEqual((await client.wait_for("message"))["encryption"], "megolm")
        await alice.wait_for("users")
        self.assertEqual((await alice.wait_for("status"))["presence"], "FREE")
        bob.type("connect carol", "secure: just us", "goodbye", "close")
        self.assertEqual((await carol.wait_for("message", from_="bob"))["encryption"], "olm")
        await carol.wait_for("ended", type="session")
        self.assertEqual(await bob.exits(), 0)

    async def test_a_person_at_a_terminal_sees_the_room(self) -> None:
        """Invitation, prompt, lock, marks and topic, in words."""
        server, (alice,) = await crowd(self, "alice")
        home = directory(self)
        password = home / "password"
        password.write_text(PASSWORD["ENCCHAT_PASSWORD"])
        options = ("--user", "bob", "--register", "--password-file", str(password), "--home", str(home))
        arguments = (server.address, *options)
        bob = Terminal(home, CLIENT, *arguments, columns=100)
        self.addCleanup(bob.close)
        bob.until_shows("your recovery phrase")
        alice.type("/chat #vault bob --scheme server-key")
        await alice.wait_for("invited", type="room", user="bob")
        bob.until_shows("* /join #vault joins, /decline #vault declines")
        bob.send("/join\r")
        bob.until_shows("#vault (server-key)   FREE   connected")
        await alice.wait_for("joined", type="room", user="bob")
        alice.type("/topic tulips", "hello bob")
        for _ in range(2):
            await alice.wait_for("sent", conversation="#vault")
        bob.until_shows("* alice says #vault is about: tulips")
        bob.until_shows(" alice [server-key]: hello bob")
        bob.send("/who\r")
        bob.until_shows("* #vault: encrypted with server-key, which the server could read, signed; by invitation;")
        bob.send("/leave\r")
        bob.until(lambda lines: lines[-2:] == ["lobby>", " lobby (not end to end)   FREE   connected"])
