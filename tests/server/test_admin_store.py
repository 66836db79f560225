"""`encchat-admin` on the store: dossier, account, audit, backup, restore."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from encchat.errors import NameRefusedError
from encchat.server import admin
from encchat.server.datadir import DataDirectory
from encchat.server.model import AuditEntry
from encchat.server.store import accounts, devices, sanctions
from encchat.server.store.database import edited

PAGE = Path(__file__).parent.parent.parent / "docs" / "man" / "encchat-admin.1"
NOW = 1_790_000_000_000


class AdminStoreTests(SynchronousTestCase):
    """On a data directory with two accounts."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir(mode=0o700)
        self.store = self.path / "encchat.db"
        with edited(self.store) as connection:
            alice = accounts.create_account(connection, "Alice", "canary-of-a-hash", "user", NOW)
            accounts.create_account(connection, "bob", None, "admin", NOW)
            devices.add_device(connection, alice.id, b"k" * 32, "laptop", NOW, 0)

    def run_it(self, *arguments: str) -> tuple[int, str]:
        """Exit code and all that was printed."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                code = admin.main([*arguments, "--data-dir", str(self.path)])
            except SystemExit as leaving:
                code = int(str(leaving.code))
        return code, output.getvalue()

    def value(self, query: str) -> object:
        """The one value it finds."""
        with closing(sqlite3.connect(self.store)) as connection:
            return connection.execute(query).fetchone()[0]

    def revision(self) -> int:
        with edited(self.store) as connection:
            return accounts.get_number(connection, accounts.REVISION)

    # dossier
    def test_a_dossier_is_json(self) -> None:
        """Whatever the case of the name; with the devices, and not with the password's hash."""
        code, text = self.run_it("dossier", "aLICE")
        found = json.loads(text)
        self.assertEqual((code, found["account"]["name"], found["devices"][0]["name"]), (0, "Alice", "laptop"))
        self.assertTrue(found["account"]["has_password"])
        self.assertNotIn("canary", text)

    def test_a_dossier_cannot_speak_to_the_terminal(self) -> None:
        """Nor turn its lines around: what people said is plain ASCII in it."""
        with edited(self.store) as connection:
            devices.add_device(connection, 1, b"2" * 32, "\x1b]0;owned\x07 \x9b31m \u202e", NOW, 0)
        text = self.run_it("dossier", "alice")[1]
        self.assertTrue(text.isascii())
        self.assertEqual(re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", text), [])

    def test_nobody_has_no_dossier(self) -> None:
        """The answer says whose was asked for."""
        self.assertEqual(self.run_it("dossier", "eve"), (1, "encchat-admin: there is no account eve in this store\n"))

    # account
    def test_a_deleted_account_is_gone_and_its_name_is_never_given_again(self) -> None:
        """Neither in another case nor to a look-alike; the dossier says what is left; twice is an error."""
        before = self.revision()
        code, text = self.run_it("account", "delete", "alice")
        self.assertEqual((code, "never given again" in text), (0, True))
        self.assertEqual(self.value("SELECT count(*) FROM device"), 0)
        for name in ("Alice", "alice", "al1ce"):
            with self.assertRaises(NameRefusedError), edited(self.store) as connection:
                accounts.create_account(connection, name, None, "user", NOW)
        found = json.loads(self.run_it("dossier", "alice")[1])["account"]
        self.assertEqual((found["name"], found["has_password"]), ("Alice", False))
        self.assertIsNotNone(found["deleted"])
        self.assertEqual(self.run_it("account", "delete", "alice")[0], 1)
        self.assertEqual(self.revision(), before + 1)

    def test_a_role_is_changed(self) -> None:
        """To one there is."""
        before = self.revision()
        self.assertEqual(self.run_it("account", "role", "alice", "admin"), (0, "Alice is admin now, and was user\n"))
        self.assertEqual(self.value("SELECT role FROM account WHERE id = 1"), "admin")
        self.assertEqual(self.revision(), before + 1)
        self.assertEqual(self.run_it("account", "role", "alice", "emperor")[0], 2)
        self.assertEqual(self.run_it("account", "role", "eve", "user")[0], 1)

    def test_what_an_administrator_does_is_in_the_audit_log(self) -> None:
        """By the name of the program."""
        self.run_it("account", "role", "bob", "moderator")
        self.run_it("account", "delete", "bob")
        lines = [line.split("  ")[1:] for line in self.run_it("audit")[1].splitlines()]
        wanted = [["encchat-admin", "role", "bob", "admin -> moderator"], ["encchat-admin", "delete", "bob"]]
        self.assertEqual(lines, wanted)

    # audit
    def test_the_audit_log_is_printed_to_its_newest_entry(self) -> None:
        """In lines by time, so many at most; with none it says so."""
        self.assertEqual(self.run_it("audit"), (0, "the audit log is empty\n"))
        with edited(self.store) as connection:
            for number in range(3):
                entry = AuditEntry(number * 60_000, "root", "ban", f"user-{number}", "7d noise")
                sanctions.audit(connection, entry)
        lines = self.run_it("audit", "--limit", "2")[1].splitlines()
        self.assertEqual(lines[-1], "1970-01-01 00:02 UTC  root  ban  user-2  7d noise")
        self.assertEqual([line.split("  ")[3] for line in lines], ["user-1", "user-2"])

    def test_the_audit_log_cannot_speak_to_the_terminal(self) -> None:
        """A reason is text of people: one line, nothing unprintable."""
        with edited(self.store) as connection:
            sanctions.audit(connection, AuditEntry(0, "root", "ban", "eve", "\x1b[2J\r\n\u202e\x9bevil"))
        self.assertTrue(self.run_it("audit")[1].endswith("  \\u001b[2J\\u000d\\u000a\\u202e\\u009bevil\n"))

    def test_limits_are_1_to_100000(self) -> None:
        """Each side of both ends."""
        words = ("0", "1", "2", "99999", "100000", "100001", "-1", "x")
        self.assertEqual([self.run_it("audit", "--limit", word)[0] for word in words], [2, 0, 0, 0, 0, 2, 2, 2])

    # backup, restore
    def test_a_backup_can_be_restored(self) -> None:
        """What was done in between is undone, and stays in the store that was replaced."""
        saved = self.path / "saved"
        code, text = self.run_it("backup", str(saved))
        self.assertEqual((code, "identity.pem" in text), (0, True))
        self.run_it("account", "delete", "alice")
        code, text = self.run_it("restore", str(saved))
        self.assertEqual(code, 0)
        self.assertIn(str(self.path / "encchat.db.replaced-1"), text)
        self.assertEqual(self.value("SELECT deleted FROM account WHERE id = 1"), None)
        self.assertEqual(self.run_it("audit")[1].split("  ")[1:3], ["encchat-admin", "restore"])

    def test_a_backup_is_never_written_over(self) -> None:
        """Least of all over the store itself."""
        before = self.store.read_bytes()
        code, text = self.run_it("backup", str(self.store))
        self.assertEqual((code, "name a new file" in text), (1, True))
        self.assertEqual(self.store.read_bytes(), before)

    def test_restoring_is_refused_while_a_server_runs(self) -> None:
        """Security: the store of a running server is never pulled from under it; the rest works meanwhile."""
        saved = self.path / "saved"
        running = DataDirectory(self.path)
        running.open()
        self.addCleanup(running.close)
        self.assertEqual(self.run_it("backup", str(saved))[0], 0)
        self.assertEqual(self.run_it("account", "role", "bob", "user")[0], 0)
        before = self.store.read_bytes()
        code, text = self.run_it("restore", str(saved))
        self.assertEqual((code, "another encchat server is running" in text), (1, True))
        self.assertEqual(self.store.read_bytes(), before)
        running.close()
        self.assertEqual(self.run_it("restore", str(saved))[0], 0)

    def test_a_server_is_kept_out_only_while_restoring(self) -> None:
        """After it, and after a failure."""
        self.assertEqual(self.run_it("restore", str(self.path / "missing"))[0], 1)
        directory = DataDirectory(self.path)
        directory.open()
        directory.close()

    def test_a_backup_is_restored_where_no_server_ever_was(self) -> None:
        """A new machine; the key that clients have pinned is asked for."""
        saved = self.path / "saved"
        self.run_it("backup", str(saved))
        self.path = Path(self.mktemp()).absolute()
        self.store = self.path / "encchat.db"
        code, text = self.run_it("restore", str(saved))
        self.assertEqual((code, f"put your identity.pem into {self.path}" in text), (0, True))
        self.assertEqual(self.value("SELECT count(*) FROM account"), 2)

    def test_what_root_restores_belongs_to_the_directory_s_owner(self) -> None:
        """The server does not run as root, and must be able to open it."""
        if os.geteuid() != 0:
            raise SkipTest("needs to be root")
        saved = self.path / "saved"
        self.run_it("backup", str(saved))
        os.chown(self.path, 12_345, 54_321)
        self.assertEqual(self.run_it("restore", str(saved))[0], 0)
        for file in (self.store, self.path / "lock"):
            self.assertEqual((file.stat().st_uid, file.stat().st_gid), (12_345, 54_321))

    def test_a_directory_without_a_store_is_left_alone(self) -> None:
        """No store is made by asking for something in it."""
        self.path = Path(self.mktemp()).absolute()
        for words in (("dossier", "x"), ("account", "delete", "x"), ("audit",), ("backup", f"{self.path}.saved")):
            code, text = self.run_it(*words)
            self.assertEqual((code, "no encchat server has kept its data" in text), (1, True), words)
        self.assertFalse(self.path.exists())

    def test_the_man_page_has_every_command_and_option(self) -> None:
        """As --help has them."""
        page = PAGE.read_text(encoding="utf-8").replace("\\-", "-")
        for words in (("dossier",), ("account", "delete"), ("account", "role"), ("audit",), ("backup",), ("restore",)):
            help_ = self.run_it(*words, "--help")[1]
            self.assertRegex(page, rf"\n\.BI? \"{' '.join(words)}[ \"]")
            wanted = set(re.findall(r"--[a-z-]+", help_)) - {"--help"}
            self.assertEqual({option for option in wanted if option not in page}, set(), words)
