"""The search itself: what it would find, so that finding nothing means something."""

from __future__ import annotations

import json
import os
from base64 import b64encode

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.blindness.canaries import Canaries
from tests.blindness.places import memory


class Searching(SynchronousTestCase):
    """A canary is found in whatever is made of it."""

    def setUp(self) -> None:
        self.canaries = Canaries()
        self.text = self.canaries.text("message")

    def found_in(self, image: bytes) -> set[str]:
        return {entry.partition(" ")[0] for entry in self.canaries.search(b"before" + image + b"after", "secret")}

    def test_text_is_found_in_every_encoding(self) -> None:
        """As Python, SQLite and JSON keep it."""
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
            self.assertEqual(self.found_in(self.text.encode(encoding)), {"message"}, encoding)
        self.assertEqual(self.found_in(json.dumps({"text": self.text}).encode()), {"message"})
        self.assertEqual(self.found_in(self.text.encode().hex().encode()), {"message"})

    def test_text_is_found_in_base64_wherever_it_begins(self) -> None:
        """At each of the three places in base64's groups."""
        for before in range(6):
            image = b64encode(b"x" * before + self.text.encode() + b"more")
            self.assertEqual(self.found_in(image), {"message"}, before)

    def test_half_a_text_is_found(self) -> None:
        """Freed memory is partly overwritten."""
        for part in (self.text[: len(self.text) // 2], self.text[len(self.text) // 2 :]):
            self.assertEqual(self.found_in(part.encode()), {"message"})

    def test_what_was_not_said_is_not_found(self) -> None:
        """Nor what is of another kind."""
        other = Canaries().text("message")
        public = self.canaries.text("lobby", "public")
        self.assertEqual(self.found_in(f"{other} {public}".encode()), set())
        self.assertEqual(self.canaries.search(public.encode(), "public"), {"lobby (utf-8)"})

    def test_text_is_found_in_the_memory_of_a_process(self) -> None:
        """This one, which has it."""
        try:
            found = [self.canaries.search(piece, "secret") for piece in memory(os.getpid())]
        except (PermissionError, FileNotFoundError) as error:
            raise SkipTest(f"the kernel lets nobody read a process's memory here: {error}") from None
        self.assertIn("message (utf-16-le)", set().union(*found))
