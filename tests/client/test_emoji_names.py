"""Emoji by name."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.terminal.emoji_names import EmojiNames, begun
from encchat.client.text import printable
from encchat.limits import MAX_EMOJI_OFFERED


class Begun(SynchronousTestCase):
    """Where a name begins."""

    def test_a_name_begins_behind_a_colon(self) -> None:
        """At the beginning, behind a blank, a line break or a bracket; with or without the colon that ends it."""
        for before in ("", "well ", "well\n", "(", "ha *"):
            for name in (":sm", ":smile", ":smile:", ":+1", ":thumbs_up", ":flag-x"):
                self.assertEqual(begun(before + name), name)

    def test_other_colons_are_colons(self) -> None:
        """Of times, faces, addresses and words."""
        for text in (
            "",
            ":",
            "10:30",
            ":D",
            ":-)",
            "a:bc",
            "http://host",
            "encchat://host:5000",
            "::",
            ":smile: x",
            "x::y",
        ):
            self.assertEqual(begun(text), "")


class Names(SynchronousTestCase):
    """What is found."""

    def setUp(self) -> None:
        self.names = EmojiNames()
        self.names.load()

    def found(self, text: str) -> list[str]:
        """The emoji for a begun name."""
        return [one.emoji for one in self.names.find(text)]

    def test_the_whole_name_comes_first_then_the_shortest(self) -> None:
        """As in the places people know them from."""
        for name, emoji in {
            ":smi": "\U0001f604",
            ":smile": "\U0001f604",
            ":smile:": "\U0001f604",
            ":tada": "\U0001f389",
            ":+1": "\U0001f44d",
            ":heart": "\u2764\ufe0f",
            ":THUMBSUP": "\U0001f44d",
            ":thumbs-up": "\U0001f44d",
        }.items():
            self.assertEqual(self.found(name)[0], emoji, name)

    def test_a_word_inside_a_name_finds_it_too(self) -> None:
        """Behind those that begin so; nothing is found for what nobody calls so."""
        self.assertIn("\U0001f3a9", self.found(":hat"))
        self.assertEqual(self.found(":qqqq"), [])

    def test_at_most_so_many_are_offered_each_once(self) -> None:
        """n-1, n, n+1."""
        for count in (MAX_EMOJI_OFFERED - 1, MAX_EMOJI_OFFERED, MAX_EMOJI_OFFERED + 1):
            found = self.names.find(":face", count)
            self.assertEqual(len({one.emoji for one in found}), count)
        self.assertEqual(len(self.found(":face")), MAX_EMOJI_OFFERED)

    @given(st.text("abcdefghijklmnopqrstuvwxyz_+-", min_size=1, max_size=3))
    def test_only_what_can_be_shown_is_offered(self, name: str) -> None:
        """Nothing that other people would see spelled out."""
        names = EmojiNames()
        names.load()
        for emoji in (one.emoji for one in names.find(name)):
            self.assertEqual(printable(emoji), emoji)

    def test_the_names_are_read_when_they_are_needed(self) -> None:
        """The client starts without them; before they are there, nothing is found."""
        self.assertEqual(EmojiNames().find(":smile"), [])
        code = "import sys, encchat.client.faces.tty as face; sys.exit('emoji' in sys.modules)"
        self.assertEqual(subprocess.run([sys.executable, "-c", code], check=False).returncode, 0)
