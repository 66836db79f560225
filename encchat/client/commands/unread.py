"""Commands about what one has missed."""

from __future__ import annotations

from typing import Final

from encchat.client.commands.actor import Actor
from encchat.client.commands.parsing import nothing
from encchat.client.commands.table import Command


def _unread(actor: Actor, arguments: str) -> None:
    nothing(arguments, "/unread")
    actor.show_unread()


def _mentions(actor: Actor, arguments: str) -> None:
    nothing(arguments, "/mentions")
    actor.show_mentions()


UNREAD: Final = (
    Command("unread", "/unread", "list the conversations with unread messages, and how many", _unread),
    Command("mentions", "/mentions", "show the messages kept here that name you", _mentions),
)
