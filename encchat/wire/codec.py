"""Lines to values and back: JSON objects, one a line, UTF-8 (protocol, section "Lines").

A `RequestDecoder` is made from the request types a server knows, its plugins' included. Events have one
decoder, since a client is written against one version. Lines here carry no delimiter.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from encchat.errors import MalformedRequestError, UnknownCommandError
from encchat.limits import MAX_NAME, MAX_REQUEST_ID
from encchat.wire.events import ServerLine
from encchat.wire.requests import Request

encode = msgspec.json.Encoder().encode
"""Any value of this package to the bytes of its line, without the delimiter."""


class _Head(msgspec.Struct):
    type: Any = None
    id: Any = None


_head = msgspec.json.Decoder(_Head)
_events = msgspec.json.Decoder(ServerLine)


class RequestDecoder:
    """Parse and validate lines as one of ``types``."""

    def __init__(self, types: Iterable[type[Request]]) -> None:
        known = tuple(types)
        self._verbs = frozenset(str(kind.__struct_config__.tag) for kind in known)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(reduce(or_, known))

    def decode(self, line: bytes) -> Request:
        """Return the request; raise `MalformedRequestError` or `UnknownCommandError`."""
        try:
            request: Request = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._refusal(line, error) from None
        except RecursionError:
            raise MalformedRequestError("the line is nested too deeply") from None
        return request

    def _refusal(self, line: bytes, error: Exception) -> MalformedRequestError | UnknownCommandError:
        verb = _head_of(line).type
        if isinstance(verb, str) and verb not in self._verbs:
            return UnknownCommandError(f"there is no command {verb[:MAX_NAME]}")
        return MalformedRequestError(f"the line is not a request: {error}")


def _head_of(line: bytes) -> _Head:
    try:
        return _head.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Head()


def request_id(line: bytes) -> int | None:
    """The ``id`` of a line that could not be decoded as a request, if it has a usable one."""
    value = _head_of(line).id
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_REQUEST_ID
    return value if usable else None


def decode_event(line: bytes) -> ServerLine:
    """Parse a line from a server; raise `MalformedRequestError` if it is none."""
    try:
        event: ServerLine = _events.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(f"the server's line is not an event: {error}") from None
    return event
