"""The benchmark of a client's memory works, and its result is on the page."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks.running import ROOT, benchmark, rows


class Memory(SynchronousTestCase):
    """``python -m benchmarks client-memory``."""

    def test_the_short_mode_measures_both_sides_at_each_tenth(self) -> None:
        """No number is missing."""
        done = benchmark("client-memory", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = rows(done.stdout)
        self.assertEqual([cells[0] for cells in found], [f"{200 * tenth:,}" for tenth in range(1, 11)])
        for cells in found:
            for cell in cells[1:]:
                self.assertRegex(cell, r"^[0-9.]+$")

    def test_over_a_million_messages_a_clients_memory_does_not_grow(self) -> None:
        """The last half of them takes at most two bytes each, as the page shows it."""
        page = (ROOT / "docs" / "performance.md").read_text()
        found = re.search(r"<!-- benchmark: client-memory -->\n(.*?)<!-- end -->", page, re.DOTALL)
        table = rows(found[1] if found else "")
        self.assertEqual((len(table), table[-1][0]), (10, "1,000,000"))
        for column in (1, 2):
            half, whole = float(table[4][column]), float(table[9][column])
            self.assertLessEqual(whole - half, 1, table)
