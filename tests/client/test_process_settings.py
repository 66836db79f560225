"""A real client and its file of settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from encchat.client.preferences import Preferences
from encchat.client.settings import Settings, commented
from tests.processes import CLIENT_CODE, SECONDS, environment, measured


class SettingsOfAProcess(SynchronousTestCase):
    """What the command line does with them."""

    def setUp(self) -> None:
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.file = self.home / ".config" / "encchat" / "client.toml"
        self.file.parent.mkdir(parents=True)

    def run_client(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        done = subprocess.run(
            [sys.executable, "-c", measured(CLIENT_CODE), *arguments],
            env=environment(self.home),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout, done.stderr

    def test_a_client_with_a_mistake_in_its_file_ends_with_7_and_says_where_it_is(self) -> None:
        """Before anything is connected; on one line."""
        self.file.write_text('# mine\nkeys = "vim"\n')
        code, out, err = self.run_client("localhost:1")
        said = f'encchat-client: {self.file} line 2: keys = "vim" is not right, it takes "emacs" or "vi"\n'
        self.assertEqual((code, out, err), (7, "", said))

    def test_the_file_of_another_home_does_not_count(self) -> None:
        """Where ``--home`` is given, the settings are there."""
        self.file.write_text("broken")
        code, out, _ = self.run_client("--home", str(self.home / "other"), "--print-config")
        self.assertEqual((code, out), (0, commented(Preferences())))

    def test_what_print_config_prints_is_a_file_that_says_the_same(self) -> None:
        """All that is in force, and no address is needed for it."""
        self.file.write_text('keys = "vi"\nbacklog = 3\n')
        code, out, err = self.run_client("--print-config")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, commented(Preferences(keys="vi", backlog=3)))
        self.file.write_text(out)
        self.assertEqual(Settings.load(self.file).now, Preferences(keys="vi", backlog=3))
