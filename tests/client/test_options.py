"""The command line of ``encchat-client``."""

from __future__ import annotations

import math
import re
from pathlib import Path
from unittest import SkipTest

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.demo import Place
from encchat.client.exits import Exit
from encchat.client.home import Home
from encchat.client.options import parse, parser
from encchat.client.runner import Patience
from encchat.errors import PinMismatchError, UsageError
from encchat.links import Address, InviteLink
from encchat.secure import fingerprint

LINK = InviteLink(Address("example.org", 5001), bytes(range(32)), "token")
LINKED = fingerprint(LINK.identity)
OTHER = "SHA256:" + "A" * 43


class Parsing(SynchronousTestCase):
    """What is understood and what is refused."""

    def test_an_address_or_a_link_says_where(self) -> None:
        """A link also pins and invites."""
        self.assertEqual(parse(["example.org"], {}).address, Address("example.org", 5000))
        options = parse([str(LINK)], {})
        self.assertEqual((options.address, options.link), (LINK.address, LINK))

    def test_mistakes_are_usage_errors(self) -> None:
        """Before anything is done."""
        for arguments in (
            ["a/b"],
            ["encchat://x"],
            ["h", "--user", "a/b"],
            ["h", "--fingerprint", "SHA256:short"],
            ["h", "--retry", "-0.1"],
            ["h", "--retry", "nan"],
        ):
            self.assertRaises(UsageError, parse, arguments, {})

    def test_the_help_names_every_exit_code(self) -> None:
        """And every option of the machine face."""
        text = parser().format_help()
        for code in Exit:
            self.assertIn(f"{code:>2}  {code.meaning}", text)
        for option in ("user", "register", "fingerprint", "suite", "home", "face", "follow", "retry", "classic"):
            self.assertIn(f"--{option}", text)
        self.assertIn("--password-file", text)

    def test_the_password_comes_from_the_file_before_the_environment(self) -> None:
        """An empty variable is none."""
        path = Path(self.mktemp())
        path.write_text("from file\n")
        given = {"ENCCHAT_PASSWORD": "from environment"}
        self.assertEqual(parse(["h", "--password-file", str(path)], {}).password(given), "from file")
        self.assertEqual(parse(["h"], {}).password(given), "from environment")
        self.assertIsNone(parse(["h"], {}).password({"ENCCHAT_PASSWORD": ""}))


class Manual(SynchronousTestCase):
    """docs/man/encchat-client.1."""

    def setUp(self) -> None:
        path = Path(__file__).resolve().parent.parent.parent / "docs" / "man" / "encchat-client.1"
        if not path.exists():
            raise SkipTest("the manual is not part of an installed package")
        self.page = path.read_text().replace("\\-", "-")

    def test_the_manual_names_every_option(self) -> None:
        """And no other."""
        options = {option for action in parser()._actions for option in action.option_strings}
        named = set(re.findall(r"^\.(?:TP\n\.)?BI? \"?(?:-h, )?(--[a-z-]+)", self.page, re.MULTILINE))
        self.assertEqual(named, options - {"-h"})

    def test_the_manual_names_every_exit_code(self) -> None:
        """In the words of ``--help``."""
        for code in Exit:
            self.assertIn(f".B {code}\n{code.meaning}\n", self.page)


class Retrying(SynchronousTestCase):
    """``--retry`` and its defaults."""

    def test_patience_is_none_at_first_and_endless_for_those_who_stay(self) -> None:
        """On a terminal or with ``--follow``, once logged in; ``--retry`` says otherwise for both."""
        plain, follow = parse(["h"], {}), parse(["h", "--follow"], {})
        self.assertEqual(plain.patience(terminal=False), Patience(0, 0))
        self.assertEqual(plain.patience(terminal=True), Patience(0, math.inf))
        self.assertEqual(follow.patience(terminal=False), Patience(0, math.inf))
        self.assertEqual(evolve(follow, retry=7.0).patience(terminal=True), Patience(7, 7))


class Pinning(SynchronousTestCase):
    """What the server must show, and who says so."""

    def setUp(self) -> None:
        self.home = Home(Path(self.mktemp()))

    def pin(self, *arguments: str) -> str | None:
        return parse([*arguments, "--home", str(self.home.path)], {}).server().pin

    def test_first_contact_has_no_pin(self) -> None:
        """The first identity is pinned then."""
        self.assertIsNone(self.pin("example.org"))

    def test_a_link_or_a_fingerprint_pins(self) -> None:
        """Also without first contact."""
        self.assertEqual(self.pin(str(LINK)), LINKED)
        self.assertEqual(self.pin("example.org", "--fingerprint", OTHER), OTHER)

    def test_a_fingerprint_replaces_what_is_pinned(self) -> None:
        """The person has compared it."""
        self.home.remember_pin(LINK.address, LINKED)
        self.assertEqual(self.pin("example.org:5001"), LINKED)
        self.assertEqual(self.pin("example.org:5001", "--fingerprint", OTHER), OTHER)

    def test_a_link_does_not_replace_what_is_pinned(self) -> None:
        """Whoever sent it may not be who runs the server; nor does it stand against ``--fingerprint``."""
        self.home.remember_pin(LINK.address, OTHER)
        refused = self.assertRaises(PinMismatchError, self.pin, str(LINK))
        self.assertEqual((refused.expected, refused.shown), (OTHER, LINKED))
        self.assertRaises(PinMismatchError, self.pin, str(LINK), "--fingerprint", OTHER)


class Demo(SynchronousTestCase):
    """``--demo`` leaves nothing behind."""

    def test_a_demo_looks_as_the_person_likes_and_keeps_no_setting(self) -> None:
        """Neither is one kept that is changed in it."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        given = parse(["--demo"], {"XDG_CONFIG_HOME": str(folder)})
        given.settings.change("theme", "light")
        before = sorted((folder / "encchat").iterdir()), (folder / "encchat" / "client.toml").read_text()
        settings = Place(str(LINK), folder / "demo").options(given).settings
        self.assertEqual(settings.change("keys", "vi").theme, "light")
        self.assertEqual(settings.now.downloads, str(folder / "demo" / "downloads"))
        self.assertEqual(
            (sorted((folder / "encchat").iterdir()), (folder / "encchat" / "client.toml").read_text()), before
        )
