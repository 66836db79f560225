"""Modules dropped in here, or into any ``encchat/plugins`` on the path, add commands and suites."""

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
