"""What the server says: each line goes to the part of the core that it concerns."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from encchat import wire
from encchat.client.mail import Mail
from encchat.client.privacy import Privacy
from encchat.client.requests import Requests
from encchat.client.rooms.actions import RoomActions
from encchat.client.typed import TypedAhead
from encchat.client.world import World


@frozen(eq=False)
class Hearing:
    """``fail(code, text, label)`` shows an error; ``go_on`` is called after an answer, which lines may wait for."""

    _requests: Requests
    _ahead: TypedAhead
    _world: World
    _mail: Mail
    _privacy: Privacy
    _room_actions: RoomActions
    _fail: Callable[[str, str, str], None]
    _go_on: Callable[[], None]

    def take(self, said: wire.ServerLine) -> None:
        """One line."""
        if not isinstance(said, wire.Ok | wire.Error):
            self._take_event(said)
        elif self._requests.answered(said):
            self._go_on()
        elif isinstance(said, wire.Error):
            self._fail(said.code, said.text, "")

    def _take_event(self, said: wire.ServerLine) -> None:
        match said:
            case wire.Message():
                self._world.meet(said.sender)
                if said.seq:
                    self._mail.inbox.receive(said)
                else:
                    self._privacy.overhear(said)
            case wire.Behind():
                if self._privacy.fell_behind():  # keys first, then messages
                    self._mail.inbox.catch_up()
            case wire.InboxItem():
                self._privacy.receive(said)
            case wire.KeysChanged():
                self._privacy.keys_changed(said.user)
                self._mail.lanes.look_again()
            case wire.Invited():
                self._room_actions.invited(said)
            case wire.SessionStarted():
                self._privacy.calls.started(said.partner, said.session)
                if self._privacy.machine is not None:  # so that what the partner says need not wait for its keys
                    self._privacy.machine.look_at(said.partner, lambda error: None)
                self._world.hear(said)
            case wire.SessionEnded():
                hanging_up = self._ahead.waiting_for is wire.Goodbye
                self._privacy.calls.ended()
                self._world.session_over(said.partner, said.reason, hanging_up=hanging_up)
            case _:
                self._world.hear(said)
