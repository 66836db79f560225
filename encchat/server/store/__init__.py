"""The store: `IStore`, the embedded implementation on a SQLite file, and one in memory."""

from encchat.server.store.interface import Done, IStore, PastMessage
from encchat.server.store.memory import MemoryStore
from encchat.server.store.sqlite import SqliteStore

__all__ = ["Done", "IStore", "MemoryStore", "PastMessage", "SqliteStore"]
