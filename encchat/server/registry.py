"""Every command a server knows: the visible list, what plugins add, and what is told about them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from attrs import frozen
from twisted.logger import Logger
from twisted.plugin import getPlugins

import encchat.plugins
from encchat.errors import ConfigurationError
from encchat.server.command import LATER, Command, ICommand, Needs, command, parameters_of
from encchat.server.commands import BUILT_IN_COMMANDS
from encchat.server.model import RANK
from encchat.wire import CommandEntry, ParameterEntry, Request, RequestDecoder, Role

__all__ = [
    "LATER",
    "Command",
    "CommandRow",
    "ICommand",
    "Needs",
    "Registry",
    "command",
    "default_registry",
    "find_commands",
]

_VERB: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)

log = Logger()


@frozen
class CommandRow:
    """What docs/commands.md says of one command."""

    verb: str
    parameters: tuple[ParameterEntry, ...]
    needs: Needs
    help: str


class Registry:
    """Commands by request type; `ConfigurationError` if two have the same verb."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._rows: dict[str, CommandRow] = {}
        self._by_type: dict[type[Request], Command] = {}
        for each in commands:
            row = _row(each)
            if each.verb in self._rows:
                raise ConfigurationError(f"there are two commands {each.verb}")
            self._rows[each.verb] = row
            self._by_type[each.request] = each
        self.decode = RequestDecoder(self._by_type).decode

    def command_for(self, request: Request) -> Command:
        """The command whose request type it is."""
        return self._by_type[type(request)]

    def entries(self, role: Role | None) -> list[CommandEntry]:
        """What an account of ``role`` may type after its login, or, for None, a stranger before it; by verb."""
        return [
            CommandEntry(verb=row.verb, help=row.help, parameters=list(row.parameters))
            for row in self.rows()
            if row.needs.typed and _may_use(row.needs, role)
        ]

    def rows(self) -> list[CommandRow]:
        """All commands, by verb."""
        return [row for _, row in sorted(self._rows.items())]


def _row(each: Command) -> CommandRow:
    verb, tag = each.verb, each.request.__struct_config__.tag
    if verb != tag:
        raise ConfigurationError(f"the command {verb} takes a request tagged {tag}; the two must be one word")
    if not _VERB.fullmatch(verb):
        raise ConfigurationError(f"{verb} is no command word: a-z, then a-z, 0-9 and _; give the request a tag=")
    parameters = parameters_of(each.request) if each.needs.typed else ()
    return CommandRow(verb, parameters, each.needs, each.help)


def _may_use(needs: Needs, role: Role | None) -> bool:
    if role is None:
        return needs.login is not True
    return needs.login is not False and RANK[role] >= RANK[needs.role]


def default_registry(plugins: Iterable[Command] = ()) -> Registry:
    """The built-in commands and those of ``plugins``; one that clashes or is malformed is logged and left out."""
    chosen = list(BUILT_IN_COMMANDS)
    for plugin in plugins:
        try:
            Registry([*chosen, plugin])
        except (ConfigurationError, AttributeError, TypeError) as error:
            log.error("a command plugin is left out: {why}", event="plugin_refused", why=str(error))
        else:
            chosen.append(plugin)
    return Registry(chosen)


def find_commands() -> list[Command]:
    """The commands of all plugin files; Twisted logs the files that cannot be imported."""
    found: Iterable[Any] = getPlugins(ICommand, encchat.plugins)
    return list(found)
