"""How long: ``30m``, ``12h``, ``7d``, ``2w`` or ``forever``, as people type it."""

from __future__ import annotations

import re
from typing import Final

from encchat.errors import MalformedRequestError
from encchat.limits import MAX_DURATION

FOREVER: Final = "forever"
EXAMPLES: Final = "30m, 12h, 7d or 2w"

_DURATION: Final = re.compile(r"([1-9][0-9]{0,8})([mhdw])", re.ASCII)
_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def seconds(text: str) -> int | None:
    """Seconds of ``30m``, ``12h``, ``7d``, ``2w``; None if ``text`` is nothing like it or over `MAX_DURATION`."""
    match = _DURATION.fullmatch(text)
    value = int(match[1]) * _UNITS[match[2]] if match else 0
    return value if 0 < value <= MAX_DURATION else None


def split_terms(terms: str) -> tuple[int | None, str]:
    """Seconds (None: for ever, also where none are named) and the reason out of ``[DURATION] [REASON]``.

    `MalformedRequestError` for a first word that begins with a digit and is no duration: ``30min`` must not
    become a reason, and the duration for ever.
    """
    word, _, reason = terms.strip().partition(" ")
    if word.casefold() == FOREVER:
        return None, reason.strip()
    value = seconds(word.casefold())
    if value is not None:
        return value, reason.strip()
    if word[:1].isdigit():
        raise MalformedRequestError(
            f"{word} is no duration such as {EXAMPLES}, at most a hundred years;"
            f" {FOREVER} goes before a reason that begins with a digit"
        )
    return None, terms.strip()
