"""The encchat client: a core that knows no sockets, faces for people and programs, and a library for bots.

A bot is a dozen lines (docs/client.md)::

    async def main(reactor):
        async with Client("localhost:5000", "echo", "correct horse") as client:
            async for event in client.events():
                if isinstance(event, Message) and event.sender != client.user:
                    await client.send(event.conversation, event.text)

    twisted.internet.task.react(main)

The names of `__all__` are loaded when they are first used, so that the core can be imported without Twisted.
"""

from importlib import import_module
from typing import Any, Final

_HOMES: Final = {
    "Client": "encchat.client.library",
    "File": "encchat.client.events",
    "Home": "encchat.client.home",
    "Message": "encchat.client.events",
    "ScreenEvent": "encchat.client.events",
}

__all__ = ["Client", "File", "Home", "Message", "ScreenEvent"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
