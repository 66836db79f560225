"""The generated parts of the manual pages in ``docs/man``, each between ``.\\" generated: NAME`` and ``.\\" end``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from docs import programs
from docs.programs import Flag, Program
from encchat.client.commands import COMMANDS
from encchat.client.exits import Exit
from encchat.client.preferences import OPTIONS

REGION: Final = re.compile(r"(\.\\\" generated: ([\w-]+)\n).*?(\.\\\" end\n)", re.DOTALL)

_MORE: Final = {
    "--register": "Where this device has logged in as NAME before, it just logs in.",
    "--fingerprint": "It replaces what is pinned.",
    "--suite": "Plugins may know more. noise-hybrid is the default; there is no falling back to another suite.",
    "--server-key": "It is checked in addition to the fingerprint.",
    "--home": "XDG says: encchat in ~/.local/share, or $XDG_DATA_HOME, and for the settings in ~/.config, or"
    " $XDG_CONFIG_HOME.",
    "--face": "json writes one object a line; see docs/client.md.",
    "--follow": "Once logged in, it tries for ever.",
    "--retry": "Counts at first and after each loss. Default: not at all for the first connection; once logged in for"
    " ever on a terminal or with --follow, else not at all. Never after being kicked.",
    "--classic": "These are -l, -m, -b, -a, -k, -q, online, status, connect, goodbye, close, quit, all, chat, invite,"
    " join.",
    "--recovery-file": "FILE must not be there yet.",
    "--insecure-teaching-scheme": "It hides nothing. Both sides need the option.",
    "--forget-device": "The key is removed here and on the server.",
}
"""What the client's page says of an option beside its line of ``--help``."""

_ABOUT: Final = {
    "dossier": "Its devices and their cursors, its conversations, what it said, which files it has sent, what"
    " moderators did to it. Of the password only whether there is one. Also of a deleted account.",
    "account delete": "Password, devices, files, bans and mutes of it go; a name that looks like it is never given"
    " either."
    " What it said stays in the conversations of the others. A running server ends its connections within seconds.",
    "account role": "In force within seconds.",
    "audit": "That is what moderators, admins and this program did; times are UTC.",
    "backup": "Mode 0600. It is whole, also while the server stores messages. The keys of the server are not in it:"
    " keep a copy of identity.pem.",
    "restore": "The store that was there is kept beside it, as encchat.db.replaced-1. Messages are numbered anew from"
    " above every number ever given, and invites left over in the backup are used up. What was done after the"
    " backup was made is undone: deleted accounts, revoked devices and lifted bans are back.",
}
"""The same for the commands of ``encchat-admin``."""


def escaped(text: str) -> str:
    """``text`` as roff shows it."""
    flat = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{flat}" if flat.startswith((".", "'")) else flat


def _quoted(text: str) -> str:
    return '"' + escaped(text).replace('"', '""') + '"'


def _head(bold: str, variable: str) -> str:
    return f'.BI {_quoted(bold)[:-1]} " {_quoted(variable)}' if variable else f".B {_quoted(bold)}"


def _paragraph(head: str, *texts: str) -> str:
    body = "\n".join(escaped(text) for text in texts if text)
    return f".TP\n{head}\n{body}\n"


def _full_stop(text: str) -> str:
    return text if not text or text.endswith(".") else f"{text}."


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _flag(flag: Flag, more: str = "") -> str:
    names = ", ".join(flag.names)
    return _paragraph(
        _head(names, "" if flag.value is None else flag.value.name), _full_stop(_upper(flag.help)), _words(flag), more
    )


def _words(flag: Flag) -> str:
    """What an option takes, where its help leaves that out."""
    words = () if flag.value is None else flag.value.words
    return "" if all(word in flag.help for word in words) else f"It takes {', '.join(words[:-1])} or {words[-1]}."


def _client_options() -> str:
    program = programs.client()
    unknown = _MORE.keys() - {flag.long for flag in program.flags}
    if unknown:
        raise KeyError(f"the manual speaks of {', '.join(sorted(unknown))}, which the client does not take")
    return "".join(_flag(flag, _MORE.get(flag.long, "")) for flag in program.flags)


def _client_commands() -> str:
    return "".join(_paragraph(f".B {_quoted(one.usage)}", _full_stop(_upper(one.help))) for one in COMMANDS)


def _client_settings() -> str:
    return "".join(
        _paragraph(
            f".B {_quoted(one.typed)}",
            f"{_upper(one.help)}. It takes {one.words}; default: {one.shown(one.default)}.",
        )
        for one in OPTIONS.values()
    )


def _exit_codes() -> str:
    return "".join(f".TP\n.B {code.value}\n{escaped(code.meaning)}\n" for code in Exit)


def _usage(path: tuple[str, ...], program: Program) -> str:
    return _head(" ".join(path), " ".join(argument.value.name for argument in program.arguments))


def _admin_commands() -> str:
    rows = [(path, one) for path, one in programs.admin().tree() if path and not one.commands]
    unknown = _ABOUT.keys() - {" ".join(path) for path, _ in rows}
    if unknown:
        raise KeyError(f"the manual speaks of {', '.join(sorted(unknown))}, which encchat-admin does not do")
    return "".join(
        _paragraph(_usage(path, one), _full_stop(_upper(one.help)), _ABOUT.get(" ".join(path), ""))
        for path, one in rows
    )


def _admin_options() -> str:
    """Each option once, with the commands that take it; none are named where all do."""
    found: dict[Flag, list[str]] = {}
    rows = [(path, one) for path, one in programs.admin().tree() if not one.commands]
    for path, one in rows:
        for flag in one.flags:
            found.setdefault(flag, []).append(" ".join(path))
    found.update({flag: [] for flag in programs.admin().flags})
    return "".join(
        _flag(flag, "" if len(where) in (0, len(rows)) else f"Of {', '.join(where)}.") for flag, where in found.items()
    )


def _server_options() -> str:
    return "".join(map(_flag, programs.server().flags))


REGIONS: Final[dict[str, Callable[[], str]]] = {
    "client-options": _client_options,
    "client-commands": _client_commands,
    "client-settings": _client_settings,
    "exit-codes": _exit_codes,
    "admin-commands": _admin_commands,
    "admin-options": _admin_options,
    "server-options": _server_options,
}


def regenerated(text: str) -> str:
    """``text`` with every generated part made anew."""
    return REGION.sub(lambda match: f"{match[1]}{REGIONS[match[2]]()}{match[3]}", text)


def regions(texts: Iterable[str]) -> set[str]:
    """The names of the generated parts in some pages."""
    return {match[2] for text in texts for match in REGION.finditer(text)}
