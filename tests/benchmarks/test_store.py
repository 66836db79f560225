"""The benchmark of the store runs and fills its tables; what it measures is not judged here."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks.running import ROOT, benchmark, rows


class StoreBenchmarkTests(SynchronousTestCase):
    """As a command, a little of everything."""

    def test_quick(self) -> None:
        """Appending, and every question to two stores that were filled; the page has a place for it."""
        done = benchmark("store", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = rows(done.stdout)
        self.assertEqual([len(cells) for cells in found], [4] + [3] * 8, done.stdout)
        self.assertIn("<!-- benchmark: store -->\n", (ROOT / "docs" / "performance.md").read_text())
