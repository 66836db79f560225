"""`encchat-admin`: what an administrator does on the data directory, whether the server runs or not."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from encchat import __version__, durations
from encchat.errors import ConfigurationError, EncchatError
from encchat.limits import MAX_INVITE_USES
from encchat.links import Address, InviteLink, parse_address
from encchat.secure import fingerprint
from encchat.secure.keys import load_or_make_identity
from encchat.server import admin_store
from encchat.server.datadir import DataDirectory
from encchat.server.service import ADDRESS_META
from encchat.server.store import accounts
from encchat.server.store.database import edited


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; print the result on stdout, or one line on stderr and return 1."""
    options = parser().parse_args(arguments)
    try:
        print(options.act(options))
    except EncchatError as problem:
        print(f"encchat-admin: {problem.text}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser; also what the manual page and the shells' completion are made from."""
    made = argparse.ArgumentParser(prog="encchat-admin", description=__doc__)
    made.add_argument("--version", action="version", version=f"encchat {__version__}")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--data-dir",
        "-D",
        metavar="DIR",
        help="the server's data directory (default: encchat-server in $XDG_STATE_HOME, ~/.local/state)",
    )

    invite = commands.add_parser("invite", parents=[common], help="print a link with which somebody can register")
    invite.add_argument(
        "--role", choices=("user", "moderator", "admin"), default="user", help="what they may do (default: user)"
    )
    invite.add_argument(
        "--uses", type=_uses, default=1, metavar="N", help="how many people the link lets in (default: 1)"
    )
    invite.add_argument(
        "--expires",
        type=_seconds,
        metavar="TIME",
        help="how long it is good for: 30m, 12h, 7d (default), 2w, or never",
        default="7d",
    )
    invite.add_argument(
        "--address",
        metavar="HOST[:PORT]",
        help="where people reach the server (default: the address it had when it last ran)",
    )
    invite.set_defaults(act=_invite)

    admin_store.add_commands(commands, common)
    show = commands.add_parser("fingerprint", parents=[common], help="print the fingerprint that clients must see")
    show.set_defaults(act=_fingerprint)
    return made


def _uses(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_INVITE_USES:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {MAX_INVITE_USES}")
    return int(text)


def _seconds(text: str) -> int | None:
    if text == "never":
        return None
    value = durations.seconds(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text} is not a time such as {durations.EXAMPLES}, nor never")
    return value


def _invite(options: argparse.Namespace) -> str:
    directory = admin_store.directory(options)
    identity = _identity(directory).public_key().public_bytes_raw()
    now = int(time.time() * 1_000)
    expires = None if options.expires is None else now + options.expires * 1_000
    token = secrets.token_urlsafe(24)
    with edited(directory.store) as connection:
        address = _address(options.address, accounts.get_meta(connection, ADDRESS_META))
        accounts.add_invite(connection, token, options.role, options.uses, expires)
    return str(InviteLink(address, identity, token))


def _address(named: str | None, last: str | None) -> Address:
    if named is None and last is None:
        raise ConfigurationError("this server has not run yet: name the --address HOST:PORT that people will use")
    if named is not None and last is not None and not _has_port(named):
        return Address(parse_address(named).host, parse_address(last).port)
    return parse_address(named or last or "")


def _has_port(text: str) -> bool:
    return text.count(":") == 1 or "]:" in text


def _fingerprint(options: argparse.Namespace) -> str:
    return fingerprint(_identity(admin_store.directory(options)).public_key().public_bytes_raw())


def _identity(directory: DataDirectory) -> Ed25519PrivateKey:
    admin_store.insist_on(directory.identity, directory)
    return load_or_make_identity(directory.identity)


if __name__ == "__main__":
    sys.exit(main())
