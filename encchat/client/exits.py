"""Why the client process ends: the exit codes, documented in ``--help`` and encchat-client(1)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from encchat import errors


class Exit(IntEnum):
    """An exit code of ``encchat-client``; its `meaning` is one line of help."""

    FINE = 0
    USAGE = 1
    CANNOT_CONNECT = 2
    PIN_MISMATCH = 3
    LOGIN_REFUSED = 4
    KICKED = 5
    PEER_KEY_CHANGED = 6
    LOCAL = 7
    BUG = 70

    @property
    def meaning(self) -> str:
        """What the code says, for people."""
        return _MEANINGS[self]


_MEANINGS: Final[dict[Exit, str]] = {
    Exit.FINE: "fine",
    Exit.USAGE: "usage: an option or argument is missing or wrong",
    Exit.CANNOT_CONNECT: "cannot connect, or the connection was lost and not retried",
    Exit.PIN_MISMATCH: "the server's key is not the pinned one",
    Exit.LOGIN_REFUSED: "login or registration refused",
    Exit.KICKED: "kicked or banned",
    Exit.PEER_KEY_CHANGED: "a message was not sent: a peer's key changed, or the trust policy forbids it",
    Exit.LOCAL: "local store or configuration",
    Exit.BUG: "a bug in encchat",
}

_BY_ERROR: Final[tuple[tuple[type[errors.EncchatError], Exit], ...]] = (
    (errors.PinMismatchError, Exit.PIN_MISMATCH),
    (errors.ChannelError, Exit.CANNOT_CONNECT),
    (errors.CannotConnectError, Exit.CANNOT_CONNECT),
    (errors.NotConnectedError, Exit.CANNOT_CONNECT),
    (errors.OverloadedError, Exit.CANNOT_CONNECT),
    (errors.InternalError, Exit.CANNOT_CONNECT),
    (errors.KickedError, Exit.KICKED),
    (errors.BannedError, Exit.KICKED),
    (errors.RequestError, Exit.LOGIN_REFUSED),
    (errors.UsageError, Exit.USAGE),
    (errors.LocalError, Exit.LOCAL),
)
"""The first fitting row counts; a `RequestError` that ends the client was an answer to its login."""


def exit_for(error: errors.EncchatError) -> Exit:
    """The code the process ends with when ``error`` ended it."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.BUG)
