"""encchat: self-hosted, terminal-first, encrypted chat made of Twisted parts."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("encchat")
except PackageNotFoundError:  # run from a tree that was never installed
    __version__ = "0"
