"""What the tty face prompts with: a session for lines and one for questions, of prompt_toolkit's parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.cursor_shapes import CursorShape, ModalCursorShapeConfig
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.layout.dimension import Dimension, to_dimension
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.styles import BaseStyle

from encchat.client.commands import is_secret
from encchat.client.commands.completion import addresses
from encchat.client.faces import Complete
from encchat.client.terminal.bar import Fragment
from encchat.client.terminal.emoji_names import EmojiNames, begun
from encchat.client.terminal.keys import Moves, Typing, follow, hurry_escape, line_keys, question_keys
from encchat.client.text import printable, printable_lines
from encchat.limits import MAX_HISTORY

__all__ = ["Left", "Moves", "Typing", "Words", "line_session", "question_session"]

_IN_EMOJI: Final = "\u200d\ufe0f"
_OTHER_ROWS: Final = 2
"""The hint above the line, and the bar."""


class Left(Exception):
    """The person pressed Ctrl+C or Ctrl+D, or the terminal is gone."""


class Remembered(History):
    """The last `MAX_HISTORY` lines, those ``before`` this run among them, secrets not."""

    def __init__(self, before: Callable[[], Awaitable[Sequence[str]]]) -> None:
        super().__init__()
        self._before = before

    async def load(self) -> AsyncGenerator[str, None]:
        """Everything, newest first; what was typed before is asked for once."""
        if not self._loaded:
            self._loaded_strings = [*reversed(await self._before())]
            self._loaded = True
        for line in self._loaded_strings:
            yield line

    def load_history_strings(self) -> Iterable[str]:
        """Never asked for: `load` waits for them."""
        return ()

    def append_string(self, string: str) -> None:
        """Remember a line that was entered."""
        if not is_secret(string):
            super().append_string(string)
            del self._loaded_strings[MAX_HISTORY:]  # the newest stands first

    def store_string(self, string: str) -> None:
        """The client's core keeps it (`encchat.client.terminal.history`)."""


class Words(Completer):
    """Completes the word under the cursor: an emoji by its name, else from the present `Complete` function."""

    def __init__(self) -> None:
        self.words: Complete = lambda typed: ()
        self._emoji = EmojiNames()

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The fitting words; one that holds something unprintable cannot be meant."""
        typed = document.text_before_cursor
        if name := begun(typed):
            yield from self._named(name, complete_event.completion_requested)
            return
        last = len(typed) - max(typed.rfind(" "), typed.rfind("\n")) - 1
        for fitting in self.words(typed):
            if printable(fitting.word) == fitting.word:
                yield Completion(fitting.word, -last, display_meta=printable(fitting.help))

    def _named(self, name: str, requested: bool) -> Iterable[Completion]:
        """Emoji whose name begins so; nothing while the names are being read, unless asked for, as no key waits."""
        if requested:
            self._emoji.load()
        else:
            self._emoji.load_aside()
        for found in self._emoji.find(name):
            yield Completion(found.emoji, -len(name), display=f"{found.emoji} {found.name}")


def _completes(typed: str) -> bool:
    """Whether words are offered without Tab behind ``typed``."""
    return (typed.startswith("/") and "\n" not in typed) or addresses(typed) or begun(typed) != ""


class Hidden(Processor):
    """Shows nothing at all of what is typed, not even how much."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Nothing, the cursor at its beginning."""
        return Transformation([], source_to_display=lambda place: 0, display_to_source=lambda place: 0)


class Seen(Processor):
    """Shows what is invisible or turns text round, in a line that was pasted perhaps, as U+FFFD; one for one."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The same fragments, safe to show; controls are spelled out by prompt_toolkit."""
        fragments = transformation_input.fragments
        return Transformation([(style, "".join(map(_seen, text))) for style, text, *_ in fragments])


def _seen(character: str) -> str:
    if character.isascii() or character in _IN_EMOJI or printable(character) == character:
        return character
    return "\ufffd"


def line_session(
    typing: Typing,
    conversation: Callable[[], str],
    bar: Callable[[], Sequence[Fragment]],
    before: Callable[[], Awaitable[Sequence[str]]],
    style: BaseStyle,
) -> PromptSession[str]:
    """The prompt for lines: the conversation before it, ``bar`` below; ``before``: lines typed in earlier runs."""

    def message() -> StyleAndTextTuples:
        hint = "" if get_app().is_done else typing.hint(session.default_buffer.text)
        prompt = ("class:prompt", f"{printable(conversation())}> ")
        return [("class:hint", f"{hint}\n"), prompt] if hint else [prompt]

    session: PromptSession[str] = PromptSession(
        message=message,
        prompt_continuation=lambda width, line, wraps: "" if wraps else " " * width,
        bottom_toolbar=lambda: [*bar()],
        completer=typing.words,
        key_bindings=line_keys(typing),
        style=style,
        # Without a condition prompt_toolkit keeps rows free for a menu that a plain message never shows.
        complete_while_typing=Condition(lambda: _completes(get_app().current_buffer.document.text_before_cursor)),
        input_processors=[Seen()],
        history=Remembered(before),
        cursor=ViCursor(),
        enable_suspend=True,
        interrupt_exception=Left,
        eof_exception=Left,
    )
    session.app.before_render += lambda app: follow(app, typing.preferences().keys)
    session.app.key_processor.after_key_press += lambda _: hurry_escape(session.app)
    session.default_buffer.on_text_changed += lambda _: typing.changed()
    _keep_low(session)
    return session


class ViCursor(ModalCursorShapeConfig):
    """In vi keys the cursor tells the mode; else it is left alone."""

    def get_cursor_shape(self, application: Application[Any]) -> CursorShape:
        """Its shape now."""
        if application.editing_mode is EditingMode.VI:
            return super().get_cursor_shape(application)
        return CursorShape._NEVER_CHANGE


def _keep_low(session: PromptSession[str]) -> None:
    """A draft of many lines takes no more than half of the screen while it is being typed.

    The rows that are kept free for a menu are no more than a small screen has: it would show neither of both.
    """
    window = session.layout.current_window
    own = window.height

    def height() -> Dimension:
        rows = session.app.output.get_size().rows
        least = min(to_dimension(own).min, max(rows - _OTHER_ROWS, 0))
        most = max(rows // 2, least, 1)
        if get_app().is_done or session.default_buffer.document.line_count <= most:
            return Dimension(min=least)  # without a limit, so that the bar stays at the bottom of an empty screen
        return Dimension(min=least, max=most)

    window.height = height


def question_session(prompt: str, secret: bool) -> PromptSession[str]:
    """The prompt for one question; what is typed does not show if it is ``secret``."""
    return PromptSession(
        message="\n".join(printable_lines(prompt)),
        input_processors=[Hidden() if secret else Seen()],
        key_bindings=question_keys(),
        history=DummyHistory(),
        interrupt_exception=Left,
        eof_exception=Left,
    )
