"""The tour's pictures can be made, and show what they are for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from tests.client.terminal import surroundings
from tests.processes import directory

ROOT = Path(__file__).resolve().parent.parent
TEXT = "{http://www.w3.org/2000/svg}text"
PAGE = ROOT / "docs" / "tour.md"
_SECONDS = 300
SHOWN = {
    "first-run": ("Choose a name: ada", "this password is strong", "Press Enter when it is written down"),
    "first-steps": ("first steps:", "lobby>", "FREE   connected"),
    "talk": ("--- lobby", "09:12", "bob", "https://example.org/weather", "are you coming", "2:#garden 2", "3:@bob 1"),
    "go": ("what grows where ---", "Friday, 20 November 2026", "Saturday, 21 November 2026", "--- new ---", "#garden>"),
    "complete": ("/search", "show the messages kept here", "/send"),
    "search": ("reverse-i-search", "peas"),
    "verify": ("safety number with bob", "is to see the same", "/verified bob"),
    "files": ("beans.csv (", "/accept", "Downloads"),
    "scripts": ("goes on under its text", "this window is wide"),
    "set": ("notify-text", "downloads", "markdown"),
    "offline": ("reconnecting", "1 waiting", "this waits on my disk", "and I type on"),
}


def shown(picture: Path) -> str:
    """The texts of a picture, those of a row in one row."""
    rows: dict[str, list[str]] = {}
    for text in ElementTree.fromstring(picture.read_text()).iter(TEXT):  # noqa: S314 - our own
        rows.setdefault(text.attrib["y"], []).append(text.text or "")
    return "\n".join(" ".join(row) for row in rows.values())


class Tour(SynchronousTestCase):
    """docs/tour.md."""

    def test_the_page_names_every_picture_and_each_is_there(self) -> None:
        """And none that no page shows."""
        named = set(re.findall(r"\]\(tour/([\w-]+)\.svg\)", PAGE.read_text()))
        self.assertEqual(named, {path.stem for path in (ROOT / "docs" / "tour").glob("*.svg")})
        self.assertIn("docs/tour.md", (ROOT / "README.md").read_text())
        self.assertIn("docs/tour/talk.svg", (ROOT / "README.md").read_text())

    def test_the_pictures_are_made_by_real_clients(self) -> None:
        """In another folder, the same ones; on each of them, as on the page's, stands what it is for."""
        folder = directory(self)
        done = subprocess.run(
            [sys.executable, str(ROOT / "docs" / "tour.py"), str(folder), "0"],
            cwd=ROOT,
            env=surroundings(folder),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        kept = {path.stem: shown(path) for path in (ROOT / "docs" / "tour").glob("*.svg")}
        made = {path.stem: shown(path) for path in folder.glob("*.svg")}
        self.assertEqual(set(made), set(kept))
        self.assertEqual(set(made), set(SHOWN))
        for name, texts in SHOWN.items():
            for text in texts:
                for where in (made, kept):
                    self.assertIn(text, where[name], name)
