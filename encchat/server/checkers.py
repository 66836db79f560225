"""What `twisted.cred` needs to log people in: credentials, the checkers for them, and the realm.

Every checker's avatar id is the account's name in UTF-8, as checkers from elsewhere (``--auth``) have it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field, frozen
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm
from twisted.internet import defer
from zope.interface import Attribute, Interface, implementer

from encchat.errors import (
    ConfigurationError,
    LoginRefusedError,
    NameRefusedError,
    RegistrationRefusedError,
)
from encchat.limits import MAX_PASSWORD, MIN_PASSWORD
from encchat.names import account_name, folded
from encchat.server.model import Account, Device
from encchat.server.passwords import PasswordHasher, password_bytes
from encchat.wire import Registration, Role

REFUSED = "wrong name or password"
UNKNOWN_INVITE = "the invite is unknown, used up or has expired: ask for a new one"
Milliseconds = Callable[[], int]


class IDeviceKey(ICredentials):
    """A transport key whose private part the channel has proven."""

    user = Attribute("The account's name, str.")
    key = Attribute("The raw X25519 public key, bytes.")


class INewAccount(ICredentials):
    """What somebody brings to make an account."""

    user = Attribute("The wanted name, str.")
    password = Attribute("The wanted password, str.")
    invite = Attribute("An invite's token, str, empty if there is none.")
    device_key = Attribute("The raw X25519 public key of the first device, bytes.")


class IAvatar(Interface):
    """An `Account` whose person has logged in."""


@implementer(IDeviceKey)
@define
class DeviceKey:
    """`IDeviceKey`; ``found`` is what `DeviceChecker` has read of it, for the realm, which is given this as mind."""

    user: str
    key: bytes
    found: tuple[Account, Device] | None = None


@implementer(INewAccount)
@frozen
class NewAccount:
    """`INewAccount`."""

    user: str
    password: str = field(repr=False)
    invite: str = field(repr=False)
    device_key: bytes


@implementer(ICredentialsChecker)
@frozen
class PasswordChecker:
    """Passwords of the store's accounts."""

    _store: Any
    _hasher: PasswordHasher
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[bytes]:
        return defer.Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: Any) -> bytes:
        account = await self._store.account(credentials.username.decode())
        # An unknown name takes the same steps as a known one, so that its answer takes the same time.
        encoded = await self._store.password_hash(account.id if account else 0)
        if not await self._hasher.verify(encoded, credentials.password) or account is None:
            raise UnauthorizedLogin
        return bytes(account.name.encode())


@implementer(ICredentialsChecker)
@frozen
class ExternalChecker:
    """Checkers from ``--auth``, asked in the order of the options; the first that knows the person decides."""

    _checkers: Sequence[ICredentialsChecker]
    credentialInterfaces = (IUsernamePassword,)

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[bytes]:
        return defer.Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: Any) -> bytes:
        for checker in self._checkers:
            ask: Any = checker.requestAvatarId
            try:
                avatar_id = await defer.maybeDeferred(ask, credentials)
            except UnauthorizedLogin:
                continue
            if isinstance(avatar_id, bytes):  # the empty tuple would be an anonymous guest
                return avatar_id
        raise UnauthorizedLogin


def external_checker(checkers: Sequence[ICredentialsChecker]) -> ExternalChecker:
    """One checker out of several; `ConfigurationError` if one cannot check a name and a password."""
    for checker in checkers:
        kinds: Any = checker.credentialInterfaces
        if IUsernamePassword not in kinds:
            raise ConfigurationError(f"--auth: {type(checker).__name__} cannot check a name with a password")
    return ExternalChecker(tuple(checkers))


@implementer(ICredentialsChecker)
@frozen
class DeviceChecker:
    """Devices that have logged in before."""

    _store: Any
    credentialInterfaces = (IDeviceKey,)

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[bytes]:
        found: defer.Deferred[tuple[Account, Device] | None] = self._store.device(credentials.key)
        return found.addCallback(self._check, credentials)

    @staticmethod
    def _check(found: tuple[Account, Device] | None, credentials: Any) -> bytes:
        if found is None or folded(found[0].name) != folded(credentials.user):
            raise UnauthorizedLogin
        credentials.found = found
        return found[0].name.encode()


@implementer(ICredentialsChecker)
@frozen
class RegistrationChecker:
    """Makes the account that `INewAccount` asks for, if the server's policy and the invite allow it."""

    _store: Any
    _hasher: PasswordHasher
    _registration: Callable[[], Registration]
    _now: Milliseconds
    credentialInterfaces = (INewAccount,)

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[bytes]:
        return defer.Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: Any) -> bytes:
        # Asked before the costly hash; what counts is that `create_account` asks again.
        invited = await self._store.invite_role(credentials.invite, self._now()) if credentials.invite else None
        self._check_policy(credentials.invite, invited)
        account_name(credentials.user)
        check_new_password(credentials.password)
        if await self._store.device(credentials.device_key) is not None:
            raise LoginRefusedError("this device belongs to an account already: log in, or use another --home")
        encoded = await self._hasher.hash(password_bytes(credentials.password))
        account = await self._store.create_account(
            credentials.user, encoded, "user", self._now(), credentials.invite or None
        )
        return bytes(account.name.encode())

    def _check_policy(self, invite: str, invited: Role | None) -> None:
        policy = self._registration()
        # An admin's link comes from who holds the data directory; without it a closed server would have no admin.
        if policy == "closed" and invited != "admin":
            raise RegistrationRefusedError("registration is closed on this server: its administrator can open it")
        if policy == "invite" and not invite:
            raise RegistrationRefusedError("registration needs an invite here: ask for an invite link")
        if invite and invited is None:
            raise UnauthorizedLogin(UNKNOWN_INVITE)


@implementer(ICredentialsChecker)
@frozen
class NoRegistration:
    """Refuses new accounts where ``--auth`` says who there is."""

    credentialInterfaces = (INewAccount,)

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[bytes]:
        return defer.fail(
            RegistrationRefusedError(
                "this server takes names and passwords from elsewhere (--auth): log in instead of registering"
            )
        )


def check_new_password(password: str) -> None:
    """Raise `RegistrationRefusedError` if ``password`` is too short or too long for a new one."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise RegistrationRefusedError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")


@implementer(IRealm)
@frozen
class Realm:
    """Finds the account of an avatar id; ``make_accounts``: those checked elsewhere get theirs at first login."""

    _store: Any
    _now: Milliseconds
    _make_accounts: bool

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: type[Interface]) -> Any:
        if IAvatar not in interfaces:
            raise NotImplementedError("this realm has accounts (IAvatar) only")
        if isinstance(mind, DeviceKey) and mind.found is not None:
            return IAvatar, mind.found[0], _no_logout
        return defer.Deferred.fromCoroutine(self._avatar(avatarId.decode("utf-8", "replace")))

    async def _avatar(self, name: str) -> Any:
        return IAvatar, await self._account(name), _no_logout

    async def _account(self, name: str) -> Account:
        account: Account | None = await self._store.account(name)
        if account is None and self._make_accounts:
            account = await self._make(name)
        if account is None:
            raise LoginRefusedError(REFUSED)
        if account.name != name:
            # Alice and alice may be two people elsewhere; here they would share an account.
            raise NameRefusedError(f"the name {name} is taken by {account.name}: names here differ in more than case")
        return account

    async def _make(self, name: str) -> Account | None:
        try:
            made: Account = await self._store.create_account(name, None, "user", self._now())
        except NameRefusedError:
            # Two first logins at once: the other one made it.
            account: Account | None = await self._store.account(name)
            if account is None:
                raise
            return account
        return made


def _no_logout() -> None:
    """The hub knows who is connected; the realm keeps nothing."""
