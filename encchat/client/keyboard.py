"""What helps whoever types: the words that fit where the cursor is, and the lines that were typed before."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import define

from encchat.client.commands import BY_VERB, Known, Suggestion, complete, is_secret
from encchat.client.files.actions import FileActions
from encchat.client.files.disk import Files
from encchat.client.rooms.known import Rooms
from encchat.client.settings import Settings
from encchat.client.terminal.history import TypedLines
from encchat.client.world import World
from encchat.names import LOBBY


@define(eq=False)
class Keyboard:
    """Of the client that knows this of the world; ``rooms`` gives those it is in."""

    _world: World
    _rooms: Callable[[], Rooms]
    _files: Files
    _file_actions: FileActions
    _settings: Settings
    lines: TypedLines

    def complete(self, typed: str) -> list[Suggestion]:
        """The words that fit at the end of ``typed``."""
        world, paths, offers = self._world, self._files.paths, self._file_actions.offers
        known = Known(
            world.known_names, self._rooms().names(), BY_VERB, world.server_commands, self._addressable, paths, offers
        )
        return complete(typed, known)

    def _addressable(self, conversation: str) -> Iterable[str]:
        """Who can be addressed in a conversation, the current one for ""; others than who speaks."""
        place = conversation or self._world.conversation
        if place == LOBBY:
            return self._world.known_names
        if not place.startswith("#"):
            return (place.removeprefix("@"),)
        room = self._rooms().known(place)
        return () if room is None else [name for name in room.joined() if name != self._world.user]

    def remember(self, line: str) -> None:
        """Remember what a person has typed, unless it is secret, or off the record; raise `StoreError`."""
        if self._settings.now.history and not (is_secret(line) or self._is_off_the_record(line)):
            self.lines.add(line)

    def forget(self) -> None:
        """Keep no lines if the person wants that none are kept; raise `StoreError`."""
        if not self._settings.now.history:
            self.lines.forget()

    def _is_off_the_record(self, line: str) -> bool:
        """Whether ``line`` is typed in a room off the record, or names one; in doubt it is."""
        here, rooms = self._world.conversation, self._rooms()
        words = (here, *line.split())
        named = [word for word in words if word.startswith("#")]
        unknown = here in named and rooms.known(here) is None
        return unknown or "--ephemeral" in words or any(map(rooms.is_ephemeral, named))
