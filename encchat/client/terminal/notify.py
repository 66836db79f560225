"""Bell and desktop notification: what is worth one, and how often; `encchat.client.faces.tty` makes them happen."""

from __future__ import annotations

import html
import shlex
from collections.abc import Callable

from attrs import define, field

from encchat.client import events
from encchat.client.preferences import Preferences
from encchat.client.terminal.views import is_for_one, names_me
from encchat.client.text import printable, printable_lines
from encchat.limits import BELL_SECONDS, MAX_NOTIFIED
from encchat.names import folded


@define(eq=False)
class Notifier:
    """Given every screen event by `take`, it says by `rings` and `command` what is due.

    ``preferences()`` are the present ones, ``user()`` the own name, ``clock()`` seconds.
    """

    _preferences: Callable[[], Preferences]
    _user: Callable[[], str]
    _clock: Callable[[], float]
    _rings: bool = field(init=False, default=False)
    _rang: float | None = field(init=False, default=None)
    _command: list[str] | None = field(init=False, default=None)

    def take(self, event: events.ScreenEvent) -> None:
        """Something happened."""
        preferences = self._preferences()
        title = self._title(event)
        if preferences.bell != "never" and (title or (preferences.bell == "always" and self._is_said(event))):
            self._rings = True
        if title and preferences.notify:
            text = _text(event) if preferences.notify_text else ""
            self._command = _command(preferences.notify, title, text)

    def rings(self) -> bool:
        """Whether the bell is to be rung now; twice within `BELL_SECONDS` it is not."""
        due, self._rings = self._rings, False
        now = self._clock()
        if not due or (self._rang is not None and now - self._rang < BELL_SECONDS):
            return False
        self._rang = now
        return True

    def command(self) -> list[str] | None:
        """Take the command that is to be run, the one for the latest event."""
        command, self._command = self._command, None
        return command

    def _is_said(self, event: events.ScreenEvent) -> bool:
        return isinstance(event, events.Message | events.File | events.Undecryptable) and not self._is_me(event.sender)

    def _title(self, event: events.ScreenEvent) -> str:
        """What happened to this person in particular; empty: nothing."""
        match event:
            case events.Message() | events.File() | events.Undecryptable() if not self._is_me(event.sender):
                sender = printable(event.sender)
                if is_for_one(event):
                    return f"encchat: {sender} sends you {'a file' if isinstance(event, events.File) else 'a message'}"
                if names_me(event, self._user()):
                    return f"encchat: {sender} names you in {printable(event.conversation)}"
            case events.Ringing(over=False):
                return f"encchat: {printable(event.sender)} calls you"
            case events.Room(event_="invited") if self._is_me(event.user):
                return f"encchat: {printable(event.by)} invites you to {printable(event.room)}"
            case _:
                pass
        return ""

    def _is_me(self, user: str) -> bool:
        return folded(user) == folded(self._user())


def _text(event: events.ScreenEvent) -> str:
    """What was said, harmless for whatever shows it: notification servers take it as HTML and would load images."""
    match event:
        case events.Message():
            said = " ".join(printable_lines(event.text))
        case events.File():
            said = printable(event.name)
        case _:
            return ""
    return html.escape(said if len(said) <= MAX_NOTIFIED else f"{said[: MAX_NOTIFIED - 3]}...", quote=False)


def _command(command: str, title: str, text: str) -> list[str] | None:
    """The arguments; a text that would be taken for an option stands behind a space."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    return [*words, title, f" {text}" if text.startswith("-") else text] if words else None
