"""Which store a client gets."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.home import Home
from encchat.client.keeping import Keeper
from encchat.client.store import Store
from encchat.client.store.keyring import Keyring, NoKeyring, OsKeyring
from encchat.errors import StoreError
from encchat.limits import MAX_UNLOCK_TRIES
from tests.client.store.test_vault import Backend, BackendError

FINGERPRINT, PASSWORD = "SHA256:x", "correct horse"


class Keepers(SynchronousTestCase):
    """`Keeper.open` from what the person and the machine have."""

    def setUp(self) -> None:
        self.home = Home(Path(self.mktemp()))
        self.notices: list[str] = []
        self.prompts: list[str] = []

    def open(self, password: str | None, *answers: str, keyring: Keyring | None = None, user: str = "alice") -> Store:
        """The store of a client that is given ``password``, and whose person answers so, else not at all."""
        left = list(answers)

        def ask(prompt: str) -> Deferred[str]:
            self.prompts.append(prompt)
            return succeed(left.pop(0) if left else "")

        keeper = Keeper(self.home, keyring or NoKeyring(), ask, self.notices.append)
        store: Store = self.successResultOf(ensureDeferred(keeper.open(FINGERPRINT, user, password)))
        self.addCleanup(store.close)
        return store

    def closed(self, password: str | None, *answers: str, keyring: Keyring | None = None) -> bool:
        """Whether that client gets a durable store; closed at once."""
        store = self.open(password, *answers, keyring=keyring)
        store.close()
        return store.durable

    def test_a_given_password_makes_and_opens_it(self) -> None:
        """Nobody is asked, nothing is said."""
        self.assertEqual([self.closed(PASSWORD), self.closed(PASSWORD)], [True, True])
        self.assertEqual((self.notices, self.prompts), ([], []))

    def test_a_given_password_that_is_wrong_is_said(self) -> None:
        """A script cannot be asked again."""
        self.closed(PASSWORD)
        self.assertFalse(self.closed("wrong horse"))
        self.assertEqual(([("does not open" in text) for text in self.notices], self.prompts), ([True], []))

    def test_a_person_is_asked_so_often(self) -> None:
        """n-1 and n tries may be wrong, there is no n+1st; an empty answer ends it at once."""
        self.closed(PASSWORD)
        for wrong in (MAX_UNLOCK_TRIES - 1, MAX_UNLOCK_TRIES, MAX_UNLOCK_TRIES + 1):
            self.prompts.clear()
            self.assertEqual(self.closed(None, *["wrong"] * wrong, PASSWORD), wrong < MAX_UNLOCK_TRIES)
            self.assertEqual(len(self.prompts), MAX_UNLOCK_TRIES)
        self.prompts.clear()
        self.notices.clear()
        self.assertFalse(self.closed(None, ""))
        self.assertEqual((len(self.prompts), len(self.notices)), (1, 1))

    def test_a_keyring_asks_nobody(self) -> None:
        """It makes it, opens it, and when it has forgotten the key it is asked for the password."""
        keyring = OsKeyring(Backend(), BackendError)
        self.assertTrue(self.closed(PASSWORD, keyring=keyring))
        self.assertTrue(self.closed(None, keyring=keyring))
        self.assertEqual(self.prompts, [])
        Keeper(self.home, keyring, succeed, self.notices.append).forget(FINGERPRINT, "alice")
        self.assertFalse(self.closed(None, keyring=keyring))
        self.assertEqual(len(self.prompts), 1)

    def test_a_store_in_use_is_said_and_left_alone(self) -> None:
        """Another account's is another store."""
        self.assertTrue(self.open(PASSWORD).durable)
        self.assertFalse(self.open(PASSWORD).durable)
        self.assertEqual([("another encchat-client" in text) for text in self.notices], [True])
        self.assertTrue(self.open(PASSWORD, user="bob").durable)

    def test_a_damaged_store_is_an_error_and_not_replaced(self) -> None:
        """Who has lost messages must hear of it."""
        path = self.home.store_path(FINGERPRINT, "alice")
        path.write_bytes(b"damaged" * 1000)
        keeper = Keeper(self.home, NoKeyring(), succeed, self.notices.append)
        error = self.failureResultOf(ensureDeferred(keeper.open(FINGERPRINT, "alice", PASSWORD)), StoreError)
        self.assertIn(str(path), str(error.value))
        self.assertEqual(path.read_bytes(), b"damaged" * 1000)
