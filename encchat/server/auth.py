"""Who somebody is: registration, login, confirmation. The one door to `twisted.cred` for the rest of the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet import defer

from encchat.errors import LoginRefusedError, RegistrationRefusedError
from encchat.limits import LOBBY_HISTORY
from encchat.names import folded
from encchat.net.admission import address_key
from encchat.server.checkers import (
    REFUSED,
    UNKNOWN_INVITE,
    DeviceChecker,
    DeviceKey,
    IAvatar,
    NewAccount,
    NoRegistration,
    PasswordChecker,
    Realm,
    RegistrationChecker,
    external_checker,
)
from encchat.server.model import Account, Device
from encchat.server.passwords import PasswordHasher, password_bytes
from encchat.server.throttle import Throttle
from encchat.wire import Registration

DEVICE_REFUSED = "this device is not known for that name: log in with the password"


@frozen
class Login:
    """Somebody who has proven who they are, and on which device."""

    account: Account
    device: Device


class Authenticator:
    """Registers people and logs them in.

    ``clock`` gives seconds since 1970 UTC. ``checkers``, if there are any, say who there is instead of the
    store's password hashes: an account is then made at its first login, and nobody can register. A device that
    has logged in goes on doing so by its key; to lock somebody out, remove the account or its devices.

    Wrong passwords and invites are throttled, by name and by address. A right password that comes while its name
    or address has to wait is refused as well, one that was already being checked included: otherwise many
    guesses sent at once would all be answered before the first failure counts.

    ``lobby_history``: how many messages of the lobby, from before it came, a new device is given.
    """

    def __init__(
        self,
        store: Any,
        hasher: PasswordHasher,
        clock: Callable[[], float],
        registration: Callable[[], Registration],
        checkers: Sequence[ICredentialsChecker] | None = None,
        lobby_history: Callable[[], int] = lambda: LOBBY_HISTORY,
    ) -> None:
        def now() -> int:
            return int(clock() * 1000)

        here: list[Any] = [DeviceChecker(store)]
        if checkers:
            here += [external_checker(checkers), NoRegistration()]
        else:
            here += [PasswordChecker(store, hasher), RegistrationChecker(store, hasher, registration, now)]
        realm: Any = Realm(store, now, make_accounts=bool(checkers))
        self._store = store
        self._now = now
        self._lobby_history = lobby_history
        self._throttle = Throttle(clock)
        self._portal = Portal(realm, here)

    async def register(
        self, user: str, password: str, invite: str, address: str, device_key: bytes, device_name: str
    ) -> Login:
        """Make an account and log its first device in.

        `RegistrationRefusedError` (policy, invite, password; `NameRefusedError`: name), `ThrottledError`,
        `OverloadedError`, `LoginRefusedError` (the device is another account's).
        """
        stranger = _address(address)
        self._throttle.check(stranger)
        try:
            account = await self._enter(NewAccount(user, password, invite, device_key))
        except UnauthorizedLogin:
            self._count_failure(stranger)
            raise RegistrationRefusedError(UNKNOWN_INVITE) from None
        return await self._on_device(account, device_key, device_name)

    async def login(self, user: str, password: str, address: str, device_key: bytes, device_name: str) -> Login:
        """Log in by password and make the device known.

        `LoginRefusedError` (the same for a wrong password and an unknown name), `ThrottledError`, `OverloadedError`.
        """
        return await self._on_device(await self._by_password(user, password, address), device_key, device_name)

    async def login_device(self, user: str, device_key: bytes) -> Login:
        """Log in by the transport key that the channel has proven; `LoginRefusedError` if it is not one of ``user``."""
        asked = DeviceKey(user, device_key)
        try:
            await self._enter(asked)
        except UnauthorizedLogin:
            raise LoginRefusedError(DEVICE_REFUSED) from None
        if asked.found is None:  # another checker took it for one of its own
            raise LoginRefusedError(DEVICE_REFUSED)
        return Login(*asked.found)  # if it is forgotten this very moment, `Services.arrive` finds out

    async def confirm(self, account: Account, password: str, address: str) -> Account:
        """Check the password of somebody who is logged in; the account as it is now. Errors as in `login`."""
        confirmed = await self._by_password(account.name, password, address)
        if confirmed.id != account.id:
            raise LoginRefusedError(REFUSED)
        return confirmed

    def forget_device(self, device_key: bytes) -> defer.Deferred[None]:
        """The device can log in by its key no more."""
        forgotten: defer.Deferred[None] = self._store.forget_device(device_key)
        return forgotten

    async def _by_password(self, user: str, password: str, address: str) -> Account:
        name, stranger = f"name {folded(user)}", _address(address)
        self._check_throttle(name, stranger)
        try:
            account = await self._enter(UsernamePassword(user.encode(), password_bytes(password)))
        except UnauthorizedLogin:
            self._count_failure(name, stranger)
            raise LoginRefusedError(REFUSED) from None
        self._check_throttle(name, stranger)
        # The address keeps its failures: else an account of one's own would buy guesses at others'.
        self._throttle.succeeded(name)
        return account

    async def _on_device(self, account: Account, key: bytes, name: str) -> Login:
        device = await self._store.add_device(account.id, key, name, self._now(), self._lobby_history())
        return Login(account, device)

    async def _enter(self, credentials: Any) -> Account:
        _, account, _ = await self._portal.login(credentials, credentials, IAvatar)
        if not isinstance(account, Account):
            raise LoginRefusedError(REFUSED)
        return account

    def _check_throttle(self, *keys: str) -> None:
        for key in keys:
            self._throttle.check(key)

    def _count_failure(self, *keys: str) -> None:
        """Count it, unless others failed so often meanwhile that this answer must tell nothing (`ThrottledError`)."""
        self._check_throttle(*keys)
        for key in keys:
            self._throttle.failed(key)


def _address(address: str) -> str:
    return f"address {address_key(address)}"
