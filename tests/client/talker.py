"""A program that says numbered things: ``ADDRESS HOME NAME CONVERSATION COUNT RATE``; NAME makes an account first.

It prints ``ready`` once it is in, begins when a line comes on its input, and leaves when all is accepted.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from encchat.client import Client

PASSWORD = "correct horse battery"


async def talk(reactor: Any, address: str, home: str, name: str, conversation: str, count: int, rate: float) -> None:
    """Say them at that rate, whether or not they are accepted."""
    async with Client(address, name, PASSWORD, register=True, home=home) as client:
        print("ready", flush=True)
        await deferToThread(sys.stdin.readline)
        began = reactor.seconds()
        said: list[Deferred[Any]] = []
        for number in range(count):
            await deferLater(reactor, max(0.0, began + number / rate - reactor.seconds()))
            said.append(ensureDeferred(client.send(conversation, f"this is thing {number:05} of many")))
        await gatherResults(said)


def main() -> None:
    address, home, name, conversation, count, rate = sys.argv[1:]
    react(lambda reactor: ensureDeferred(talk(reactor, address, home, name, conversation, int(count), float(rate))))


if __name__ == "__main__":
    main()
