"""What follows a login before anything else is done: the server's command list, then the rooms this account is in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import define, field

from encchat import wire
from encchat.client.requests import Answer, Requests
from encchat.client.rooms.actions import RoomActions
from encchat.client.world import World
from encchat.errors import NotConnectedError


@define(eq=False)
class Arrival:
    """``ready`` is called at the end, unless the connection of that login is gone by then."""

    _requests: Requests
    _world: World
    _room_actions: RoomActions
    _ready: Callable[[], None]
    _number: int = field(init=False, default=0)
    """Another one for each login, and for each connection lost."""

    def begin(self) -> None:
        """The login was answered."""
        self._number += 1
        arrived = partial(self._arrived, self._number)
        self.fetch_commands(lambda: self._room_actions.catch_up(arrived))

    def lost(self) -> None:
        """The connection is gone."""
        self._number += 1

    def fetch_commands(self, then: Callable[[], None]) -> None:
        """Learn what the server can do; then go on, also where it does not say."""

        def done(answer: Answer) -> None:
            if isinstance(answer, wire.Error) and answer.code == NotConnectedError.code:
                return
            if isinstance(answer, wire.Ok) and isinstance(answer.result, wire.CommandList):
                self._world.take_result(answer.result)
            then()

        self._requests.send(wire.Commands, done)

    def _arrived(self, number: int) -> None:
        if number == self._number:
            self._ready()
