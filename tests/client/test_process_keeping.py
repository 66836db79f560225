"""Real clients on a real server: what is kept, what was missed, and what a killed client had."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from encchat.client.exits import Exit
from encchat.limits import MAX_WAITING
from tests.processes import JsonProcess, ServerProcess, directory, start_client, start_server

PASSWORD = {"ENCCHAT_PASSWORD": "correct horse"}
TIMEOUT = 90


class Keeping(TestCase):
    """One account, one home, several lives."""

    timeout = TIMEOUT

    async def here(
        self, server: ServerProcess, name: str, home: Path | None = None, environ: dict[str, str] = PASSWORD
    ) -> JsonProcess:
        """A client that stays; it registers the first time."""
        options = ("--user", name, "--register", "--follow")
        client = start_client(self, server.address, *options, home=home, environ=environ)
        await client.wait_for("logged_in", user=name)
        return client

    async def leaves(self, client: JsonProcess) -> None:
        client.end_input()
        client.signal("TERM")
        await client.exits()

    async def texts(self, client: JsonProcess, conversation: str = "lobby") -> list[str]:
        """What the client has of a conversation."""
        client.type(f"/history {conversation} 1000")
        past = await client.wait_for("history", conversation=conversation)
        return [one["text"] for one in past["messages"]]

    async def test_what_was_missed_comes_with_its_time_and_once(self) -> None:
        """Direct and lobby, in order, after a proper end; not again after the next."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        alice, bob = await self.here(server, "alice"), await self.here(server, "bob", home)
        alice.type("before")
        await bob.wait_for("message", text="before", missed=False)
        await self.leaves(bob)
        alice.type(*(f"/msg bob {number}" for number in range(300)), "to all")
        sent = [await alice.wait_for("sent") for _ in range(302)]
        bob = await self.here(server, "bob", home)
        missed = [await bob.wait_for("message", conversation="@alice", missed=True) for _ in range(300)]
        await bob.wait_for("message", text="to all", missed=True)
        self.assertEqual([one["text"] for one in missed], [str(number) for number in range(300)])
        self.assertEqual([one["ulid"] for one in missed], [one["ulid"] for one in sent[1:301]])
        self.assertEqual(await self.texts(bob), ["before", "to all"])
        await self.leaves(bob)
        bob = await self.here(server, "bob", home)
        self.assertEqual(len(await self.texts(bob, "@alice")), 300)
        self.assertEqual([line for line in bob.seen if line["event"] == "message"], [])

    async def test_what_waits_outlives_the_client(self) -> None:
        """Typed without a server, killed, started again: it goes out, once, under the ULID it had."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        alice, bob = await self.here(server, "alice", home), await self.here(server, "bob")
        await server.stops()
        await alice.wait_for("reconnecting")
        alice.type("one", "/msg bob two")
        waiting = [await alice.wait_for("waiting") for _ in range(2)]
        self.assertEqual([one["conversation"] for one in waiting], ["lobby", "@bob"])
        await alice.ends()
        again = await start_server(self, f"--port={server.port}", data_dir=server.data_dir)
        alice = start_client(self, again.address, "--user", "alice", home=home, environ=PASSWORD)
        alice.end_input()
        self.assertEqual(await alice.exits(), Exit.FINE)
        sent = [line["ulid"] for line in alice.seen if line["event"] == "sent"]
        self.assertEqual(sent, [one["ulid"] for one in waiting])
        for text in ("one", "two"):
            await bob.wait_for("message", text=text)

    async def test_a_killed_client_has_what_it_was_given(self) -> None:
        """Shown before, missed after, or as history if nobody knows: each once, and all of it kept."""
        server = await start_server(self, "--registration", "open")
        home, count = directory(self), 400
        alice, bob = await self.here(server, "alice"), await self.here(server, "bob", home)
        alice.type(*(f"text {number}" for number in range(count)))
        await bob.wait_for("message", text="text 20")
        await bob.ends()
        lives = [bob]
        for _ in range(3):
            lives.append(await self.here(server, "bob", home))
            await lives[-1].ends()
        for _ in range(count):
            await alice.wait_for("sent")
        last = await self.here(server, "bob", home)
        alice.type("the end")
        await last.wait_for("message", text="the end")
        wanted = [*(f"text {number}" for number in range(count)), "the end"]
        self.assertEqual(await self.texts(last), wanted)
        lines: list[dict[str, Any]] = [line for life in [*lives, last] for line in life.seen]
        shown = [line["text"] for line in lines if line["event"] == "message"]
        self.assertEqual(shown, sorted(set(shown), key=wanted.index))

    async def test_several_devices_see_what_the_others_sent(self) -> None:
        """Live and missed; a device's own messages are only sent."""
        server = await start_server(self, "--registration", "open")
        await self.here(server, "bob")
        one = await self.here(server, "alice")
        phrase = (await one.wait_for("recovery"))["phrase"]
        home = directory(self)
        two = start_client(self, server.address, "--user", "alice", "--follow", home=home, environ=PASSWORD)
        await two.wait_for("warning", code="unvouched")
        two.type(f"/recover {phrase}")
        await two.wait_for("warning", code="vouched")
        one.type("/msg bob first")
        self.assertEqual((await two.wait_for("message", conversation="@bob"))["from"], "alice")
        await self.leaves(two)
        one.type("/msg bob second")
        await one.wait_for("sent")
        two = await self.here(server, "alice", home)
        await two.wait_for("message", text="second", missed=True)
        self.assertEqual(await self.texts(one, "@bob"), ["first", "second"])
        self.assertEqual([line for line in one.seen if line["event"] == "message"], [])

    async def test_a_second_process_is_told_that_the_store_is_in_use(self) -> None:
        """It works, keeps nothing and acknowledges nothing."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        first, bob = await self.here(server, "alice", home), await self.here(server, "bob")
        second = await self.here(server, "alice", home)
        notices = [line["text"] for line in second.seen if line["event"] == "notice"]
        self.assertTrue(any("another encchat-client has the messages of alice open" in text for text in notices))
        bob.type("/msg alice hello")
        await first.wait_for("message", text="hello")
        await second.wait_for("undecryptable", reason="locked")
        await first.ends()
        await second.ends()
        third = await self.here(server, "alice", home)
        self.assertEqual(await self.texts(third, "@bob"), ["hello"])

    async def test_without_the_password_nothing_is_kept_and_nothing_lost(self) -> None:
        """The device logs in by its key; what came meanwhile comes again to whoever can keep it, and is read."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        alice, bob = await self.here(server, "alice"), await self.here(server, "bob", home)
        await bob.wait_for("recovery")
        await self.leaves(bob)
        alice.type("/all hello everybody", "/msg bob hello")
        for _ in range(2):
            await alice.wait_for("sent")
        for environ, word in (({}, "without the password"), ({"ENCCHAT_PASSWORD": "wrong horse"}, "does not open")):
            locked = await self.here(server, "bob", home, environ)
            await locked.wait_for("message", text="hello everybody")
            await locked.wait_for("undecryptable", reason="locked")
            notices = [line["text"] for line in locked.seen if line["event"] == "notice"]
            self.assertEqual([word in text for text in notices], [True])
            await self.leaves(locked)
        bob = await self.here(server, "bob", home)
        for text in ("hello everybody", "hello"):
            await bob.wait_for("message", text=text, missed=True)

    async def test_history_and_search_answer_from_what_is_kept(self) -> None:
        """Also without a connection; as events no program takes for new messages."""
        server = await start_server(self, "--registration", "open")
        alice = await self.here(server, "alice")
        alice.type("the quick fox", "the lazy dog")
        for _ in range(2):
            await alice.wait_for("sent")
        await server.stops()
        await alice.wait_for("reconnecting")
        alice.type("/search QUICK", "/search cat", "/history 1")
        self.assertEqual([one["text"] for one in (await alice.wait_for("found"))["messages"]], ["the quick fox"])
        self.assertEqual((await alice.wait_for("found"))["messages"], [])
        past = await alice.wait_for("history", conversation="lobby")
        self.assertEqual([(one["text"], one["from"]) for one in past["messages"]], [("the lazy dog", "alice")])

    async def test_a_store_that_cannot_be_written_ends_the_client_with_7(self) -> None:
        """Nothing is said or shown that is not kept; with room again it goes on where it was."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        alice, bob = await self.here(server, "alice"), await self.here(server, "bob", home)
        alice.type("/msg bob one")
        await bob.wait_for("message", text="one")
        [store] = (home / "messages").rglob("*.sqlite")
        transport: Any = bob.transport
        full = store.with_name(store.name + "-wal").stat().st_size
        resource.prlimit(transport.pid, resource.RLIMIT_FSIZE, (full, full))
        alice.type("/msg bob two")
        await bob.wait_for("error", code="store")
        self.assertEqual(await bob.exits(), Exit.LOCAL)
        self.assertEqual([line["text"] for line in bob.seen if line["event"] == "message"], ["one"])
        bob = await self.here(server, "bob", home)
        await bob.wait_for("message", text="two", missed=True)

    async def test_a_damaged_store_ends_the_client_with_7(self) -> None:
        """It is named, and not replaced."""
        server = await start_server(self, "--registration", "open")
        home = directory(self)
        await self.leaves(await self.here(server, "alice", home))
        [store] = (home / "messages").rglob("*.sqlite")
        store.write_bytes(b"damaged" * 1000)
        alice = start_client(self, server.address, "--user", "alice", home=home, environ=PASSWORD)
        self.assertIn(str(store), (await alice.wait_for("error", code="store"))["text"])
        self.assertEqual(await alice.exits(), Exit.LOCAL)
        self.assertEqual(store.read_bytes(), b"damaged" * 1000)

    async def test_a_huge_pipe_is_read_as_fast_as_it_is_accepted(self) -> None:
        """All of it arrives, in order, though only so much waits at a time."""
        server = await start_server(self, "--registration", "open")
        alice = start_client(self, server.address, "--user", "alice", "--register", environ=PASSWORD)
        count = 3 * MAX_WAITING
        alice.type(*(f"line {number}" for number in range(count)), "/users")
        alice.end_input()
        self.assertEqual(await alice.exits(), Exit.FINE)
        sent = [line["seq"] for line in alice.seen if line["event"] == "sent"]
        self.assertEqual(sent, list(range(1, count + 1)))
        await alice.wait_for("users")

    async def test_a_banned_account_ends_with_5(self) -> None:
        """When it is banned, and at every login after that."""
        server = await start_server(self, "--registration", "open")
        link = (await server.invite()).replace("localhost", "127.0.0.1")
        root = start_client(self, link, "--user", "root", environ=PASSWORD)
        await root.wait_for("logged_in", role="admin")
        home = directory(self)
        bob = await self.here(server, "bob", home)
        root.type("/admin correct horse", "/ban bob 1h too loud", "/bans")
        self.assertEqual(await bob.exits(), Exit.KICKED)
        listing = await root.wait_for("listing")
        self.assertTrue(any("bob" in row for row in listing["rows"]), listing)
        again = start_client(self, server.address, "--user", "bob", home=home, environ=PASSWORD)
        await again.wait_for("error", code="banned")
        self.assertEqual(await again.exits(), Exit.KICKED)
