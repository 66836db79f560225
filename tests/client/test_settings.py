"""Settings: what may be set, how it is kept, and what is said of mistakes."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat import client
from encchat.client.preferences import OPTIONS, Option, Preferences
from encchat.client.settings import Settings, commented, settings_path
from encchat.errors import ConfigurationError, UsageError
from encchat.limits import MAX_PAST, MAX_SETTING, MAX_SETTINGS_FILE

HAND_MADE = """\
# mine
keys = "vi"  # I cannot do without

# fewer
backlog=7
"""


def right(option: Option) -> st.SearchStrategy[object]:
    """Values an option takes."""
    if isinstance(option.default, bool):
        return st.booleans()
    if isinstance(option.default, int):
        return st.integers(0, option.up_to)
    if option.choices:
        return st.sampled_from(option.choices)
    return st.text(max_size=100).filter(option.right)


class SettingsTestCase(SynchronousTestCase):
    """A place for the file."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "config" / "client.toml"

    def written(self, text: str) -> Path:
        """The file with ``text`` in it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text)
        return self.path

    def refused(self, text: str) -> str:
        """What is said of a file."""
        return self.assertRaises(ConfigurationError, Settings.load, self.written(text)).text


class Places(SynchronousTestCase):
    """Where the file is."""

    def test_the_file_is_in_the_home_that_was_named_else_where_xdg_says(self) -> None:
        """A relative $XDG_CONFIG_HOME counts as none."""
        self.assertEqual(settings_path(Path("/h"), {"XDG_CONFIG_HOME": "/c"}), Path("/h/client.toml"))
        self.assertEqual(settings_path(None, {"XDG_CONFIG_HOME": "/c"}), Path("/c/encchat/client.toml"))
        usual = Path.home() / ".config" / "encchat" / "client.toml"
        self.assertEqual(settings_path(None, {"XDG_CONFIG_HOME": "c"}), usual)
        self.assertEqual(settings_path(None, {}), usual)


class Reading(SettingsTestCase):
    """The file is taken as it is, or refused with a reason."""

    def test_without_a_file_everything_is_as_it_is_by_default(self) -> None:
        """And none is made."""
        settings = Settings.load(self.path)
        self.assertEqual(settings.now, Preferences())
        self.assertFalse(self.path.exists())

    def test_what_stands_in_the_file_is_in_force(self) -> None:
        """The rest is as it is by default."""
        now = Settings.load(self.written(HAND_MADE)).now
        self.assertEqual(now, Preferences(keys="vi", backlog=7))

    def test_a_mistake_in_the_file_is_told_with_file_line_and_what_would_be_right(self) -> None:
        """It is never overlooked, and never guessed what was meant."""
        for text, line, right in (
            ('keys = "vim"', 1, '"emacs" or "vi"'),
            ('# first\n\nkeys = "VI"', 3, '"emacs" or "vi"'),
            ("keys = 1", 1, '"emacs" or "vi"'),
            ("backlog = 1001", 1, "a whole number from 0 to 1,000"),
            ("backlog = -1", 1, "a whole number from 0 to 1,000"),
            ("backlog = true", 1, "a whole number from 0 to 1,000"),
            ("backlog = 1.5", 1, "a whole number from 0 to 1,000"),
            ('markdown = "on"', 1, "true or false"),
            ("markdown = 1", 1, "true or false"),
            ('times = "%n"', 1, "a pattern such as %H:%M"),
            ('notify = "\'"', 1, "quotation marks in pairs"),
            ('downloads = "a\\u001bb"', 1, "on one line"),
            ("[keys]\nvi = true", 1, '"emacs" or "vi"'),
            ('\nkeyss = "vi"', 2, "did you mean keys?"),
            ('[tty]\nkeys = "vi"', 1, "there is no setting tty"),
            ("notify-text = true", 1, "did you mean notify_text?"),
        ):
            said = self.refused(text)
            self.assertTrue(said.startswith(f"{self.path} line {line}: "), said)
            self.assertIn(right, said)

    def test_what_is_no_toml_is_told_with_its_line(self) -> None:
        """Also what is no text at all."""
        self.assertIn(f"{self.path} is not TOML: ", self.refused("\nkeys = vi\n"))
        self.assertIn("line 2", self.refused("\nkeys = vi\n"))
        self.assertIn("is nested too deeply", self.refused("keys = " + "[" * 5_000))
        self.path.write_bytes(b'keys = "\xff"')
        self.assertIn("is not UTF-8", self.assertRaises(ConfigurationError, Settings.load, self.path).text)

    def test_no_escape_from_the_file_reaches_the_terminal(self) -> None:
        """Neither in a name nor in a value."""
        for text in ('keys = "\\u001b[2J"', '"\\u001b[2J" = 1', '"a\\u202eb" = 1'):
            said = self.refused(text)
            self.assertTrue(said.isprintable(), ascii(said))

    def test_a_file_over_the_limit_is_refused(self) -> None:
        """One of just that size is read."""
        fill = "#" * (MAX_SETTINGS_FILE - 1) + "\n"
        self.assertEqual(Settings.load(self.written(fill)).now, Preferences())
        self.assertIn("is over 65,536 bytes", self.refused("#" + fill))

    def test_a_file_that_cannot_be_read_is_told(self) -> None:
        """A folder of that name, for instance."""
        self.path.mkdir(parents=True)
        said = self.assertRaises(ConfigurationError, Settings.load, self.path).text
        self.assertEqual(said, f"{self.path} cannot be read: Is a directory")


class Typing(SynchronousTestCase):
    """Values as people type them."""

    def setUp(self) -> None:
        self.settings = Settings()

    def test_names_are_typed_with_dashes_or_not_in_any_case(self) -> None:
        """As they stand in the file, too."""
        self.assertTrue(self.settings.change("notify-text", "on").notify_text)
        self.assertFalse(self.settings.change("NOTIFY_TEXT", "off").notify_text)

    def test_switches_are_on_or_off(self) -> None:
        """And yes, no, true, false."""
        for word, value in (
            ("on", True),
            ("off", False),
            ("Yes", True),
            ("no", False),
            ("true", True),
            ("FALSE", False),
        ):
            self.assertIs(self.settings.change("markdown", word).markdown, value)

    def test_the_word_default_undoes(self) -> None:
        """For every option."""
        self.settings.change("keys", "vi")
        self.assertEqual(self.settings.change("keys", "default"), Preferences())

    def test_a_text_may_stand_in_quotation_marks(self) -> None:
        """Which is how to say that it is empty; quotation marks inside stay."""
        self.assertEqual(self.settings.change("notify", 'run "my bell"').notify, 'run "my bell"')
        self.assertEqual(self.settings.change("notify", '"my bell" "a b"').notify, '"my bell" "a b"')
        self.assertEqual(self.settings.change("times", "'%d %H:%M'").times, "%d %H:%M")
        self.assertEqual(self.settings.change("notify", '""').notify, "")

    def test_mistakes_are_told_with_what_would_be_right_and_change_nothing(self) -> None:
        """In the words of whoever typed them."""
        for name, text, said in (
            ("keys", "vim", "vim is not right for keys: it takes emacs or vi"),
            ("backlog", "many", "many is not right for backlog: it takes a whole number from 0 to 1,000"),
            ("backlog", "²", "² is not right for backlog: it takes a whole number from 0 to 1,000"),
            ("markdown", "perhaps", "perhaps is not right for markdown: it takes on or off"),
            ("kes", "vi", "there is no setting kes: did you mean keys?"),
        ):
            self.assertEqual(self.assertRaises(UsageError, self.settings.change, name, text).text, said)
        self.assertEqual(self.settings.now, Preferences())

    def test_limits_hold_at_their_very_end(self) -> None:
        """One more is refused."""
        for name, most in (("backlog", str(MAX_PAST)), ("downloads", "d" * MAX_SETTING)):
            self.settings.change(name, most)
            over = str(MAX_PAST + 1) if name == "backlog" else most + "d"
            self.assertRaises(UsageError, self.settings.change, name, over)

    def test_every_pattern_that_is_taken_writes_a_time_on_one_line(self) -> None:
        """strftime(3) has some that do not."""
        for pattern in ("%n", "%t", "a%", "%Q", "%", "\n", "x" * 65):
            self.assertRaises(UsageError, self.settings.change, "times", f'"{pattern}"')
        for pattern in ("%H:%M", "%d.%m. %H:%M", "%-d %b", "%%", "x" * 64):
            self.assertEqual(self.settings.change("times", pattern).times, pattern)


class Keeping(SettingsTestCase):
    """Changes are in force at once, and in the file."""

    def test_a_change_is_in_force_and_there_at_the_next_start(self) -> None:
        """The folder and the file are made, for their owner only."""
        settings = Settings.load(self.path)
        self.assertEqual(settings.change("theme", "colour-blind").theme, "colour-blind")
        self.assertEqual(settings.now.theme, "colour-blind")
        self.assertEqual(Settings.load(self.path).now, settings.now)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)

    def test_comments_order_and_spaces_of_the_file_stay(self) -> None:
        """Only the value changes; what is new comes last, with its explanation."""
        settings = Settings.load(self.written(HAND_MADE))
        settings.change("keys", "emacs")
        self.assertEqual(self.path.read_text(), HAND_MADE.replace('"vi"', '"emacs"'))
        settings.change("preview", "off")
        said = self.path.read_text()
        self.assertTrue(said.startswith(HAND_MADE.replace('"vi"', '"emacs"')), said)
        self.assertTrue(said.endswith("default:\n# true\npreview = false\n"), said)

    def test_any_way_to_write_the_same_is_understood_when_a_value_changes(self) -> None:
        """Quoted names, other numbers, long texts, Windows line ends, no line end at all; the rest stays."""
        for text in (
            'keys = "vi"',
            '"keys" = "vi"\r\nbacklog=0x10 # hex\r\n',
            "'keys'='''vi'''\nbacklog=+1_0",
            "# only",
            "\n\n\n",
            "markdown=false# no line end",
        ):
            for name, value in (("keys", "emacs"), ("preview", "off"), ("backlog", "3")):
                self.written("").write_bytes(text.encode())
                settings = Settings.load(self.path)
                expected = attrs.evolve(settings.now, **{name: OPTIONS[name].parse(value)})
                self.assertEqual(settings.change(name, value), expected, text)
                self.assertEqual(Settings.load(self.path).now, expected, text)

    def test_what_was_edited_by_hand_meanwhile_stays_and_comes_into_force(self) -> None:
        """Another client's `/set` counts as that."""
        settings = Settings.load(self.written(HAND_MADE))
        Settings.load(self.path).change("bell", "never")
        now = settings.change("preview", "off")
        self.assertEqual((now.bell, now.preview, now.keys), ("never", False, "vi"))

    def test_two_clients_that_change_it_at_once_lose_nothing(self) -> None:
        """Each change is made on what the other has left."""
        options = [option for option in OPTIONS.values() if len(option.suggested) > 1]
        halves = options[::2], options[1::2]

        def change(half: list[Option]) -> None:
            settings = Settings.load(self.path)
            for _ in range(5):
                for option in half:
                    settings.change(option.name, "default")
                    settings.change(option.name, option.suggested[-1])

        with ThreadPoolExecutor(2) as threads:
            for done in [threads.submit(change, half) for half in halves]:
                done.result()
        now = Settings.load(self.path).now
        shown = [option.shown(getattr(now, option.name)) for option in options]
        self.assertEqual(shown, [option.suggested[-1] for option in options])

    def test_a_file_that_was_broken_meanwhile_is_not_written_to(self) -> None:
        """The change is in force until the client ends, and that is said."""
        settings = Settings.load(self.written(HAND_MADE))
        self.path.write_text('keys = "vim"\n')
        said = self.assertRaises(UsageError, settings.change, "preview", "off").text
        self.assertIn("preview is off until you leave, but it is not kept: ", said)
        self.assertIn(f'{self.path} line 1: keys = "vim" is not right', said)
        self.assertEqual(self.path.read_text(), 'keys = "vim"\n')
        self.assertFalse(settings.now.preview)

    def test_where_the_file_cannot_be_written_the_change_is_in_force_all_the_same(self) -> None:
        """Until the client ends, and that is said."""
        self.path.parent.parent.mkdir(parents=True)
        self.path.parent.write_text("in the way")
        settings = Settings(self.path)
        said = self.assertRaises(UsageError, settings.change, "keys", "vi").text
        self.assertIn("keys is vi until you leave, but it is not kept: ", said)
        self.assertEqual(settings.now.keys, "vi")

    def test_a_link_to_the_file_stays_a_link_and_its_mode_stays(self) -> None:
        """So do people keep their settings in one place."""
        real = self.written(HAND_MADE).with_name("real.toml")
        self.path.rename(real)
        real.chmod(0o644)
        self.path.symlink_to("real.toml")
        Settings.load(self.path).change("keys", "emacs")
        self.assertTrue(self.path.is_symlink())
        self.assertEqual(stat.S_IMODE(real.stat().st_mode), 0o644)
        self.assertEqual(sorted(os.listdir(real.parent)), ["client.toml", "real.toml"])

    def test_any_values_that_are_right_are_read_as_they_were_written(self) -> None:
        """Whatever signs a text has."""
        self.written("")

        @given(st.fixed_dictionaries({name: right(option) for name, option in OPTIONS.items()}))
        def check(values: dict[str, object]) -> None:
            preferences = attrs.evolve(Preferences(), **values)
            self.path.write_text(commented(preferences))
            self.assertEqual(Settings.load(self.path).now, preferences)

        check()


class Explaining(SynchronousTestCase):
    """What people read."""

    def test_the_whole_file_explains_every_option(self) -> None:
        """It is TOML, and says what is in force."""
        text = commented(Preferences(keys="vi", backlog=3))
        self.assertEqual(tomllib.loads(text), attrs.asdict(Preferences(keys="vi", backlog=3)))
        for option in OPTIONS.values():
            self.assertIn(option.help[1:30], " ".join(text.replace("\n# ", " ").split()))

    def test_no_option_is_without_effect(self) -> None:
        """The client asks for each of them somewhere."""
        sources = [path.read_text() for path in Path(client.__file__).parent.rglob("*.py")]
        for name in OPTIONS:
            asked = re.compile(rf"(?:\bnow|preferences(?:\(\))?)\.{name}\b")
            self.assertTrue(any(map(asked.search, sources)), name)

    def test_every_default_is_right(self) -> None:
        """And every value that completion suggests."""
        for option in OPTIONS.values():
            self.assertEqual(option.check(option.default, ""), option.default)
            self.assertEqual(option.parse(option.shown(option.default)), option.default)
            for word in option.suggested:
                self.assertEqual(option.shown(option.parse(word)), word)
