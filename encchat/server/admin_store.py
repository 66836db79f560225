"""The commands of `encchat-admin` that read, change, copy and replace the store."""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from encchat.errors import ConfigurationError
from encchat.limits import MAX_AUDIT_ROWS
from encchat.server.datadir import DataDirectory, default_path
from encchat.server.model import Account, AuditEntry
from encchat.server.store import accounts, database, sanctions
from encchat.server.store.accounts import ADMIN
from encchat.server.store.dossier import dossier
from encchat.server.store.restore import restore
from encchat.server.times import utc


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Teach an argparse subparsers action ``dossier``, ``account``, ``audit``, ``backup`` and ``restore``."""

    def command(where: Any, name: str, act: Any, help: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = where.add_parser(name, parents=[common], help=help)
        made.set_defaults(act=act)
        return made

    shown = command(commands, "dossier", _dossier, "print all that is stored about an account, as JSON")
    shown.add_argument("name", metavar="NAME")

    account = commands.add_parser("account", help="delete an account, or change its role")
    kinds = account.add_subparsers(required=True, metavar="delete|role")
    deleted = command(kinds, "delete", _delete, "remove an account for good; its name is never given again")
    deleted.add_argument("name", metavar="NAME")
    changed = command(kinds, "role", _role, "change what an account may do")
    changed.add_argument("name", metavar="NAME")
    changed.add_argument("role", metavar="ROLE", choices=("user", "moderator", "admin"), help="user, moderator, admin")

    listed = command(commands, "audit", _audit, "print the audit log, the newest entry last")
    listed.add_argument("--limit", type=_rows, default=100, metavar="N", help="how many entries (default: 100)")

    saved = command(commands, "backup", _backup, "copy the store to a new file, also while the server runs")
    saved.add_argument("file", metavar="FILE", type=Path)
    restored = command(commands, "restore", _restore, "put a backup in the store's place; the server must not run")
    restored.add_argument("file", metavar="FILE", type=Path)


def directory(options: argparse.Namespace) -> DataDirectory:
    """The data directory that was named, or the default one."""
    path = Path(options.data_dir).expanduser().absolute() if options.data_dir else default_path(os.environ)
    return DataDirectory(path)


def insist_on(file: Path, where: DataDirectory) -> None:
    """`ConfigurationError` unless a server has left ``file`` in its data directory."""
    if not file.exists():
        raise ConfigurationError(
            f"no encchat server has kept its data in {where.path}: name its --data-dir, or start it there once"
        )


def _rows(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_AUDIT_ROWS:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {MAX_AUDIT_ROWS}")
    return int(text)


def _store(options: argparse.Namespace) -> Path:
    where = directory(options)
    insist_on(where.store, where)
    return where.store


def _now() -> int:
    return int(time.time() * 1_000)


def _dossier(options: argparse.Namespace) -> str:
    with closing(database.connect(_store(options))) as connection:
        account_id = accounts.account_id(connection, options.name)
        if account_id is None:
            raise _nobody(options.name)
        return json.dumps(dossier(connection, account_id), indent=2)


def _delete(options: argparse.Namespace) -> str:
    with database.edited(_store(options)) as connection:
        account = _account(connection, options.name)
        accounts.delete_account(connection, account.id, _now())
        _changed(connection, "delete", account, "")
    return f"{account.name} is deleted, and the name is never given again; what was said by it stays"


def _role(options: argparse.Namespace) -> str:
    with database.edited(_store(options)) as connection:
        account = _account(connection, options.name)
        accounts.set_role(connection, account.id, options.role)
        _changed(connection, "role", account, f"{account.role} -> {options.role}")
    return f"{account.name} is {options.role} now, and was {account.role}"


def _account(connection: Any, name: str) -> Account:
    account = accounts.account(connection, name)
    if account is None:
        raise _nobody(name)
    return account


def _nobody(name: str) -> ConfigurationError:
    return ConfigurationError(f"there is no account {printable(name)} in this store")


def _changed(connection: Any, action: str, account: Account, detail: str) -> None:
    sanctions.audit(connection, AuditEntry(_now(), ADMIN, action, account.name, detail))
    accounts.bump_revision(connection)


def _audit(options: argparse.Namespace) -> str:
    with closing(database.connect(_store(options))) as connection:
        entries = sanctions.audit_log(connection, options.limit)
    return "\n".join(map(_line, reversed(entries))) or "the audit log is empty"


def _line(entry: AuditEntry) -> str:
    words = (utc(entry.time), entry.actor, entry.action, entry.target, entry.detail)
    return "  ".join(printable(word) for word in words if word)


def printable(text: str) -> str:
    """``text`` on one line of a terminal: what is no printable character is shown by its number."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def _backup(options: argparse.Namespace) -> str:
    database.backup(_store(options), options.file)
    return f"the store is saved in {options.file}; identity.pem, which clients have pinned, is not in it: keep a copy"


def _give_to_owner(where: DataDirectory) -> None:
    """What root has put into the directory must be readable to the server, which runs as the directory's owner."""
    if os.geteuid() == 0:
        owner = where.path.stat()
        for file in (where.store, where.lock):
            os.chown(file, owner.st_uid, owner.st_gid)


def _restore(options: argparse.Namespace) -> str:
    where = directory(options)
    where.open()  # and so keep a server out
    try:
        old = restore(options.file, where.store, _now())
        _give_to_owner(where)
    finally:
        where.close()
    said = [f"the store is as it was in {options.file}, and every invite left in it is used up"]
    if old is not None:
        said.append(f"what it replaced is in {old}")
    if not where.identity.exists():
        said.append(f"put your identity.pem into {where.path} before the server starts, or no client will know it")
    return "\n".join(said)
