"""The benchmark of the tty face runs and fills its tables; what it measures is judged on the page only."""

from __future__ import annotations

import re
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks.running import ROOT, benchmark, rows


class TtyBenchmarkTests(SynchronousTestCase):
    """``python -m benchmarks tty``."""

    def test_quick(self) -> None:
        """A start, and keys in silence, in the lobby and in a direct conversation; no number is missing."""
        done = benchmark("tty", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = rows(done.stdout)
        self.assertEqual([len(cells) for cells in found], [3, 3, 3, 4, 4, 4], done.stdout)
        for cells in found:
            for cell in cells[1:]:
                self.assertRegex(cell, r"^[0-9.,e-]+$")

    def test_the_page_says_that_it_feels_quick(self) -> None:
        """A prompt within half a second, a key on the screen within 20 ms 99 times of 100 while others talk."""
        text = (ROOT / "docs" / "performance.md").read_text()
        found = re.search(r"<!-- benchmark: tty -->\n(.*?)<!-- end -->", text, re.DOTALL)
        if not found or not found[1].strip():
            raise SkipTest("nobody has measured it on a quiet machine yet: python -m benchmarks tty --write")
        question, line, _, silence, lobby, direct = rows(found[1])
        for start in (question, line):
            self.assertLess(float(start[1]), 0.5, start[0])
        for cells in (silence, lobby, direct):
            self.assertLess(float(cells[2].split()[0]), 20, cells[0])
