"""encchat: self-hosted, terminal-first, encrypted chat made of Twisted parts."""


def __getattr__(name: str) -> str:
    """``__version__``, looked up when it is asked for: reading it takes longer than many a module."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("encchat")
    except PackageNotFoundError:  # run from a tree that was never installed
        return "0"
