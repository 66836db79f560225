"""Every benchmark of the server runs and fills its tables; what it measures is not judged here."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks.running import ROOT, benchmark, rows

NUMBER = r"^-?[0-9.,e-]+"


class BenchmarkCommandTests(SynchronousTestCase):
    """In their short modes; of servers with encchat only, as the others are in `tests.benchmarks.test_relay`."""

    def run_quickly(self, command: str, expected: int) -> list[list[str]]:
        """The rows of its tables, of which so many are expected; there is a place for them in the page."""
        only = [] if command in ("growth", "two") else ["--only", "encchat"]
        done = benchmark(command, "--quick", *only)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = rows(done.stdout)
        self.assertEqual(len(found), expected, done.stdout)
        self.assertIn(f"<!-- benchmark: {command} -->\n", (ROOT / "docs" / "performance.md").read_text())
        return found

    def test_latency(self) -> None:
        """Half and 99 % of the messages of a talk at a fixed rate, durable and ephemeral."""
        [cells] = self.run_quickly("latency", 1)
        for cell in cells[1:]:
            self.assertRegex(cell, NUMBER)

    def test_idle(self) -> None:
        """Memory and CPU of connections that say nothing, and the talk of others beside them."""
        for cells in self.run_quickly("idle", 3):
            self.assertRegex(cells[-1], NUMBER)

    def test_logins(self) -> None:
        """Log-ins by device key, and talk while others log in by password."""
        for cells in self.run_quickly("logins", 3):
            self.assertRegex(cells[1], NUMBER)

    def test_growth(self) -> None:
        """Talk in rooms of several sizes and in several numbers of rooms, and who comes and goes."""
        for cells in self.run_quickly("growth", 4):
            for cell in cells[1:]:
                self.assertRegex(cell, NUMBER)

    def test_two(self) -> None:
        """One server on one core and on two, and two servers."""
        for cells in self.run_quickly("two", 3):
            for cell in cells[2:]:
                self.assertRegex(cell, NUMBER)
