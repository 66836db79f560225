"""The tour's pictures can be made, and show what they are for."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pyte
from twisted.trial.unittest import SynchronousTestCase

from tests.client.terminal import Screen, surroundings
from tests.processes import directory

ROOT = Path(__file__).resolve().parent.parent
TEXT = "{http://www.w3.org/2000/svg}text"
PAGE = ROOT / "docs" / "tour.md"
_SECONDS = 300
SHOWN = {
    "first-run": ("Choose a name: ada", "this password is strong", "press Enter; two of the words"),
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


def drawn(written: str) -> str:
    """The picture of a small terminal to which that was written."""
    sys.path.insert(0, str(ROOT))
    try:
        picture = importlib.import_module("docs.svg").picture
    finally:
        sys.path.remove(str(ROOT))
    screen = Screen(20, 3)
    pyte.Stream(screen).feed(written)
    text: str = picture(screen, "a <title>")
    return text


class Pictures(SynchronousTestCase):
    """docs/svg.py."""

    def test_what_stands_on_the_screen_stands_in_the_picture(self) -> None:
        """Also what XML would take for its own, and with its colours and styles."""
        picture = drawn(
            "<b>&amp;\x1b[31;1mred\x1b[0m \x1b[2mfaint\x1b[22m\r\n\x1b[38;5;2mgreen\x1b[48;2;1;2;3mx\x1b[0m"
        )
        texts = {text.text: text.attrib for text in ElementTree.fromstring(picture).iter(TEXT)}  # noqa: S314 - ours
        self.assertEqual(set(texts), {"a <title>", "<b>&amp;", "red", "faint", "green", "x"})
        self.assertEqual((texts["red"]["class"], texts["faint"]["class"]), ("b", "f"))
        self.assertEqual(texts["green"]["fill"], "#00cd00")
        self.assertIn('fill="#010203"', picture)

    def test_every_column_is_where_it_was(self) -> None:
        """Behind a wide character, too; what has a width of its own in fonts is placed alone."""
        picture = drawn("a\u5ead b\r\n    c")
        places = {text.text: float(text.attrib["x"]) for text in ElementTree.fromstring(picture).iter(TEXT)}  # noqa: S314
        for text, column in (("a", 0), ("\u5ead", 1), ("b", 4), ("c", 4)):
            self.assertAlmostEqual(places[text], 12 + 8.4 * column, places=1)

    def test_the_cursor_is_drawn_unless_it_is_hidden(self) -> None:
        """Where it is."""
        self.assertIn("stroke=", drawn("ab"))
        self.assertNotIn("stroke=", drawn("ab\x1b[?25l"))


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
