"""Envelopes without encryption: of the form the server asks for, with a text in them that tests can read again.

The server cannot tell the difference: a test of the server needs no keys to say something to a person or a room.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Final

from encchat.names import LOBBY

SCHEME: Final = "megolm"
DEVICE: Final = "TESTDEVICE01"
_VERSION: Final = b"\x03"
"""The first byte of every Megolm message."""
_TRAILER: Final = bytes(72)
"""In the place of a Megolm message's MAC and signature."""


def base64(data: bytes) -> str:
    """The standard alphabet without padding."""
    return b64encode(data).decode("ascii").rstrip("=")


def sealed(text: str, device: str = DEVICE) -> tuple[str, str]:
    """Scheme and body of a message with that text, as if from that device."""
    session = base64(sha256(device.encode()).digest())
    return SCHEME, f"{device}.{session}.{base64(_VERSION + text.encode() + _TRAILER)}"


def unsealed(body: str) -> str:
    """The text that `sealed` put in."""
    _, _, ciphertext = body.split(".")
    data = b64decode(ciphertext + "=" * (-len(ciphertext) % 4))
    return data.removeprefix(_VERSION).removesuffix(_TRAILER).decode()


def content(conversation: str, text: str, device: str = DEVICE) -> dict[str, str]:
    """The fields of a `send` that carry the text: in the lobby as it is, elsewhere sealed."""
    if conversation == LOBBY:
        return {"body": text}
    scheme, body = sealed(text, device)
    return {"scheme": scheme, "body": body}


def text_of(scheme: str, body: str) -> str:
    """The text of a message, sealed or not."""
    return body if scheme == "none" else unsealed(body)
