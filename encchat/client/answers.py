"""What commands ask of the server: the answers are shown, and change what this client knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from attrs import frozen

from encchat import wire
from encchat.client.generic import Value, typed_verb
from encchat.client.requests import Answer, Requests
from encchat.client.states import Asked
from encchat.client.typed import TypedAhead
from encchat.client.world import World
from encchat.errors import EncchatError, NotConnectedError, StoreError, UnavailableError


@frozen(eq=False)
class Answers:
    """``fail(code, text, label)`` shows an error; ``granted``: admin commands work; ``go_on`` is called after each."""

    _requests: Requests
    _ahead: TypedAhead
    _world: World
    _fail: Callable[[str, str, str], None]
    _granted: Callable[[], None]
    _go_on: Callable[[], None]

    def ask(self, asked: Asked) -> None:
        """Send a request of a kind known here."""
        if asked.kind is not None:
            self._requests.send(asked.kind, partial(self._answered, asked), **asked.fields)
            self._ahead.asked(asked.kind)

    def ask_generic(self, verb: str, fields: Mapping[str, Value]) -> None:
        """Send one that only the server knows."""
        self._requests.send_generic(verb, fields, partial(self._answered, Asked(f"/{typed_verb(verb)}")))

    def guard(self, label: str, act: Callable[[], None]) -> None:
        """Do it; what stands in the way is shown."""
        try:
            act()
        except StoreError:
            raise
        except EncchatError as error:
            self._fail(error.code, error.text, label)

    def _answered(self, asked: Asked, answer: Answer) -> None:
        self._ahead.answered(asked.kind)
        try:
            if isinstance(answer, wire.Ok):
                self._done(asked, answer.result)
            elif not self._begins_something_else(asked, answer):
                self._refused(asked, answer)
        except StoreError:
            raise
        except EncchatError as error:
            self._refused(asked, wire.Error(code=error.code, text=error.text))
        self._go_on()

    @staticmethod
    def _begins_something_else(asked: Asked, error: wire.Error) -> bool:
        """Whether nothing is to be said of the refusal; over a lost connection nothing else can be begun."""
        return asked.failed is not None and error.code != NotConnectedError.code and asked.failed(error)

    def _done(self, asked: Asked, result: wire.Result | None) -> None:
        if asked.then is not None:
            asked.then(result)
        elif result is not None and asked.kind is not wire.Connect:
            self._world.take_result(result)
            if isinstance(result, wire.AdminGranted):
                self._granted()
        else:
            self._world.done(asked.label, asked.kind, asked.fields)

    def _refused(self, asked: Asked, error: wire.Error) -> None:
        """What was typed for a session or a room that did not come about must not go to everybody in the lobby."""
        self._fail(error.code, error.text, asked.label)
        where = ""
        if asked.kind is wire.Connect:
            where = f"there is no session with {asked.fields['user']}"
            self._world.call_refused(asked.fields["user"], error.text)
        elif asked.kind in (wire.OpenRoom, wire.Join) or (asked.kind is wire.Who and asked.failed is not None):
            # The latter is how the joining of a room that is not known here begins.
            where = f"you are not in {asked.fields['room']}"
        dropped = self._ahead.drop_bare() if where else 0
        if dropped:
            self._fail(UnavailableError.code, f"{dropped} not sent: {where}", "")
