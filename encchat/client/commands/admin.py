"""Commands for admins, and those about the client itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from encchat import wire
from encchat.client.commands.actor import Actor
from encchat.client.commands.parsing import account, nothing
from encchat.client.commands.table import Command
from encchat.errors import UsageError


def _admin(actor: Actor, arguments: str) -> None:
    if arguments:
        actor.ask("/admin", wire.Admin, password=arguments)
        return
    actor.needs_connection()
    otherwise = "give the password in the line: /admin PASSWORD"
    actor.ask_secret("Your password, for admin commands: ", partial(_given, actor), otherwise, "/admin")


def _given(actor: Actor, password: str) -> None:
    if password:
        actor.ask("/admin", wire.Admin, password=password)
    else:
        actor.notice("no password, no admin commands")


def _kick(actor: Actor, arguments: str) -> None:
    word, _, reason = arguments.partition(" ")
    name = account(word, "/kick NAME [REASON]")
    actor.ask(f"/kick {name}", wire.Kick, user=name, reason=reason.strip())


def _edit(actor: Actor, arguments: str) -> None:
    """The tty face opens the editor itself; a line that comes here was typed elsewhere."""
    raise UsageError("an editor needs the terminal: encchat-client --face tty has it")


def _quit(actor: Actor, arguments: str) -> None:
    nothing(arguments, "/quit")
    actor.leave()


def admin_commands(show_help: Callable[[Actor, str], None]) -> tuple[Command, ...]:
    """The rows; ``show_help`` knows the whole table."""
    return (
        Command("admin", "/admin [PASSWORD]", "confirm your password for admin commands", _admin, secret=True),
        Command("kick", "/kick NAME [REASON]", "end all of NAME's connections", _kick, "user"),
        Command("edit", "/edit [TEXT]", "write the line in $VISUAL or $EDITOR; Ctrl+X Ctrl+E does so too", _edit),
        Command("help", "/help [COMMAND]", "list the commands, or explain one", show_help, "command"),
        Command("quit", "/quit", "leave", _quit),
    )
