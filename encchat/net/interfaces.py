"""What a plugin can give the channel: another suite."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface import Attribute, Interface

import encchat.plugins
from encchat.secure import ClientKeys, Handshake, ServerKeys, Suite, default_suites

_log = Logger()
_NAME: Final = re.compile(r"[A-Za-z0-9._+-]{1,54}", re.ASCII)


class ISuite(Interface):
    """What a cipher suite of a plugin provides, beside IPlugin; `encchat.secure.Suite` says it all."""

    name = Attribute("How the suite is asked for: 1 to 54 ASCII letters, digits, and `. _ + -`.")

    def initiate(prologue: bytes, keys: ClientKeys) -> Handshake:  # type: ignore[misc, empty-body]
        """The client's side of a handshake."""

    def respond(prologue: bytes, keys: ServerKeys) -> Handshake:  # type: ignore[misc, empty-body]
        """The server's side of a handshake."""


def find_suites() -> dict[str, Suite]:
    """All suites by name: encchat's own and those of plugins; a plugin cannot take a name that is there already."""
    suites = default_suites()
    plugins: Iterable[Any] = getPlugins(ISuite, encchat.plugins)
    for suite in plugins:
        name = suite.name
        if name in suites or not _NAME.fullmatch(name):
            _log.warn("suite {name} of a plugin is left out: taken or no name", event="suite-left-out", name=name)
        else:
            suites[name] = suite
    return suites
