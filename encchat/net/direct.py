"""Sending at once what a socket takes at once, without a detour through the reactor.

Twisted's ``write`` puts bytes into a buffer and asks the reactor to say when the socket takes some: two system calls
and an event for nearly every write, since nearly every socket takes all of it at any time. What one turn says is one
write here already (`encchat.net.outbox`), so there is nothing to gather: the socket is asked first. What it does not
take, and every error, is left to ``write``, so that order, producers and the end of a connection stay Twisted's.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection


def send(transport: Any, data: bytes) -> None:
    """As ``transport.write(data)``, which it is but for Twisted's TCP connections."""
    if isinstance(transport, Connection) and not _is_busy(transport):
        try:
            sent = transport.socket.send(data)
        except OSError:  # full, or broken: ``write`` finds out which
            sent = 0
        if sent == len(data):
            return
        data = data[sent:]
    if data:
        transport.write(data)


def _is_busy(transport: Any) -> bool:
    """Whether something waits in its buffers, or it is closed for writing."""
    return bool(
        transport.dataBuffer or transport._tempDataLen or transport._writeDisconnected or not transport.connected
    )
