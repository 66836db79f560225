"""The store: `IStore`, and the embedded implementation on SQLite."""

from encchat.server.store.interface import Done, IStore, PastMessage
from encchat.server.store.sqlite import SqliteStore

__all__ = ["Done", "IStore", "PastMessage", "SqliteStore"]
