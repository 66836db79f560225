"""The shells complete the command lines of encchat's programs, as the programs' own parsers know them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from docs import programs
from docs.programs import Program
from tests.shells import Bash, Zsh, fish


def long_flags(program: Program) -> set[str]:
    """The options of a program itself, not of its commands."""
    return {flag.long for flag in program.flags}


class CompletionTestCase(SynchronousTestCase):
    """A folder with a file and a folder in it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        (self.folder / "some folder").mkdir(parents=True)
        (self.folder / "some file").write_text("")

    def ended(self, shell: Any) -> Any:
        self.addCleanup(shell.close)
        return shell


class Tables(SynchronousTestCase):
    """What the completions are made from."""

    def test_every_command_of_the_admin_tool_is_known(self) -> None:
        """Also commands of commands, with their options and arguments."""
        found = {" ".join(path): one for path, one in programs.admin().tree()}
        self.assertIn("account role", found)
        self.assertEqual([one.value.name for one in found["account role"].arguments], ["NAME", "ROLE"])
        self.assertEqual(found["account role"].arguments[1].value.words, ("user", "moderator", "admin"))
        self.assertIn("--uses", long_flags(found["invite"]))

    def test_the_server_s_options_are_those_twistd_takes(self) -> None:
        """Each with an explanation; those of one letter stand beside the long ones."""
        flags = {flag.long: flag for flag in programs.server().flags}
        self.assertEqual(flags["--data-dir"].names, ("-D", "--data-dir"))
        self.assertEqual(flags["--registration"].value, programs.Value("VALUE", ("open", "invite", "closed")))
        self.assertIsNone(flags["--version"].value)
        self.assertEqual([flag.long for flag in flags.values() if not flag.help], [])


class InBash(CompletionTestCase):
    """A real bash in a terminal."""

    def setUp(self) -> None:
        super().setUp()
        self.bash: Bash = self.ended(Bash(self.folder))

    def test_every_option_is_offered(self) -> None:
        """Of the client, of each command of the admin tool, and of the server behind twistd."""
        self.assertEqual(self.bash.offered("encchat-client --"), long_flags(programs.client()))
        for path, one in programs.admin().tree():
            line = " ".join(["encchat-admin", *path, "--"])
            self.assertEqual(self.bash.offered(line), long_flags(one), line)
        self.assertEqual(self.bash.offered("twistd -n encchat --"), long_flags(programs.server()))

    def test_commands_are_offered_where_they_can_stand(self) -> None:
        """And those of a command behind it, also behind options."""
        self.assertEqual(self.bash.completed("encchat-admin inv"), "encchat-admin invite ")
        self.assertEqual(self.bash.offered("encchat-admin account "), {"delete", "role"})
        self.assertEqual(
            self.bash.completed("encchat-admin account role bob mod"), "encchat-admin account role bob moderator "
        )
        self.assertEqual(self.bash.offered("encchat-admin invite --uses 3 --role "), {"user", "moderator", "admin"})

    def test_values_are_offered(self) -> None:
        """In both ways of writing them."""
        self.assertEqual(self.bash.offered("encchat-client localhost --face "), {"tty", "plain", "json"})
        self.assertEqual(self.bash.completed("encchat-client --face=pl"), "encchat-client --face=plain ")
        self.assertEqual(self.bash.offered("encchat-client --face="), {"tty", "plain", "json"})
        self.assertEqual(self.bash.offered("twistd encchat --registration "), {"open", "invite", "closed"})
        self.assertEqual(self.bash.completed("twistd encchat --log-format j"), "twistd encchat --log-format json ")

    def test_files_and_folders_are_offered_where_they_are_taken(self) -> None:
        """Blanks are quoted; a folder's name is not offered for a file's only."""
        self.assertEqual(
            self.bash.completed("encchat-client --password-file some\\ fi"),
            "encchat-client --password-file some\\ file ",
        )
        self.assertEqual(self.bash.completed("encchat-client --home so"), "encchat-client --home some\\ folder/")
        self.assertEqual(self.bash.completed("encchat-admin backup some\\ fi"), "encchat-admin backup some\\ file ")
        self.assertEqual(self.bash.completed("encchat-admin dossier so"), "encchat-admin dossier so")

    def test_other_uses_of_twistd_complete_files_as_before(self) -> None:
        """Ours is one plugin among others."""
        self.assertEqual(self.bash.completed("twistd enc"), "twistd encchat ")
        self.assertEqual(self.bash.completed("twistd -y some\\ fi"), "twistd -y some\\ file ")


class InZsh(CompletionTestCase):
    """A real zsh in a terminal, where there is one."""

    def setUp(self) -> None:
        super().setUp()
        self.zsh: Zsh = self.ended(Zsh(self.folder))

    def test_every_option_is_listed_with_its_explanation(self) -> None:
        """Of the client, and of each command of the admin tool."""
        for path, one in programs.admin().tree():
            listed = self.zsh.listed(" ".join(["encchat-admin", *path, "-"]))
            for flag in one.flags:
                self.assertIn(flag.long, listed)
        listed = self.zsh.listed("encchat-client -")
        for flag in programs.client().flags:
            self.assertIn(flag.long, listed)
        self.assertIn("stay when the input ends", listed)

    def test_commands_and_values_are_completed(self) -> None:
        """Also behind options, and in both ways of writing a value."""
        self.assertEqual(self.zsh.completed("encchat-admin inv"), "encchat-admin invite ")
        self.assertEqual(self.zsh.completed("encchat-admin account ro"), "encchat-admin account role ")
        self.assertEqual(
            self.zsh.completed("encchat-admin account role bob mod"), "encchat-admin account role bob moderator "
        )
        self.assertEqual(self.zsh.completed("encchat-client --face pl"), "encchat-client --face plain ")
        self.assertEqual(self.zsh.completed("encchat-client --face=pl"), "encchat-client --face=plain ")
        self.assertEqual(self.zsh.completed("encchat-client --home so"), "encchat-client --home some\\ folder/")
        self.assertEqual(self.zsh.completed("encchat-admin restore some\\ fi"), "encchat-admin restore some\\ file ")


class InFish(CompletionTestCase):
    """A real fish, where there is one."""

    def test_every_option_is_offered_with_its_explanation(self) -> None:
        """Of the client, of each command of the admin tool, and of the server behind twistd."""
        rows = [(("encchat-client",), programs.client()), (("twistd", "encchat"), programs.server())]
        rows += [(("encchat-admin", *path), one) for path, one in programs.admin().tree()]
        for path, one in rows:
            offered = fish(self.folder, " ".join([*path, "--"]))
            self.assertEqual(offered, {flag.long: flag.help for flag in one.flags}, path)

    def test_commands_and_values_are_offered(self) -> None:
        """Files only where they are taken."""
        self.assertEqual(set(fish(self.folder, "encchat-admin account ")), {"delete", "role"})
        self.assertEqual(set(fish(self.folder, "encchat-admin inv")), {"invite"})
        self.assertEqual(set(fish(self.folder, "encchat-client --face ")), {"tty", "plain", "json"})
        self.assertEqual(set(fish(self.folder, "encchat-client --home so")), {"some folder/"})
        self.assertIn("some file", fish(self.folder, "encchat-admin backup so"))
        self.assertEqual(fish(self.folder, "encchat-admin dossier so"), {})
        self.assertIn("encchat", fish(self.folder, "twistd enc"))
