"""The command lines of encchat's programs as their parsers know them, for the manual pages and the shells."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from attrs import frozen

from encchat.client.faces import FACES
from encchat.client.options import parser as client_parser
from encchat.secure import default_suites
from encchat.server.admin import parser as admin_parser
from encchat.server.config import KEYS, Key
from encchat.server.options import Options as ServerOptions


@frozen
class Value:
    """What an option or argument takes; ``words`` are those it can be, as far as they are known beforehand."""

    name: str
    words: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        return self.name == "FILE"

    @property
    def is_folder(self) -> bool:
        return self.name == "DIR"


@frozen
class Flag:
    """An option: ``names`` with their dashes, the long one last; ``value`` None: it takes none."""

    names: tuple[str, ...]
    help: str
    value: Value | None = None

    @property
    def long(self) -> str:
        return self.names[-1]


@frozen
class Argument:
    """What stands without an option's name."""

    value: Value
    help: str


@frozen
class Program:
    """A program or one of its commands."""

    name: str
    help: str
    flags: tuple[Flag, ...]
    arguments: tuple[Argument, ...] = ()
    commands: tuple[Program, ...] = ()

    def tree(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Program]]:
        """This one and all commands below it, each with the words that lead there."""
        yield path, self
        for command in self.commands:
            yield from command.tree((*path, command.name))


_WORDS: Final = {"--face": FACES, "--suite": tuple(default_suites())}
"""Words that a parser does not check itself; plugins may bring more suites."""


def _from_argparse(name: str, help: str, parser: argparse.ArgumentParser) -> Program:
    flags: list[Flag] = []
    arguments: list[Argument] = []
    commands: list[Program] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            commands += [_from_argparse(word, helps.get(word, ""), one) for word, one in action.choices.items()]
        elif action.option_strings:
            names = tuple(sorted(action.option_strings, key=len))
            value = None if action.nargs == 0 else _value(action, _WORDS.get(names[-1], ()))
            flags.append(Flag(names, _sentence(action.help), value))
        else:
            arguments.append(Argument(_value(action, ()), _sentence(action.help)))
    return Program(name, help, tuple(flags), tuple(arguments), tuple(commands))


def _value(action: argparse.Action, words: tuple[str, ...]) -> Value:
    return Value(str(action.metavar or action.dest.upper()), tuple(map(str, action.choices or words)))


def _sentence(help: str | None) -> str:
    return (help or "").replace("show program's version number and exit", "print the version").replace("%%", "%")


def client() -> Program:
    """``encchat-client``."""
    return _from_argparse("encchat-client", "encrypted chat in the terminal", client_parser())


def admin() -> Program:
    """``encchat-admin``."""
    return _from_argparse("encchat-admin", "look after an encchat server's accounts and store", admin_parser())


_SERVER_VALUES: Final[Mapping[str, Value]] = {
    "config": Value("FILE"),
    "rsa-key": Value("FILE"),
    "data-dir": Value("DIR"),
    "suite": Value("SUITE", tuple(default_suites())),
    "schemes": Value("SCHEME", ("megolm", "olm", "server-key")),
}


def _key_help(key: Key) -> str:
    default = "" if key.default in ("", ()) else f" Default: {_default(key.default)}."
    return f"{key.help}.{' May be repeated.' if key.repeatable else ''}{default}"


def _default(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def server() -> Program:
    """``twistd encchat``, from what `twisted.python.usage` parses."""
    options: Any = ServerOptions()
    keys = {key.option: key for key in KEYS}
    letters = {long: short for short, long in options.synonyms.items() if len(short) == 1}
    flags = []
    for given in options.longOpt:
        name = given.removesuffix("=")
        letter = letters.get(name) or letters.get(name.replace("-", "_"))
        names = (f"-{letter}", f"--{name}") if letter else (f"--{name}",)
        value = None
        if given.endswith("="):
            words = get_args(keys[name].kind.schema) if name in keys else ()
            value = _SERVER_VALUES.get(name, Value("VALUE", tuple(word for word in words if isinstance(word, str))))
        help = _key_help(keys[name]) if name in keys else options.docs.get(name) or ""
        flags.append(Flag(names, " ".join(help.split()), value))
    order = {f"--{key.option}": number for number, key in enumerate(KEYS)}
    return Program("encchat", "an encrypted chat server", tuple(sorted(flags, key=lambda one: order.get(one.long, -1))))


def twistd() -> Program:
    """``twistd`` as far as encchat goes."""
    return Program("twistd", "", (), (Argument(Value("FILE"), ""),), (server(),))
