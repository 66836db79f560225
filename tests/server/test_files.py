"""Files from line to line: who may send and fetch them, and what a flood of chunks costs the others."""

from __future__ import annotations

import sqlite3
from base64 import b64decode, b64encode
from contextlib import closing
from typing import Any

from encchat.limits import (
    CHUNK_COST,
    CHUNKS_AT_ONCE,
    FILE_CHUNK,
    FILE_SHARE,
    FILES_OF_ACCOUNT,
    FLOOD_SECONDS,
    REQUEST_BURST,
)
from encchat.server.model import FileTerms
from encchat.wire import chunks_of, sealed_length
from tests.server.harness import Client, ulid
from tests.server.rooms import ROOM, RoomTestCase

FILE = ulid(77)
SIZE = 2 * FILE_CHUNK + 100


def piece(number: int, size: int = SIZE) -> str:
    """A chunk as it is on the wire."""
    return b64encode(bytes([number + 1]) * sealed_length(size, number)).decode()


class FileCase(RoomTestCase):
    """With ways to send and to fetch."""

    async def offer(self, client: Client, conversation: str, size: int = SIZE, file: str = FILE) -> Any:
        """It is taken; the state."""
        return await client.do("offer_file", file=file, conversation=conversation, size=size, chunks=chunks_of(size))

    async def not_taken(self, client: Client, conversation: str, size: int = SIZE, file: str = FILE) -> tuple[str, str]:
        """It is refused; code and text."""
        return await client.refused(
            "offer_file", file=file, conversation=conversation, size=size, chunks=chunks_of(size)
        )

    async def upload(self, client: Client, conversation: str, size: int = SIZE, file: str = FILE) -> None:
        """All of it."""
        await self.offer(client, conversation, size, file)
        for number in range(chunks_of(size)):
            self.assertIsNone(await client.do("put_chunk", file=file, number=number, data=piece(number, size)))

    async def fetch(self, client: Client, number: int = 0, file: str = FILE) -> bytes:
        """A chunk of it."""
        chunk = await client.do("get_chunk", file=file, number=number)
        self.assertEqual((chunk["type"], chunk["file"], chunk["number"]), ("chunk", file, number))
        return b64decode(chunk["data"], validate=True)

    async def cannot_fetch(self, client: Client, file: str = FILE) -> tuple[str, str]:
        """It is refused; code and text."""
        return await client.refused("get_chunk", file=file, number=0)


class Sending(FileCase):
    """To a person, to a room."""

    async def test_a_file_goes_from_one_to_the_other_and_to_ones_own_devices(self) -> None:
        """Chunk by chunk, as it was sealed."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        state = await self.offer(alice, "@Bob")
        self.assertEqual(state, {"type": "file_state", "file": FILE, "received": 0})
        await self.upload(alice, "@bob")
        self.assertEqual((await self.offer(alice, "@bob"))["received"], 3)
        phone = await server.user("alice")
        for client in (bob, phone):
            found = [await self.fetch(client, number) for number in range(3)]
            self.assertEqual(found, [b64decode(piece(number)) for number in range(3)])

    async def test_a_file_to_somebody_who_is_not_here(self) -> None:
        """It waits; to nobody at all it is not taken, and neither is one to a deleted account."""
        server = await self.serve()
        bob = await server.user("bob")
        bob.vanish()
        alice = await server.user("alice")
        await self.upload(alice, "@bob")
        self.assertEqual(len(await self.fetch(await server.user("bob"), 2)), 116)
        self.assertEqual((await self.not_taken(alice, "@nobody", file=ulid(1)))[0], "unknown-user")

    async def test_a_file_to_oneself(self) -> None:
        """As notes to oneself."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await self.upload(alice, "@alice")
        await self.fetch(alice)
        self.assertEqual((await self.cannot_fetch(bob))[0], "unknown-file")

    async def test_the_lobby_takes_no_files(self) -> None:
        """The text says where they go."""
        server = await self.serve()
        alice = await server.user("alice")
        code, text = await self.not_taken(alice, "lobby")
        self.assertEqual(code, "file-not-taken")
        self.assertIn("@NAME", text)

    async def test_a_room_off_the_record_takes_no_files(self) -> None:
        """The server keeps nothing of what is said there."""
        server = await self.serve()
        [alice] = await self.team(server, "alice", ephemeral=True)
        code, text = await self.not_taken(alice, ROOM)
        self.assertEqual(code, "file-not-taken")
        self.assertIn("off the record", text)

    async def test_only_who_may_send_there_may_offer(self) -> None:
        """Not who is invited, not a stranger, not who is muted; a room one is not in is as one there is not."""
        server = await self.serve()
        alice, _ = await self.team(server, "alice", "bob")
        carol, mona = await server.user("carol"), await server.moderator("mona", "moderator")
        await self.act(alice, "invite", user="carol")
        self.assertEqual((await self.not_taken(carol, ROOM))[0], "unknown-conversation")
        code, text = await self.not_taken(mona, ROOM)
        self.assertEqual((code, text.replace(ROOM, "#x")), await self.not_taken(mona, "#x"))
        await self.offer(alice, ROOM)
        await mona.do("mute", user="alice")
        self.assertEqual((await self.not_taken(alice, ROOM))[0], "muted")
        self.assertEqual((await alice.refused("put_chunk", file=FILE, number=0, data=piece(0)))[0], "muted")

    async def test_nobody_offers_before_a_login(self) -> None:
        """Nor fetches."""
        client = (await self.serve()).client()
        self.assertEqual((await self.not_taken(client, "@bob"))[0], "not-logged-in")
        self.assertEqual((await self.cannot_fetch(client))[0], "not-logged-in")

    async def test_an_empty_file_is_whole_at_once(self) -> None:
        """It has no chunk, and the text says so."""
        server = await self.serve()
        alice = await server.user("alice")
        self.assertEqual((await self.offer(alice, "@alice", 0))["received"], 0)
        code, text = await self.cannot_fetch(alice)
        self.assertEqual(code, "file-not-taken")
        self.assertIn("0 chunks", text)

    async def test_a_dropped_file_is_nobodys(self) -> None:
        """Its sender's to drop; for others it is as one there is not."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await self.upload(alice, "@bob")
        self.assertEqual((await bob.refused("drop_file", file=FILE))[0], "unknown-file")
        await alice.do("drop_file", file=FILE)
        self.assertEqual((await self.cannot_fetch(bob))[0], "unknown-file")
        self.assertEqual((await self.not_taken(alice, "@bob"))[0], "file-not-taken")


class Fetching(FileCase):
    """Who is in the conversation now, and nobody else."""

    async def test_unknown_foreign_and_unfinished_files_are_refused_in_the_same_words(self) -> None:
        """So nobody learns by asking which files there are."""
        server = await self.serve()
        alice, bob, eve = [await server.user(name) for name in ("alice", "bob", "eve")]
        await self.upload(alice, "@bob")
        await self.offer(alice, "@bob", file=ulid(1))
        await alice.do("put_chunk", file=ulid(1), number=0, data=piece(0))
        asked = [(eve, FILE), (eve, ulid(1)), (bob, ulid(1)), (alice, ulid(1)), (bob, ulid(2)), (eve, ulid(2))]
        found = set()
        for who, file in asked:
            code, text = await self.cannot_fetch(who, file)
            found.add((code, text.replace(file, "X")))
        self.assertEqual([code for code, _ in found], ["unknown-file"])

    async def test_only_the_sender_fills_a_file(self) -> None:
        """A receiver who knows its ULID does not."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await self.offer(alice, "@bob")
        self.assertEqual((await bob.refused("put_chunk", file=FILE, number=0, data=piece(0)))[0], "unknown-file")
        self.assertEqual((await self.not_taken(bob, "@alice"))[0], "unknown-file")

    async def test_a_removed_member_gets_no_chunk_after_the_removal(self) -> None:
        """Not even one it asked for before and that is being read still; who comes back gets it again."""
        server = await self.serve()
        alice, bob, carol = await self.team(server, "alice", "bob", "carol")
        await self.upload(alice, ROOM)
        await self.fetch(bob)
        reading = server.factory.services.chunks
        for _ in range(CHUNKS_AT_ONCE):
            await reading.acquire()
        before = bob.send("get_chunk", file=FILE, number=1)
        await self.act(alice, "expel", user="bob")
        for _ in range(CHUNKS_AT_ONCE):
            reading.release()
        self.assertEqual((await bob.answer(before)).get("code"), "unknown-file")
        self.assertEqual((await self.cannot_fetch(bob))[0], "unknown-file")
        await self.fetch(carol)
        await self.act(alice, "invite", user="bob")
        self.assertEqual((await self.cannot_fetch(bob))[0], "unknown-file")
        await self.act(bob, "join")
        await self.fetch(bob)

    async def test_who_leaves_gets_none_and_may_finish_none(self) -> None:
        """Its own files are not given out to it either."""
        server = await self.serve()
        alice, bob = await self.team(server, "alice", "bob")
        await self.upload(bob, ROOM)
        await self.act(bob, "leave")
        self.assertEqual((await self.cannot_fetch(bob))[0], "unknown-file")
        self.assertEqual((await self.not_taken(bob, ROOM))[0], "unknown-conversation")
        await self.fetch(alice)

    async def test_members_fetch_after_a_restart(self) -> None:
        """Who is in the room is known from the store."""
        server = await self.serve()
        alice, _ = await self.team(server, "alice", "bob")
        await self.upload(alice, ROOM)
        again = await self.again(server)
        await self.fetch(await again.user("bob"))

    async def test_a_chunk_that_is_not_there_is_said_to_be_none(self) -> None:
        """With how many there are."""
        server = await self.serve()
        alice = await server.user("alice")
        await self.upload(alice, "@alice")
        code, text = await alice.refused("get_chunk", file=FILE, number=3)
        self.assertEqual(code, "file-not-taken")
        self.assertIn("3 chunks", text)


class Bounds(FileCase):
    """How large, how many, what else a request may not say."""

    async def test_the_largest_file_is_taken_and_one_byte_more_is_not(self) -> None:
        """At n - 1, n and n + 1; the text names the bound; other settings hold at once."""
        server = await self.serve(max_file_size=1000)
        alice = await server.user("alice")
        await self.offer(alice, "@alice", 999, ulid(1))
        await self.offer(alice, "@alice", 1000, ulid(2))
        code, text = await self.not_taken(alice, "@alice", 1001, ulid(3))
        self.assertEqual(code, "file-not-taken")
        self.assertIn("1001 bytes; this server takes at most 1000", text)
        server.change(max_file_size=1001)
        await self.offer(alice, "@alice", 1001, ulid(3))

    async def test_zero_takes_no_files(self) -> None:
        """Also no empty one."""
        server = await self.serve(max_file_size=0)
        alice = await server.user("alice")
        self.assertEqual(await self.not_taken(alice, "@alice", 0), ("file-not-taken", "this server takes no files"))

    async def test_an_account_has_space_for_so_many_of_the_largest(self) -> None:
        """One byte more is refused."""
        server = await self.serve(max_file_size=1000)
        alice = await server.user("alice")
        for number in range(FILES_OF_ACCOUNT):
            await self.offer(alice, "@alice", 1000, ulid(number))
        self.assertEqual((await self.not_taken(alice, "@alice", 1, ulid(99)))[0], "file-not-taken")

    async def test_a_count_of_chunks_that_does_not_fit_the_size_is_refused(self) -> None:
        """One more, one less."""
        server = await self.serve()
        alice = await server.user("alice")
        for chunks in (2, 4):
            code, text = await alice.refused("offer_file", file=FILE, conversation="@alice", size=SIZE, chunks=chunks)
            self.assertEqual(code, "file-not-taken")
            self.assertIn("3 chunks", text)

    async def test_what_is_no_base64_is_no_chunk(self) -> None:
        """Nor what is longer than a chunk can be."""
        server = await self.serve()
        alice = await server.user("alice")
        await self.offer(alice, "@alice")
        most = b64encode(bytes(FILE_CHUNK + 17)).decode()
        for data in ("", "AAAA", "*" * 100, most):
            self.assertEqual((await alice.refused("put_chunk", file=FILE, number=0, data=data))[0], "malformed")

    async def test_files_are_not_among_what_people_type(self) -> None:
        """They are the client's business."""
        server = await self.serve()
        alice = await server.user("alice")
        verbs = {entry["verb"] for entry in (await alice.do("commands"))["commands"]}
        self.assertEqual(verbs & {"offer_file", "put_chunk", "get_chunk", "drop_file"}, set())


class Floods(FileCase):
    """Chunks wait for each other, not others for them."""

    CHUNKS = int(REQUEST_BURST * FILE_SHARE / CHUNK_COST)
    """That go at once."""

    async def big(self, client: Client) -> int:
        """Offer a file of more chunks than go at once; how many bytes."""
        size = (self.CHUNKS + 20) * FILE_CHUNK
        await self.offer(client, "@alice", size)
        return size

    async def test_chunks_do_not_use_up_what_one_may_say(self) -> None:
        """A megabyte and more goes up, and the account writes as if nothing were."""
        server = await self.serve()
        alice = await server.user("alice")
        size = await self.big(alice)
        for number in range(60):
            await alice.do("put_chunk", file=FILE, number=number, data=piece(number, size))
        self.assertFalse(alice.connection.paused)
        ids = [alice.send("send", **alice.message(number, "hi")) for number in range(int(REQUEST_BURST) - 100)]
        await alice.answer(ids[-1])
        self.assertFalse(alice.connection.paused)

    async def test_a_large_file_is_slowed_but_never_hung_up(self) -> None:
        """However long it takes: over its burst a connection has its rate, for hours."""
        server = await self.serve(request_rate=20.0, request_burst=100.0)
        alice = await server.user("alice")
        size = 4_000 * FILE_CHUNK
        server.change(max_file_size=size)
        await self.offer(alice, "@alice", size)
        put, first = 0, server.time.seconds()
        data = b64encode(bytes(FILE_CHUNK + 16)).decode()
        while server.time.seconds() - first < 2 * FLOOD_SECONDS:
            if alice.connection.paused:
                server.time.advance(0.05)
                continue
            await alice.do("put_chunk", file=FILE, number=put, data=data)
            put += 1
        expected = (100 + 20 * 2 * FLOOD_SECONDS) * FILE_SHARE / CHUNK_COST
        self.assertTrue(expected * 0.9 < put < expected * 1.1, f"{put}, not about {expected}")
        self.assertEqual(alice.seen("error"), [])
        self.assertFalse(alice.gone)

    async def test_a_connection_has_one_chunk_on_its_way_at_a_time(self) -> None:
        """The next is read when it is stored, and all are answered in order."""
        server = await self.serve()
        alice = await server.user("alice")
        await self.offer(alice, "@alice")
        ids = [alice.send("put_chunk", file=FILE, number=number, data=piece(number)) for number in range(3)]
        self.assertEqual((alice.connection.paused, alice.connection.context.pending), (True, 1))
        await alice.answer(ids[-1])
        self.assertEqual([line["id"] for line in alice.seen("ok")][-2:], ids[:2])

    async def test_of_all_connections_a_few_chunks_are_on_their_way_at_a_time(self) -> None:
        """A message does not wait for more than those; nobody's chunk is forgotten."""
        server = await self.serve()
        clients = [await server.user(f"user{number}") for number in range(CHUNKS_AT_ONCE + 5)]
        for number, client in enumerate(clients):
            await self.offer(client, f"@user{number}", file=ulid(number))
        ids = [
            client.send("put_chunk", file=ulid(number), number=0, data=piece(0))
            for number, client in enumerate(clients)
        ]
        storing = server.factory.services.chunks
        self.assertEqual((storing.tokens, len(storing.waiting)), (0, 5))
        answers = [await client.answer(id_) for client, id_ in zip(clients, ids, strict=True)]
        self.assertEqual({answer["type"] for answer in answers}, {"ok"})

    async def test_fetching_without_end_is_slowed(self) -> None:
        """What goes down costs as much as what goes up."""
        server = await self.serve(request_rate=20.0, request_burst=100.0)
        alice = await server.user("alice")
        await self.upload(alice, "@alice")
        for _ in range(int(100 * FILE_SHARE / CHUNK_COST) - 3):
            await self.fetch(alice)
        self.assertFalse(alice.connection.paused)
        await self.fetch(alice)
        self.assertTrue(alice.connection.paused)


class Privacy(FileCase):
    """What is kept, and that it goes."""

    async def test_of_a_file_the_server_has_size_time_conversation_and_sealed_chunks(self) -> None:
        """No name, no type, no key: there is no place for them."""
        server = await self.serve()
        alice = await server.user("alice")
        await self.upload(alice, "@alice")
        with closing(sqlite3.connect(server.store._path)) as tables:
            [row] = tables.execute("SELECT * FROM file").fetchall()
            names = [column[1] for column in tables.execute("PRAGMA table_info(file)")]
        self.assertEqual(
            names, ["id", "ulid", "account_id", "conversation", "size", "chunks", "received", "time", "dropped"]
        )
        self.assertEqual(row[1:7], (FILE, 1, "direct:1:1", SIZE, 3, 3))

    async def test_no_log_tells_of_a_file(self) -> None:
        """Neither of its chunks nor of its ULID."""
        events = self.hear_logs()
        server = await self.serve()
        alice, eve = await server.user("alice"), await server.user("eve")
        await self.upload(alice, "@alice")
        await self.cannot_fetch(eve)
        self.assertNotIn(FILE, str(events))

    async def test_files_of_a_deleted_account_cannot_be_fetched(self) -> None:
        """And are erased with the next sweep."""
        server = await self.serve()
        alice, bob = await server.user("alice"), await server.user("bob")
        await self.upload(alice, "@bob")
        await server.store.delete_account(1, 0)
        self.assertEqual((await self.cannot_fetch(bob))[0], "unknown-file")
        self.assertEqual(await server.store.sweep_files(FileTerms(0, None, None), 100), 4)

    async def test_a_file_of_an_earlier_room_of_that_name_is_not_of_the_new_one(self) -> None:
        """A room that everybody has left is over."""
        server = await self.serve()
        [alice] = await self.team(server, "alice")
        await self.upload(alice, ROOM)
        await self.act(alice, "leave")
        await self.act(alice, "open_room")
        self.assertEqual((await self.cannot_fetch(alice))[0], "unknown-file")
