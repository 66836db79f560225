"""What commands can do: the protocol they see of the client's core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from encchat import wire
from encchat.client import generic
from encchat.client.files.actions import FileActions
from encchat.client.keys.actions import TrustActions
from encchat.client.rooms.actions import RoomActions
from encchat.client.settings import Settings


class Actor(Protocol):
    """What a command can do; `encchat.client.core.ClientCore` is the one that does it."""

    @property
    def user(self) -> str:
        """The name this client is logged in under."""

    @property
    def conversation(self) -> str:
        """Where a bare line goes."""

    @property
    def server_commands(self) -> Mapping[str, wire.CommandEntry]:
        """The server's commands that are not in `COMMANDS`, by verb."""

    @property
    def ringing(self) -> str:
        """Who calls and waits for an answer, empty if nobody."""

    @property
    def room_actions(self) -> RoomActions:
        """What can be done with rooms."""

    @property
    def trust_actions(self) -> TrustActions:
        """What can be done with keys."""

    @property
    def file_actions(self) -> FileActions:
        """What can be done with files."""

    @property
    def settings(self) -> Settings:
        """What the person has chosen."""

    def ask(self, label: str, kind: type[wire.Request], **fields: Any) -> None:
        """Send a request; its answer is shown, an error with ``label`` before it."""

    def ask_server(self, verb: str, fields: Mapping[str, generic.Value]) -> None:
        """Send a command that only the server knows."""

    def say(self, label: str, conversation: str, body: str) -> object:
        """Send a message, now or as soon as there is a connection."""

    def show_past(self, conversation: str, count: int) -> None:
        """Show the newest messages of a conversation that are kept here."""

    def show_unread(self) -> None:
        """Show what the face has not shown yet."""

    def show_mentions(self) -> None:
        """Show the newest messages that name this account."""

    def find(self, text: str) -> None:
        """Show the newest messages kept here that have all words of ``text``."""

    def notice(self, text: str) -> None:
        """Show ``text``."""

    def go(self, conversation: str) -> None:
        """Bare lines go to ``conversation`` from now on."""

    def needs_connection(self) -> None:
        """Raise `NotConnectedError` without one."""

    def ask_secret(self, prompt: str, then: Callable[[str], None], otherwise: str, label: str = "") -> None:
        """Let the person type a secret; where nobody can be asked, ``otherwise`` is shown as the error of ``label``."""

    def leave(self) -> None:
        """End this client once everything sent has been accepted."""
