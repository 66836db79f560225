"""The tools of the faults do what they are for: the table, the clock, the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.faults.checker import Problem, Verdict
from tests.faults.clock import make_clock, why_no_clock
from tests.faults.disk import small_disk
from tests.faults.faults import FAULTS
from tests.faults.run import Result
from tests.faults.table import BEGIN, END, PAGE, put_into, table
from tests.processes import directory


class TableTests(SynchronousTestCase):
    def test_a_row_says_what_was_measured(self) -> None:
        """Rounds, messages, losses, duplicates, and the median and worst time to recover."""
        verdict = Verdict(1_234, (Problem("lost", ""), Problem("duplicated", ""), Problem("order", "")))
        text = table([Result(FAULTS[0], "s", 3, verdict, (1.0, 3.0, 2.0), 9.0)])
        self.assertIn(
            f"| {FAULTS[0].title} | 3 | 1,234 | 1 | 1 (1 otherwise wrong) | 2.00 s, at most 3.00 s |", text.splitlines()
        )
        self.assertIn("seed s", text)

    def test_what_did_not_run_or_end_says_so(self) -> None:
        """Neither can pass for a zero."""
        text = table([Result(FAULTS[0], "s", 3, skipped="no compiler"), Result(FAULTS[1], "s", 3, broke="silence")])
        self.assertIn("not run: no compiler", text)
        self.assertIn("3, not to the end", text)

    def test_only_what_stands_between_the_markers_is_replaced(self) -> None:
        """The prose stays."""
        page = f"before\n{BEGIN}\nold\n{END}\nafter\n{END}\n"
        self.assertEqual(put_into(page, "new"), f"before\n{BEGIN}\nnew\n{END}\nafter\n{END}\n")
        self.assertRaises(ValueError, put_into, "no markers", "new")

    def test_the_page_has_the_place_for_it(self) -> None:
        """``--write`` would find it."""
        page = PAGE.read_text("utf-8")
        self.assertIn("new\n", put_into(page, "new"))


class ClockTests(SynchronousTestCase):
    def test_the_time_of_day_jumps_and_the_monotonic_clock_does_not(self) -> None:
        """In a process that runs."""
        if reason := why_no_clock():
            raise SkipTest(reason)
        clock = make_clock(directory(self))
        code = "import time, sys\nfor line in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clock.environ,
            text=True,
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None

            def now() -> tuple[float, float]:
                assert child.stdin is not None
                assert child.stdout is not None
                print(file=child.stdin, flush=True)
                wall, monotonic = child.stdout.readline().split()
                return float(wall), float(monotonic)

            before = now()
            clock.jump_to(-7_200)
            after = now()
        self.assertTrue(-7_220 < after[0] - before[0] < -7_180)
        self.assertTrue(0 <= after[1] - before[1] < 20)


class DiskTests(SynchronousTestCase):
    def test_a_full_disk_takes_nothing_until_it_is_freed(self) -> None:
        """Not a byte."""
        disk = small_disk(self)
        if disk is None:
            raise SkipTest("no tmpfs may be mounted here; the fault limits the server's file sizes instead")
        server = None  # not looked at by this kind
        disk.fill(server)  # type: ignore[arg-type]
        self.assertRaises(OSError, Path(disk.path, "file").write_bytes, b"x")
        disk.free(server)  # type: ignore[arg-type]
        Path(disk.path, "file").write_bytes(b"x")
