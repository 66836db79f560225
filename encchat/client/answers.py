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
from encchat.errors import EncchatError, StoreError, UnavailableError


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
        if isinstance(answer, wire.Ok):
            self.guard(asked.label, lambda: self._done(asked, answer.result))
        elif asked.failed is None or not asked.failed(answer):
            self._refused(asked, answer)
        self._go_on()

    def _done(self, asked: Asked, result: wire.Result | None) -> None:
        if asked.then is not None:
            asked.then(result)
        elif result is not None:
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
        elif asked.kind in (wire.OpenRoom, wire.Join):
            where = f"you are not in {asked.fields['room']}"
        dropped = self._ahead.drop_bare() if where else 0
        if dropped:
            self._fail(UnavailableError.code, f"{dropped} not sent: {where}", "")
