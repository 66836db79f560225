"""The benchmarks work; what they measure is not judged here."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 120
"""How long the short mode may take on a busy machine."""


class Benchmarks(SynchronousTestCase):
    """``python -m benchmarks``."""

    def setUp(self) -> None:
        if not (ROOT / "benchmarks").is_dir():
            raise SkipTest("only the source tree has benchmarks")

    def run_it(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, ended."""
        command = [sys.executable, "-m", "benchmarks", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)

    def test_the_short_mode_measures_a_little_of_everything(self) -> None:
        """A room's first and second message, and talk in both directions; no number is missing."""
        done = self.run_it("e2e", "--quick")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and "---" not in line]
        self.assertEqual(len(rows), 6, done.stdout)
        for row in rows[1:3] + rows[4:]:
            for cell in row.strip("| ").split(" | ")[2:]:
                self.assertRegex(cell, r"^[0-9.,e-]+$")

    def test_the_short_mode_does_not_write_into_the_documentation(self) -> None:
        """What stands there was measured properly."""
        before = (ROOT / "docs" / "performance.md").read_bytes()
        done = self.run_it("e2e", "--quick", "--write")
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
