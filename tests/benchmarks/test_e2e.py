"""The benchmarks work; what they measure is not judged here."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks.running import ROOT, benchmark, rows


class Benchmarks(SynchronousTestCase):
    """``python -m benchmarks e2e``."""

    def test_the_short_mode_measures_a_little_of_everything(self) -> None:
        """A room's first and second message, and talk in both directions; no number is missing."""
        done = benchmark("e2e", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = rows(done.stdout)
        self.assertEqual(len(found), 4, done.stdout)
        for cells in found:
            for cell in cells[2:]:
                self.assertRegex(cell, r"^[0-9.,e-]+$")

    def test_the_short_mode_does_not_write_into_the_documentation(self) -> None:
        """What stands there was measured properly."""
        before = (ROOT / "docs" / "performance.md").read_bytes()
        done = benchmark("e2e", "--quick", "--write")
        self.assertEqual(done.returncode, 2)
        self.assertEqual((ROOT / "docs" / "performance.md").read_bytes(), before)

    def test_results_are_put_between_their_markers_and_nowhere_else(self) -> None:
        """The words around them stay."""
        from benchmarks import report

        with tempfile.TemporaryDirectory() as place:
            page = Path(place) / "page.md"
            page.write_text("before\n<!-- benchmark: e2e -->\nold\n<!-- end -->\nafter\n")
            report.write(page, "e2e", "new")
            self.assertEqual(page.read_text(), "before\n<!-- benchmark: e2e -->\nnew\n<!-- end -->\nafter\n")
            with self.assertRaises(ValueError):
                report.write(page, "other", "new")

    def test_the_page_has_the_numbers_of_a_run(self) -> None:
        """With the machine and the versions they are from."""
        text = (ROOT / "docs" / "performance.md").read_text()
        found = re.search(r"<!-- benchmark: e2e -->\n(.*?)<!-- end -->", text, re.DOTALL)
        self.assertIsNotNone(found)
        shown = found[1] if found else ""
        for word in ("rounds", "vodozemac", "| 1,000 | first |", "receives, decrypts, verifies, keeps, shows"):
            self.assertIn(word, shown)
