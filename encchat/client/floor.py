"""What the actions of commands stand on: the protocol they see of the client's core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from encchat import wire
from encchat.client import events
from encchat.client.files.disk import Files
from encchat.client.keys.machine import KeyMachine
from encchat.client.requests import Done
from encchat.client.rooms.known import Rooms
from encchat.client.settings import Settings

Then = Callable[[wire.Result | None], None]
"""Takes the result of a request that was done."""
Failed = Callable[[wire.Error], bool]
"""Takes a refusal, which a lost connection is not; whether nothing more is to be said of it."""


class Floor(Protocol):
    """`encchat.client.core.ClientCore` is the one; every call is made within one of its turns."""

    @property
    def user(self) -> str:
        """The name this client is logged in under."""

    @property
    def conversation(self) -> str:
        """Where a bare line goes."""

    @property
    def machine(self) -> KeyMachine | None:
        """The end-to-end keys; None where there is no durable store for them."""

    @property
    def rooms(self) -> Rooms:
        """The rooms this account is in."""

    @property
    def files(self) -> Files:
        """The files of whoever sits here."""

    @property
    def settings(self) -> Settings:
        """What the person has chosen."""

    def ask(
        self,
        label: str,
        kind: type[wire.Request],
        *,
        then: Then | None = None,
        failed: Failed | None = None,
        **fields: Any,
    ) -> None:
        """Send a request, raise `NotConnectedError` without a connection.

        ``then`` takes the result, which otherwise is shown; a refusal is shown with ``label`` before it. Lines typed
        behind a request that decides where bare lines go (`OpenRoom`, `Join`, `Leave`, `Connect`) wait for its answer,
        and bare ones are dropped if it is refused: they must not go to everybody in the lobby instead.
        """

    def ask_quietly(self, kind: type[wire.Request], done: Done, **fields: Any) -> None:
        """Send a request that nobody waits for."""

    def say(
        self,
        label: str,
        conversation: str,
        body: str,
        done: Done | None = None,
        *,
        content: Literal["text", "topic", "file"] = "text",
        ulid: str = "",
    ) -> object:
        """Send a message, now or as soon as there is a connection; ``ulid``: the one it is to have."""

    def new_ulid(self) -> str:
        """A ULID of this moment."""

    def random(self, count: int) -> bytes:
        """So many random bytes."""

    def go(self, conversation: str) -> None:
        """Bare lines go to ``conversation`` from now on, and the person is told."""

    def meet(self, name: str) -> None:
        """Remember an account name for completion."""

    def notice(self, text: str) -> None:
        """Show ``text``."""

    def show(self, event: events.ScreenEvent) -> None:
        """Show an event."""

    def show_error(self, code: str, text: str, label: str = "") -> None:
        """Show an error; ``label`` is the command it is about."""

    def ask_secret(self, prompt: str, then: Callable[[str], None], otherwise: str) -> None:
        """Let the person type a secret; where nobody can be asked, ``otherwise`` is shown as the error of it.

        ``then`` may raise `EncchatError`, which is shown.
        """

    def unreadable(self, ulid: str) -> tuple[str, str, str] | None:
        """The message of that ULID, the latest for "", that could not be opened: its ULID, the reason, its session."""
