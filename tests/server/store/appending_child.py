"""A process that appends to the store in its first argument for ever and prints what it was told is stored.

One line ``ULID SEQ`` each, flushed at once. Its test kills it.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred, ensureDeferred

from encchat.server.model import LOBBY_KEY, NewMessage
from encchat.server.store import SqliteStore


async def main(reactor: Any) -> None:
    """Append a few messages each turn, never waiting for answers."""
    store = SqliteStore(sys.argv[1], reactor)
    await store.open()
    sender = await store.create_account("alice", None, "user", 1)
    sent = 0

    def turn() -> None:
        nonlocal sent
        for _ in range(3):
            ulid = f"01{sent:024d}"
            sent += 1
            store.append(
                NewMessage(LOBBY_KEY, "lobby", sender.id, ulid, 1, "x" * 200, "none"),
                lambda stored, ulid=ulid: print(ulid, stored.seq, flush=True),
            )

    task.LoopingCall(turn).start(0.001)
    await Deferred()


task.react(lambda reactor: ensureDeferred(main(reactor)))
