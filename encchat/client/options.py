"""The command line of ``encchat-client``."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from attrs import field, frozen
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

import encchat
from encchat import names
from encchat.client.connection import Server
from encchat.client.exits import Exit
from encchat.client.home import Home, read_password
from encchat.client.runner import Patience
from encchat.client.settings import Settings, commented, settings_path
from encchat.errors import EncchatError, PinMismatchError, UsageError
from encchat.links import SCHEME, Address, InviteLink, parse_address, parse_link
from encchat.secure import DEFAULT_SUITE, fingerprint
from encchat.secure.keys import load_rsa_public

NO_ADDRESS: Final = f"no server: give its ADDRESS, HOST[:PORT] or an invite link {SCHEME}://..., or --demo"
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


@frozen
class Options:
    """What the command line says, checked."""

    address: Address | None
    """None: the person is asked (`encchat.client.first_run`), or it is a demo."""
    link: InviteLink | None
    user: str | None
    register: bool
    fingerprint: str | None
    suite: str
    rsa_key_file: str | None
    home: Home
    face: str | None
    follow: bool
    retry: float | None
    classic: bool
    password_file: str | None
    forget_device: bool
    recovery_file: str | None = None
    insecure_teaching_scheme: bool = False
    settings: Settings = field(factory=Settings)
    demo: bool = False

    def patience(self, terminal: bool) -> Patience:
        """How long to go on trying; ``--retry`` counts before and after the first login."""
        if self.retry is not None:
            return Patience(self.retry, self.retry)
        return Patience(0.0, math.inf if terminal or self.follow else 0.0)

    def password(self, environment: Mapping[str, str]) -> str | None:
        """The password that was given beforehand, None if it is to be asked for."""
        if self.password_file is not None:
            return read_password(self.password_file)
        return environment.get("ENCCHAT_PASSWORD") or None

    def server(self) -> Server:
        """Where to connect, and the pin from ``--fingerprint``, the link, or the home, in this order."""
        if self.address is None:
            raise UsageError(NO_ADDRESS)
        linked = None if self.link is None else fingerprint(self.link.identity)
        pinned = self.home.pin(self.address)
        if self.fingerprint is not None:
            _agree(self.fingerprint, linked)
        elif pinned is not None:
            _agree(pinned, linked)
        return Server(self.address, self.suite, self.fingerprint or pinned or linked, self._rsa_pin())

    def _rsa_pin(self) -> RSAPublicKey | None:
        return None if self.rsa_key_file is None else load_rsa_public(self.rsa_key_file)


def _agree(pinned: str, linked: str | None) -> None:
    """A link may not replace what is pinned: whoever sent it may not be who runs the server."""
    if linked is not None and linked != pinned:
        raise PinMismatchError(pinned, linked)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage()
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")

    def print_usage(self, file: object = None) -> None:
        import sys

        super().print_usage(sys.stderr)


def parser() -> argparse.ArgumentParser:
    """The parser; also what the man page is checked against."""
    exits = "\n".join(f"  {code:>2}  {code.meaning}" for code in Exit)
    made = _Parser(
        prog="encchat-client",
        description="Encrypted chat in the terminal. Type /help inside for its commands.",
        epilog=f"exit codes:\n{exits}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "address",
        metavar="ADDRESS",
        nargs="?",
        help=f"HOST[:PORT], or an invite link {SCHEME}://...; default: the server used last",
    )
    made.add_argument("--demo", action="store_true", help="look around: a server of your own with two talking bots")
    made.add_argument("--user", metavar="NAME", help="log in as NAME; default: who logged in here last")
    made.add_argument("--register", action="store_true", help="make the account (a link does so by itself)")
    made.add_argument("--fingerprint", metavar="FP", help="what the server must show: SHA256: and 43 characters")
    made.add_argument("--suite", metavar="S", default=DEFAULT_SUITE, help="how the connection is encrypted")
    made.add_argument("--server-key", metavar="FILE", help="the server's RSA public key (PEM), for RSA suites")
    made.add_argument(
        "--home", metavar="DIR", type=Path, help="where all is kept, settings too; default: where XDG says"
    )
    made.add_argument("--face", metavar="FACE", help="tty, plain or json; default: tty on a terminal, else plain")
    made.add_argument("--follow", action="store_true", help="stay when the input ends, and reconnect")
    made.add_argument(
        "--retry", metavar="SECONDS", type=float, help="go on trying to connect for so long; default: see the manual"
    )
    made.add_argument("--classic", action="store_true", help="take the bare command words of older chats")
    made.add_argument("--password-file", metavar="FILE", help="its first line is the password")
    made.add_argument(
        "--recovery-file", metavar="FILE", help="write the recovery phrase of a new account there, do not show it"
    )
    made.add_argument(
        "--insecure-teaching-scheme",
        action="store_true",
        help="know the broken scheme for teaching; never talk under it",
    )
    made.add_argument("--forget-device", action="store_true", help="log in, remove this device's key, leave")
    made.add_argument(
        "--print-config", action="store_true", help="print the settings in force as a commented file, and leave"
    )
    made.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    return made


class _Version(argparse.Action):
    """As argparse's own, which wants to know the version at every start."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"encchat {encchat.__version__}")
        parser.exit()


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Read the command line, and the settings; raise `UsageError` or `ConfigurationError`, or exit as argparse does."""
    found = parser().parse_args(arguments)
    settings = Settings.load(settings_path(found.home, environment))
    if found.print_config:
        print(commented(settings.now), end="")
        raise SystemExit(Exit.FINE)
    home = Home(found.home) if found.home else Home.default(environment)
    try:
        address, link = (None, None) if found.address is None else read_place(found.address)
        user = None if found.user is None else names.account_name(found.user)
    except EncchatError as error:
        raise UsageError(error.text) from None
    if found.fingerprint is not None and not _FINGERPRINT.fullmatch(found.fingerprint):
        raise UsageError(f"{found.fingerprint} is no fingerprint: SHA256: and 43 characters, as the server prints it")
    if found.demo and (found.address is not None or found.home is not None):
        raise UsageError("--demo has a server and a home of its own: leave ADDRESS and --home out")
    if found.retry is not None and not found.retry >= 0:
        raise UsageError("--retry takes seconds, 0 or more")
    if address is None and not found.demo:
        address = home.last_server()
    return Options(
        address=address,
        link=link,
        user=user,
        register=found.register,
        fingerprint=found.fingerprint,
        suite=found.suite,
        rsa_key_file=found.server_key,
        home=home,
        face=found.face,
        follow=found.follow,
        retry=found.retry,
        classic=found.classic,
        password_file=found.password_file,
        forget_device=found.forget_device,
        recovery_file=found.recovery_file,
        insecure_teaching_scheme=found.insecure_teaching_scheme,
        settings=settings,
        demo=found.demo,
    )


def read_place(text: str) -> tuple[Address, InviteLink | None]:
    """The server that an address or an invite link names; `ConfigurationError` if it is neither."""
    link = parse_link(text) if "://" in text else None
    return (link.address if link else parse_address(text)), link
