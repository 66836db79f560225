"""Twisted's asyncio reactor on uvloop, for ``twistd --reactor=uvloop`` and ``trial --reactor=uvloop``.

It needs ``pip install 'encchat[uvloop]'``. Two things that Twisted needs of a loop uvloop does otherwise than asyncio:

- Each time it begins to run it takes the file descriptor by which Python tells of signals for itself, so that Twisted
  would not hear of the end of a child process. Here a signal handler says it.
- A connection that was reset is reported once and then forgotten; when there were bytes to read before the reset
  Twisted reads those, and would never hear of the reset. Here it is registered again until it is lost.
"""

from __future__ import annotations

import select
import signal
from typing import Any

import uvloop
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.main import installReactor
from twisted.internet.process import reapAllProcesses


class UvloopReactor(AsyncioSelectorReactor):
    """The asyncio reactor with uvloop's loop, child processes and resets."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        super().__init__(self._loop)

    def run(self, installSignalHandlers: bool = True) -> None:
        if installSignalHandlers:
            self._loop.call_soon(self._hear_of_children)
        super().run(installSignalHandlers)

    def _hear_of_children(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: self.callFromThread(reapAllProcesses))
        reapAllProcesses()  # those that ended before

    def _readOrWrite(self, selectable: Any, read: bool) -> None:
        super()._readOrWrite(selectable, read)
        if selectable in self._readers and _is_broken(selectable.fileno()):
            self._loop.call_soon(self._register_again, selectable)

    def _register_again(self, selectable: Any) -> None:
        if selectable in self._readers:
            self.removeReader(selectable)
            self.addReader(selectable)


def _is_broken(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, 0)  # errors are told of unasked
    return any(events & select.POLLERR for _, events in poll.poll(0))


def install() -> None:
    """Make it the process's reactor, before anything has imported `twisted.internet.reactor`."""
    installReactor(UvloopReactor())
