"""``/set``: what the person has chosen, shown and changed."""

from __future__ import annotations

from typing import Final

from encchat.client.commands.actor import Actor
from encchat.client.commands.table import Command
from encchat.client.settings import DEFAULT, OPTIONS, Option, Preferences, Settings, option_called


def _set(actor: Actor, arguments: str) -> None:
    name, _, text = arguments.partition(" ")
    if not name:
        actor.notice(_listing(actor.settings))
    elif not text.strip():
        actor.notice(_explained(option_called(name), actor.settings.now))
    else:
        now = actor.settings.change(name, text)
        option = option_called(name)
        kept = "" if actor.settings.path else " until you leave"
        actor.notice(f"{option.typed} is {_value(option, now)}{kept}")


def _value(option: Option, now: Preferences) -> str:
    return option.shown(getattr(now, option.name))


def _listing(settings: Settings) -> str:
    names = max(len(option.typed) for option in OPTIONS.values())
    values = max(len(_value(option, settings.now)) for option in OPTIONS.values())
    lines = [
        f"{option.typed.ljust(names)}  {_value(option, settings.now).ljust(min(values, _WIDEST))}  {option.help}"
        for option in OPTIONS.values()
    ]
    where = f"kept in {settings.path}" if settings.path else "kept nowhere, until you leave"
    return "\n".join([f"settings, {where}; /set NAME VALUE changes one, /set NAME explains it:", *lines])


_WIDEST: Final = 16
"""Columns of a value; a longer one moves its explanation to the right."""


def _explained(option: Option, now: Preferences) -> str:
    default = option.shown(option.default)
    return f"{option.typed} is {_value(option, now)}: {option.help}; it takes {option.words} (default: {default})"


SETTINGS: Final = (
    Command(
        "set",
        "/set [NAME [VALUE]]",
        f"show or change a setting of this client; {DEFAULT} as VALUE undoes it",
        _set,
        "setting",
    ),
)
