"""What the server refused, as an error of this side."""

from __future__ import annotations

from typing import Final

from encchat import errors, wire
from encchat.errors import EncchatError, InternalError, NotConnectedError, OverloadedError, RequestError, ThrottledError

TRANSIENT: Final = frozenset(
    {each.code for each in (InternalError, OverloadedError, ThrottledError, NotConnectedError)}
)
"""Codes of what may be asked again."""

_CLASSES: Final[dict[str, type[EncchatError]]] = {
    each.code: each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, RequestError) and each is not RequestError
}


def error_of(answer: wire.Error) -> EncchatError:
    """The error of its code, with its text."""
    if answer.code == NotConnectedError.code:
        return NotConnectedError(answer.text)
    return _CLASSES.get(answer.code, RequestError)(answer.text)
