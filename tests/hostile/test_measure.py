"""What the suite measures with is right: percentiles, loss, and the table it writes."""

from __future__ import annotations

import math
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.hostile.attacks import ATTACKS
from tests.hostile.ground import HONEST
from tests.hostile.honest import Crowd, Honest, Window
from tests.hostile.measure import Usage, percentile, usage
from tests.hostile.report import BEGIN, END, write
from tests.hostile.run import Outcome
from tests.hostile.seen import Seen
from tests.raw import new_client


def crowd(sent: int) -> Crowd:
    """Everybody has sent so many messages, and all of them were accepted and heard."""
    crowd = Crowd(0, [Honest(new_client().channel) for _ in HONEST])
    for client, name in zip(crowd.clients, HONEST, strict=True):
        client.begin(name, crowd)
        client.sent = client.accepted = sent
        for other in HONEST:
            client.heard[other] = list(range(1, sent + 1))
    return crowd


class MeasureTests(SynchronousTestCase):
    """Numbers."""

    def test_percentiles(self) -> None:
        """The smallest value that so many do not exceed."""
        values = list(range(1, 101))
        self.assertEqual([percentile(values, part) for part in (0.0, 0.5, 0.99, 1.0)], [1, 50, 99, 100])
        self.assertTrue(math.isnan(percentile([], 0.5)))

    def test_what_a_process_costs(self) -> None:
        """Memory, processor time and open files of a process that is there are read from /proc."""
        mine = usage(os.getpid())
        self.assertGreaterEqual(mine.peak, mine.megabytes)
        self.assertGreater(min(mine.megabytes, mine.processor, mine.files), 0)

    def test_each_loss_is_found(self) -> None:
        """A message that one client has not heard, and one that was not accepted, are lost; one heard twice is told."""
        whole = crowd(10)
        self.assertEqual((whole.lost(), whole.disordered()), (0, 0))
        whole.clients[1].heard[HONEST[0]].remove(10)
        whole.clients[2].accepted -= 1
        whole.clients[3].heard[HONEST[0]].append(10)
        self.assertEqual((whole.lost(), whole.disordered()), (2, 1))

    def test_the_table_takes_the_place_of_the_last_one(self) -> None:
        """What stands around the markers stays; without a page or markers they are made."""
        page = Path(self.mktemp())
        write([outcome()], 0.5, page)
        self.assertIn("| idle |", page.read_text())
        page.write_text(f"before\n{BEGIN}\nof the last run\n{END}\nafter\n")
        write([outcome()], 0.5, page)
        text = page.read_text()
        self.assertTrue(text.startswith(f"before\n{BEGIN}\n") and text.endswith(f"{END}\nafter\n"), text)
        self.assertNotIn("of the last run", text)
        self.assertIn("3 connected, 1 hung up after 2.0 to 2.0 s", text)


def outcome() -> Outcome:
    """Of a run that never was."""
    seen, cost, felt = Seen(), Usage(70.0, 80.0, 1.0, 20), Window(1.0, 2.0, 100)
    seen.add("connected", 3)
    seen.hung_up(2.0)
    return Outcome(
        attacks=(ATTACKS["idle"],),
        saw={"idle": seen.saw()},
        seconds=5.0,
        before=cost,
        during=cost,
        after=cost,
        calm=felt,
        stormy=felt,
        slowest_entry=10.0,
        lost=0,
        disordered=0,
        caught_up=0,
        refused=(),
        log_lines=0,
        server_alive=True,
    )
