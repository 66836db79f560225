"""News fragments can be read by the tool that gathers them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent


class News(SynchronousTestCase):
    """``newsfragments/``."""

    def test_the_next_release_notes_can_be_drafted(self) -> None:
        """Every fragment has a known kind and shows in the draft."""
        done = subprocess.run(
            [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next", "--dir", str(ROOT)],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        for fragment in (ROOT / "newsfragments").glob("*.md"):
            self.assertIn(fragment.read_text().split("\n")[0][:40], done.stdout)
