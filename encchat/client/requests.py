"""Requests under way: each gets a number, and its answer finds who waits for it by that number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from attrs import define, field

from encchat import wire
from encchat.client.generic import Value
from encchat.errors import NotConnectedError, UsageError
from encchat.limits import MAX_BODY, MAX_ENCODED_BODY

Answer = wire.Ok | wire.Error
Done = Callable[[Answer], None]


@define
class Requests:
    """Makes the lines of requests; ``done`` takes the one answer, which is an error if the connection is lost."""

    _next_id: int = 1
    _waiting: dict[int, Done] = field(factory=dict)
    _quiet: set[int] = field(factory=set)
    _lines: list[bytes] = field(factory=list)

    def __bool__(self) -> bool:
        """Whether an answer is waited for, other than those to requests that were sent quietly."""
        return len(self._waiting) > len(self._quiet)

    def take_lines(self) -> list[bytes]:
        """Take the lines that are to be sent."""
        taken, self._lines = self._lines, []
        return taken

    def send_quietly(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """The same as `send`, for what nobody waits for."""
        number = self._next_id
        self.send(kind, done, **fields)
        self._quiet.add(number)

    def send(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """Make a request; raise `UsageError` if a field is over its limit, before anything is sent."""
        self._expect(self.check(kind, **fields), done)

    def check(self, kind: type[wire.Request], **fields: Any) -> bytes:
        """The line that `send` would make; raise `UsageError` as it does."""
        try:
            line = wire.encode(kind(id=self._next_id, **fields))
            msgspec.json.decode(line, type=kind)
        except (msgspec.MsgspecError, UnicodeEncodeError) as error:
            raise UsageError(_over_limit(error)) from None
        return line

    def send_generic(self, verb: str, fields: Mapping[str, Value], done: Done) -> None:
        """Make a request that only the server knows; ``type`` and ``id`` are ours whatever ``fields`` says."""
        try:
            line = wire.encode({**fields, "type": verb, "id": self._next_id})
        except UnicodeEncodeError as error:
            raise UsageError(_over_limit(error)) from None
        self._expect(line, done)

    def answered(self, answer: Answer) -> bool:
        """Give an answer to who waits for it; whether anybody did."""
        done = None if answer.id is None else self._waiting.pop(answer.id, None)
        if done is None:
            return False
        self._quiet.discard(answer.id or 0)
        done(answer)
        return True

    def forget(self) -> None:
        """The connection is gone: nothing will be sent and no answer will come."""
        waiting, self._waiting = self._waiting, {}
        self._lines.clear()
        self._quiet.clear()
        gone = wire.Error(code=NotConnectedError.code, text="the connection was lost before the answer came")
        for done in waiting.values():
            done(gone)

    def _expect(self, line: bytes, done: Done) -> None:
        self._waiting[self._next_id] = done
        self._next_id += 1
        self._lines.append(line)


def check_body(body: str) -> None:
    """Raise `UsageError` if ``body`` cannot be sent as one message."""
    if not body.strip():
        raise UsageError("there is nothing to send: the text is empty")
    if len(body) > MAX_BODY:
        raise UsageError(f"the text has {len(body)} characters, {MAX_BODY} can be sent at once: split it")
    try:
        encoded = wire.encode(body)
    except UnicodeEncodeError:
        raise UsageError("the text is not valid Unicode: type it as UTF-8") from None
    if len(encoded) > MAX_ENCODED_BODY:
        raise UsageError("the text is too long once it is encoded: split it")


def _over_limit(error: Exception) -> str:
    """msgspec's ``... - at `$.user``` with the field's name in plain words."""
    if isinstance(error, UnicodeEncodeError):
        return "the text is not valid Unicode: type it as UTF-8"
    text, _, place = str(error).partition(" - at `$.")
    return f"{place.rstrip('`').upper()}: {text}" if place else text
