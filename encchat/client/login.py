"""Logging in: which request, in which order, from what the person and the disk have; awaits, but knows no sockets."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, Protocol

from attrs import frozen

from encchat import errors, wire
from encchat.errors import EncchatError, LoginRefusedError, RegistrationRefusedError, RequestError, UsageError


@frozen
class Credentials:
    """Who logs in and how.

    ``known_device``: this connection's key has logged in before. ``again``: the answer to an earlier
    registration by this key was lost on the way.
    """

    user: str
    invite: str = ""
    register: bool = False
    known_device: bool = False
    again: bool = False
    device_name: str = ""


class Asks(Protocol):
    """Sends a request; the awaited value is the result, a refusal is raised as its class."""

    def __call__(self, kind: type[wire.Request], **fields: Any) -> Awaitable[wire.Result | None]: ...


class GetsPassword(Protocol):
    """Gets the account's password from wherever it is; ``new``: the account is being made."""

    def __call__(self, *, new: bool) -> Awaitable[str]: ...


async def log_in(ask: Asks, who: Credentials, password: GetsPassword) -> wire.LoggedIn:
    """Register or log in; raise the server's `RequestError` when it refuses."""
    if who.known_device:
        return await _by_device(ask, who, password)
    if who.invite or who.register:
        return await _register(ask, who, await password(new=True))
    return await _by_password(ask, who, await password(new=False))


async def _by_device(ask: Asks, who: Credentials, password: GetsPassword) -> wire.LoggedIn:
    try:
        return _logged_in(await ask(wire.LoginDevice, user=who.user))
    except LoginRefusedError:
        # Forgotten on the server, or the account was made anew there: the password decides.
        pass
    try:
        secret = await password(new=False)
    except UsageError as none:
        raise LoginRefusedError(f"the server does not know this device any more; {none.text}") from None
    return await _by_password(ask, who, secret)


async def _by_password(ask: Asks, who: Credentials, password: str) -> wire.LoggedIn:
    return _logged_in(await ask(wire.Login, user=who.user, password=password, device_name=who.device_name))


async def _register(ask: Asks, who: Credentials, password: str) -> wire.LoggedIn:
    fields = {"user": who.user, "password": password, "device_name": who.device_name}
    try:
        return _logged_in(await ask(wire.Register, invite=who.invite, **fields))
    except RegistrationRefusedError as refused:
        if not who.again:
            raise
        try:
            return _logged_in(await ask(wire.LoginDevice, user=who.user))
        except RequestError:
            raise refused from None


def _logged_in(result: wire.Result | None) -> wire.LoggedIn:
    if not isinstance(result, wire.LoggedIn):
        raise errors.InternalError("the server did not answer the login as a login")
    return result


def _codes(kind: type[EncchatError]) -> dict[str, type[EncchatError]]:
    found = {kind.code: kind}
    for child in kind.__subclasses__():
        found.update(_codes(child))
    return found


_HERE: Final = (
    errors.NotConnectedError,
    errors.NotEncryptedError,
    errors.UntrustedError,
    errors.KeyChangedError,
    errors.NoKeysError,
    errors.IdentityMissingError,
)
"""Refusals that this side makes itself."""
_BY_CODE: Final = _codes(RequestError) | {kind.code: kind for kind in _HERE}


def error_from(answer: wire.Error) -> EncchatError:
    """A refusal as an exception; a code of a newer server becomes a plain `RequestError`."""
    return _BY_CODE.get(answer.code, RequestError)(answer.text)
