"""What a plugin can give the channel: another suite."""

from __future__ import annotations

import re
from typing import Final

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface import Attribute, Interface

import encchat.plugins
from encchat.secure import Suite, default_suites

_log = Logger()
_NAME: Final = re.compile(r"[A-Za-z0-9._+-]{1,54}", re.ASCII)


class ISuite(Interface):
    """A cipher suite, as `encchat.secure.Suite` describes it; a plugin in `encchat.plugins` provides it and IPlugin."""

    name = Attribute("How the suite is asked for: 1 to 54 ASCII letters, digits, and `. _ + -`.")

    def initiate(prologue, keys):
        """Begin a handshake as the client, with `ClientKeys`; return a `Handshake`."""

    def respond(prologue, keys):
        """Begin a handshake as the server, with `ServerKeys`; return a `Handshake`."""


def find_suites() -> dict[str, Suite]:
    """All suites by name: encchat's own and those of plugins; a plugin cannot take a name that is there already."""
    suites = default_suites()
    for suite in getPlugins(ISuite, encchat.plugins):
        name = suite.name
        if name in suites or not _NAME.fullmatch(name):
            _log.warn("suite {name} of a plugin is left out: taken or no name", event="suite-left-out", name=name)
        else:
            suites[name] = suite
    return suites
