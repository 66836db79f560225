"""Files that a command names."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from encchat.client import files
from encchat.client.files import LocalFiles, NoFiles
from encchat.errors import UsageError


class Files(SynchronousTestCase):
    """`LocalFiles` and `NoFiles`."""

    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir()

    def test_what_is_written_is_read(self) -> None:
        """And only its owner can."""
        path = str(self.place / "keys")
        LocalFiles().write(path, b"sealed")
        self.assertEqual(b"sealed", LocalFiles().read(path))
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)

    def test_a_file_that_is_there_is_not_touched(self) -> None:
        """The refusal names it and says what to do; a link is a file that is there."""
        path, link = self.place / "keys", self.place / "link"
        path.write_bytes(b"precious")
        link.symlink_to(self.place / "nowhere")
        for there in (path, link):
            refusal = self.assertRaises(UsageError, LocalFiles().write, str(there), b"x")
            self.assertIn(f"{there} is there already: name a new file", refusal.text)
        self.assertEqual(b"precious", path.read_bytes())
        self.assertFalse((self.place / "nowhere").exists())

    def test_what_cannot_be_read_or_written_is_named(self) -> None:
        """With the system's reason."""
        missing = str(self.place / "no" / "keys")
        self.assertIn(f"{missing} cannot be read: No such file", self.refused(LocalFiles().read, missing))
        self.assertIn("cannot be written: No such file", self.refused(LocalFiles().write, missing, b""))
        self.assertIn("Is a directory", self.refused(LocalFiles().read, str(self.place)))
        self.assertIn("cannot be read", self.refused(LocalFiles().read, "a\0b"))

    def test_a_file_has_a_limit(self) -> None:
        """A device that never ends is not read for ever."""
        self.patch(files, "MAX_KEY_EXPORT", 4)
        for size in (3, 4):
            (self.place / "keys").write_bytes(b"x" * size)
            self.assertEqual(size, len(LocalFiles().read(str(self.place / "keys"))))
        (self.place / "keys").write_bytes(b"x" * 5)
        self.assertIn("over 4 bytes", self.refused(LocalFiles().read, str(self.place / "keys")))
        self.assertIn("over 4 bytes", self.refused(LocalFiles().read, "/dev/zero"))

    def test_a_program_without_files_refuses(self) -> None:
        """A bot reads and writes nothing because a message of somebody made it."""
        self.assertIn("reads no files", self.refused(NoFiles().read, "keys"))
        self.assertIn("writes no files", self.refused(NoFiles().write, "keys", b""))

    def refused(self, *call: object) -> str:
        return self.assertRaises(UsageError, *call).text  # type: ignore[no-any-return]
