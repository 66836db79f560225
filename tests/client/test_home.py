"""What the client keeps on disk."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.home import Home, read_password
from encchat.errors import ConfigurationError, EncchatError, StoreError
from encchat.links import Address

HERE = Address("localhost", 5000)
ONE = "SHA256:one"
OTHER = "SHA256:other"


class Homes(SynchronousTestCase):
    """Pins, users and device keys."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.home = Home(self.path)

    def test_a_new_home_knows_nothing_and_makes_nothing(self) -> None:
        """Reading leaves no trace."""
        self.assertIsNone(self.home.pin(HERE))
        self.assertIsNone(self.home.last_user(ONE))
        self.assertIsNone(self.home.device_key(ONE, "alice"))
        self.assertFalse(self.path.exists())

    def test_pins_are_by_address_and_replaced(self) -> None:
        """Case of the host does not matter, the port does."""
        self.home.remember_pin(HERE, ONE)
        self.home.remember_pin(HERE, OTHER)
        self.home.remember_pin(Address("localhost", 5001), ONE)
        again = Home(self.path)
        self.assertEqual(again.pin(Address("LOCALHOST", 5000)), OTHER)
        self.assertEqual(again.pin(Address("localhost", 5001)), ONE)

    def test_device_keys_are_by_server_and_account(self) -> None:
        """Two people can share a home; one server never sees the key used at another."""
        keys = {place: X25519PrivateKey.generate() for place in ((ONE, "alice"), (ONE, "bob"), (OTHER, "alice"))}
        for (server, user), key in keys.items():
            self.home.save_device(server, user, key)
        for (server, user), key in keys.items():
            kept = self.home.device_key(server, user.upper())
            assert kept is not None
            self.assertEqual(kept.private_bytes_raw(), key.private_bytes_raw())
        self.assertEqual(self.home.last_user(ONE), "bob")

    def test_a_forgotten_device_is_gone(self) -> None:
        """Only that one; forgetting twice is no error."""
        for user in ("alice", "bob"):
            self.home.save_device(ONE, user, X25519PrivateKey.generate())
        self.home.forget_device(ONE, "bob")
        self.home.forget_device(ONE, "bob")
        self.assertIsNone(self.home.device_key(ONE, "bob"))
        self.assertIsNone(self.home.last_user(ONE))
        self.assertIsNotNone(self.home.device_key(ONE, "alice"))

    def test_a_device_key_others_can_read_is_refused(self) -> None:
        """It may have been copied."""
        self.home.save_device(ONE, "alice", X25519PrivateKey.generate())
        [path] = self.path.rglob("alice.pem")
        path.chmod(0o644)
        self.assertRaises(EncchatError, self.home.device_key, ONE, "alice")

    def test_a_damaged_file_is_named_and_not_replaced(self) -> None:
        """A pin must not vanish because a disk was full."""
        self.home.remember_pin(HERE, ONE)
        file = self.path / "servers.json"
        file.write_text("{")
        self.assertIn(str(file), self.assertRaises(StoreError, self.home.pin, HERE).text)
        self.assertRaises(StoreError, self.home.remember_pin, HERE, ONE)
        self.assertEqual(file.read_text(), "{")

    def test_a_home_that_is_no_folder_is_an_error_of_our_own(self) -> None:
        """Not a traceback."""
        self.path.write_text("a file")
        self.assertRaises(StoreError, self.home.remember_pin, HERE, ONE)
        self.assertRaises(StoreError, self.home.save_device, ONE, "alice", X25519PrivateKey.generate())

    def test_a_name_that_is_a_path_stays_inside(self) -> None:
        """Names are checked before they become file names."""
        self.assertRaises(EncchatError, self.home.device_key, ONE, "../alice")

    def test_the_default_follows_xdg(self) -> None:
        """A relative XDG_DATA_HOME is ignored, as the specification says."""
        self.assertEqual(Home.default({"XDG_DATA_HOME": "/x"}).path, Path("/x/encchat"))
        usual = Path.home() / ".local" / "share" / "encchat"
        self.assertEqual(Home.default({}).path, usual)
        self.assertEqual(Home.default({"XDG_DATA_HOME": "x"}).path, usual)


class PasswordFiles(SynchronousTestCase):
    """``--password-file``."""

    def test_the_first_line_is_the_password(self) -> None:
        """Without its end, with its spaces."""
        path = Path(self.mktemp())
        path.write_bytes(b" correct horse \r\nsecond line\n")
        self.assertEqual(read_password(str(path)), " correct horse ")

    def test_what_cannot_be_read_is_named(self) -> None:
        """Missing, empty, not UTF-8."""
        path = Path(self.mktemp())
        self.assertIn(str(path), self.assertRaises(ConfigurationError, read_password, str(path)).text)
        for content in (b"", b"\n", b"\xff\n"):
            path.write_bytes(content)
            self.assertRaises(ConfigurationError, read_password, str(path))
