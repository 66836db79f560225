"""Envelopes without encryption: of the form the server asks for, with a text in them that tests can read again.

The server cannot tell the difference: a test of the server needs no keys to say something to a person or a room.
"""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from typing import Final

from encchat.envelopes import MEGOLM, MegolmEnvelope, encoded, split_megolm
from encchat.names import LOBBY

DEVICE: Final = "TESTDEVICE01"
_VERSION: Final = b"\x03"
"""The first byte of every Megolm message."""
_TRAILER: Final = bytes(72)
"""In the place of a Megolm message's MAC and signature, which are never all zero."""


def sealed(text: str, device: str = DEVICE) -> tuple[str, str]:
    """Scheme and body of a message with that text, as if from that device."""
    session = encoded(sha256(device.encode()).digest())
    return MEGOLM, MegolmEnvelope(device, session, encoded(_VERSION + text.encode() + _TRAILER)).body


def unsealed(body: str) -> str:
    """The text that `sealed` put in; `ValueError` if the body is of another making."""
    ciphertext = split_megolm(body).ciphertext
    data = b64decode(ciphertext + "=" * (-len(ciphertext) % 4))
    if not data.endswith(_TRAILER):
        raise ValueError("this was encrypted")
    return data.removeprefix(_VERSION).removesuffix(_TRAILER).decode()


def content(conversation: str, text: str, device: str = DEVICE) -> dict[str, str]:
    """The fields of a `send` that carry the text: in the lobby as it is, elsewhere sealed."""
    if conversation == LOBBY:
        return {"body": text}
    scheme, body = sealed(text, device)
    return {"scheme": scheme, "body": body}


def text_of(scheme: str, body: str) -> str:
    """The text of a message, sealed or not; `ValueError` as `unsealed`."""
    return body if scheme == "none" else unsealed(body)
