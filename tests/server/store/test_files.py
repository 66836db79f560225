"""What every store does with files: sealed chunks that come in order, and go when it is time."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import defer, reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from encchat import wire
from encchat.errors import EncchatError, FileNotTakenError, OverloadedError, UnknownFileError
from encchat.limits import DISK_RESERVE, FILE_CHUNK, MAX_FILES, TAG_LENGTH
from encchat.server.model import Account, FileTerms, NewFile, StoredChunk, direct_key
from encchat.server.store import MemoryStore, SqliteStore, files
from encchat.server.store.database import in_memory
from encchat.server.store.restore import restore
from tests.server.store.contract import NOW, appended, message, ulid
from tests.server.store.test_rooms import RoomContract

SPACE = 10 * FILE_CHUNK
FILE = ulid(1)
KEEP_ALL = FileTerms(0, None, None)


def piece(size: int, number: int) -> bytes:
    """The sealed chunk of that number of a file of that size."""
    return bytes([number % 256]) * wire.sealed_length(size, number)


class FileContract:
    """Alice, and bob; ``make_store`` gives a new store of its own."""

    store: Any

    def make_store(self) -> Any:
        """Return the store to be tested."""
        raise NotImplementedError

    async def setUp(self) -> None:
        self.store = self.make_store()
        await self.store.open()
        self.addCleanup(self.store.close)
        self.alice: Account = await self.store.create_account("alice", None, "user", NOW)
        self.bob: Account = await self.store.create_account("bob", None, "user", NOW)
        self.pair = direct_key(self.alice, self.bob)

    def file(self, size: int = 0, *, by: Account | None = None, name: str = FILE, **fields: Any) -> NewFile:
        """One of alice's for bob."""
        new = NewFile(name, (by or self.alice).id, self.pair, size, wire.chunks_of(size), NOW)
        return evolve(new, **fields)

    async def offer(self, size: int = 0, space: int = SPACE, **fields: Any) -> int:
        """It is taken; how many chunks are there."""
        return await self.store.offer_file(self.file(size, **fields), space)

    async def put(self, size: int, number: int, name: str = FILE, now: int = NOW) -> None:
        """The chunk of that number."""
        await self.store.put_chunk(name, self.alice.id, number, piece(size, number), now)

    async def upload(self, size: int, name: str = FILE, **fields: Any) -> None:
        """All of it."""
        await self.offer(size, name=name, **fields)
        for number in range(wire.chunks_of(size)):
            await self.put(size, number, name, fields.get("time", NOW))

    async def refused(self, kind: type[EncchatError], answer: defer.Deferred[Any]) -> str:
        """The text with which ``answer`` fails."""
        return (await self.assertFailure(answer, kind)).text

    async def kept(self) -> list[str]:
        """The files that are still in the store."""
        return [row["ulid"] for row in (await self.store.dossier(self.alice.id))["files"]]

    # Uploading
    async def test_what_was_put_is_what_is_fetched(self) -> None:
        """Byte for byte, the short last chunk too; a chunk that is not there is None."""
        size = 2 * FILE_CHUNK + 5
        await self.upload(size)
        found = [await self.store.file_chunk(FILE, number) for number in range(4)]
        self.assertEqual(found[:3], [StoredChunk(self.pair, 3, piece(size, number)) for number in range(3)])
        self.assertEqual(found[3], StoredChunk(self.pair, 3, None))
        self.assertEqual([len(one.data) for one in found[:3]], [FILE_CHUNK + TAG_LENGTH] * 2 + [5 + TAG_LENGTH])

    async def test_a_file_cannot_be_fetched_before_it_is_whole(self) -> None:
        """Nor one that nobody has offered; an empty one is whole at once."""
        await self.offer(2 * FILE_CHUNK)
        await self.put(2 * FILE_CHUNK, 0)
        self.assertIsNone(await self.store.file_chunk(FILE, 0))
        self.assertIsNone(await self.store.file_chunk(ulid(2), 0))
        await self.offer(0, name=ulid(3))
        self.assertEqual(await self.store.file_chunk(ulid(3), 0), StoredChunk(self.pair, 0, None))

    async def test_an_upload_that_was_cut_goes_on_where_it_was(self) -> None:
        """The same offer says how many chunks are there; one that is there already is fine again."""
        size = 3 * FILE_CHUNK
        self.assertEqual(await self.offer(size), 0)
        await self.put(size, 0)
        await self.put(size, 1)
        await self.put(size, 0)
        await self.store.put_chunk(FILE, self.alice.id, 1, b"x" * (FILE_CHUNK + TAG_LENGTH), NOW)
        self.assertEqual(await self.offer(size), 2)
        await self.put(size, 2)
        self.assertEqual(await self.offer(size), 3)
        self.assertEqual((await self.store.file_chunk(FILE, 1)).data, piece(size, 1), "the first is kept")

    async def test_the_same_file_in_other_words_is_refused(self) -> None:
        """Of another size, or for another conversation."""
        await self.offer(FILE_CHUNK)
        for other in ({"size": FILE_CHUNK - 1}, {"conversation": direct_key(self.alice, self.alice)}):
            new = self.file(FILE_CHUNK, **other) if "conversation" in other else self.file(**other)
            await self.refused(FileNotTakenError, self.store.offer_file(new, SPACE))

    async def test_only_the_next_chunk_in_its_length_is_taken(self) -> None:
        """Not a later one, not one after the last, not one byte more or less."""
        size = FILE_CHUNK + 5
        await self.offer(size)

        def put(number: int, data: bytes) -> defer.Deferred[None]:
            return self.store.put_chunk(FILE, self.alice.id, number, data, NOW)

        self.assertIn("the next one is 0", await self.refused(FileNotTakenError, put(1, piece(size, 1))))
        for wrong in (-1, 1):
            await self.refused(FileNotTakenError, put(0, b"x" * (FILE_CHUNK + TAG_LENGTH + wrong)))
        await self.put(size, 0)
        for wrong in (-1, 1):
            await self.refused(FileNotTakenError, put(1, b"x" * (5 + TAG_LENGTH + wrong)))
        await self.put(size, 1)
        self.assertIn("there is no 2", await self.refused(FileNotTakenError, put(2, b"x" * 100)))

    async def test_a_file_of_somebody_else_is_none_at_all(self) -> None:
        """It is not filled, not offered again and not dropped, in the words for one that there is not."""
        await self.offer(FILE_CHUNK)
        data = piece(FILE_CHUNK, 0)
        texts = {
            await self.refused(UnknownFileError, answer)
            for answer in (
                self.store.put_chunk(FILE, self.bob.id, 0, data, NOW),
                self.store.offer_file(self.file(FILE_CHUNK, by=self.bob), SPACE),
                self.store.drop_file(FILE, self.bob.id),
            )
        }
        unknown = await self.refused(UnknownFileError, self.store.drop_file(ulid(7), self.bob.id))
        self.assertEqual(texts, {unknown.replace(ulid(7), FILE)})

    async def test_chunks_that_were_put_in_one_turn_are_all_there(self) -> None:
        """They are committed together."""
        size = 5 * FILE_CHUNK
        await self.offer(size)
        await defer.gatherResults(
            [self.store.put_chunk(FILE, self.alice.id, number, piece(size, number), NOW) for number in range(5)]
        )
        self.assertEqual(await self.offer(size), 5)

    # Space
    async def test_an_account_has_so_much_space_and_no_more(self) -> None:
        """n - 1, n and n + 1 bytes; another account has its own; what is offered counts before it is there."""
        await self.offer(SPACE - 10)
        await self.offer(9, name=ulid(2))
        await self.offer(1, name=ulid(3))
        text = await self.refused(FileNotTakenError, self.store.offer_file(self.file(1, name=ulid(4)), SPACE))
        self.assertIn(f"over {SPACE}", text)
        await self.offer(SPACE, by=self.bob, name=ulid(5))
        self.assertEqual(await self.offer(1, name=ulid(3)), 0, "what is there already is no more")

    async def test_an_account_has_so_many_files_and_no_more(self) -> None:
        """Empty ones count too."""
        for number in range(MAX_FILES):
            await self.offer(0, name=ulid(number))
        await self.refused(FileNotTakenError, self.store.offer_file(self.file(name=ulid(MAX_FILES)), SPACE))

    async def test_a_dropped_file_is_gone_at_once_and_its_space_when_it_is_erased(self) -> None:
        """Whoever drops and uploads again and again does not fill the disk."""
        await self.upload(SPACE)
        await self.store.drop_file(FILE, self.alice.id)
        self.assertIsNone(await self.store.file_chunk(FILE, 0))
        await self.refused(UnknownFileError, self.store.drop_file(FILE, self.alice.id))
        await self.refused(UnknownFileError, self.store.put_chunk(FILE, self.alice.id, 0, piece(SPACE, 0), NOW))
        await self.refused(FileNotTakenError, self.store.offer_file(self.file(SPACE), SPACE))
        await self.refused(FileNotTakenError, self.store.offer_file(self.file(1, name=ulid(2)), SPACE))
        self.assertEqual(await self.store.sweep_files(KEEP_ALL, 100), 11)
        await self.upload(SPACE)

    # Going
    async def test_erasing_goes_in_slices(self) -> None:
        """Never more than asked for; a file that has begun to go cannot be fetched; nothing else is touched."""
        await self.upload(4 * FILE_CHUNK)
        await self.upload(2 * FILE_CHUNK, ulid(2))
        await self.upload(FILE_CHUNK, ulid(3))
        for name in (FILE, ulid(2)):
            await self.store.drop_file(name, self.alice.id)
        self.assertEqual([await self.store.sweep_files(KEEP_ALL, 3) for _ in range(4)], [3, 3, 2, 0])
        self.assertEqual(await self.kept(), [ulid(3)])
        self.assertEqual((await self.store.file_chunk(ulid(3), 0)).data, piece(FILE_CHUNK, 0))

    async def test_a_file_that_has_begun_to_go_is_not_given_out_in_part(self) -> None:
        """Neither fetched nor filled, nor taken for whole by who asks again; also if it goes by its age."""
        await self.upload(4 * FILE_CHUNK)
        terms = FileTerms(0, NOW + 1, None)
        self.assertEqual(await self.store.sweep_files(terms, 2), 2)
        self.assertIsNone(await self.store.file_chunk(FILE, 0))
        await self.refused(FileNotTakenError, self.store.offer_file(self.file(4 * FILE_CHUNK), SPACE))
        self.assertEqual(await self.store.sweep_files(KEEP_ALL, 100), 3)

    async def test_files_go_by_their_age(self) -> None:
        """By the time of their last chunk; that time itself is not older; unfinished ones by a time of their own."""
        await self.upload(FILE_CHUNK, time=NOW)
        await self.offer(2 * FILE_CHUNK, name=ulid(2), time=NOW)
        await self.put(2 * FILE_CHUNK, 0, ulid(2), NOW + 5)
        terms = FileTerms(NOW + 5, NOW, None)
        self.assertEqual(await self.store.sweep_files(terms, 100), 0)
        self.assertEqual(await self.store.sweep_files(FileTerms(NOW + 6, None, NOW + 9), 100), 2)
        self.assertEqual(await self.kept(), [FILE])
        self.assertEqual(await self.store.sweep_files(FileTerms(NOW + 6, NOW + 1, None), 100), 2)
        self.assertEqual(await self.kept(), [])

    async def test_asking_again_keeps_an_upload_alive(self) -> None:
        """Who goes on with it after a long night finds it."""
        await self.offer(FILE_CHUNK, time=NOW)
        await self.offer(FILE_CHUNK, time=NOW + 9)
        await self.offer(FILE_CHUNK, time=NOW + 3)
        self.assertEqual(await self.store.sweep_files(FileTerms(NOW + 9, None, None), 100), 0)

    async def test_with_an_account_go_its_files(self) -> None:
        """At once for those who would fetch them, then from the disk."""
        await self.upload(FILE_CHUNK)
        await self.offer(5, name=ulid(2))
        await self.upload(0, ulid(3), by=self.bob)
        await self.store.delete_account(self.alice.id, NOW)
        self.assertIsNone(await self.store.file_chunk(FILE, 0))
        self.assertEqual(await self.store.sweep_files(KEEP_ALL, 100), 3)
        self.assertEqual(await self.kept(), [])
        self.assertIsNotNone(await self.store.file_chunk(ulid(3), 0))

    async def test_a_dossier_names_the_files_but_not_what_is_in_them(self) -> None:
        """When, for whom, how large; the sealed chunks are of no use to anybody."""
        await self.upload(FILE_CHUNK)
        [row] = (await self.store.dossier(self.alice.id))["files"]
        wanted = {"ulid": FILE, "conversation": self.pair, "size": FILE_CHUNK, "chunks": 1, "received": 1}
        self.assertEqual(row, {**wanted, "time": NOW, "dropped": 0})
        json.dumps(row)
        self.assertEqual((await self.store.dossier(self.bob.id))["files"], [])


class MemoryFiles(FileContract, TestCase):
    """`FileContract` for `MemoryStore`."""

    def make_store(self) -> MemoryStore:
        return MemoryStore(reactor)  # type: ignore[arg-type]


class SqliteFiles(FileContract, TestCase):
    """`FileContract` for `SqliteStore`, and what only a file can be asked."""

    def make_store(self) -> SqliteStore:
        self.path = Path(self.mktemp()).absolute()
        return SqliteStore(self.path, reactor)

    async def again(self) -> None:
        """The server stops and starts."""
        await self.store.close()
        self.store = SqliteStore(self.path, reactor)
        await self.store.open()
        self.addCleanup(self.store.close)

    async def test_a_chunk_that_was_answered_is_on_the_disk(self) -> None:
        """Another connection sees it before anybody is told."""
        await self.offer(2 * FILE_CHUNK)
        await self.put(2 * FILE_CHUNK, 0)
        with closing(sqlite3.connect(self.path)) as other:
            self.assertEqual(other.execute("SELECT received FROM file").fetchone(), (1,))
            self.assertEqual(other.execute("SELECT data FROM file_chunk").fetchone(), (piece(2 * FILE_CHUNK, 0),))

    async def test_no_file_takes_the_last_of_the_disk(self) -> None:
        """At n - 1 bytes left neither an offer nor a chunk is taken, at n and n + 1 they are; messages always are."""
        left = DISK_RESERVE
        await self.store.close()
        self.store = SqliteStore(self.path, reactor, free=lambda path: left if path == self.path else 0)
        await self.store.open()
        self.addCleanup(self.store.close)
        await self.offer(2 * FILE_CHUNK)
        left -= 1
        await self.refused(OverloadedError, self.store.offer_file(self.file(name=ulid(2)), SPACE))
        data = piece(2 * FILE_CHUNK, 0)
        await self.refused(OverloadedError, self.store.put_chunk(FILE, self.alice.id, 0, data, NOW))
        await appended(self.store, message(1, self.alice.id))
        left = DISK_RESERVE
        await self.put(2 * FILE_CHUNK, 0)
        left += 1
        await self.put(2 * FILE_CHUNK, 1)

    async def test_an_upload_goes_on_after_a_restart(self) -> None:
        """Nothing about it was in memory only."""
        await self.offer(2 * FILE_CHUNK)
        await self.put(2 * FILE_CHUNK, 0)
        await self.again()
        self.assertEqual(await self.offer(2 * FILE_CHUNK), 1)

    async def test_a_backup_holds_files_whole_and_begun(self) -> None:
        """A restored server gives them out, and takes the rest of what was begun."""
        await self.upload(FILE_CHUNK)
        await self.offer(2 * FILE_CHUNK, name=ulid(2))
        await self.put(2 * FILE_CHUNK, 0, ulid(2))
        copy = Path(self.mktemp()).absolute()
        await self.store.backup(copy)
        await self.put(2 * FILE_CHUNK, 1, ulid(2))
        await self.store.close()
        restore(copy, self.path, NOW)
        await self.again()
        self.assertEqual((await self.store.file_chunk(FILE, 0)).data, piece(FILE_CHUNK, 0))
        self.assertEqual(await self.offer(2 * FILE_CHUNK, name=ulid(2)), 1)
        await self.put(2 * FILE_CHUNK, 1, ulid(2))
        self.assertIsNotNone(await self.store.file_chunk(ulid(2), 1))

    async def test_erased_chunks_leave_no_row(self) -> None:
        """Their room on the disk is used again."""
        await self.upload(4 * FILE_CHUNK)
        await self.store.drop_file(FILE, self.alice.id)
        await self.store.sweep_files(KEEP_ALL, 100)
        with closing(sqlite3.connect(self.path)) as other:
            rows = [other.execute(f"SELECT * FROM {table}").fetchall() for table in ("file", "file_chunk")]  # noqa: S608
        self.assertEqual(rows, [[], []])


class FilesOfRooms(RoomContract, TestCase):
    """With a room go its files."""

    def make(self) -> MemoryStore:
        """In memory."""
        return MemoryStore(reactor)  # type: ignore[arg-type]

    async def test_files_of_a_room_go_when_nobody_is_in_it_any_more(self) -> None:
        """And by the room's time before that, not by that of direct conversations."""
        alice, bob = await self.begin("alice", "bob")
        await self.store.offer_file(NewFile(FILE, bob.id, self.head.key, 0, 0, NOW), SPACE)
        await self.change(bob, "left", bob)
        self.assertEqual(await self.store.sweep_files(FileTerms(0, NOW + 1, NOW), 100), 0)
        last = self.row(alice, "left", alice)
        await self.store.change_room(evolve(last, closes=True))
        self.assertEqual(await self.store.sweep_files(KEEP_ALL, 100), 1)

    async def test_files_of_a_room_go_by_its_own_time(self) -> None:
        """A time for direct conversations says nothing of rooms."""
        alice, _ = await self.begin("alice", "bob")
        await self.store.offer_file(NewFile(FILE, alice.id, self.head.key, 0, 0, NOW), SPACE)
        self.assertEqual(await self.store.sweep_files(FileTerms(0, NOW + 1, None), 100), 0)
        self.assertEqual(await self.store.sweep_files(FileTerms(0, None, NOW + 1), 100), 1)


class AnyOrder(SynchronousTestCase):
    """Whatever comes in whatever order, a file is its chunks in theirs."""

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 4 * FILE_CHUNK), st.lists(st.integers(0, 5), max_size=20))
    def test_a_file_is_whole_exactly_when_each_chunk_came_in_its_turn(self, size: int, numbers: list[int]) -> None:
        """Late, early and repeated chunks change nothing."""
        with closing(in_memory()) as tables:
            tables.execute(
                "INSERT INTO account (id, name, folded, skeleton, role, created) VALUES (1, 'a', 'a', 'a', 'user', 0)"
            )
            chunks = wire.chunks_of(size)
            files.offer(tables, NewFile(FILE, 1, "direct:1:1", size, chunks, NOW), SPACE)
            received = 0
            for number in numbers:
                try:
                    files.put_chunk(tables, FILE, 1, number, piece(size, number), NOW)
                    self.assertTrue(number < chunks and number <= received)
                    received += number == received
                except FileNotTakenError:
                    self.assertTrue(number >= chunks or number > received)
            found = files.chunk(tables, FILE, 0)
            self.assertEqual(found is not None, received == chunks)
            if found is not None and chunks:
                self.assertEqual(found.data, piece(size, 0))
