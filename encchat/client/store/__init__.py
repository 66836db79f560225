"""What the client keeps of its messages: one interface, in memory or in a sealed SQLite file; knows no Twisted."""

from encchat.client.store.interface import Changes, Outgoing, Store, StoredMessage
from encchat.client.store.memory import MemoryStore

__all__ = ["Changes", "MemoryStore", "Outgoing", "Store", "StoredMessage"]
