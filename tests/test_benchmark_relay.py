"""The relay benchmark: it runs, and does not let a server pass that loses messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent


class RelayBenchmarkTests(SynchronousTestCase):
    """As a command, a little of everything."""

    def test_quick(self) -> None:
        """Every workload is measured, saturated and in lockstep, with every message delivered and in the database."""
        if not (ROOT / "benchmarks").is_dir():
            raise SkipTest("only the source tree has benchmarks")
        command = [sys.executable, "-m", "benchmarks", "relay", "--quick"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for row in ("W1", "W2", "W3"):
            self.assertEqual(done.stdout.count(f"| {row} "), 2, done.stdout)
