"""From the parts of a ``noise:`` endpoint string to the endpoint; what is wrong with them is a `ConfigurationError`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.internet.endpoints import clientFromString, serverFromString

from encchat.errors import ConfigurationError
from encchat.net.admission import Admission
from encchat.net.endpoints import SecureClientEndpoint, SecureServerEndpoint
from encchat.net.interfaces import find_suites
from encchat.net.secure import ConnectionLimits
from encchat.secure import DEFAULT_OFFER, DEFAULT_SUITE, Channel, ClientKeys, ServerKeys, Suite
from encchat.secure.keys import load_or_make_identity, load_or_make_static, load_rsa

_SERVER_FORM: Final = r"noise:tcp\:5000:identity=FILE[:static=FILE][:suites=a,b][:rsa=FILE]"
_CLIENT_FORM: Final = r"noise:tcp\:HOST\:PORT:pin=FINGERPRINT[:suite=NAME][:key=FILE]"
_FINGERPRINT: Final = re.compile(r"(?:SHA256:)?([A-Za-z0-9+/]{43})", re.ASCII)


def server_endpoint(reactor: Any, args: Sequence[str], options: Mapping[str, str]) -> SecureServerEndpoint:
    """Read or make the keys that ``options`` name and wrap the endpoint that ``args`` describe."""
    inner = _inner(args, options, {"identity", "static", "suites", "rsa"}, _SERVER_FORM)
    if "identity" not in options:
        raise ConfigurationError(f"a noise server needs identity=FILE: {_SERVER_FORM}")
    keys = ServerKeys(load_or_make_identity(Path(options["identity"])), _static(options.get("static")), _rsa(options))
    suites = _suites(options["suites"].split(",") if "suites" in options else DEFAULT_OFFER)
    return SecureServerEndpoint(
        reactor,
        serverFromString(reactor, inner),
        lambda: Channel.responder(suites, keys),
        ConnectionLimits(),
        Admission.standard(reactor.seconds),
    )


def client_endpoint(reactor: Any, args: Sequence[str], options: Mapping[str, str]) -> SecureClientEndpoint:
    """Read or make the key that ``options`` name and wrap the endpoint that ``args`` describe."""
    inner = _inner(args, options, {"pin", "suite", "key"}, _CLIENT_FORM)
    if "pin" not in options:
        raise ConfigurationError(
            f"a noise client needs pin=FINGERPRINT, or pin=any to trust whoever answers: {_CLIENT_FORM}"
        )
    keys = ClientKeys(_static(options.get("key")), _pin(options["pin"]))
    (suite,) = _suites([options.get("suite", DEFAULT_SUITE)]).values()
    return SecureClientEndpoint(reactor, clientFromString(reactor, inner), lambda: Channel.initiator(suite, keys))


def _inner(args: Sequence[str], options: Mapping[str, str], known: set[str], form: str) -> str:
    """The endpoint inside; Twisted took it for an option if there is an ``=`` in it, which a colon before it shows."""
    unknown = sorted(options.keys() - known)
    inner = [*args, *(f"{key}={options[key]}" for key in unknown if ":" in key)]
    misspelt = [key for key in unknown if ":" not in key]
    if misspelt:
        raise ConfigurationError(f"a noise endpoint has no {misspelt[0]}=: {form}")
    if len(inner) != 1:
        raise ConfigurationError(rf"write the colons inside the endpoint and the fingerprint as \:, like {form}")
    return inner[0]


def _suites(names: Sequence[str]) -> dict[str, Suite]:
    known = find_suites()
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no suite {name!r}; there are {', '.join(known)}")
    return {name: known[name] for name in names}


def _static(file: str | None) -> X25519PrivateKey:
    return X25519PrivateKey.generate() if file is None else load_or_make_static(Path(file))


def _rsa(options: Mapping[str, str]) -> RSAPrivateKey | None:
    if "rsa-aes128gcm" in options.get("suites", "").split(",") and "rsa" not in options:
        raise ConfigurationError(
            "the suite rsa-aes128gcm needs rsa=FILE, a key as openssl genpkey -algorithm RSA makes it"
        )
    return load_rsa(Path(options["rsa"])) if "rsa" in options else None


def _pin(text: str) -> str | None:
    if text == "any":
        return None
    match = _FINGERPRINT.fullmatch(text)
    if match is None:
        raise ConfigurationError(
            rf"{text} is no fingerprint: SHA256\: and 43 characters, as the server shows it, or any for whoever answers"
        )
    return f"SHA256:{match[1]}"
