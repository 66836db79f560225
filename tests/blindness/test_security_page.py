"""Each promise of docs/security.md has a test, and the test is there."""

from __future__ import annotations

import ast
import re
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from tests.blindness.page import ROOT, claims, section

ADVERSARIES = ("The network", "The server", "A removed member", "A thief of a device", "A thief of a server")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def defined_in(path: str) -> Counter[str]:
    """The tests that a file defines, of whatever class."""
    nodes = ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
    return Counter(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


class SecurityPage(SynchronousTestCase):
    """Tables "Can and cannot"."""

    def test_every_adversary_has_lines_of_both_kinds(self) -> None:
        """Network, server, removed member, thieves of a device and of a server."""
        parts = dict(re.findall(r"^### (.+)\n((?:(?!^###).*\n?)*)", section("Can and cannot"), flags=re.MULTILINE))
        for adversary in ADVERSARIES:
            text = next((text for title, text in parts.items() if title.startswith(adversary)), "")
            self.assertIn("\n| can |", text, adversary)
            self.assertIn("\n| cannot |", text, adversary)

    def test_every_line_names_a_test_that_exists(self) -> None:
        """What is claimed and shown by nothing is not claimed."""
        self.assertGreater(len(claims()), 40)
        for kind, what, shown in claims():
            self.assertIn(kind, ("can", "cannot"), what)
            named = _TEST.findall(shown)
            self.assertNotEqual(named, [], f"no test: {what}")
            self.assertEqual(_TEST.sub("", shown).strip(" ,"), "", f"not a test: {what}")
            for path, test in named:
                self.assertTrue((ROOT / path).is_file(), f"{what}: there is no {path}")
                self.assertIn(test, defined_in(path), f"{what}: {path} has no {test}")
