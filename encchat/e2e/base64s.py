"""Base64 as the wire has it: the standard alphabet without padding, and one spelling only for the same bytes."""

from __future__ import annotations

from base64 import b64encode
from binascii import a2b_base64


def to_base64(data: bytes) -> str:
    """``data`` without padding."""
    return b64encode(data).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes | None:
    """The bytes, None if ``text`` is not exactly what `to_base64` makes of them."""
    try:
        data = a2b_base64(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if to_base64(data) == text else None
