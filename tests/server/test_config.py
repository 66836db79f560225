"""Options: the table, the file, the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import ConfigurationError
from encchat.server.config import KEYS, Configuration, commented_file, configuration, from_file, from_words
from encchat.server.settings import Settings

ROOT = Path(__file__).parent.parent.parent
SHOWN = ROOT / "etc" / "encchat.toml"
PAGE = ROOT / "docs" / "man" / "encchat-server.8"


class FileTests(SynchronousTestCase):
    def file(self, text: str) -> Path:
        path = Path(self.mktemp())
        path.write_text(text, encoding="utf-8")
        return path

    def refused(self, text: str) -> str:
        error = self.assertRaises(ConfigurationError, from_file, self.file(text))
        return error.text

    def test_a_file_sets_what_it_names_and_leaves_the_rest(self) -> None:
        """Options in the file take the place of defaults, one by one."""
        values = from_file(self.file('port = 6000\nkeepalive = 5\nsuite = ["noise"]\nserver_name = "Büro"\n'))
        made = configuration(values)
        self.assertEqual((made.port, made.suite, made.settings.keepalive), (6000, ("noise",), 5.0))
        self.assertEqual(made.settings, attrs.evolve(Settings(), keepalive=5.0, server_name="Büro"))

    def test_the_command_line_wins_over_the_file(self) -> None:
        """A later layer wins."""
        file = from_file(self.file('port = 6000\nregistration = "open"\n'))
        made = configuration(file, from_words({"port": "7000"}))
        self.assertEqual((made.port, made.settings.registration), (7000, "open"))

    def test_a_wrong_value_is_refused_with_file_key_value_and_what_is_right(self) -> None:
        """The message is all an administrator needs."""
        path = self.file('registration = "opne"\n')
        error = self.assertRaises(ConfigurationError, from_file, path)
        self.assertEqual(error.text, f"{path}: registration = opne is not open, invite or closed")

    def test_a_value_of_the_wrong_type_is_refused(self) -> None:
        """A text is not a number, though it looks like one; on the command line there are only texts."""
        self.assertIn("keepalive = 30 is not a number of seconds", self.refused('keepalive = "30"\n'))
        self.assertEqual(from_words({"keepalive": "30"}), {"keepalive": 30.0})

    def test_an_unknown_key_is_refused_with_the_nearest_one(self) -> None:
        """A typing error is not silently without effect."""
        self.assertIn("there is no option kepalive; did you mean keepalive?", self.refused("kepalive = 30\n"))
        self.assertIn("did you mean data_dir?", self.refused('data-dir = "x"\n'))

    def test_a_file_that_is_not_toml_is_refused_with_the_line(self) -> None:
        """The TOML reader's own words say where."""
        self.assertIn("line 2", self.refused("port = 1\nport\n"))

    def test_a_file_that_is_not_utf_8_is_refused(self) -> None:
        """Not a traceback."""
        path = Path(self.mktemp())
        path.write_bytes(b'motd = "\xff"\n')
        self.assertIn("is not a TOML file", self.assertRaises(ConfigurationError, from_file, path).text)

    def test_a_missing_file_is_refused_by_name(self) -> None:
        """It was named, so it is wanted."""
        error = self.assertRaises(ConfigurationError, from_file, Path("/nowhere/at/all.toml"))
        self.assertEqual(
            error.text, "the configuration file /nowhere/at/all.toml cannot be read: No such file or directory"
        )


class WordTests(SynchronousTestCase):
    def accepted(self, name: str, word: str) -> bool:
        try:
            from_words({name: word})
        except ConfigurationError:
            return False
        return True

    def test_ports_are_0_to_65535(self) -> None:
        """Each side of both ends."""
        verdicts = [self.accepted("port", word) for word in ("-1", "0", "1", "65534", "65535", "65536", "", "x", "1.5")]
        self.assertEqual(verdicts, [False, True, True, True, True, False, False, False, False])

    def test_seconds_are_above_0_and_at_most_a_week(self) -> None:
        """Nothing that is no time: zero, infinite, not a number."""
        words = ("0", "0.001", "604799", "604800", "604801", "inf", "nan", "-1")
        verdicts = [self.accepted("keepalive", word) for word in words]
        self.assertEqual(verdicts, [False, True, True, True, False, False, False, False])

    def test_a_buffer_holds_at_least_one_line(self) -> None:
        """`MAX_LINE` minus, plus nothing, plus one."""
        self.assertEqual(
            [self.accepted("max_unsent", word) for word in ("65535", "65536", "65537")], [False, True, True]
        )

    def test_a_server_name_is_1_to_64_characters_on_one_line(self) -> None:
        """It stands on other people's screens."""
        words = ("", "x", "x" * 63, "x" * 64, "x" * 65, "a\nb", "a\x1bb")
        verdicts = [self.accepted("server_name", word) for word in words]
        self.assertEqual(verdicts, [False, True, True, True, False, False, False])

    def test_an_error_names_the_option(self) -> None:
        """As it was typed."""
        error = self.assertRaises(ConfigurationError, from_words, {"log_format": "xml"})
        self.assertEqual(error.text, "--log-format xml is not text or json")


class TableTests(SynchronousTestCase):
    def test_every_setting_is_an_option(self) -> None:
        """Whatever can be set can be set from outside."""
        names = {key.name for key in KEYS}
        self.assertEqual({one.name for one in attrs.fields(Settings)} - names, set())
        self.assertEqual(len(names), len(KEYS))

    def test_no_options_at_all_is_the_default_settings(self) -> None:
        """Table and settings agree."""
        self.assertEqual(configuration().settings, Settings())

    def test_the_file_in_etc_is_what_the_table_says(self) -> None:
        """Regenerate: python docs/generate.py."""
        self.assertEqual(SHOWN.read_text(encoding="utf-8"), commented_file())

    def test_the_man_page_says_what_the_table_says(self) -> None:
        """Every option with its help and its default."""
        page = PAGE.read_text(encoding="utf-8").replace("\\-", "-")
        for key in KEYS:
            self.assertIn(f'--{key.option} "', page)
            self.assertIn(f"\n{key.help}.", page)
            if key.default not in ("", ()):
                shown = " and ".join(key.default) if key.repeatable else key.default
                self.assertIn(f"Default: {shown}.\n", page)

    def test_the_file_in_etc_changes_nothing_and_uncommented_neither(self) -> None:
        """Every line commented out, every shown value being the default."""
        self.assertEqual(tomllib.loads(commented_file()), {})
        path = Path(self.mktemp())
        lines = (line for line in commented_file().splitlines() if line.startswith("#") and line[1:2].isalpha())
        path.write_text("\n".join(line[1:] for line in lines), encoding="utf-8")
        values = from_file(path)
        self.assertEqual(set(values), {key.name for key in KEYS})
        made: Configuration = configuration(values)
        self.assertEqual(made, configuration())
