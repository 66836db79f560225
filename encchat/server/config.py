"""Every option of the server in one table, and how the command line and a TOML file fill it."""

from __future__ import annotations

import difflib
import json
import textwrap
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import msgspec
from attrs import field, frozen
from msgspec import Meta

from encchat import limits
from encchat.errors import ConfigurationError
from encchat.links import DEFAULT_PORT
from encchat.secure import DEFAULT_OFFER
from encchat.server.logs import LogFormat
from encchat.server.settings import LogLevelName, Settings
from encchat.wire import Registration


@frozen
class Shape:
    """What a value may be: a type for msgspec, and the same in words (they end "... is not ")."""

    schema: Any
    words: str


_TEXT: Final = Shape(str, "a text")
_LINE: Final = Shape(
    Annotated[str, Meta(min_length=1, max_length=limits.MAX_SERVER_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")],
    f"a text of 1 to {limits.MAX_SERVER_NAME} characters on one line",
)
_NOTICE: Final = Shape(
    Annotated[str, Meta(max_length=limits.MAX_MOTD)], f"a text of at most {limits.MAX_MOTD} characters"
)
_TEXTS: Final = Shape(tuple[str, ...], "a list of texts")
_NAMES: Final = Shape(Annotated[tuple[str, ...], Meta(min_length=1)], "a list of at least one name")
_SCHEMES: Final = Shape(
    Annotated[
        tuple[Annotated[str, Meta(pattern="^(?!(?:none|event)$)[a-z][a-z0-9-]{0,31}$")], ...], Meta(min_length=1)
    ],
    "a list of at least one scheme (a-z, 0-9, -), among them neither none nor event",
)
_PORT: Final = Shape(Annotated[int, Meta(ge=0, le=65_535)], "a whole number from 0 to 65535")
_SECONDS: Final = Shape(
    Annotated[float, Meta(gt=0, le=limits.MAX_OPTION_SECONDS)],
    f"a number of seconds above 0, at most {limits.MAX_OPTION_SECONDS} (a week)",
)
_RATE: Final = Shape(Annotated[float, Meta(gt=0, le=1e9)], "a number above 0")
_BURST: Final = Shape(Annotated[float, Meta(ge=1, le=1e9)], "a number of at least 1")
_COUNT: Final = Shape(Annotated[int, Meta(ge=1, le=2**31)], "a whole number of at least 1")
_AMOUNT: Final = Shape(Annotated[int, Meta(ge=0, le=2**31)], "a whole number of at least 0")
_DAYS: Final = Shape(
    Annotated[int, Meta(ge=0, le=limits.MAX_RETAIN_DAYS)], f"a whole number from 0 to {limits.MAX_RETAIN_DAYS}"
)
_BUFFER: Final = Shape(
    Annotated[int, Meta(ge=limits.MAX_LINE, le=2**31)], f"a whole number of at least {limits.MAX_LINE} (one line)"
)
_REGISTRATION: Final = Shape(Registration, "open, invite or closed")
_LOG_LEVEL: Final = Shape(LogLevelName, "debug, info, warn, error or critical")
_LOG_FORMAT: Final = Shape(LogFormat, "text or json")


@frozen
class Key:
    """One option: ``name`` in the file, with ``-`` for ``_`` on the command line."""

    name: str
    kind: Shape
    help: str
    default: Any
    short: str | None = None

    @property
    def option(self) -> str:
        return self.name.replace("_", "-")

    @property
    def repeatable(self) -> bool:
        return self.kind in (_TEXTS, _NAMES, _SCHEMES)

    def convert(self, value: object, where: str, *, strict: bool) -> Any:
        """Return ``value`` as this option's type; `ConfigurationError` begins with ``where``."""
        try:
            return msgspec.convert(value, self.kind.schema, strict=strict)
        except msgspec.ValidationError:
            raise ConfigurationError(f"{where} {_shown(value)} is not {self.kind.words}") from None


def _setting(name: str, kind: Shape, help: str) -> Key:
    return Key(name, kind, help, getattr(attrs.fields(Settings), name).default)


KEYS: Final = (
    Key("port", _PORT, "TCP port to listen on, on every IPv4 address; 0 picks a free one", DEFAULT_PORT, "p"),
    Key(
        "endpoint",
        _TEXTS,
        "Listen here instead of on port: Twisted endpoint strings such as tcp:5000:interface=127.0.0.1,"
        " unix:/run/encchat.sock or systemd:domain=INET:index=0",
        (),
    ),
    Key(
        "data_dir",
        _TEXT,
        "Directory of the keys and the store, made if missing; empty: encchat-server in $XDG_STATE_HOME"
        " (~/.local/state)",
        "",
        "D",
    ),
    Key(
        "address",
        _TEXT,
        "HOST or HOST:PORT under which people reach this server; it goes into invite links. Empty: localhost"
        " and the port in use",
        "",
    ),
    Key(
        "suite",
        _NAMES,
        "Cipher suites offered, and no others; rsa-aes128gcm has no forward secrecy and is off unless named",
        DEFAULT_OFFER,
    ),
    Key(
        "rsa_key",
        _TEXT,
        "RSA private key (PEM, 2048 bits or more) of the suite rsa-aes128gcm; empty: rsa.pem in data_dir,"
        " made if missing",
        "",
    ),
    Key(
        "auth",
        _TEXTS,
        "Check passwords by these cred plugins instead of encchat's own accounts, such as"
        " file:/etc/encchat/passwords; twistd encchat --help-auth lists them",
        (),
    ),
    Key("log_format", _LOG_FORMAT, "Log lines for people (text) or one JSON object a line (json)", "text"),
    _setting(
        "registration",
        _REGISTRATION,
        "Who may make an account: open (everybody), invite (holders of an invite link), closed (nobody, but for an"
        " admin's link)",
    ),
    _setting(
        "log_level",
        _LOG_LEVEL,
        "Least level of the log lines that are written: debug, info, warn, error or critical; the port, the fingerprint"
        " and the first invite link are told at info",
    ),
    _setting("server_name", _LINE, "What this server calls itself to its clients"),
    _setting("motd", _NOTICE, "A notice shown to everybody who connects"),
    _setting(
        "keepalive", _SECONDS, "Seconds of silence after which a client is probed; after as many again it is gone"
    ),
    _setting("handshake_seconds", _SECONDS, "Seconds from the TCP connection to a finished handshake"),
    _setting("unauthenticated_seconds", _SECONDS, "Seconds from the handshake to a login"),
    _setting("unauthenticated_bytes", _COUNT, "Bytes a client may send before it has logged in"),
    _setting("connections_per_address", _COUNT, "Open connections of one IPv4 address or one IPv6 /64"),
    _setting("handshakes_per_second", _RATE, "New connections of one address a second, sustained"),
    _setting("handshakes_burst", _BURST, "New connections of one address at once, after a quiet time"),
    _setting(
        "request_rate",
        _RATE,
        "Requests of one connection a second, sustained; past it the connection is read more slowly",
    ),
    _setting("request_burst", _BURST, "Requests of one connection at once, after a quiet time"),
    _setting("max_unsent", _BUFFER, "Bytes that may wait for one slow reader before it leaves the live feed"),
    _setting("admin_seconds", _SECONDS, "Seconds a confirmed admin password lasts"),
    _setting("stop_seconds", _SECONDS, "Seconds the server waits for its clients when it stops"),
    _setting("lobby_history", _AMOUNT, "Messages of the lobby, from before it came, that a new device is given"),
    _setting("retain_lobby_count", _AMOUNT, "Messages of the lobby to keep, the newest ones; 0 keeps all"),
    _setting("retain_lobby_days", _DAYS, "Days to keep a message of the lobby; 0 keeps it for ever"),
    _setting(
        "retain_direct_count", _AMOUNT, "Messages of each direct conversation to keep, the newest ones; 0 keeps all"
    ),
    _setting("retain_direct_days", _DAYS, "Days to keep a message of a direct conversation; 0 keeps it for ever"),
    _setting("retain_room_count", _AMOUNT, "Messages of each room to keep, the newest ones; 0 keeps all"),
    _setting("retain_room_days", _DAYS, "Days to keep a message of a room; 0 keeps it for ever"),
    _setting(
        "max_file_size",
        _AMOUNT,
        f"Bytes of the largest file that is taken; an account may have {limits.FILES_OF_ACCOUNT} times as much here; 0"
        " takes none",
    ),
    _setting(
        "file_retention",
        _DAYS,
        "Days to keep a file, if messages where it was sent are kept as long; 0 keeps it as long as those",
    ),
    _setting(
        "schemes",
        _SCHEMES,
        "How messages outside the lobby may be encrypted end to end, and no other way; server-key is read by whoever"
        " reads the server's store",
    ),
)
_BY_NAME: Final = {key.name: key for key in KEYS}


@frozen
class Configuration:
    """All options, checked one by one; what they name (files, suites, endpoints) is not looked at yet."""

    port: int
    endpoint: tuple[str, ...]
    data_dir: str
    address: str
    suite: tuple[str, ...]
    rsa_key: str
    auth: tuple[str, ...]
    log_format: LogFormat
    settings: Settings = field(factory=Settings)


def configuration(*layers: Mapping[str, Any]) -> Configuration:
    """Merge converted values over the defaults; later layers win."""
    values = {key.name: key.default for key in KEYS}
    for layer in layers:
        values.update(layer)
    settings = {one.name: values.pop(one.name) for one in attrs.fields(Settings)}
    return Configuration(settings=Settings(**settings), **values)


def from_words(words: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """Convert what stood on the command line, by key name."""
    return {
        name: _BY_NAME[name].convert(word, f"--{_BY_NAME[name].option}", strict=False) for name, word in words.items()
    }


def from_file(path: Path) -> dict[str, Any]:
    """Read a TOML file; `ConfigurationError` names file, key, what was wrong and what would be right."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # no TOML, no UTF-8, or a number of more digits than Python reads
        raise ConfigurationError(f"{path} is not a TOML file: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is nested too deeply: an option is a text, a number or a list") from None
    return {name: _known(name, path).convert(value, f"{path}: {name} =", strict=True) for name, value in table.items()}


def _known(name: str, path: Path) -> Key:
    if name not in _BY_NAME:
        near = difflib.get_close_matches(name.replace("-", "_"), _BY_NAME, n=1) or [", ".join(_BY_NAME)]
        raise ConfigurationError(f"{path}: there is no option {name}; did you mean {near[0]}?")
    return _BY_NAME[name]


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, default=str)


def commented_file(keys: Iterable[Key] = KEYS) -> str:
    """The text of etc/encchat.toml: every option commented out, the shown value being its default."""
    head = (
        "# Configuration of the encchat server: twistd encchat --config FILE.\n"
        "# Every option is shown with its default; what stands on the command line wins over this file.\n"
        "# SIGHUP reads the file again for everything from registration downwards.\n"
    )
    return head + "".join(map(_commented, keys))


def _commented(key: Key) -> str:
    words = textwrap.fill(key.help + ".", 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"\n{words}\n#{key.name} = {json.dumps(key.default)}\n"
