"""The relay benchmark: it runs, and does not let a server pass that loses messages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks.running import benchmark, rows


class RelayBenchmarkTests(SynchronousTestCase):
    """As a command, a little of everything."""

    def test_quick(self) -> None:
        """Every workload is measured, saturated and in lockstep: all is delivered, and in the database or not, as said.

        So it is of encchat, durable and ephemeral, and of the servers found here.
        """
        done = benchmark("relay", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = rows(done.stdout)
        self.assertEqual([cells[0][:2] for cells in found], ["W1", "W1", "W2", "W2", "W3", "W3"], done.stdout)
        for cells in found:
            self.assertGreaterEqual(len(cells), 3)
            for cell in cells[1:]:
                self.assertRegex(cell, r"^[0-9.,]+; [0-9,]+; [0-9]+ %$")
