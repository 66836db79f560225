"""The retention service goes round by the settings, slice by slice."""

from __future__ import annotations

from attrs import Factory, define
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import StoreError
from encchat.limits import REMEMBER_REMOVED_DAYS, RETAIN_PAUSE_SECONDS, RETAIN_SECONDS, RETAIN_SLICE
from encchat.server.model import LOBBY_KEY, Account, Stored, direct_key
from encchat.server.retention import DAY, Retention
from encchat.server.settings import Settings
from encchat.server.store import MemoryStore
from encchat.server.store.messages import history
from tests.server.store.contract import message


@define
class Now:
    """What is in force; a test changes it."""

    settings: Settings = Factory(Settings)

    def __call__(self) -> Settings:
        return self.settings


class RetentionTests(SynchronousTestCase):
    """With a store in memory, on a clock that stands still."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100 * DAY / 1000)
        self.store = MemoryStore(self.clock)
        self.store.open()
        self.alice = self.done(self.store.create_account("alice", None, "user", 0))
        self.settings = Now()
        self.retention = Retention(self.store, self.settings, self.clock, self.clock.seconds)
        self.addCleanup(self.retention.stop)

    def done(self, answer: Deferred[Account]) -> Account:
        self.clock.advance(0)
        return self.successResultOf(answer)

    def say(self, count: int, conversation: str = LOBBY_KEY, first: int = 0, days: float = 0) -> list[object]:
        """So many messages, ``days`` old."""
        time = int(self.clock.seconds() * 1000 - days * DAY)
        answers: list[object] = []
        for n in range(first, first + count):
            self.store.append(message(n, self.alice.id, conversation, time=time), answers.append)
        self.clock.advance(0)
        return answers

    def kept(self, conversation: str = LOBBY_KEY) -> int:
        return len(history(self.store.tables, conversation, 0, 1_000_000))

    def go_round(self, seconds: float = 1) -> None:
        """Let that much time pass, in small steps."""
        for _ in range(int(seconds * 100)):
            self.clock.advance(0.01)

    def test_the_lobby_is_cut_to_its_count_at_once_and_again_later(self) -> None:
        """At the start, then every so often; what the settings say by then counts."""
        self.settings.settings = Settings(retain_lobby_count=10)
        self.say(15)
        self.retention.start()
        self.go_round()
        self.assertEqual(self.kept(), 10)
        self.say(7, first=100)
        self.settings.settings = Settings(retain_lobby_count=12)
        self.go_round()
        self.assertEqual(self.kept(), 17)
        self.clock.advance(RETAIN_SECONDS)
        self.go_round()
        self.assertEqual(self.kept(), 12)

    def test_zero_keeps_everything_for_ever(self) -> None:
        """No count and no age, however old it is."""
        self.settings.settings = Settings(retain_lobby_count=0)
        self.say(15, days=99)
        self.retention.start()
        self.go_round()
        self.assertEqual(self.kept(), 15)

    def test_each_kind_has_its_own_bounds(self) -> None:
        """Days for the lobby do not touch direct conversations, and the other way round."""
        direct = direct_key(self.alice, self.alice)
        self.settings.settings = Settings(retain_lobby_days=7, retain_direct_days=30)
        for days in (31, 8, 6):
            self.say(5, days=days, first=days * 100)
            self.say(5, direct, days=days, first=days * 100)
        self.retention.start()
        self.go_round()
        self.assertEqual((self.kept(), self.kept(direct)), (5, 10))

    def test_direct_conversations_are_cut_to_their_count(self) -> None:
        """Each for itself; the lobby keeps its own."""
        direct = direct_key(self.alice, self.alice)
        self.settings.settings = Settings(retain_direct_count=3)
        self.say(5)
        self.say(5, direct)
        self.retention.start()
        self.go_round()
        self.assertEqual((self.kept(), self.kept(direct)), (5, 3))

    def test_it_goes_in_slices_with_a_pause_between(self) -> None:
        """Nobody's message waits for more than one slice."""
        self.settings.settings = Settings(retain_lobby_count=1)
        self.say(2 * RETAIN_SLICE + 2)
        self.retention.start()
        found = []
        for _ in range(3):
            self.clock.advance(0)
            self.clock.advance(0)
            found.append(self.kept())
            self.clock.advance(RETAIN_PAUSE_SECONDS)
        self.assertEqual(found, [RETAIN_SLICE + 2, 2, 1])

    def test_nothing_is_begun_once_it_is_stopped(self) -> None:
        """In the middle of a round, and before the next."""
        self.settings.settings = Settings(retain_lobby_count=1)
        self.say(2 * RETAIN_SLICE + 2)
        self.retention.start()
        self.clock.advance(0)
        self.retention.stop()
        self.store.close()
        self.go_round()
        self.clock.advance(RETAIN_SECONDS)
        self.assertEqual(self.kept(), RETAIN_SLICE + 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_places_of_removed_messages_are_forgotten_after_a_month(self) -> None:
        """Until then a message sent again is known."""
        self.settings.settings = Settings(retain_lobby_days=1)
        self.say(1, days=2)
        self.retention.start()
        self.go_round()
        [again] = self.say(1)
        self.assertEqual((again.seq, again.duplicate), (1, True))  # type: ignore[attr-defined]
        self.clock.advance(REMEMBER_REMOVED_DAYS * DAY / 1000)
        self.go_round()
        [anew] = self.say(1)
        self.assertIsInstance(anew, Stored)
        self.assertEqual((anew.seq, anew.duplicate), (2, False))  # type: ignore[attr-defined]

    def test_a_store_that_fails_is_tried_again_in_the_next_round(self) -> None:
        """A full disk is told to the log and ends nothing."""
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        broken = Broken()
        retention = Retention(broken, self.settings, self.clock, self.clock.seconds)
        self.addCleanup(retention.stop)
        retention.start()
        self.go_round()
        self.clock.advance(RETAIN_SECONDS)
        self.assertEqual(broken.asked, 2)
        self.assertEqual([event["event"] for event in events if "event" in event], ["store_broke"] * 2)


@define
class Broken:
    """A store whose disk is full."""

    asked: int = 0

    def retain(self, *_: object) -> Deferred[int]:
        self.asked += 1
        return fail(StoreError("database or disk is full"))
