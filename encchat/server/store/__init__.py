"""The store: `IStore`, the embedded implementation on SQLite, and one in memory."""

from encchat.server.store.interface import Done, IStore, PastMessage
from encchat.server.store.memory import MemoryStore
from encchat.server.store.sqlite import SqliteStore
from encchat.server.store.tables import Tables

__all__ = ["Done", "IStore", "MemoryStore", "PastMessage", "SqliteStore", "Tables"]
