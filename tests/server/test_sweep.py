"""The sweep goes round by the settings, slice by slice, and leaves nothing of what is to go."""

from __future__ import annotations

from typing import Any

from attrs import Factory, define
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import StoreError
from encchat.limits import FILE_RETENTION_DAYS, OFFER_SECONDS, RETAIN_PAUSE_SECONDS, SWEEP_SECONDS, SWEEP_SLICE
from encchat.server.model import FileTerms, NewFile, direct_key
from encchat.server.retention import DAY
from encchat.server.settings import Settings
from encchat.server.store import MemoryStore
from encchat.server.sweep import FileSweep, file_terms
from encchat.wire import chunks_of, sealed_length
from tests.server.store.contract import ulid

SPACE = 2**40
NOW = 1_000 * DAY


@define
class Now:
    """What is in force; a test changes it."""

    settings: Settings = Factory(Settings)

    def __call__(self) -> Settings:
        return self.settings


class Terms(SynchronousTestCase):
    """`file_terms`: what the settings mean."""

    def test_the_default_keeps_files_for_a_month_and_offers_for_two_days(self) -> None:
        """In rooms and in direct conversations."""
        before = NOW - FILE_RETENTION_DAYS * DAY
        self.assertEqual(file_terms(Settings(), NOW), FileTerms(NOW - OFFER_SECONDS * 1000, before, before))

    def test_no_file_outlives_the_messages_of_its_conversation(self) -> None:
        """The fewer days count, of each kind for itself."""
        terms = file_terms(Settings(file_retention=10, retain_direct_days=7, retain_room_days=20), NOW)
        self.assertEqual((terms.direct, terms.room), (NOW - 7 * DAY, NOW - 10 * DAY))

    def test_zero_keeps_files_as_long_as_messages(self) -> None:
        """For ever, where those are."""
        terms = file_terms(Settings(file_retention=0, retain_room_days=20), NOW)
        self.assertEqual((terms.direct, terms.room), (None, NOW - 20 * DAY))


class Sweeping(SynchronousTestCase):
    """With a store in memory, on a clock that stands still."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW / 1000)
        self.store = MemoryStore(self.clock)
        self.store.open()
        self.alice = self.done(self.store.create_account("alice", None, "user", 0))
        self.settings = Now()
        self.sweep = FileSweep(self.store, self.settings, self.clock, self.clock.seconds)
        self.addCleanup(self.sweep.stop)

    def done(self, answer: Deferred[Any]) -> Any:
        self.clock.advance(0)
        return self.successResultOf(answer)

    def upload(self, number: int, size: int, days: float = 0, *, whole: bool = True) -> None:
        """A file, ``days`` old."""
        time = int(NOW - days * DAY)
        pair = direct_key(self.alice, self.alice)
        self.done(self.store.offer_file(NewFile(ulid(number), self.alice.id, pair, size, chunks_of(size), time), SPACE))
        for chunk in range(chunks_of(size) - (not whole)):
            data = bytes(sealed_length(size, chunk))
            self.done(self.store.put_chunk(ulid(number), self.alice.id, chunk, data, time))

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.store.tables.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608

    def go_round(self, seconds: float = 1) -> None:
        """Let that much time pass, in small steps."""
        for _ in range(int(seconds * 100)):
            self.clock.advance(0.01)

    def test_old_and_unfinished_files_go_at_the_start_and_dropped_ones_later(self) -> None:
        """The others stay."""
        self.upload(1, 100, days=FILE_RETENTION_DAYS + 1)
        self.upload(2, 100, days=3, whole=False)
        self.upload(3, 100, days=3)
        self.upload(4, 100, days=1, whole=False)
        self.sweep.start()
        self.go_round()
        self.assertEqual((self.count("file"), self.count("file_chunk")), (2, 1))
        self.done(self.store.drop_file(ulid(3), self.alice.id))
        self.clock.advance(SWEEP_SECONDS)
        self.go_round()
        self.assertEqual((self.count("file"), self.count("file_chunk")), (1, 0))

    def test_it_goes_in_slices_with_a_pause_between(self) -> None:
        """Nobody's message waits for more than one slice."""
        size = (2 * SWEEP_SLICE + 2) * 32_768
        self.upload(1, size, days=99)
        self.sweep.start()
        found = []
        for _ in range(3):
            self.clock.advance(0)
            self.clock.advance(0)
            found.append(self.count("file_chunk"))
            self.clock.advance(RETAIN_PAUSE_SECONDS)
        self.assertEqual(found, [SWEEP_SLICE + 2, 2, 0])
        self.assertEqual(self.count("file"), 0)

    def test_nothing_is_begun_once_it_is_stopped(self) -> None:
        """In the middle of a round, and before the next."""
        self.upload(1, (2 * SWEEP_SLICE + 2) * 32_768, days=99)
        self.sweep.start()
        self.clock.advance(0)
        self.sweep.stop()
        self.store.close()
        self.go_round()
        self.clock.advance(SWEEP_SECONDS)
        self.assertEqual(self.count("file_chunk"), SWEEP_SLICE + 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_store_that_fails_is_tried_again_in_the_next_round(self) -> None:
        """A full disk is told to the log and ends nothing."""
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        broken = Broken()
        sweep = FileSweep(broken, self.settings, self.clock, self.clock.seconds)
        self.addCleanup(sweep.stop)
        sweep.start()
        self.clock.advance(SWEEP_SECONDS)
        self.assertEqual(broken.asked, 2)
        self.assertEqual([event["event"] for event in events if "event" in event], ["store_broke"] * 2)


@define
class Broken:
    """A store whose disk is full."""

    asked: int = 0

    def sweep_files(self, *_: object) -> Deferred[int]:
        self.asked += 1
        return fail(StoreError("database or disk is full"))
