"""The command line of `twistd encchat`, without a process."""

from __future__ import annotations

import io
from pathlib import Path

from twisted.cred.checkers import FilePasswordDB
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from encchat.links import Address
from encchat.server.config import KEYS
from encchat.server.options import Options


class OptionsTests(SynchronousTestCase):
    def parsed(self, *words: str) -> Options:
        options = Options()
        options.parseOptions(words)
        return options

    def refused(self, *words: str) -> str:
        return str(self.assertRaises(usage.UsageError, Options().parseOptions, words))

    def test_every_option_of_the_table_is_in_the_help(self) -> None:
        """The help, the file and the command line come from one table."""
        text = str(Options())
        self.assertEqual([key.name for key in KEYS if f"--{key.option}=" not in text], [])

    def test_zsh_is_told_what_options_take(self) -> None:
        """It asks twistd itself: words, files and folders."""
        output = io.BytesIO()
        options = Options()
        options._shellCompFile = output
        self.assertRaises(SystemExit, options.parseOptions, ["--", "--_shell-completion", "zsh:2"])
        said = output.getvalue().decode()
        for option, action in (
            ("registration", "(open invite closed)"),
            ("log-format", "(text json)"),
            ("config", "_files"),
            ("data-dir", "_directories"),
        ):
            line = next(one for one in said.splitlines() if f"--{option}=" in one)
            self.assertIn(action, line)

    def test_options_that_can_be_repeated_gather(self) -> None:
        """Endpoints and suites; the others count when they come last."""
        options = self.parsed("--suite", "noise", "--suite", "noise-hybrid", "--port", "1", "-p", "2")
        self.assertEqual(options.configuration.suite, ("noise", "noise-hybrid"))
        self.assertEqual([text for text, _ in options.endpoints], ["tcp:2"])
        options = self.parsed("--endpoint", "tcp:1", "--endpoint", "unix:/x", "--port", "3")
        self.assertEqual([text for text, _ in options.endpoints], ["tcp:1", "unix:/x"])

    def test_the_data_directory_is_absolute(self) -> None:
        """A daemon changes its directory; ~ is the home."""
        self.assertEqual(self.parsed("--data-dir", "here").data_dir, Path.cwd() / "here")
        self.assertEqual(self.parsed("--data-dir", "~/there").data_dir, Path.home() / "there")
        self.assertTrue(self.parsed().data_dir.is_absolute())

    def test_the_public_address_knows_whether_a_port_was_named(self) -> None:
        """Port 0 stands for the one in use."""
        wanted = {
            "chat.example.org": Address("chat.example.org", 0),
            "chat.example.org:5000": Address("chat.example.org", 5000),
            "::1": Address("::1", 0),
            "[::1]": Address("::1", 0),
            "[::1]:443": Address("::1", 443),
        }
        self.assertEqual({text: self.parsed("--address", text).address() for text in wanted}, wanted)
        self.assertIsNone(self.parsed().address())
        self.assertIn("is no address", self.refused("--address", "a/b"))

    def test_auth_comes_from_the_command_line_or_the_file(self) -> None:
        """The file's plugins are used when the command line names none."""
        config = Path(self.mktemp())
        config.write_text('auth = ["file:/from/the/file"]\n', encoding="utf-8")
        for words, wanted in (((), "/from/the/file"), (("--auth", "file:/from/the/line"), "/from/the/line")):
            [checker] = self.parsed("--config", str(config), *words)["credCheckers"]
            self.assertIsInstance(checker, FilePasswordDB)
            self.assertEqual(checker.filename, wanted)

    def test_a_named_rsa_key_must_be_there(self) -> None:
        """And is made absolute."""
        key = Path(self.mktemp())
        self.assertIn("openssl genpkey", self.refused("--rsa-key", str(key)))
        key.touch()
        self.assertEqual(self.parsed("--rsa-key", str(key)).rsa_key, key.absolute())
        self.assertIsNone(self.parsed().rsa_key)

    def test_unknown_suites_and_bad_endpoints_are_refused(self) -> None:
        """Under another program than twistd as Twisted's own kind of error."""
        self.assertIn("there is no suite enigma; there are noise", self.refused("--suite", "enigma"))
        self.assertIn("'tcp:x' is no endpoint to listen on", self.refused("--endpoint", "tcp:x"))
        self.assertIn("encrypted twice", self.refused("--endpoint", r"noise:tcp\:1:identity=x"))
        self.assertIn("--colour", self.refused("--colour", "red"))

    def test_reading_again_keeps_what_the_command_line_said(self) -> None:
        """A reload changes what the file may change."""
        config = Path(self.mktemp())
        config.write_text("keepalive = 5\n", encoding="utf-8")
        options = self.parsed("--config", str(config), "--registration", "open")
        config.write_text('keepalive = 6\nregistration = "closed"\n', encoding="utf-8")
        settings = options.reload()
        self.assertEqual((settings.keepalive, settings.registration), (6.0, "open"))
