"""The short form of the suite: fewer attackers, several attacks at once, limits set short so that their end is seen."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from tests.hostile.attacks import ATTACKS
from tests.hostile.run import SHORT, Outcome, run
from tests.hostile.seen import HUNG_UP
from tests.hostile.storms import LOOK_ALIKES
from tests.hostile.volume import ASKING

MOST_GROWTH = 80.0
"""Megabytes a short attack may cost the server: two passwords being hashed are 38 of them, an endless line is more."""

SLOWEST = 1_000.0
"""Milliseconds of the honest clients' p99; a few on a quiet machine, but this one may be busy and has two cores."""

SLOWER = 20.0
"""For a machine that is busy before the attack: this many times the p99 of then is added."""

SLOWEST_ENTRY = 5_000.0
"""Milliseconds until somebody new is in."""


class HostileTests(TestCase):
    """Against a real server, beside honest clients."""

    timeout = 90

    async def attacked(self, names: str, *options: str) -> Outcome:
        """Run the attacks of these names at once; what has to hold under each of them is asserted here."""
        attacks = [(ATTACKS[name], ATTACKS[name].short) for name in names.split()]
        outcome = await run(self, attacks, options, SHORT)
        told = outcome.text()
        self.assertTrue(outcome.server_alive, told)
        self.assertEqual((outcome.lost, outcome.disordered, outcome.refused), (0, 0, ()), told)
        self.assertLess(outcome.growth, MOST_GROWTH, told)
        self.assertGreater(outcome.stormy.count, 100, told)
        self.assertLess(outcome.stormy.p99, SLOWEST + SLOWER * outcome.calm.p99, told)
        self.assertLess(outcome.slowest_entry, SLOWEST_ENTRY, told)
        return outcome

    def assert_hung_up(self, outcome: Outcome, names: str, after: float) -> None:
        """All the connections of these attacks were ended by the server within so many seconds."""
        for name in names.split():
            saw = outcome.saw[name]
            self.assertEqual(saw.count(HUNG_UP), saw.count("connected"), f"{name} saw {saw.text()}")
            self.assertGreater(saw.count(HUNG_UP), 0, f"{name} saw {saw.text()}")
            self.assertLess(saw.hang_ups[1], after, f"{name} saw {saw.text()}")

    async def test_slow_ones(self) -> None:
        """Whoever takes too long for a handshake or a login is hung up, at whatever byte; nobody else feels it."""
        handshakes = "slow-preamble-0 slow-preamble slow-handshake"
        logins = "slow-record slow-line huge-records"
        limits = ("--handshake-seconds", "1.5", "--unauthenticated-seconds", "2")
        outcome = await self.attacked(f"{handshakes} {logins} not-reading", *limits)
        self.assert_hung_up(outcome, f"{handshakes} {logins}", after=3.5)

    async def test_vanished(self) -> None:
        """Whoever vanishes without a word is let go after two keepalive periods, and its connection is closed."""
        outcome = await self.attacked("half-open", "--keepalive", "1")
        count = ATTACKS["half-open"].short.count
        self.assertEqual(outcome.saw["half-open"].count("logged in"), count)
        self.assertEqual(outcome.saw["half-open"].count(HUNG_UP), count, outcome.text())
        self.assertLess(outcome.during.files, outcome.before.files - count + 5, outcome.text())

    async def test_garbage(self) -> None:
        """Bytes that are no preamble, no message, no record or no request end the connection at once."""
        names = "garbage-preamble garbage-handshake garbage-records garbage-lines huge-preambles huge-messages"
        outcome = await self.attacked(names)
        for name in names.split():
            saw = outcome.saw[name]
            # Of those that come again and again the last ones may still be under way at the end.
            self.assertGreater(saw.count(HUNG_UP), 0.8 * saw.count("connected"), f"{name} saw {saw.text()}")
            self.assertLess(saw.hang_ups[1], 2.5, f"{name} saw {saw.text()}")

    async def test_volume(self) -> None:
        """Forty thousand records of a byte or of none and endless lines cost no memory; who says nothing is hung up."""
        outcome = await self.attacked("tiny-records empty-records endless-lines")
        self.assertEqual(outcome.saw["empty-records"].count(HUNG_UP), ASKING, outcome.text())
        self.assertEqual(outcome.saw["tiny-records"].count(HUNG_UP), 0, outcome.text())
        self.assertLess(outcome.saw["endless-lines"].count("megabytes"), 100, outcome.text())

    async def test_storms(self) -> None:
        """Guessing passwords and keys, shaking hands without end and taking look-alike names gets nobody anywhere."""
        rate, burst = 20, 150
        limits = ("--handshakes-per-second", str(rate), "--handshakes-burst", str(burst))
        outcome = await self.attacked("logins device-logins handshakes handshakes-spread squatting", *limits)
        for name in ("logins", "device-logins"):
            self.assertGreater(outcome.saw[name].count("tries"), 0)
            self.assertEqual(outcome.saw[name].count("answered"), 0)
        squatting = outcome.saw["squatting"]
        names = sum(map(len, LOOK_ALIKES.values()))
        self.assertEqual(squatting.count("names taken"), 0)
        self.assertIn(squatting.count("names refused"), range(1, names + 1))  # all of them, where there is time
        answered = outcome.saw["handshakes"].count("handshakes answered")
        self.assertLessEqual(answered, burst + rate * (outcome.seconds + 1))

    async def test_crowds(self) -> None:
        """An address holds as many connections as it may and not one more; hundreds of idle ones cost little."""
        outcome = await self.attacked("one-address idle", "--connections-per-address", "250")
        saw = outcome.saw["one-address"]
        self.assertEqual((saw.count("held at once"), saw.count("turned away")), (250, 50), saw.text())
        self.assertLess(outcome.growth, 20, outcome.text())

    async def test_floods(self) -> None:
        """A flood of any kind of request is slowed down; the others do not lose a message by it."""
        names = " ".join(name for name in ATTACKS if name.startswith("flood-"))
        outcome = await self.attacked(names)
        for name in names.split():
            self.assertGreater(outcome.saw[name].count("requests"), 0, name)
