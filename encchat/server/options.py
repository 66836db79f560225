"""What may stand behind ``twistd encchat`` on the command line."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

from twisted.cred import strcred
from twisted.cred.credentials import IUsernamePassword
from twisted.internet.endpoints import serverFromString
from twisted.python import usage

from encchat.errors import EncchatError
from encchat.limits import LISTEN_BACKLOG
from encchat.links import Address, parse_address
from encchat.net.interfaces import find_suites
from encchat.server import config, datadir
from encchat.server.settings import Settings

RSA_SUITE = "rsa-aes128gcm"


def _help(key: config.Key) -> str:
    return f"{key.help}." if key.default == "" else f"{key.help} (default: {key.default})."


def _completions() -> Any:
    """What zsh completes values with: it asks ``twistd`` itself."""
    words = {key.option: get_args(key.kind.schema) for key in config.KEYS}
    actions: dict[str, Any] = {
        option: usage.CompleteList(list(choices))
        for option, choices in words.items()
        if choices and all(isinstance(one, str) for one in choices)
    }
    files = {"config": usage.CompleteFiles(), "rsa-key": usage.CompleteFiles(), "data-dir": usage.CompleteDirs()}
    return usage.Completions(optActions=actions | files)


class Options(usage.Options, strcred.AuthOptionMixin):
    """Options of the command line over those of the configuration file over the defaults.

    After parsing, ``configuration``, ``endpoints``, ``data_dir`` and ``rsa_key`` hold what the server is to do;
    whatever could be found wrong without starting has been.
    """

    synopsis = "[options]"
    longdesc = "An encrypted chat server. Every option but --config can also stand in the configuration file."
    compData = _completions()
    supportedInterfaces = (IUsernamePassword,)
    optParameters: ClassVar = [
        ["config", "c", None, "TOML file with options; etc/encchat.toml shows all of them"],
        *([key.option, key.short, None, _help(key)] for key in config.KEYS if not key.repeatable),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._repeated: dict[str, list[str]] = {}

    def opt_endpoint(self, text: str) -> None:
        """Listen here instead of on --port: a Twisted endpoint string. May be repeated."""
        self._repeated.setdefault("endpoint", []).append(text)

    def opt_suite(self, name: str) -> None:
        """Offer this cipher suite, and no others than those named. May be repeated."""
        self._repeated.setdefault("suite", []).append(name)

    def opt_schemes(self, name: str) -> None:
        """Allow this end-to-end scheme outside the lobby, and none but those named. May be repeated."""
        self._repeated.setdefault("schemes", []).append(name)

    def opt_version(self) -> None:
        """Show the version and leave."""
        from encchat import __version__

        print(f"encchat {__version__}")
        sys.exit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse; under twistd an error is one line on stderr and exit status 1, else a `usage.UsageError`."""
        try:
            super().parseOptions(options)
        except (usage.UsageError, EncchatError) as error:
            if self.parent is None:
                raise usage.UsageError(str(error)) from None
            sys.exit(f"encchat: {error}")

    def postOptions(self) -> None:
        """Read the configuration file and check all that can be checked without starting."""
        self.configuration = self._configuration()
        self._check_suites()
        self._add_checkers()
        self.data_dir = self._data_dir()
        self.rsa_key = self._rsa_key()
        self.address()
        self.endpoints = self._endpoints()

    def reload(self) -> Settings:
        """Read the file again; `ConfigurationError` as at the start."""
        return self._configuration().settings

    def address(self) -> Address | None:
        """The public address; its port is 0 where none was named, and it is None where nothing was."""
        text = self.configuration.address
        if not text:
            return None
        named = text.count(":") == 1 or "]:" in text
        address = parse_address(text)
        return address if named else Address(address.host, 0)

    def _configuration(self) -> config.Configuration:
        words: dict[str, str | list[str]] = {
            key.name: self[key.option] for key in config.KEYS if self.get(key.option) is not None
        }
        words.update(self._repeated)
        file = config.from_file(Path(self["config"]).absolute()) if self["config"] else {}
        return config.configuration(file, config.from_words(words))

    def _check_suites(self) -> None:
        known = find_suites()
        for name in self.configuration.suite:
            if name not in known:
                raise usage.UsageError(f"there is no suite {name}; there are {', '.join(sorted(known))}")

    def _add_checkers(self) -> None:
        if not self.get("credCheckers"):
            for description in self.configuration.auth:
                self.opt_auth(description)

    def _data_dir(self) -> Path:
        text = self.configuration.data_dir
        return Path(text).expanduser().absolute() if text else datadir.default_path(os.environ)

    def _rsa_key(self) -> Path | None:
        """The RSA key file that was named; it must be there, since a forgotten mount must not make a new key."""
        if not self.configuration.rsa_key:
            return None
        path = Path(self.configuration.rsa_key).expanduser().absolute()
        if not os.path.isfile(path):
            raise usage.UsageError(
                f"there is no RSA key {path}; this makes one: (umask 077;"
                f" openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {path})"
            )
        return path

    def _endpoints(self) -> list[tuple[str, Any]]:
        reactor = _reactor()
        if self.configuration.endpoint:
            return [(text, _endpoint(reactor, text)) for text in self.configuration.endpoint]
        text = f"tcp:{self.configuration.port}"
        return [(text, _endpoint(reactor, f"{text}:backlog={LISTEN_BACKLOG}"))]


def _reactor() -> Any:
    """The reactor in use, such as ``twistd --reactor`` has chosen; encchat's where none is and there is epoll."""
    if "twisted.internet.reactor" not in sys.modules and hasattr(select, "epoll"):
        from encchat.net.reactor import install

        install()
    from twisted.internet import reactor  # not above: it installs one if there is none

    return reactor


def _endpoint(reactor: Any, text: str) -> Any:
    if text.startswith("noise:"):
        raise usage.UsageError(f"the endpoint {text} is encrypted twice: name what is under it, such as tcp:5000")
    try:
        return serverFromString(reactor, text)
    except (ValueError, TypeError, LookupError, OSError, ImportError, AssertionError) as error:
        raise usage.UsageError(
            f"'{text}' is no endpoint to listen on ({error}); tcp:5000 or tcp:5000:interface=127.0.0.1 is"
        ) from None
