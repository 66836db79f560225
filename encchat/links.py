"""Invite links: ``encchat://HOST:PORT/?key=<server identity>&invite=<token>``."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import parse_qs, urlsplit

from attrs import frozen

from encchat.errors import ConfigurationError
from encchat.limits import MAX_INVITE

SCHEME: Final = "encchat"
DEFAULT_PORT: Final = 5000
_KEY_BYTES: Final = 32


@frozen
class Address:
    """Where a server listens."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@frozen
class InviteLink:
    """What an invite link says; ``identity`` is the server's raw Ed25519 public key."""

    address: Address
    identity: bytes
    invite: str

    def __str__(self) -> str:
        key = base64.urlsafe_b64encode(self.identity).rstrip(b"=").decode("ascii")
        return f"{SCHEME}://{self.address}/?key={key}&invite={self.invite}"


def parse_address(text: str) -> Address:
    """Read ``HOST[:PORT]`` (an IPv6 host in brackets when a port follows); else `ConfigurationError`."""
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(f"{text} is no address: HOST or HOST:PORT, like localhost:5000") from None
    extra = parts.path or parts.query or parts.fragment or parts.username is not None
    if not host or extra or any(mark.isspace() for mark in host):
        raise ConfigurationError(f"{text or 'nothing'} is no address: HOST or HOST:PORT, like localhost:5000")
    return Address(host, DEFAULT_PORT if port is None else port)


def parse_link(text: str) -> InviteLink:
    """Read an invite link; `ConfigurationError` says what is wrong with it."""
    scheme, _, rest = text.partition("://")
    place, _, query = rest.partition("/?")
    if scheme != SCHEME or not query:
        raise ConfigurationError(f"an invite link looks like {SCHEME}://HOST:PORT/?key=...&invite=...")
    fields = parse_qs(query)
    keys, invites = fields.get("key", []), fields.get("invite", [])
    if len(keys) != 1 or len(invites) != 1 or len(invites[0]) > MAX_INVITE:
        raise ConfigurationError("the invite link is cut short: it needs one key= and one invite=")
    return InviteLink(parse_address(place), _identity(keys[0]), invites[0])


def _identity(text: str) -> bytes:
    try:
        identity = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        identity = b""
    if len(identity) != _KEY_BYTES:
        raise ConfigurationError("the invite link's key= is damaged: copy the whole link")
    return identity
