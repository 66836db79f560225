"""`twistd encchat`: the one place where the server's parts are put together."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from encchat.errors import EncchatError
from encchat.limits import COLLECT_AFTER
from encchat.net.admission import Admission
from encchat.net.interfaces import find_suites
from encchat.net.secure import ConnectionLimits, SecureServerFactory
from encchat.net.steady import keep_steady
from encchat.server.auth import Authenticator
from encchat.server.changes import Changes
from encchat.server.datadir import DataDirectory
from encchat.server.factory import ChatFactory
from encchat.server.logs import LeveledObserver, log_to
from encchat.server.options import RSA_SUITE, Options
from encchat.server.passwords import PasswordHasher
from encchat.server.retention import Retention
from encchat.server.service import ChatService, Keyring, Parts
from encchat.server.settings import Settings
from encchat.server.store.sqlite import SqliteStore
from encchat.server.sweep import FileSweep

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> ChatService:
    """Compose the server that ``options`` describe; nothing is opened or started before twistd has forked."""
    from twisted.internet import reactor  # not above: twistd --reactor installs its own first

    keep_steady(reactor)
    _spare_the_collector()
    os.umask(0o077)  # nothing the server makes is for others: its log holds the first invite link
    try:
        log = LeveledObserver()
        return ChatService(reactor, _parts(reactor, options, log), _observer(options, log))
    except EncchatError as problem:
        sys.exit(f"encchat: {problem.text}")


def _spare_the_collector() -> None:
    """What is loaded now stays for ever, so the garbage collector need not walk it; the rest it looks at less often.

    Messages on their way to the disk are thousands of small objects that live for a moment and are in no cycle: with
    Python's own threshold (700) they have everything walked again and again.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def _parts(reactor: Any, options: Options, log: LeveledObserver) -> Parts:
    settings = options.configuration.settings
    directory = DataDirectory(options.data_dir)
    keyring = _keyring(options)
    store = SqliteStore(directory.store, reactor)
    hasher = PasswordHasher(reactor)
    auth = Authenticator(
        store,
        hasher,
        time.time,
        lambda: chat.settings.registration,
        options.get("credCheckers"),
        lambda: chat.settings.lobby_history,
    )
    chat = ChatFactory(reactor, store, auth, settings, wall=time.time)
    admission = Admission(*_per_address(settings), reactor.seconds, chat.services.sanctions.bars)
    listener = SecureServerFactory(chat, keyring.channel, _limits(settings), reactor, admission)

    def apply(new: Settings) -> None:
        chat.settings, listener.settings = new, _limits(new)
        admission.change(*_per_address(new))
        log.level = new.log_level

    log.level = settings.log_level

    return Parts(
        directory=directory,
        keyring=keyring,
        store=store,
        hasher=hasher,
        chat=chat,
        listener=listener,
        endpoints=options.endpoints,
        address=options.address(),
        reload=options.reload,
        apply=apply,
        companions=(
            Retention(store, lambda: chat.settings, reactor, time.time),
            FileSweep(store, lambda: chat.settings, reactor, time.time),
            Changes(chat.services),
            chat.services.last_seen,
        ),
    )


def _keyring(options: Options) -> Keyring:
    known = find_suites()
    offered = {name: known[name] for name in options.configuration.suite}
    return Keyring(offered, options.rsa_key, RSA_SUITE in offered)


def _limits(settings: Settings) -> ConnectionLimits:
    return ConnectionLimits(settings.handshake_seconds, settings.keepalive)


def _per_address(settings: Settings) -> tuple[int, float, float]:
    return settings.connections_per_address, settings.handshakes_per_second, settings.handshakes_burst


def _observer(options: Options, log: LeveledObserver) -> Callable[[], LeveledObserver] | None:
    """Connects ``log`` to where twistd's ``--logfile`` and ``--nodaemon`` point; None leaves ``--syslog`` to twistd."""
    runner: Mapping[str, Any] = options.parent or {}
    log_format = options.configuration.log_format
    if runner.get("syslog") and log_format == "text":
        return None

    def connected() -> LeveledObserver:
        log.observer = log_to(runner.get("logfile"), log_format, nodaemon=bool(runner.get("nodaemon")))
        return log

    return connected
