"""What a connection, an account and an address may ask for, and what becomes of a flood."""

from __future__ import annotations

from itertools import pairwise

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from encchat.limits import (
    ACCOUNT_SHARE,
    ADDRESS_FILE_SHARE,
    ADDRESS_LOGIN_SHARE,
    ADDRESS_SHARE,
    FILE_SHARE,
    FLOOD_GAP,
    FLOOD_SECONDS,
    FLOOD_TOLD_EVERY,
    FLOOD_TOLD_SECONDS,
    RATE_HOLD_SECONDS,
)
from encchat.server.meters import Debt, Meter, Meters, RequestKind, Step

ALICE, BOB = "192.0.2.1", "192.0.2.2"


class MeterCase(SynchronousTestCase):
    """A connection earns two units a second and saves up ten."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.meters = Meters(2.0, 10.0, self.clock.seconds)

    def spend(self, meter: Meter, units: float, kind: RequestKind = "message") -> Debt | None:
        """Charge it at once."""
        return meter.charge(kind, units)

    def keep_asking(self, meter: Meter, seconds: float) -> list[tuple[float, Step]]:
        """Ask again as soon as it is read again; when something else than slowing down came, and what."""
        steps: list[tuple[float, Step]] = []
        begin = self.clock.seconds()
        while self.clock.seconds() - begin < seconds and Step.HANG_UP not in [step for _, step in steps]:
            debt = meter.charge("message", 1.0)
            if debt is not None:
                if debt.step is not Step.SLOW:
                    steps.append((self.clock.seconds() - begin, debt.step))
                self.clock.advance(debt.seconds)
        return steps


class Shares(MeterCase):
    """Who pays."""

    def test_a_connection_spends_its_burst_and_then_waits_at_its_rate(self) -> None:
        """Exactly the burst is free."""
        meter = self.meters.connection(ALICE)
        self.assertIsNone(self.spend(meter, 10))
        self.assertEqual(self.spend(meter, 1), Debt(0.5, Step.SLOW))

    def test_a_wait_is_not_shorter_than_a_timer_is_worth(self) -> None:
        """A fast rate is met by fewer, longer pauses."""
        meter = Meters(1_000.0, 1.0, self.clock.seconds).connection(ALICE)
        self.assertEqual(self.spend(meter, 2), Debt(RATE_HOLD_SECONDS, Step.SLOW))

    def test_kinds_do_not_pay_for_each_other(self) -> None:
        """Who has sent too much can still ask, and a moderator still act."""
        meter = self.meters.connection(ALICE)
        self.assertIsNotNone(self.spend(meter, 11))
        for kind in ("query", "login", "moderation", "file"):
            self.assertIsNone(meter.charge(kind, 10.0))  # type: ignore[arg-type]

    def test_one_connections_flood_leaves_others_alone(self) -> None:
        """Of the same address, too, as long as that has not spent its share."""
        flooder, other = self.meters.connection(ALICE), self.meters.connection(ALICE)
        self.assertIsNotNone(self.spend(flooder, 100))
        self.assertIsNone(self.spend(other, 10))

    def test_devices_of_one_account_share_a_share(self) -> None:
        """More connections do not buy more; those of another account are not touched."""
        meters = [self.meters.connection(f"192.0.2.{number}") for number in range(int(ACCOUNT_SHARE) + 1)]
        for meter in meters:
            meter.log_in("Alice" if meter is meters[0] else "alice")
        self.assertEqual([self.spend(meter, 10) for meter in meters[:-1]], [None] * int(ACCOUNT_SHARE))
        self.assertEqual(self.spend(meters[-1], 8), Debt(8 / (2 * ACCOUNT_SHARE), Step.SLOW))
        bob = self.meters.connection(BOB)
        bob.log_in("bob")
        self.assertIsNone(self.spend(bob, 10))

    def test_connections_of_one_address_share_a_share(self) -> None:
        """However many accounts they are; another address is not touched."""
        meters = [self.meters.connection(ALICE) for _ in range(int(ADDRESS_SHARE) + 1)]
        self.assertEqual([self.spend(meter, 10) for meter in meters[:-1]], [None] * int(ADDRESS_SHARE))
        self.assertIsNotNone(self.spend(meters[-1], 10))
        self.assertIsNone(self.spend(self.meters.connection(BOB), 10))

    def test_logins_have_a_smaller_share_of_an_address(self) -> None:
        """A login storm stands still long before anything else does."""
        meters = [self.meters.connection(ALICE) for _ in range(int(ADDRESS_LOGIN_SHARE) + 1)]
        answers = [self.spend(meter, 10, "login") for meter in meters]
        self.assertEqual([answer is None for answer in answers], [True] * int(ADDRESS_LOGIN_SHARE) + [False])
        self.assertIsNone(self.spend(meters[-1], 10, "message"))

    def test_chunks_have_shares_of_their_own(self) -> None:
        """Many of an account's connections have no more than one; an address has some times as much."""
        one, other = self.meters.connection(ALICE), self.meters.connection(ALICE)
        for meter in (one, other):
            meter.log_in("alice")
        self.assertIsNone(self.spend(one, 10 * FILE_SHARE, "file"))
        self.assertEqual(self.spend(other, 1, "file"), Debt(1 / (2 * FILE_SHARE), Step.SLOW))
        meters = [self.meters.connection(BOB) for _ in range(int(ADDRESS_FILE_SHARE / FILE_SHARE) + 1)]
        answers = [self.spend(meter, 10 * FILE_SHARE, "file") for meter in meters]
        self.assertEqual([answer is None for answer in answers], [True] * (len(meters) - 1) + [False])

    def test_what_is_given_back_can_be_spent_again(self) -> None:
        """And no more than that."""
        meter = self.meters.connection(ALICE)
        meter.log_in("alice")
        self.assertIsNone(self.spend(meter, 10))
        meter.give_back("message", 4)
        self.assertIsNone(self.spend(meter, 4))
        self.assertIsNotNone(self.spend(meter, 1))

    def test_coming_again_buys_nothing(self) -> None:
        """What an account has spent is remembered when its connections are gone."""
        for _ in range(int(ACCOUNT_SHARE)):
            meter = self.meters.connection(ALICE)
            meter.log_in("alice")
            self.assertIsNone(self.spend(meter, 10))
            meter.close()
        again = self.meters.connection(BOB)
        again.log_in("alice")
        self.assertIsNotNone(self.spend(again, 1))

    def test_who_is_quiet_and_gone_is_forgotten(self) -> None:
        """A million visitors do not stay in memory; somebody who is here does."""
        here = self.meters.connection("10.255.0.1")
        for number in range(5_000):
            self.clock.advance(1)
            meter = self.meters.connection(f"10.0.{number // 256}.{number % 256}")
            self.spend(meter, 5)
            meter.close()
        self.assertLessEqual(len(self.meters), 1_024)
        self.spend(self.meters.connection("10.255.0.1"), 30 * ADDRESS_SHARE)
        self.assertIsNotNone(self.spend(here, 1), "it pays from the same purse as those who came later")

    def test_other_limits_hold_for_who_is_here(self) -> None:
        """What was spent stays spent."""
        meter = self.meters.connection(ALICE)
        self.spend(meter, 10)
        self.meters.change(4.0, 13.0)
        self.assertIsNone(self.spend(meter, 3))
        self.assertEqual(self.spend(meter, 1), Debt(0.25, Step.SLOW))


class Floods(MeterCase):
    """Slowed, told, hung up."""

    def test_a_flood_is_slowed_then_told_then_hung_up(self) -> None:
        """In that order, at the times that `encchat.limits` names."""
        steps = self.keep_asking(self.meters.connection(ALICE), 1_000)
        self.assertEqual([step for _, step in steps], [Step.TELL, Step.HANG_UP])
        self.assertTrue(FLOOD_TOLD_SECONDS <= steps[0][0] <= FLOOD_TOLD_SECONDS + 1, steps)
        self.assertTrue(FLOOD_SECONDS <= steps[1][0] <= FLOOD_SECONDS + 1, steps)

    def test_who_pauses_is_not_hung_up(self) -> None:
        """A break of a little more than `FLOOD_GAP` begins the count anew."""
        meter = self.meters.connection(ALICE)
        for _ in range(5):
            steps = self.keep_asking(meter, FLOOD_SECONDS - 2)
            self.assertNotIn(Step.HANG_UP, [step for _, step in steps])
            self.clock.advance(FLOOD_GAP + 0.1)

    def test_a_large_file_is_slowed_but_never_told_or_hung_up(self) -> None:
        """It always has more to come, and is no flood for that; nor does it make what is said beside it one."""
        meter = self.meters.connection(ALICE)
        for _ in range(1_000):
            debt = meter.charge("file", 10 * FILE_SHARE)
            if debt is not None:
                self.assertIs(debt.step, Step.SLOW)
                self.clock.advance(debt.seconds)
        self.assertGreater(self.clock.seconds(), 10 * FLOOD_SECONDS)
        self.assertIsNone(meter.charge("message", 10.0))
        self.assertEqual(meter.charge("message", 1.0), Debt(0.5, Step.SLOW))

    def test_it_is_told_once_a_minute_at_most(self) -> None:
        """To somebody who pauses just enough, time and again."""
        meter = self.meters.connection(ALICE)
        told: list[float] = []
        for _ in range(12):
            begin = self.clock.seconds()
            steps = self.keep_asking(meter, FLOOD_TOLD_SECONDS + 5)
            told += [begin + at for at, step in steps if step is Step.TELL]
            self.clock.advance(FLOOD_GAP + 0.1)
        self.assertGreater(len(told), 2)
        for one, next_one in pairwise(told):
            self.assertGreaterEqual(next_one - one, FLOOD_TOLD_EVERY)

    def test_a_neighbour_of_a_flood_is_slowed_but_never_hung_up(self) -> None:
        """Others keep their common address empty all the time, while one of them says something now and then."""
        honest, flooder = self.meters.connection(ALICE), self.meters.connection(ALICE)
        flooder.charge("message", 20.0 * ADDRESS_SHARE)
        steps = []
        for _ in range(200):
            flooder.charge("message", 2.0 * ADDRESS_SHARE)
            debt = honest.charge("message", 1.0)
            steps.append(debt.step if debt else None)
            self.clock.advance(1.0)
        self.assertEqual(set(steps), {Step.SLOW})

    def test_an_account_that_floods_from_many_connections_is_hung_up(self) -> None:
        """None of them alone asks for too much."""
        meters = [self.meters.connection(f"192.0.2.{number}") for number in range(20)]
        for meter in meters:
            meter.log_in("mallory")
        steps = set()
        for _ in range(int(2 * FLOOD_SECONDS)):
            for meter in meters:
                debt = meter.charge("message", 1.0)
                steps.add(debt.step if debt else None)
            self.clock.advance(1.0)
        self.assertIn(Step.HANG_UP, steps)
