"""Write what of the documentation comes from the code: tables, manual pages, ``etc/encchat.toml``, shell completions.

``python docs/generate.py`` rewrites what stands between ``<!-- generated: NAME -->`` and ``<!-- end -->`` in
``README.md`` and ``docs/*.md``, the like in ``docs/man``, and whole files; with ``--check`` it only says what is stale
and exits 1.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # to find docs, wherever this is called from

from docs import manuals, shells
from encchat import errors, limits, wire
from encchat.client import events as screen
from encchat.client.classic import CLASSIC_WORDS
from encchat.client.commands import COMMANDS
from encchat.client.exits import Exit
from encchat.client.options import parser
from encchat.client.preferences import OPTIONS
from encchat.server.config import KEYS, commented_file
from encchat.server.registry import CommandRow, default_registry

ROOT = Path(__file__).resolve().parent.parent
REGION = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; cells lose their line breaks, and a bar in one is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def described(kind: type) -> str:
    """The docstring as Markdown: epytext-like `names` and ``code`` both become code."""
    return re.sub(r"``(.+?)``", r"`\1`", inspect.getdoc(kind) or "")


def shape(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"`{(getattr(wire, name, None) or getattr(screen, name)).__struct_config__.tag or name}`"
    if "anyOf" in schema:
        return " or ".join(shape(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {shape(schema.get('items', {}))}"
    bounds = [
        f"{word} {schema[key]:,}"
        for key, word in (("minLength", "at least"), ("maxLength", "at most"), ("minimum", "from"), ("maximum", "to"))
        if key in schema
    ]
    if "pattern" in schema:
        pattern = schema["pattern"].removesuffix(r"\Z")
        bounds.append(f"`{pattern}$`")
    return str(schema.get("type", "any")) + (f" ({', '.join(bounds)})" if bounds else "")


def structs(kinds: Iterable[Any]) -> str:
    """A row for each struct: its tag, its fields, what it means."""
    rows = []
    for kind in kinds:
        _, components = msgspec.json.schema_components([kind])
        schema = components[kind.__name__]
        tag = kind.__struct_config__.tag
        required = schema.get("required", [])
        fields = [
            f"`{name}`{'' if name in required else '?'}: {shape(one)}"
            for name, one in schema["properties"].items()
            if name not in {kind.__struct_config__.tag_field, "id"}
        ]
        rows.append((f"`{tag or kind.__name__}`", "; ".join(fields) or "none", described(kind)))
    return table(("type", "fields (? = optional)", "meaning"), rows)


def error_codes() -> str:
    """Every error class with its code."""
    classes = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, errors.EncchatError)]
    rows = sorted({(f"`{one.code}`", described(one)) for one in classes if issubclass(one, errors.RequestError)})
    return table(("code", "meaning"), rows)


def limit_table() -> str:
    """Every constant of `encchat.limits` with its value and reason."""
    body = ast.parse(inspect.getsource(limits)).body
    rows = []
    for node, following in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(following, ast.Expr):
            reason = str(ast.literal_eval(following.value))
            rows.append((f"`{node.target.id}`", f"{getattr(limits, node.target.id):,}", reason))
    return table(("limit", "value", "unit and reason"), rows)


def client_commands() -> str:
    """The client's own command table."""
    return table(("typed", "what it does"), ((f"`{one.usage}`", one.help) for one in COMMANDS))


def server_commands() -> str:
    """The server's registry without plugins."""
    return table(
        ("request", "arguments", "needs", "what it does"),
        ((f"`{row.verb}`", arguments(row), needs(row), row.help) for row in default_registry().rows()),
    )


def arguments(row: CommandRow) -> str:
    """A command's parameters, those that may be left out with a question mark."""
    return ", ".join(f"`{one.name}`{'' if one.required else '?'}" for one in row.parameters)


def needs(row: CommandRow) -> str:
    """What the dispatcher checks before the handler runs, in words."""
    login = {True: "login", False: "no login yet", None: "nothing"}[row.needs.login]
    role = [] if row.needs.role == "user" else [row.needs.role]
    return ", ".join([login, *role, *(["confirmed password"] if row.needs.admin else [])])


def client_options() -> str:
    """The options of ``encchat-client``."""
    rows = []
    for action in parser()._actions:
        name = ", ".join(action.option_strings) or str(action.metavar)
        argument = f" {action.metavar}" if action.option_strings and action.metavar else ""
        rows.append((f"`{name}{argument}`", str(action.help)))
    return table(("option", "meaning"), rows)


def client_settings() -> str:
    """The settings of the client, by their names in its file."""
    return table(
        ("setting", "takes", "default", "what it is"),
        ((f"`{one.typed}`", one.words, f"`{one.shown(one.default)}`", one.help) for one in OPTIONS.values()),
    )


def server_options() -> str:
    """The options of ``twistd encchat``, which are also the keys of its configuration file."""
    return table(
        ("option", "in the file", "default", "meaning"),
        ((f"`--{key.option}`", f"`{key.name}`", f"`{json.dumps(key.default)}`", f"{key.help}.") for key in KEYS),
    )


def screen_events() -> Iterable[type]:
    """The classes of the json face's lines, in the order they stand in their module."""
    kinds = [one for one in vars(screen).values() if inspect.isclass(one) and issubclass(one, screen.ScreenEvent)]
    return [one for one in kinds if one is not screen.ScreenEvent]


def values() -> Iterable[type]:
    """The untagged values inside results."""
    return (wire.UserEntry, wire.CommandEntry, wire.ParameterEntry, wire.ConversationEntry)


def key_values() -> Iterable[type]:
    """The untagged values inside requests about keys, and inside their results."""
    return (
        wire.Identity,
        wire.Vouch,
        wire.DeviceKeys,
        wire.SignedKey,
        wire.UserKeys,
        wire.DeviceAddress,
        wire.ClaimedKey,
        wire.Parcel,
        wire.BackupEntry,
    )


def is_answer(kind: type) -> bool:
    """Whether a server line answers a request."""
    return kind in {wire.Ok, wire.Error}


REGIONS: dict[str, Callable[[], str]] = {
    "requests": lambda: structs(wire.BUILT_IN),
    "answers": lambda: structs(kind for kind in get_args(wire.ServerLine) if is_answer(kind)),
    "results": lambda: structs(get_args(wire.Result)),
    "values": lambda: structs(values()),
    "key-values": lambda: structs(key_values()),
    "server-events": lambda: structs(kind for kind in get_args(wire.ServerLine) if not is_answer(kind)),
    "error-codes": error_codes,
    "limits": limit_table,
    "exit-codes": lambda: table(("code", "meaning"), ((f"`{code.value}`", code.meaning) for code in Exit)),
    "client-commands": client_commands,
    "client-options": client_options,
    "classic-words": lambda: table(("typed", "is"), ((f"`{one.word}`", f"`{one.command}`") for one in CLASSIC_WORDS)),
    "server-commands": server_commands,
    "server-options": server_options,
    "client-settings": client_settings,
    "json-face": lambda: structs(screen_events()),
}


def regenerated(text: str) -> str:
    """``text`` with every generated region made anew."""
    return REGION.sub(lambda match: f"{match[1]}{REGIONS[match[2]]()}\n{match[3]}", text)


def files() -> dict[Path, str]:
    """Everything that is generated, wholly or in part, as it should be."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {
        **{path: regenerated(path.read_text()) for path in pages},
        **{path: manuals.regenerated(path.read_text()) for path in sorted((ROOT / "docs" / "man").iterdir())},
        **shells.files(ROOT / "docs" / "completions"),
        ROOT / "etc" / "encchat.toml": commented_file(),
    }


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` compare; the exit code."""
    stale = []
    for path, fresh in files().items():
        if not path.exists() or fresh != path.read_text():
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in arguments:
                path.parent.mkdir(exist_ok=True, parents=True)
                path.write_text(fresh)
    print("stale: " + ", ".join(stale) if stale else "all generated tables are current")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
