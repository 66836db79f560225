"""Commands the client does not know but the server lists: typed words to fields by the server's `ParameterEntry`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from encchat.errors import UsageError
from encchat.wire import CommandEntry, ParameterEntry

Value = str | int | float | bool

_BOOLEANS: Final = {
    "yes": True,
    "true": True,
    "on": True,
    "1": True,
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}


def typed_verb(verb: str) -> str:
    """How a request's name is typed: ``invite_link`` as ``invite-link``."""
    return verb.replace("_", "-")


def usage(entry: CommandEntry) -> str:
    """How ``entry`` is typed, like ``/roll [SIDES]``."""
    words = (p.name.upper() if p.required else f"[{p.name.upper()}]" for p in entry.parameters)
    return " ".join((f"/{typed_verb(entry.verb)}", *words))


def fields(entry: CommandEntry, arguments: str) -> dict[str, Value]:
    """The fields of ``entry``'s request; raise `UsageError` for a missing, wrong or superfluous argument."""
    found: dict[str, Value] = {}
    rest = arguments.strip()
    for index, parameter in enumerate(entry.parameters):
        if not rest:
            break
        takes_rest = parameter.type == "string" and index == len(entry.parameters) - 1
        word, rest = (rest, "") if takes_rest else _split(rest)
        found[parameter.name] = _value(entry, parameter, word)
    missing = [p.name.upper() for p in entry.parameters if p.required and p.name not in found]
    if missing or rest:
        wrong = f"{missing[0]} is missing" if missing else f"{rest} is too much"
        raise UsageError(f"{wrong}: {usage(entry)}")
    return found


def _split(text: str) -> tuple[str, str]:
    word, _, rest = text.partition(" ")
    return word, rest.lstrip()


def _value(entry: CommandEntry, parameter: ParameterEntry, word: str) -> Value:
    try:
        return _CONVERTERS[parameter.type](word)
    except (ValueError, KeyError):
        raise UsageError(f"{parameter.name.upper()} is {_KINDS[parameter.type]}, not {word}: {usage(entry)}") from None


_CONVERTERS: Final[Mapping[str, Callable[[str], Value]]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": lambda word: _BOOLEANS[word.casefold()],
}

_KINDS: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "yes or no",
}
