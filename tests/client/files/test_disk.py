"""Files that a command names."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from encchat.client.files import disk
from encchat.client.files.disk import LocalFiles, NoFiles
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
        self.patch(disk, "MAX_KEY_EXPORT", 4)
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
        self.assertIn("reads no files", self.refused(NoFiles().look, "keys"))
        self.assertIn("reads no files", self.refused(NoFiles().slice, "keys", 0, 1))
        self.assertIn("reads no files", self.refused(NoFiles().part, "keys", 0, 1))
        self.assertIn("writes no files", self.refused(NoFiles().place, "", "keys", 1))
        self.assertIn("writes no files", self.refused(NoFiles().begin, "keys"))
        self.assertIn("writes no files", self.refused(NoFiles().put, "keys", 0, b""))
        self.assertIn("writes no files", NoFiles().finish("keys"))
        self.assertEqual(([], None), (NoFiles().paths(""), NoFiles().got("keys")))

    # Files to be sent -----------------------------------------------------------------------------
    def test_a_file_is_read_in_slices(self) -> None:
        """Its size and name are known before."""
        path = self.place / "garden.png"
        path.write_bytes(b"0123456789")
        found = LocalFiles().look(str(path))
        self.assertEqual((str(path.absolute()), "garden.png", 10), (found.path, found.name, found.size))
        self.assertEqual(b"345", LocalFiles().slice(found.path, 3, 3))
        self.assertEqual(b"9", LocalFiles().slice(found.path, 9, 3))

    def test_only_a_file_is_sent(self) -> None:
        """A folder, a device or a pipe is none; nothing waits for somebody to write into a pipe."""
        os.mkfifo(self.place / "pipe")
        for path in (self.place, self.place / "pipe", Path("/dev/zero")):
            self.assertIn("is no file", self.refused(LocalFiles().look, str(path)))
        self.assertIn("cannot be read: No such file", self.refused(LocalFiles().look, str(self.place / "no")))
        self.assertIn("cannot be read", self.refused(LocalFiles().look, "a\0b"))

    def test_paths_are_completed(self) -> None:
        """Folders have a slash at the end; what is hidden is only shown to who asks; nothing is refused."""
        for name in ("garden.png", "gate.txt", ".hidden", "other"):
            (self.place / name).touch()
        (self.place / "gnomes").mkdir()
        found = LocalFiles().paths(f"{self.place}/g")
        self.assertEqual([f"{self.place}/{name}" for name in ("garden.png", "gate.txt", "gnomes/")], found)
        self.assertEqual([f"{self.place}/.hidden"], LocalFiles().paths(f"{self.place}/."))
        self.assertNotIn(f"{self.place}/.hidden", LocalFiles().paths(f"{self.place}/"))
        self.assertEqual([], LocalFiles().paths(f"{self.place}/nowhere/x"))
        self.assertEqual([], LocalFiles().paths("a\0/b"))

    def test_few_paths_are_shown(self) -> None:
        """A folder of a million files does not fill the screen."""
        self.patch(disk, "MAX_PATHS", 3)
        for number in range(4):
            self.assertEqual(min(number, 3), len(LocalFiles().paths(f"{self.place}/f")))
            (self.place / f"f{number}").touch()
        self.assertEqual(3, len(LocalFiles().paths(f"{self.place}/f")))

    # Files that are fetched -----------------------------------------------------------------------
    def test_a_file_is_fetched_in_pieces(self) -> None:
        """Into a part that only its owner reads, which gets the file's name at the end."""
        here = LocalFiles()
        path = here.place(str(self.place), "garden.png", 6)
        self.assertEqual(str((self.place / "garden.png").absolute()), path)
        self.assertIs(None, here.got(path))
        here.begin(path)
        here.put(path, 0, b"abc")
        here.put(path, 3, b"def")
        self.assertEqual((6, b"cde"), (here.got(path), here.part(path, 2, 3)))
        self.assertFalse(Path(path).exists())
        self.assertEqual("", here.finish(path))
        self.assertEqual(b"abcdef", Path(path).read_bytes())
        self.assertEqual(0o600, os.stat(path).st_mode & 0o777)
        self.assertEqual(["garden.png"], os.listdir(self.place))

    def test_what_follows_a_cut_is_written_over(self) -> None:
        """A part ends behind the piece written last."""
        here, path = LocalFiles(), str(self.place / "x")
        here.begin(path)
        here.put(path, 0, b"abcdef")
        here.put(path, 2, b"X")
        self.assertEqual((3, b"abX"), (here.got(path), here.part(path, 0, 9)))

    def test_a_fetched_file_is_written_over_nothing(self) -> None:
        """Neither a file, nor a part, nor a link, nor a file that came to be there meanwhile."""
        here = LocalFiles()
        (self.place / "file").write_bytes(b"precious")
        (self.place / "half.part").write_bytes(b"precious")
        (self.place / "link").symlink_to(self.place / "nowhere")
        for name in ("file", "half", "link"):
            self.assertIn("is there already", self.refused(here.place, str(self.place / name), "n", 1))
        self.assertIn("is there already", self.refused(here.begin, str(self.place / "half")))
        late = here.place(str(self.place / "late"), "n", 1)
        here.begin(late)
        here.put(late, 0, b"new")
        Path(late).write_bytes(b"precious")
        self.assertIn(f"{late} is there already; what came is in {late}.part", here.finish(late))
        for name in ("file", "half.part", "late"):
            self.assertEqual(b"precious", (self.place / name).read_bytes())
        self.assertEqual(b"new", (self.place / "late.part").read_bytes())

    def test_a_part_is_never_a_link(self) -> None:
        """Somebody who can write into the folder cannot lead what comes elsewhere."""
        here, path, other = LocalFiles(), str(self.place / "x"), self.place / "other"
        other.write_bytes(b"precious")
        Path(f"{path}.part").symlink_to(other)
        self.assertIn("is there already", self.refused(here.begin, path))
        self.assertIn("cannot be written", self.refused(here.put, path, 0, b"new"))
        self.assertNotEqual("", here.finish(path))
        self.assertEqual(b"precious", other.read_bytes())

    def test_a_folder_numbers_files_of_the_same_name(self) -> None:
        """And is made if it is a folder by its name."""
        here, folder = LocalFiles(), f"{self.place}/down/loads/"
        for name in ("garden.png", "garden (2).png", "garden (3).png"):
            path = here.place(folder, "garden.png", 1)
            self.assertEqual(name, Path(path).name)
            here.begin(path)
        self.assertEqual(0o700, os.stat(folder).st_mode & 0o777)

    def test_a_full_disk_is_told_before(self) -> None:
        """With the number of bytes there is no room for."""
        self.assertIn("no room for", self.refused(LocalFiles().place, str(self.place), "x", 2**60))

    def test_what_is_dropped_is_gone(self) -> None:
        """The part; twice is fine."""
        here, path = LocalFiles(), str(self.place / "x")
        here.begin(path)
        here.drop(path)
        here.drop(path)
        self.assertEqual([], os.listdir(self.place))

    def refused(self, *call: object) -> str:
        return self.assertRaises(UsageError, *call).text  # type: ignore[no-any-return]
