"""Opening the sealed store: password, keyring, lock."""

from __future__ import annotations

from pathlib import Path

import msgspec
from attrs import define, evolve, field
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.store import Changes
from encchat.client.store.keyring import Keyring, NoKeyring, OsKeyring, find_keyring
from encchat.client.store.sealing import Cost, Wrapped, unwrap, wrap
from encchat.client.store.sqlite import SqliteStore
from encchat.client.store.vault import Vault
from encchat.errors import StoreError, StoreLockedError
from encchat.limits import MAX_UNWRAP_LANES, MAX_UNWRAP_MEMORY, MAX_UNWRAP_PASSES
from tests.client.store.contract import message

CHEAP = Cost(memory=64, passes=1, lanes=1)
PASSWORD = "correct horse"


class BackendError(Exception):
    """What a keyring's backend raises."""


@define
class Backend:
    """A keyring package's backend, in memory."""

    kept: dict[tuple[str, str], str] = field(factory=dict)
    broken: bool = False

    def get_password(self, service: str, name: str) -> str | None:
        self._check()
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self._check()
        self.kept[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        self._check()
        del self.kept[service, name]

    def _check(self) -> None:
        if self.broken:
            raise BackendError


class Vaults(SynchronousTestCase):
    """`Vault` and what it makes."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.backend = Backend()
        self.keyring = OsKeyring(self.backend, BackendError)

    def vault(self, keyring: Keyring | None = None) -> Vault:
        vault = Vault(self.path, "name", keyring or NoKeyring(), cost=CHEAP)
        self.addCleanup(vault.close)
        return vault

    def kept(self, store: SqliteStore | None) -> int:
        """How many messages ``store`` has; it is closed."""
        assert store is not None
        count = len(store.history("lobby", 9))
        store.close()
        return count

    def fill(self, keyring: Keyring | None = None, password: str | None = PASSWORD) -> None:
        store = self.vault(keyring).make(password)
        assert store is not None
        store.apply(Changes(messages=[message(1)]))
        store.close()

    def test_the_password_opens_what_it_sealed(self) -> None:
        """Another one does not, and neither does none."""
        self.fill()
        vault = self.vault()
        self.assertFalse(vault.new)
        self.assertIsNone(vault.open_by_password("wrong horse"))
        self.assertIsNone(vault.open_by_password(""))
        self.assertIsNone(vault.open_by_keyring())
        self.assertEqual(self.kept(vault.open_by_password(PASSWORD)), 1)

    def test_a_password_is_the_same_however_it_is_composed(self) -> None:
        """As at the login."""
        self.fill(password="cafe\u0301 cafe")
        self.assertEqual(self.kept(self.vault().open_by_password("caf\u00e9 cafe")), 1)

    def test_the_keyring_opens_without_password(self) -> None:
        """The password still does too."""
        self.fill(self.keyring)
        self.assertEqual(self.kept(self.vault(self.keyring).open_by_keyring()), 1)
        self.assertEqual(self.kept(self.vault().open_by_password(PASSWORD)), 1)

    def test_the_password_gives_the_keyring_its_key_back(self) -> None:
        """It was forgotten, or is new on this machine."""
        self.fill(self.keyring)
        self.keyring.remove("name")
        vault = self.vault(self.keyring)
        self.assertIsNone(vault.open_by_keyring())
        self.assertEqual(self.kept(vault.open_by_password(PASSWORD)), 1)
        self.assertEqual(self.kept(self.vault(self.keyring).open_by_keyring()), 1)

    def test_a_keyring_alone_is_enough_for_a_new_store(self) -> None:
        """Then no password opens it; without either there is none."""
        vault = self.vault()
        self.assertIsNone(vault.make(None))
        vault.close()
        self.path = Path(self.mktemp())
        self.fill(self.keyring, None)
        self.assertIsNone((vault := self.vault()).open_by_password(PASSWORD))
        vault.close()
        self.assertEqual(self.kept(self.vault(self.keyring).open_by_keyring()), 1)

    def test_a_keyring_with_another_key_or_rubbish_opens_nothing(self) -> None:
        """Nor does one that fails."""
        self.fill()
        for text in ("AAAA", "A" * 43 + "=", "no base64"):
            self.backend.kept["encchat", "name"] = text
            (vault := self.vault(self.keyring)).open_by_keyring()
            self.assertIsNone(vault.open_by_keyring())
            vault.close()
        self.backend.broken = True
        self.assertIsNone(self.keyring.get("name"))
        self.assertFalse(self.keyring.put("name", b""))
        self.keyring.remove("name")

    def test_a_store_begun_but_not_finished_is_new(self) -> None:
        """The client may die between the password's key and the mark; the next one begins again."""
        vault = self.vault()
        vault._file.set_key("wrapped", b"whatever")
        vault.close()
        self.assertTrue((vault := self.vault()).new)
        vault.close()
        self.fill()
        self.assertEqual(self.kept(self.vault().open_by_password(PASSWORD)), 1)

    def test_a_second_process_does_not_get_the_store(self) -> None:
        """It is told so; once the first has closed it does."""
        first = self.vault()
        self.assertRaises(StoreLockedError, self.vault)
        store = first.make(PASSWORD)
        assert store is not None
        self.assertRaises(StoreLockedError, self.vault)
        store.close()
        self.vault()

    def test_a_failed_opening_leaves_no_lock(self) -> None:
        """Mending the file is enough."""
        self.path.write_bytes(b"no store" * 500)
        self.assertRaises(StoreError, self.vault)
        self.path.unlink()
        self.vault()

    def test_a_forged_cost_is_refused_before_it_is_paid(self) -> None:
        """n-1 and n of each limit are taken, n+1 is not; a file cannot make the client compute for ever."""
        wrapped = wrap(bytes(32), PASSWORD, bytes, CHEAP)
        self.assertEqual(unwrap(wrapped, PASSWORD), bytes(32))
        for forged in (
            Wrapped(wrapped.salt, MAX_UNWRAP_MEMORY + 1, 1, 1, wrapped.sealed),
            Wrapped(wrapped.salt, 64, MAX_UNWRAP_PASSES + 1, 1, wrapped.sealed),
            Wrapped(wrapped.salt, 1024, 1, MAX_UNWRAP_LANES + 1, wrapped.sealed),
            Wrapped(wrapped.salt, 64, 0, 1, wrapped.sealed),
            Wrapped(wrapped.salt, 7, 1, 1, wrapped.sealed),
            Wrapped(b"", 64, 1, 1, wrapped.sealed),
        ):
            self.assertRaises(StoreError, unwrap, forged, PASSWORD)
        for cost in (
            evolve(CHEAP, passes=MAX_UNWRAP_PASSES - 1),
            evolve(CHEAP, passes=MAX_UNWRAP_PASSES),
            evolve(CHEAP, lanes=MAX_UNWRAP_LANES - 1, memory=1024),
            evolve(CHEAP, lanes=MAX_UNWRAP_LANES, memory=1024),
        ):
            self.assertEqual(unwrap(wrap(bytes(32), PASSWORD, bytes, cost), PASSWORD), bytes(32))

    def test_a_damaged_wrapping_is_an_error_of_our_own(self) -> None:
        """Not a traceback."""
        self.fill()
        for value in (b"\xc1", msgspec.msgpack.encode([1, 2])):
            vault = self.vault()
            vault._file.set_key("wrapped", value)
            self.assertRaises(StoreError, vault.open_by_password, PASSWORD)
            vault.close()

    def test_the_keyring_is_optional(self) -> None:
        """Without the package, or without a real backend, there is none that keeps anything."""
        keyring = find_keyring()
        if isinstance(keyring, NoKeyring):
            self.assertFalse(keyring.put("encchat test", b"x"))
            self.assertIsNone(keyring.get("encchat test"))
            keyring.remove("encchat test")
        else:
            self.assertIsInstance(keyring, OsKeyring)
