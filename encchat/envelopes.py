"""Envelopes: the form of an encrypted message's body in each scheme (protocol, section "Envelopes").

A server checks the form and knows no more; clients take envelopes apart and make them. All base64 is the standard
alphabet without padding. What is not of its scheme's form is refused with `MalformedRequestError`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Final, Literal, TypeVar

from attrs import frozen

from encchat.errors import MalformedRequestError

MEGOLM: Final = "megolm"
OLM: Final = "olm"
SERVER_KEY: Final = "server-key"
PLAIN: Final = "none"
"""No encryption: what the lobby has, and nobody else."""
EVENT: Final = "event"
"""What the server alone writes into a room's log."""
SCHEMES: Final = (MEGOLM, OLM, SERVER_KEY)
"""Schemes every server allows unless it is told otherwise."""

_DEVICE: Final = "[A-Za-z0-9]{1,32}"
_BYTES: Final = "[A-Za-z0-9+/]"
_FORMS: Final = {
    # A session id is 32 bytes; a Megolm message begins with the byte 3, its version.
    MEGOLM: re.compile(rf"{_DEVICE}\.{_BYTES}{{43}}\.A[w-z0-9+/]{_BYTES}*"),
    OLM: re.compile(rf"{_DEVICE}\.{_DEVICE}:[01]:{_BYTES}{{2,}}(?:,{_DEVICE}:[01]:{_BYTES}{{2,}})*"),
    # A nonce of AES-GCM is 12 bytes, its tag 16.
    SERVER_KEY: re.compile(rf"{_DEVICE}\.[1-9][0-9]{{0,15}}\.{_BYTES}{{16}}\.{_BYTES}{{22,}}"),
}
"""Without groups: every message is looked at, and to note where a group ends takes as long as all the rest."""
_OTHER: Final = re.compile(rf"{_DEVICE}\.{_BYTES}{{2,}}")
_WORDS: Final = {
    MEGOLM: "DEVICE.SESSION.CIPHERTEXT",
    OLM: "DEVICE.RECIPIENT:TYPE:CIPHERTEXT,...",
    SERVER_KEY: "DEVICE.VERSION.NONCE.CIPHERTEXT",
}
_OTHER_WORDS: Final = "DEVICE.BASE64"


@frozen
class MegolmEnvelope:
    """``device`` is the sender's; ``session`` and ``ciphertext`` are base64, as vodozemac has them."""

    device: str
    session: str
    ciphertext: str

    @property
    def body(self) -> str:
        """As it is sent."""
        return f"{self.device}.{self.session}.{self.ciphertext}"


@frozen
class OlmPart:
    """An Olm message for ``device``: ``type`` 0 (pre-key) or 1, ``ciphertext`` in base64."""

    device: str
    type: Literal[0, 1]
    ciphertext: str


@frozen
class OlmEnvelope:
    """One message for each of several devices, its parts; ``device`` is the sender's."""

    device: str
    parts: tuple[OlmPart, ...]

    @property
    def body(self) -> str:
        """As it is sent."""
        return f"{self.device}." + ",".join(f"{one.device}:{one.type}:{one.ciphertext}" for one in self.parts)

    def part_for(self, device: str) -> OlmPart | None:
        """What is for that device."""
        return next((one for one in self.parts if one.device == device), None)


@frozen
class ServerKeyEnvelope:
    """AES-256-GCM under the room's key of ``version``: 12 bytes of nonce, ciphertext with its tag."""

    device: str
    version: int
    nonce: bytes
    ciphertext: bytes

    @property
    def body(self) -> str:
        """As it is sent."""
        return f"{self.device}.{self.version}.{encoded(self.nonce)}.{encoded(self.ciphertext)}"


@frozen
class OtherEnvelope:
    """Of a scheme that a plugin brings."""

    device: str
    data: bytes

    @property
    def body(self) -> str:
        """As it is sent."""
        return f"{self.device}.{encoded(self.data)}"


Envelope = MegolmEnvelope | OlmEnvelope | ServerKeyEnvelope | OtherEnvelope
_E = TypeVar("_E", OlmEnvelope, ServerKeyEnvelope, OtherEnvelope)


def check(scheme: str, body: str) -> None:
    """Raise `MalformedRequestError` unless ``body`` is an envelope of ``scheme``."""
    if scheme in (PLAIN, EVENT):
        raise MalformedRequestError(
            f"the scheme {scheme} is not for what clients send here: outside the lobby it is encrypted end to end"
        )
    if not _FORMS.get(scheme, _OTHER).fullmatch(body) or not _whole_bytes(scheme, body):
        words = _WORDS.get(scheme, _OTHER_WORDS)
        raise MalformedRequestError(f"the body is no envelope of the scheme {scheme}: that would be {words}")


def split(scheme: str, body: str) -> Envelope:
    """Take an envelope apart; `MalformedRequestError` as `check`."""
    if scheme == MEGOLM:
        return split_megolm(body)
    check(scheme, body)
    device, _, rest = body.partition(".")
    if scheme == OLM:
        return OlmEnvelope(device, tuple(map(_olm_part, rest.split(","))))
    if scheme == SERVER_KEY:
        version, nonce, sealed = rest.split(".")
        return ServerKeyEnvelope(device, int(version), decoded(nonce), decoded(sealed))
    return OtherEnvelope(device, decoded(rest))


def split_megolm(body: str) -> MegolmEnvelope:
    """`split` of that scheme."""
    check(MEGOLM, body)
    return MegolmEnvelope(*body.split("."))


def split_olm(body: str) -> OlmEnvelope:
    """`split` of that scheme."""
    return _of(OlmEnvelope, split(OLM, body))


def split_server_key(body: str) -> ServerKeyEnvelope:
    """`split` of that scheme."""
    return _of(ServerKeyEnvelope, split(SERVER_KEY, body))


def encoded(data: bytes) -> str:
    """Base64 of the standard alphabet without padding."""
    return b64encode(data).decode("ascii").rstrip("=")


def decoded(text: str) -> bytes:
    """Back from `encoded`; for what `check` has passed."""
    return b64decode(text + "=" * (-len(text) % 4))


def _of(kind: type[_E], envelope: Envelope) -> _E:
    if not isinstance(envelope, kind):
        raise TypeError(f"{type(envelope).__name__} is not {kind.__name__}")
    return envelope


def _olm_part(text: str) -> OlmPart:
    device, kind, ciphertext = text.split(":")
    return OlmPart(device, 1 if kind == "1" else 0, ciphertext)


def _whole_bytes(scheme: str, body: str) -> bool:
    """Whether every ciphertext is of a length that base64 can have (RFC 4648 section 4)."""
    if scheme != OLM:
        return (len(body) - body.rindex(".") - 1) % 4 != 1
    return all(len(part.rpartition(":")[2]) % 4 != 1 for part in body.partition(".")[2].split(","))
