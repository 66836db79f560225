"""Opening the store of a client that logs in: by the keyring, by the password, or else none, and the person is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from attrs import frozen

from encchat.client.home import Home
from encchat.client.store import MemoryStore, Store
from encchat.client.store.keyring import Keyring
from encchat.client.store.vault import Vault
from encchat.errors import StoreLockedError
from encchat.limits import MAX_UNLOCK_TRIES

_WITHOUT: Final = (
    "only the lobby can be read and written to, for there are no end-to-end keys; nothing is kept, and what comes now"
    " comes again next time"
)
_LOCKED: Final = "another encchat-client has the messages of {user} open: " + _WITHOUT
_CLOSED: Final = "the messages kept here stay locked without the password: " + _WITHOUT
_NONE: Final = "without the password nothing can be sealed: " + _WITHOUT
_WRONG: Final = "this password does not open the messages kept here"

Ask = Callable[[str], Awaitable[str]]
"""Puts a prompt to the person; an empty answer where nobody can or wants to."""


@frozen
class Keeper:
    """Opens the store of one account; ``notice`` tells the person what the outcome means."""

    _home: Home
    _keyring: Keyring
    _ask: Ask
    _notice: Callable[[str], None]

    async def open(self, fingerprint: str, user: str, password: str | None) -> Store:
        """The store of ``user`` at the server with that fingerprint; one in memory where it cannot be opened."""
        path = self._home.store_path(fingerprint, user)
        try:
            vault = Vault(path, f"{path.parent.name}/{path.stem}", self._keyring)
        except StoreLockedError:
            self._notice(_LOCKED.format(user=user))
            return MemoryStore()
        store: Store | None = None
        try:
            store = await self._opened(vault, password)
        finally:
            if store is None:
                vault.close()
        return store or MemoryStore()

    def forget(self, fingerprint: str, user: str) -> None:
        """Take the key out of the keyring: from now on the store needs the password."""
        path = self._home.store_path(fingerprint, user)
        self._keyring.remove(f"{path.parent.name}/{path.stem}")

    async def _opened(self, vault: Vault, password: str | None) -> Store | None:
        new = vault.new
        store: Store | None = vault.make(password) if new else vault.open_by_keyring()
        if store is None and password and not new:
            store = vault.open_by_password(password)
        if store is None and not password:
            store = await self._asked(vault, new)
        if store is None:
            self._notice(f"{_WRONG}; {_WITHOUT}" if password else _NONE if new else _CLOSED)
        return store

    async def _asked(self, vault: Vault, new: bool) -> Store | None:
        what = "to keep messages" if new else "for the messages kept"
        prompt = f"Password, {what} here (empty: go on without): "
        for _ in range(MAX_UNLOCK_TRIES):
            password = await self._ask(prompt)
            if not password:
                return None
            store = vault.make(password) if new else vault.open_by_password(password)
            if store is not None:
                return store
            prompt = f"{_WRONG}. Again (empty: go on without): "
        return None
