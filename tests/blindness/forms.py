"""What a value of each form may look like (docs/security.md, "What the server stores")."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any, Final

import msgspec

_PUBLIC: Final = r"[A-Za-z0-9+/=._:-]*"
_SEALED: Final = re.compile(r"(?:[A-Za-z0-9]{1,32}:[01]:)?([A-Za-z0-9+/]+)=*")
_PATTERNS: Final = {
    "id": r"[A-Za-z0-9+/:_-]{1,64}",
    "word": r"[a-z][a-z0-9_-]{0,31}",
    "setting": r"[A-Za-z0-9.:_\[\]-]+(?: [a-z-]+)?",
    "name": r"[#*]?[\w.-]{1,32}",
    "hash": r"\$argon2id\$v=19\$[\w=,+/$]+",
}
_READABLE: Final = re.compile(rb"[\x20-\x7e]{28,}")
"""Text in a ciphertext's place; 28 in a row come by chance once in a million megabytes."""


def fits(form: str, value: Any) -> bool:
    """Whether a value may stand in a column of this form; what is absent (None, empty) always may."""
    if value is None or value == "":
        return True
    if isinstance(value, bytes):
        if form == "sealed":
            return not _READABLE.search(value)
        return form in ("hash", "public", "secret") and len(value) == 32
    if isinstance(value, int):
        return form == "number"
    if form == "public":
        return _is_public(value)
    if form == "sealed":
        return _is_sealed(value)
    return form in _PATTERNS and re.fullmatch(_PATTERNS[form], value) is not None


def _is_public(text: str) -> bool:
    if not text.startswith("{"):
        return re.fullmatch(_PUBLIC, text) is not None
    fields = msgspec.json.decode(text, type=dict[str, str | int])
    return all(isinstance(value, int) or re.fullmatch(_PUBLIC, value) for value in fields.values())


def _is_sealed(text: str) -> bool:
    found = _SEALED.fullmatch(text)
    if found is None:
        return False
    # A parcel has a digit before its base64, which may be taken for one of base64's own characters.
    decoded = (b64decode(data[: len(data) // 4 * 4]) for data in (found[1], found[1][1:]))
    return not any(_READABLE.search(data) for data in decoded)
