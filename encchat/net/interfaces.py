"""What a plugin can give the channel: another suite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface import Attribute, Interface, Invalid
from zope.interface.verify import verifyObject

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
        wrong = _wrong_with(suite, suites)
        if wrong:
            _log.warn(
                "a plugin's suite is left out, {wrong}: {suite}", event="suite_left_out", wrong=wrong, suite=suite
            )
        else:
            suites[suite.name] = suite
    return suites


def _wrong_with(suite: Any, known: Mapping[str, Suite]) -> str:
    """Why ``suite`` cannot be offered beside the ``known`` ones; empty if it can."""
    try:
        verifyObject(ISuite, suite)
    except Invalid as error:
        return str(error)
    if not isinstance(suite.name, str) or not _NAME.fullmatch(suite.name):
        return f"{suite.name!r} is no name for a suite"
    return f"there is a suite {suite.name} already" if suite.name in known else ""
