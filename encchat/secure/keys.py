"""Private keys in PEM files (PKCS8): made once with mode 0600, refused when others could read them."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from encchat.errors import ConfigurationError
from encchat.limits import MAX_KEY_FILE, MAX_RSA_BITS, MIN_RSA_BITS

StrPath = str | os.PathLike[str]

RSA_BITS: Final = 3_072
"""Of a key made here: NIST SP 800-57 expects it to hold past 2030."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def load_or_make_identity(path: StrPath) -> Ed25519PrivateKey:
    """The server's identity key in ``path``, made there if the file is missing; else `ConfigurationError`."""
    key = _load_or_make(Path(path), Ed25519PrivateKey.generate)
    if not isinstance(key, Ed25519PrivateKey):
        raise _wrong_kind(path, "Ed25519")
    return key


def load_or_make_static(path: StrPath) -> X25519PrivateKey:
    """A server's or a device's static key in ``path``, made there if the file is missing; else `ConfigurationError`."""
    key = _load_or_make(Path(path), X25519PrivateKey.generate)
    if not isinstance(key, X25519PrivateKey):
        raise _wrong_kind(path, "X25519")
    return key


def load_rsa(path: StrPath) -> RSAPrivateKey:
    """The RSA key of 2,048 to 8,192 bits in ``path``, as ``openssl genpkey`` writes it; else `ConfigurationError`."""
    key = _load(Path(path))
    if not isinstance(key, RSAPrivateKey):
        raise _wrong_kind(path, "RSA")
    _check_size(Path(path), key.key_size)
    return key


def load_rsa_public(path: StrPath) -> RSAPublicKey:
    """The server's RSA public key to pin, as ``openssl pkey -pubout`` writes it; else `ConfigurationError`."""
    data = _read(Path(path), private=False)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{path} holds no public key in PEM") from None
    if not isinstance(key, RSAPublicKey):
        raise _wrong_kind(path, "RSA")
    _check_size(Path(path), key.key_size)
    return key


def make_rsa(path: StrPath) -> RSAPrivateKey:
    """A new RSA key of `RSA_BITS` in the new file ``path``; `ConfigurationError` if there is one already."""
    key = generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    try:
        _write_new(Path(path), key)
    except OSError as error:
        raise _unusable(Path(path), error) from None
    return key


def _load_or_make(path: Path, make: Callable[[], PrivateKeyTypes]) -> PrivateKeyTypes:
    try:
        if not path.exists():
            # Another process may be first: then its key counts, for both.
            with suppress(FileExistsError):
                _write_new(path, make())
    except OSError as error:
        raise _unusable(path, error) from None
    return _load(path)


def _load(path: Path) -> PrivateKeyTypes:
    data = _read(path, private=True)
    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise ConfigurationError(f"{path} is protected by a password; encchat reads keys without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{path} holds no private key in PEM (PKCS8)") from None


def _read(path: Path, *, private: bool) -> bytes:
    try:
        with path.open("rb") as file:
            # The mode of the file that is open, so that nobody can change it in between.
            if private and os.fstat(file.fileno()).st_mode & _OTHERS:
                raise ConfigurationError(f"{path} can be read by others: chmod 600 {path}")
            return file.read(MAX_KEY_FILE)
    except OSError as error:
        raise _unusable(path, error) from None


def _write_new(path: Path, key: PrivateKeyTypes) -> None:
    """Write a whole file under its name or none: a file of another name first (O_EXCL, 0600), then a link to it."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(descriptor)
        os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _check_size(path: Path, bits: int) -> None:
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise ConfigurationError(
            f"{path} holds an RSA key of {bits} bits; it must have {MIN_RSA_BITS} to {MAX_RSA_BITS}"
        )


def _wrong_kind(path: StrPath, wanted: str) -> ConfigurationError:
    return ConfigurationError(f"{path} holds another kind of key than {wanted}")


def _unusable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be used: {error.strerror}")
