"""What the faces on pipes share: lines in, lines out, neither ever waited for.

Input and output end apart from each other: the end of the input is reported and the output goes on, so that
nothing is lost that was still to be answered. Output that its reader leaves unread waits in an `Outbox`; over its
limit, or when the reader is gone, the client is told to quit, for nobody would see what it does.

    OPEN --stop--> STOPPING --all written, or nobody reads it--> STOPPED
    OPEN --output lost--> UNREAD --stop--> STOPPED
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from attrs import define, field
from twisted.internet import fdesc
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from zope.interface import implementer

from encchat.client import events
from encchat.client.events import Unread
from encchat.client.faces import Source, Status
from encchat.client.faces.echo import Echo
from encchat.errors import ConfigurationError, EncchatError, LineTooLongError, MalformedRequestError
from encchat.limits import MAX_TYPED_LINE, MAX_UNREAD_OUTPUT, STOP_SECONDS
from encchat.net.lines import LineReceiver
from encchat.net.outbox import Outbox, TurnEnd

Encode = Callable[[events.ScreenEvent], bytes | None]


class Life(Enum):
    """Where a `LineFace` stands; see the module's docstring."""

    OPEN = "open"
    UNREAD = "unread"
    STOPPING = "stopping"
    STOPPED = "stopped"


@define(eq=False)
class LineFace:
    """A face that writes each event as ``encode`` has it (None: not at all) and reads lines of ``encoding``.

    ``asks``: a question may be put to the person, provided that the input is a terminal.
    """

    _reactor: Any
    _encode: Encode
    _encoding: str = "utf-8"
    _asks: bool = True
    _stdin: int = 0
    _stdout: int = 1
    _max_unread: int = MAX_UNREAD_OUTPUT
    _stop_seconds: float = STOP_SECONDS
    _life: Life = field(init=False, default=Life.OPEN)
    _input: _Input = field(init=False)
    _transport: Any = field(init=False)
    _outbox: Outbox = field(init=False)
    _echo: Echo = field(init=False)
    _on_line: Callable[[str], None] | None = field(init=False, default=None)
    _on_end: Callable[[], None] | None = field(init=False, default=None)
    _question: Deferred[str] | None = field(init=False, default=None)
    _stopped: list[Deferred[None]] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._echo = Echo(self._stdin)
        self._input = _Input(self)
        open_streams: Any = StandardIO
        self._transport = open_streams(self._input, self._stdin, self._stdout, self._reactor)
        self._input.hold()
        self._outbox = Outbox(self._transport, TurnEnd(self._reactor), self._max_unread, self._overflowed)
        self._reactor.addSystemEventTrigger("before", "shutdown", self.stop)

    def start(self, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        self._on_line, self._on_end = on_line, on_end
        if self._life is Life.UNREAD:
            self._reactor.callLater(0, on_line, "/quit")
        if self._input.ended:
            self._reactor.callLater(0, on_end)
        self._input.read_on()

    def show(self, event: events.ScreenEvent) -> None:
        if self._life is Life.OPEN and (line := self._encode(event)) is not None:
            self._outbox.write_line(line)

    def hold(self) -> None:
        self._input.hold()

    def read_on(self) -> None:
        self._input.read_on()

    def set_status(self, status: Status) -> None:
        """There is no place for it."""

    def attach(self, source: Source) -> None:
        """Nothing is asked for: all that happens is shown as it comes."""

    def unread(self) -> Sequence[Unread]:
        return ()

    def ask(self, prompt: str, *, vanishes: bool = False) -> Deferred[str]:
        if (refusal := self._refusal(prompt)) is not None:
            return fail(ConfigurationError(refusal))
        self._outbox.flush()
        self._transport.write(prompt.encode(self._encoding, "backslashreplace"))
        question: Deferred[str] = Deferred()
        self._question = question
        self._input.read_on()
        return question

    def ask_secret(self, prompt: str) -> Deferred[str]:
        answer = self.ask(prompt)
        if self._question is answer:
            self._echo.off()
            answer.addBoth(self._echo_again)
        return answer

    def stop(self) -> Deferred[None]:
        if self._life is Life.STOPPED:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._stopped.append(stopped)
        if self._life is not Life.STOPPING:
            self._begin_to_stop()
        return stopped

    # What `_Input` tells ------------------------------------------------------------------------
    def line_received(self, line: bytes) -> None:
        """A line came in; one that is no text is reported and left out."""
        try:
            text = line.removesuffix(b"\r").decode(self._encoding)
        except UnicodeDecodeError as error:
            self.line_refused(
                MalformedRequestError(
                    f"a line of the input is not {self._encoding.upper()} and was left out:"
                    f" its byte {error.start + 1} is 0x{line[error.start]:02x}"
                )
            )
            return
        question, self._question = self._question, None
        if self._on_line is None:
            self._input.hold()
        if question is not None:
            question.callback(text)
        elif self._on_line is not None:
            self._on_line(text)

    def line_refused(self, error: EncchatError) -> None:
        """Show what is wrong with a line of the input."""
        self.show(events.Error(code=error.code, text=error.text))

    def input_ended(self) -> None:
        """No line will come any more."""
        on_end = self._on_end
        self._leave_question()  # who asked may start the face now, which tells them by itself
        if on_end is not None and self._life in (Life.OPEN, Life.UNREAD):
            on_end()

    def output_ended(self) -> None:
        """Whoever read the output has gone, or, after `stop`, all of it is written."""
        if self._life is Life.STOPPING:
            self._finish()
        elif self._life is Life.OPEN:
            self._life = Life.UNREAD
            if self._on_line is not None:
                self._on_line("/quit")

    # --------------------------------------------------------------------------------------------
    def _refusal(self, prompt: str) -> str | None:
        """Why ``prompt`` cannot be asked, None if it can."""
        if not self._asks or not os.isatty(self._stdin):
            return f"nobody can be asked here for this: {prompt.strip().removesuffix(':')}"
        if self._input.ended or self._life is not Life.OPEN:
            return "the input has ended"
        return "another question waits for its answer" if self._question is not None else None

    def _overflowed(self) -> None:
        if sys.stderr is not None:
            print("encchat-client: nobody reads the output; leaving", file=sys.stderr)
        self.output_ended()

    def _leave_question(self) -> None:
        question, self._question = self._question, None
        if question is not None:
            question.cancel()

    def _echo_again(self, result: str | Failure) -> str | Failure:
        self._echo.on()
        return result

    def _begin_to_stop(self) -> None:
        was, self._life = self._life, Life.STOPPING
        self._leave_question()
        self._input.hold()
        if was is Life.UNREAD:
            self._finish()
            return
        limit = self._reactor.callLater(self._stop_seconds, self.output_ended)
        self._stopped[0].addCallback(lambda _: limit.cancel() if limit.active() else None)
        self._outbox.close()

    def _finish(self) -> None:
        """Let go of both streams, as they were: their open file descriptions belong to whoever started the client."""
        self._life = Life.STOPPED
        if not self._transport.disconnected:
            self._transport.connectionLost(Failure(ConnectionDone()))
        fdesc.setBlocking(self._stdin)
        fdesc.setBlocking(self._stdout)
        stopped, self._stopped = self._stopped, []
        for deferred in stopped:
            deferred.callback(None)


@implementer(IHalfCloseableProtocol)
class _Input(LineReceiver):
    """Splits the input for a face; the end of either side reaches the face alone."""

    MAX_LENGTH = MAX_TYPED_LINE

    def __init__(self, face: LineFace) -> None:
        self._face = face
        self._producer: Any = self  # Twisted's mixin is untyped
        self.ended = False

    def hold(self) -> None:
        """Read no further for now."""
        self._producer.pauseProducing()

    def read_on(self) -> None:
        """Read again if there is anything to come."""
        if self.paused and not self.ended:
            self._producer.resumeProducing()

    def lineReceived(self, line: bytes) -> None:
        self._face.line_received(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        self._face.line_refused(
            LineTooLongError(f"a line of the input is longer than {self.MAX_LENGTH} bytes and was left out")
        )

    def readConnectionLost(self) -> None:
        self.ended = True
        if rest := self.clearLineBuffer():  # the last line needs no line feed
            self._face.line_received(rest)
        self._face.input_ended()

    def writeConnectionLost(self) -> None:
        self._face.output_ended()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._face.output_ended()
