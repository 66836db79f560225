"""`encchat-admin` on a data directory."""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from encchat.links import parse_link
from encchat.secure import fingerprint
from encchat.secure.keys import load_or_make_identity
from encchat.server import admin
from encchat.server.service import ADDRESS_META
from encchat.server.store import accounts
from encchat.server.store.database import edited

PAGE = Path(__file__).parent.parent.parent / "docs" / "man" / "encchat-admin.1"


class AdminTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir(mode=0o700)
        key = load_or_make_identity(self.path / "identity.pem")
        self.identity = key.public_key().public_bytes_raw()

    def run_it(self, *arguments: str) -> tuple[int, str]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                code = admin.main([*arguments, "--data-dir", str(self.path)])
            except SystemExit as leaving:
                code = int(str(leaving.code))
        return code, output.getvalue()

    def invites(self) -> list[tuple[str, int, int | None]]:
        with closing(sqlite3.connect(self.path / "encchat.db")) as connection:
            return connection.execute("SELECT role, uses_left, expires FROM invite").fetchall()

    def test_a_link_carries_the_server_s_key_and_address(self) -> None:
        """One use, the role of a user, a week, unless something else is asked for."""
        before = int(time.time() * 1_000)
        code, text = self.run_it("invite", "--address", "chat.example.org:5001")
        link = parse_link(text.strip())
        self.assertEqual((code, link.identity, str(link.address)), (0, self.identity, "chat.example.org:5001"))
        [(role, uses, expires)] = self.invites()
        self.assertEqual((role, uses), ("user", 1))
        self.assertLess(abs((expires or 0) - before - 7 * 86_400_000), 60_000)

    def test_role_uses_and_expiry_are_what_was_asked_for(self) -> None:
        """Each unit of time, and never."""
        for word, seconds in (("30m", 1_800), ("12h", 43_200), ("2d", 172_800), ("1w", 604_800)):
            before = int(time.time() * 1_000)
            arguments = ("--role", "admin", "--uses", "3", "--expires", word, "--address", "h")
            self.assertEqual(self.run_it("invite", *arguments)[0], 0)
            longest = max(expires or 0 for role, uses, expires in self.invites() if (role, uses) == ("admin", 3))
            self.assertLess(abs(longest - before - seconds * 1_000), 60_000)
        self.run_it("invite", "--expires", "never", "--address", "h")
        self.assertIn(("user", 1, None), self.invites())

    def test_the_address_is_the_last_one_unless_one_is_named(self) -> None:
        """A host without a port gets the port the server had."""
        self.assertIn("name the --address", self.run_it("invite")[1])
        with edited(self.path / "encchat.db") as connection:
            accounts.set_meta(connection, ADDRESS_META, "chat.example.org:5001")
        wanted = {
            (): "chat.example.org:5001",
            ("--address", "x.org"): "x.org:5001",
            ("--address", "x.org:1"): "x.org:1",
        }
        made = {words: str(parse_link(self.run_it("invite", *words)[1].strip()).address) for words in wanted}
        self.assertEqual(made, wanted)

    def test_the_token_is_stored_as_its_hash_only(self) -> None:
        """Whoever reads the store cannot register with it."""
        token = parse_link(self.run_it("invite", "--address", "h")[1].strip()).invite
        for file in self.path.iterdir():
            self.assertNotIn(token.encode("ascii"), file.read_bytes())

    def test_uses_are_1_to_100000(self) -> None:
        """Each side of both ends."""
        words = ("0", "1", "2", "99999", "100000", "100001", "-1", "x")
        codes = [self.run_it("invite", "--uses", word, "--address", "h")[0] for word in words]
        self.assertEqual(codes, [2, 0, 0, 0, 0, 2, 2, 2])

    def test_the_fingerprint_is_shown(self) -> None:
        """Of the identity key."""
        self.assertEqual(self.run_it("fingerprint"), (0, fingerprint(self.identity) + "\n"))

    def test_a_directory_without_a_server_is_left_alone(self) -> None:
        """No key is made by asking for one."""
        self.path = Path(self.mktemp()).absolute()
        code, text = self.run_it("fingerprint")
        self.assertEqual(code, 1)
        self.assertIn("no encchat server has kept its data", text)
        self.assertFalse(self.path.exists())

    def test_the_man_page_has_every_option(self) -> None:
        """As --help has them."""
        page = PAGE.read_text(encoding="utf-8").replace("\\-", "-")
        options = set(re.findall(r"--[a-z-]+", self.run_it("invite", "--help")[1])) - {"--help"}
        self.assertGreater(len(options), 4)
        self.assertEqual({option for option in options if option not in page}, set())
