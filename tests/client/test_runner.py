"""When a client tries again."""

from __future__ import annotations

from itertools import islice

from twisted.trial.unittest import SynchronousTestCase

from encchat.client.runner import retry_waits
from encchat.limits import RETRY_FIRST_SECONDS, RETRY_JITTER, RETRY_MAX_SECONDS


class Waits(SynchronousTestCase):
    """`retry_waits`."""

    def test_waits_double_up_to_the_limit(self) -> None:
        """Where chance takes nothing off."""
        waits = list(islice(retry_waits(lambda: 0.0), 9))
        self.assertEqual(waits[:4], [RETRY_FIRST_SECONDS * factor for factor in (1, 2, 4, 8)])
        self.assertEqual(waits[-1], RETRY_MAX_SECONDS)

    def test_chance_keeps_clients_from_coming_back_all_at_once(self) -> None:
        """It shortens each wait by its part at most, and draws for each anew."""
        shortest = list(islice(retry_waits(lambda: 1.0), 9))
        longest = list(islice(retry_waits(lambda: 0.0), 9))
        self.assertEqual(shortest, [wait * (1 - RETRY_JITTER) for wait in longest])
        draws = iter([0.0, 0.5, 0.25])
        self.assertEqual(len(set(islice(retry_waits(lambda: next(draws)), 3))), 3)
