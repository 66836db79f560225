"""The tty face: prompt_toolkit on the reactor's own asyncio loop; what is shown scrolls above the line being typed.

Two tasks run from the start of the reactor to `TtyFace.stop`. The prompter has one prompt on the screen: the question
that waits longest, else, once the face is started, the line. A question that comes while a line is being typed takes
its place, and the line comes back as it was. The printer gathers what is shown within `GATHER_SECONDS` into one print,
and what has changed in the bar into one new bar.

What is shown at all, and where, `encchat.client.terminal.views` decides: one conversation at a time. A half typed line
belongs to the conversation it was typed in: it goes when another one is gone to, and comes back with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import termios
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial
from typing import Any, Final

from attrs import define, field, frozen
from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.document import Document
from prompt_toolkit.patch_stdout import StdoutProxy
from prompt_toolkit.styles import BaseStyle, DummyStyle, DynamicStyle, Style
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from encchat.client import events
from encchat.client.faces import NoSource, Source, Status
from encchat.client.faces.echo import Echo
from encchat.client.faces.gallery import Gallery
from encchat.client.faces.prompts import Left, Moves, Typing, Words, line_session, question_session
from encchat.client.faces.steady import SteadyInput, above_the_prompt, knows_its_place, print_above
from encchat.client.terminal.bar import Fragment, Transfers, bar
from encchat.client.terminal.columns import Row, columns
from encchat.client.terminal.editor import Editor, interrupts_ignored
from encchat.client.terminal.notify import Notifier
from encchat.client.terminal.paint import Painter, write
from encchat.client.terminal.views import Day, Heading, Item, New, Shown, Views
from encchat.errors import MalformedRequestError, UsageError
from encchat.limits import GATHER_SECONDS, MAX_PRINTED
from encchat.names import LOBBY, folded

_log = Logger()


class Interrupted(Exception):
    """The prompt on the screen has to make room."""


@frozen(eq=False)
class Question:
    """What is asked, and who waits for the answer."""

    prompt: str
    secret: bool
    answer: Deferred[str]
    vanishes: bool = False


@define(eq=False)
class TtyFace:
    """The face on this process's terminal; the reactor must be the one of `install_reactor`."""

    _reactor: Any
    _keys: SteadyInput = field(init=False, factory=lambda: SteadyInput(sys.stdin))
    _status: Status = field(init=False, factory=Status)
    _source: Source = field(init=False, factory=NoSource)
    _views: Views = field(init=False)
    _notifier: Notifier = field(init=False)
    _transfers: Transfers = field(init=False, factory=Transfers)
    _gallery: Gallery = field(init=False)
    _painter: Painter | None = field(init=False, default=None)
    _style: BaseStyle = field(init=False, factory=DummyStyle)
    _drafts: dict[str, Document] = field(init=False, factory=dict)
    """Half typed lines of conversations other than `_draft_of`."""
    _draft_of: str = field(init=False, default=LOBBY)
    """Which conversation the line is typed in: the current one, or the one that has just been asked for."""
    _moving: bool = field(init=False, default=False)
    """Whether the line was begun behind a command that goes elsewhere: it is meant for there."""
    _child: subprocess.Popen[bytes] | None = field(init=False, default=None)
    """The last desktop notification."""
    _words: Words = field(init=False, factory=Words)
    _editor: Editor = field(init=False, factory=lambda: Editor(os.environ))
    _postponed: bool = field(init=False, default=False)
    """Whether the prompt has to make room once the editor has ended."""
    _line: PromptSession[str] = field(init=False)
    _on_screen: PromptSession[str] | None = field(init=False, default=None)
    _draft: Document = field(init=False, factory=Document)
    _questions: deque[Question] = field(init=False, factory=deque)
    _on_line: Callable[[str], None] | None = field(init=False, default=None)
    _to_prompt: asyncio.Event = field(init=False, factory=asyncio.Event)
    _to_print: asyncio.Event = field(init=False, factory=asyncio.Event)
    _known: asyncio.Event = field(init=False, factory=asyncio.Event)
    """Set once the client knows what was typed before."""
    _ending: bool = field(init=False, default=False)
    _stopped: Deferred[None] = field(init=False, factory=Deferred)

    def __attrs_post_init__(self) -> None:
        self._views = Views(
            lambda conversation, count: self._source.past(conversation, count),
            lambda: self._source.user,
            lambda: self._source.preferences,
        )
        self._notifier = Notifier(
            lambda: self._source.preferences, lambda: self._source.user, lambda: float(self._reactor.seconds())
        )
        self._gallery = Gallery(
            lambda: self._source.preferences, os.environ, lambda: self._line.app.output, lambda: self._ending
        )
        moves = Moves(
            to=lambda number: self._go(self._views.numbered(number)),
            by=lambda step: self._go(self._views.neighbour(self._draft_of, step)),
        )
        self._line = line_session(
            Typing(self._words, lambda: self._source.preferences, moves, self._edit),
            lambda: self._draft_of,
            self._bar,
            self._typed_before,
            DynamicStyle(lambda: self._style),
        )
        self._reactor.callWhenRunning(self._run)
        self._reactor.addSystemEventTrigger("before", "shutdown", self.stop)

    def start(self, on_line: Callable[[str], None], on_end: Callable[[], None]) -> None:
        """``on_end`` is never called: whoever ends the input of a terminal leaves."""
        self._on_line = on_line
        self._present_painter()  # the bar has its colours from the beginning
        self._turn()
        self._to_prompt.set()

    def show(self, event: events.ScreenEvent) -> None:
        self._notifier.take(event)
        if isinstance(event, events.Transfer):
            self._transfers.take(event)
            self._gallery.take(event)
        if not (isinstance(event, events.Transfer) and event.state in ("going", "waiting")):
            self._views.take(event)
        self._to_print.set()

    def hold(self) -> None:
        """A person is not held up."""

    def read_on(self) -> None:
        """There was no holding up."""

    def set_status(self, status: Status) -> None:
        before, self._status = self._status, status
        self._change_drafts(status.conversation)
        if self._on_line is not None:
            self._turn()
        if before != status:
            self._to_print.set()

    def attach(self, source: Source) -> None:
        self._source = source
        self._words.words = source.complete

    def unread(self) -> list[events.Unread]:
        return self._views.unread()

    def ask(self, prompt: str, *, vanishes: bool = False) -> Deferred[str]:
        return self._ask(prompt, False, vanishes)

    def ask_secret(self, prompt: str) -> Deferred[str]:
        return self._ask(prompt, True, False)

    def stop(self) -> Deferred[None]:
        if self._stopped.called:
            return succeed(None)
        self._ending = True
        self._to_print.set()
        self._editor.stop()
        self._interrupt()
        stopped: Deferred[None] = Deferred()
        self._stopped.chainDeferred(stopped)
        return stopped

    # The two tasks ------------------------------------------------------------------------------
    def _run(self) -> None:
        done = Deferred.fromFuture(asyncio.ensure_future(self._live()))
        done.addErrback(self._broke)
        done.addCallback(self._stopped.callback)

    async def _live(self) -> None:
        with _streams_above_the_prompt():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._prompt_on())
                tasks.create_task(self._print_on())
        self._print_all()

    def _broke(self, failure: Failure) -> None:
        """Without its tasks the face is of no use; an `OSError` means that the terminal itself is gone."""
        error = failure.value
        for one in error.exceptions if isinstance(error, BaseExceptionGroup) else (error,):
            if not isinstance(one, OSError):
                _log.failure("the tty face broke", Failure(one))
        if self._on_line is None:  # nobody takes a /quit yet
            self._reactor.callLater(0, self._reactor.stop)
        self._hang_up()

    async def _print_on(self) -> None:
        while not self._ending:
            await self._to_print.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._to_print.clear()
            if not self._views.waiting:
                self._line.app.invalidate()  # the bar alone
            while self._views.waiting:
                await self._print_some()
                await asyncio.sleep(0)  # a key comes between two of them
            self._alarm()

    async def _print_some(self) -> None:
        app = None if self._on_screen is None else self._on_screen.app
        if app is not None and knows_its_place(app):
            print_above(app, self._print)
            return
        async with above_the_prompt():
            self._print()

    def _print(self) -> int:
        """Print some of what waits; how many rows that took."""
        output = self._line.app.output
        width = output.get_size().columns
        painter = self._present_painter()
        rows = [row for item in self._views.items(MAX_PRINTED) for row in _painted(painter, item, width)]
        write(output, rows, painter)
        return sum(max(1, -(-sum(columns(text) for _, text in row) // width)) for row in rows)

    def _print_all(self) -> None:
        while self._views.waiting:
            self._print()

    def _present_painter(self) -> Painter:
        """One for what the person has chosen, which may have changed."""
        preferences = self._source.preferences
        if self._painter is None or self._painter.preferences is not preferences:
            self._painter = Painter(preferences)
            self._style = Style.from_dict(self._painter.style())
            self._line.color_depth = self._painter.depth(self._line.app.output)
        self._painter.user = self._source.user
        return self._painter

    def _alarm(self) -> None:
        """Ring the bell, and run the command for a desktop notification unless the last one still runs."""
        if self._notifier.rings():
            self._line.app.output.bell()
            self._line.app.output.flush()
        command = self._notifier.command()
        if command is not None and (self._child is None or self._child.poll() is not None):
            try:
                self._child = subprocess.Popen(  # noqa: S603 - the person's own command, and no shell
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                text = f"no notification: {command[0]}: {error.strerror}; /set notify names another command"
                self.show(events.Error(code=UsageError.code, text=text))

    async def _prompt_on(self) -> None:
        with _on_hangup(self._hang_up), ExitStack() as held, _unseen(sys.stdin.fileno()) as echo:
            raw = False
            while not self._ending:
                if self._on_line is not None and not raw:
                    echo.on()
                    held.enter_context(self._keys.raw_mode())  # between two prompts, too: keys are the next one's
                    raw = True
                if self._questions:
                    await self._put(self._questions[0])
                elif self._on_line is not None:
                    await self._read_line()
                else:
                    self._to_prompt.clear()
                    await self._to_prompt.wait()
        while self._questions:
            self._questions.popleft().answer.cancel()

    async def _read_line(self) -> None:
        self._print_all()
        try:
            text = await self._prompt(self._line, self._draft)
        except Interrupted:
            self._draft = self._line.default_buffer.document
        except Left:
            self._typed("/quit")
        except EOFError:
            self._hang_up()
        else:
            self._draft = Document()
            self._entered(text)

    async def _put(self, question: Question) -> None:
        self._print_all()  # what was said before it may be what it is about
        try:
            session = question_session(question.prompt, question.secret)
            text = await self._prompt(session, Document(), question.vanishes)
        except (Left, EOFError, Interrupted):
            self._questions.remove(question)
            question.answer.cancel()
        else:
            self._questions.remove(question)
            question.answer.callback(text)

    async def _prompt(self, session: PromptSession[str], default: Document, vanishes: bool = False) -> str:
        """What is entered; SIGINT stays Twisted's, errors on the loop asyncio's."""
        self._on_screen, session.app.erase_when_done, session.app.input = session, vanishes, self._keys
        try:
            return await session.prompt_async(default=default, set_exception_handler=False, handle_sigint=False)
        finally:
            self._on_screen = None

    async def _typed_before(self) -> Sequence[str]:
        """The prompt may be there before the store that keeps them is unlocked."""
        await self._known.wait()
        return self._source.typed_before()

    # The editor -----------------------------------------------------------------------------------
    def _edit(self, text: str) -> None:
        self._line.app.create_background_task(self._edit_on(text))

    async def _edit_on(self, text: str) -> None:
        """Let the person edit ``text``; what is saved is the line to send, in the conversation it was begun in."""
        here, self._editor.running = self._draft_of, True
        try:
            with interrupts_ignored():
                text = await run_in_terminal(partial(self._editor.edit, text), in_executor=True)
        except UsageError as error:
            self.show(events.Error(code=error.code, text=f"/edit: {error.text}"))
        finally:
            self._editor.running = False
        if folded(here) == folded(self._draft_of):
            self._line.default_buffer.document = Document(text)
        else:
            self._drafts[folded(here)] = Document(text)
            self.show(events.Notice(text=f"what you have written waits in {here}"))
        if self._postponed:
            self._postponed = False
            self._interrupt()

    # Which conversation -------------------------------------------------------------------------
    def _turn(self) -> None:
        status = self._status
        if not status.ready:
            return
        self._known.set()
        self._views.turn(status.conversation, status.lock, status.topic, status.rooms)

    def _go(self, conversation: str) -> None:
        """A key says so; what is typed behind it is for there, however soon it follows."""
        if conversation and folded(conversation) != folded(self._draft_of):
            self._moving = False
            self._change_drafts(conversation)
            self._typed(f"/go {conversation}")

    def _change_drafts(self, now: str) -> None:
        before, self._draft_of = folded(self._draft_of), now
        if folded(now) == before:
            return
        moving, self._moving = self._moving, False
        on_screen = self._on_screen is self._line
        left = self._line.default_buffer.document if on_screen else self._draft
        if left.text and not moving:
            self._drafts[before] = left
        draft = left if left.text and moving else self._drafts.pop(folded(now), Document())
        if on_screen:
            self._line.default_buffer.document = draft
        else:
            self._draft = draft

    def _bar(self) -> list[Fragment]:
        status = self._status
        waiting = f"{status.waiting} waiting" if status.waiting else ""
        return bar(
            status.conversation,
            status.lock,
            (status.presence, status.connection, waiting),
            self._transfers.fragments(),
            self._views.order,
            self._line.app.output.get_size().columns,
            columns,
        )

    # --------------------------------------------------------------------------------------------
    def _ask(self, prompt: str, secret: bool, vanishes: bool) -> Deferred[str]:
        question = Question(prompt, secret, Deferred(lambda _: self._withdraw(question)), vanishes)
        self._questions.append(question)
        if self._on_screen is self._line:
            self._interrupt()
        self._to_prompt.set()
        return question.answer

    def _withdraw(self, question: Question) -> None:
        """Whoever asked does not wait for the answer any more."""
        if question in self._questions and question is self._questions[0]:
            self._interrupt()
        elif question in self._questions:
            self._questions.remove(question)

    def _interrupt(self) -> None:
        self._to_prompt.set()
        if self._editor.running:
            self._postponed = True
            return
        app = None if self._on_screen is None else self._on_screen.app
        if app is not None and app.is_running and not app.is_done:
            app.erase_when_done = True
            app.exit(exception=Interrupted())

    def _entered(self, text: str) -> None:
        self._moving = text.partition(" ")[0].casefold() in _MOVING
        if text.isascii() or text.encode("utf-8", "ignore").decode() == text:
            self._typed(text)
        else:  # prompt_toolkit reads bytes that are no UTF-8 as lone surrogates
            self.show(events.Error(code=MalformedRequestError.code, text="a line that is not UTF-8 was left out"))

    def _typed(self, line: str) -> None:
        # In a turn of its own: what goes wrong there is none of the prompter's business.
        if self._on_line is not None:
            self._reactor.callLater(0, self._on_line, line)

    def _hang_up(self) -> None:
        """The terminal is gone, and with it the person."""
        self._typed("/quit")
        self._on_line = None
        self._interrupt()


_MOVING: Final = frozenset({"/go", "/chat", "/invite", "/join", "/leave", "/connect", "/answer", "/goodbye"})
"""Commands that may change the conversation."""


def _painted(painter: Painter, item: Item, width: int) -> list[Row]:
    match item:
        case Shown():
            return painter.rows(item.event, width, tagged=item.tagged, dim=item.dim)
        case Heading():
            return painter.heading(item.conversation, item.lock, item.topic, width)
        case Day():
            return painter.day(item.day, width)
        case New():
            return painter.new(width)


@contextmanager
def _streams_above_the_prompt() -> Iterator[None]:
    """What anything else prints to the terminal meanwhile comes above the prompt, harmless; files stay files."""
    with StdoutProxy(sleep_between_writes=GATHER_SECONDS) as proxy, ExitStack() as stack:
        stack.enter_context(redirect_stdout(proxy))
        if sys.stderr is not None and sys.stderr.isatty():
            stack.enter_context(redirect_stderr(proxy))
        yield


@contextmanager
def _unseen(terminal: int) -> Iterator[Echo]:
    """Until `Echo.on`, what is typed before it is asked for does not show: it may be the password."""
    echo = Echo(terminal)
    with suppress(termios.error):  # the terminal is gone
        echo.off()
    try:
        yield echo
    finally:
        with suppress(termios.error):
            echo.on()


@contextmanager
def _on_hangup(leave: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, leave)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
