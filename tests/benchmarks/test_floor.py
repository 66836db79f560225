"""The benchmark of the calls a delivered message cannot do without: it runs, and counts each round as it is."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.floor import rounds
from tests.benchmarks.running import ROOT, benchmark, rows


class FloorBenchmarkTests(SynchronousTestCase):
    """As a command, and the rounds it imagines."""

    def test_quick(self) -> None:
        """Every workload has its parts, whose sum is what all of them cost; without rows it is less."""
        done = benchmark("floor", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = rows(done.stdout)
        self.assertEqual([cells[0][:2] for cells in found], ["W1", "W1", "W2", "W2", "W3", "W3"], done.stdout)
        for cells in found:
            *parts, durable, ephemeral = map(float, cells[1:])
            self.assertApproximates(durable, sum(parts), 0.02 * durable)
            self.assertLess(ephemeral, durable)
        self.assertIn("<!-- benchmark: floor -->\n", (ROOT / "docs" / "performance.md").read_text())

    def test_rounds(self) -> None:
        """What is said by all, and heard by each: one to a hundred, everybody in rooms of ten, both of a pair."""
        found = [(one.messages, one.delivered) for one in rounds()]
        self.assertEqual(found, [(16, 1_600), (1, 100), (1_600, 14_400), (200, 1_800), (1_600, 1_600), (200, 200)])

    def test_everybody_is_answered(self) -> None:
        """Each message's sender gets one answer to it."""
        for one in rounds():
            self.assertEqual(sum(some.connections * some.answers for some in one.lines), one.messages, one.name)
