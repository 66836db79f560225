"""A line receiver that splits each buffer once and keeps the contract of Twisted's own.

`twisted.protocols.basic.LineReceiver` copies the rest of its buffer for every line in it, so a burst costs the
square of its length. Here the whole buffer is split at once and the lines are walked through by an iterator; when
the walk stops (paused, raw mode, closing) the iterator still stands at the next line, so nothing is copied to go on.

What stays as in Twisted: `delimiter`, `MAX_LENGTH`, `lineReceived`, `rawDataReceived`, `setRawMode`, `setLineMode`,
`clearLineBuffer`, `pauseProducing`, `resumeProducing`, `stopProducing`, and `dataReceived` may be called from
within `lineReceived`. What differs: nothing at all is delivered once the transport is disconnecting (Twisted still
delivers one line of the next segment), the value `lineReceived` returns is not looked at, and after
`lineLengthExceeded` the rest of that line is skipped, so that a protocol may answer an error and go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.protocols import basic

from encchat.limits import MAX_LINE

_NO_LINES: Iterator[bytes] = iter(())


class LineReceiver(basic.LineReceiver):
    """Receives lines; holds at most `MAX_LENGTH` bytes of an unfinished one."""

    delimiter = b"\n"
    MAX_LENGTH = MAX_LINE
    transport: Any

    _buffer: bytes = b""
    """What has not been split: in line mode the beginning of a line, or what came while paused."""
    _lines: Iterator[bytes] = _NO_LINES
    """Lines that were split off and wait their turn."""
    _skipping: bool = False
    """The line in `_buffer` was too long and has been reported."""

    def dataReceived(self, data: bytes) -> None:
        """Hand on what ``data`` completes; called again from within a delivery, it only takes ``data`` in."""
        self._buffer = self._buffer + data if self._buffer else data
        if self._busyReceiving:
            return
        self._busyReceiving = True
        try:
            while not self._stopped() and (self._walk() if self.line_mode else self._hand_on_raw()):
                pass
        finally:
            self._busyReceiving = False

    def lineReceived(self, line: bytes) -> object:
        """Called with each line, without its delimiter; to be overridden."""
        raise NotImplementedError

    def rawDataReceived(self, data: bytes) -> object:
        """Called with whatever comes in raw mode; to be overridden where that is used."""
        raise NotImplementedError

    def lineLengthExceeded(self, line: bytes) -> object:
        """Called once for a line over `MAX_LENGTH`, with as much of it as is there; loses the connection."""
        return self.transport.loseConnection()

    def clearLineBuffer(self) -> bytes:
        """Take and return everything that has arrived but was not delivered."""
        taken = self.delimiter.join([*self._lines, self._buffer])
        self._lines, self._buffer, self._skipping = _NO_LINES, b"", False
        return taken

    def _stopped(self) -> bool:
        if self.transport is not None and self.transport.disconnecting:
            self._lines, self._buffer = _NO_LINES, b""  # nobody will ever ask for them
            return True
        return bool(self.paused)

    def _hand_on_raw(self) -> bool:
        data = self.clearLineBuffer()
        if data:
            self.rawDataReceived(data)
        return bool(data)

    def _walk(self) -> bool:
        """Deliver the lines that wait, or else those of the buffer; whether there may be more to do."""
        if self._lines is _NO_LINES and not self._split():
            return False
        transport = self.transport
        for line in self._lines:
            if len(line) > self.MAX_LENGTH:
                self.lineLengthExceeded(line)
            else:
                self.lineReceived(line)
            if self.paused or not self.line_mode or (transport is not None and transport.disconnecting):
                return True
        self._lines = _NO_LINES
        return bool(self._buffer)

    def _split(self) -> bool:
        """Split the buffer into `_lines` and an unfinished one; whether there may be more to do."""
        lines = self._buffer.split(self.delimiter)
        self._buffer = lines.pop()
        if not lines:
            return self._bound_unfinished()
        if self._skipping:
            self._skipping = False
            del lines[0]
        self._lines = iter(lines)
        return True

    def _bound_unfinished(self) -> bool:
        """Report an unfinished line that is too long already, once; whether it was reported now."""
        unfinished, width = self._buffer, len(self.delimiter)
        reported = self._skipping
        if not reported and len(unfinished) < self.MAX_LENGTH + width:
            return False
        self._skipping = True
        self._buffer = unfinished[len(unfinished) - width + 1 :]  # what may be the beginning of a delimiter
        if not reported:
            self.lineLengthExceeded(unfinished)
        return not reported
