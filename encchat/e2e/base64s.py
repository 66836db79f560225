"""Base64 as the wire has it: the standard alphabet without padding, and one spelling only for the same bytes."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode


def to_base64(data: bytes) -> str:
    """``data`` without padding."""
    return b64encode(data).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes | None:
    """The bytes, None if ``text`` is not exactly what `to_base64` makes of them."""
    try:
        data = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if to_base64(data) == text else None
