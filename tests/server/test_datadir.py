"""The data directory and its lock."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ConfigurationError
from encchat.server.datadir import DataDirectory, default_path


class DataDirectoryTests(SynchronousTestCase):
    def path(self) -> Path:
        return Path(self.mktemp()).absolute()

    def opened(self, path: Path) -> DataDirectory:
        directory = DataDirectory(path)
        directory.open()
        self.addCleanup(directory.close)
        return directory

    def mode(self, path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    def test_a_missing_directory_is_made_for_its_owner_alone(self) -> None:
        """With its parents."""
        path = self.path() / "deep" / "down"
        self.opened(path)
        self.assertEqual((self.mode(path), self.mode(path / "lock")), (0o700, 0o600))

    def test_a_directory_of_our_own_is_closed_to_others(self) -> None:
        """One made by hand with the usual umask."""
        path = self.path()
        path.mkdir()
        path.chmod(0o755)
        for name in ("rsa.pem", "encchat.db", "encchat.db-wal", "encchat.db.version-1", "encchat.db.replaced-1"):
            (path / name).touch()
        self.opened(path)
        self.assertEqual(self.mode(path), 0o700)

    def test_a_directory_with_other_things_keeps_its_mode(self) -> None:
        """Nobody's /srv is closed because a server was pointed at it by mistake."""
        path = self.path()
        path.mkdir()
        path.chmod(0o755)
        (path / "somebody's").touch()
        self.opened(path)
        self.assertEqual(self.mode(path), 0o755)

    def test_a_directory_that_others_can_write_to_is_refused(self) -> None:
        """They could put their key in the place of ours."""
        path = self.path()
        path.mkdir()
        path.chmod(0o1777)
        (path / "somebody's").touch()
        error = self.assertRaises(ConfigurationError, DataDirectory(path).open)
        self.assertIn("others may write", error.text)

    def test_two_servers_never_share_a_directory(self) -> None:
        """The second one is told; when the first is gone it may have it."""
        path = self.path()
        first = self.opened(path)
        error = self.assertRaises(ConfigurationError, DataDirectory(path).open)
        self.assertIn(f"another encchat server is running on the data directory {path}", error.text)
        first.close()
        self.opened(path)

    def test_a_path_that_cannot_be_a_directory_is_refused(self) -> None:
        """With the system's reason."""
        file = self.path()
        file.touch()
        error = self.assertRaises(ConfigurationError, DataDirectory(file / "below").open)
        self.assertIn("Not a directory; name another --data-dir", error.text)
        error = self.assertRaises(ConfigurationError, DataDirectory(file).open)
        self.assertIn("File exists", error.text)


class DefaultPathTests(SynchronousTestCase):
    def test_the_default_is_below_the_state_home(self) -> None:
        """XDG Base Directory Specification: $XDG_STATE_HOME, which must be absolute, else ~/.local/state."""
        home = Path(os.path.expanduser("~"))
        self.assertEqual(default_path({"XDG_STATE_HOME": "/var/lib/me"}), Path("/var/lib/me/encchat-server"))
        for environ in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative"}):
            self.assertEqual(default_path(environ), home / ".local/state/encchat-server")
