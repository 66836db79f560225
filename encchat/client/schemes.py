"""The schemes of a client: encchat's own, and those of plugins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from twisted.logger import Logger
from twisted.plugin import getPlugins

import encchat.plugins
from encchat import envelopes
from encchat.e2e.interfaces import Scheme
from encchat.e2e.schemes import default_schemes
from encchat.scheme_plugins import IScheme

_log = Logger()
_NAME: Final = re.compile("[a-z][a-z0-9-]{0,31}")
_RESERVED: Final = {*envelopes.SCHEMES, envelopes.PLAIN, envelopes.EVENT}


def find_schemes(insecure: bool = False) -> tuple[Scheme, ...]:
    """New ones, for one client. ``insecure``: those for teaching as well, which are left out otherwise."""
    found = {scheme.name: scheme for scheme in default_schemes()}
    plugins: Iterable[Any] = getPlugins(IScheme, encchat.plugins)
    for plugin in plugins:
        if plugin.insecure and not insecure:
            continue
        if not _NAME.fullmatch(plugin.name) or plugin.name in found or plugin.name in _RESERVED:
            _log.warn("a plugin's scheme is left out, its name is taken or none: {name}", name=plugin.name)
            continue
        found[plugin.name] = plugin.make()
    return tuple(found.values())
