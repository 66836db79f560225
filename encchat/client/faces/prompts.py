"""What the tty face prompts with: a session for lines and one for questions, of prompt_toolkit's parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import frozen
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, get_common_complete_suffix
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import DummyHistory, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.styles import BaseStyle

from encchat.client.faces import Complete
from encchat.client.terminal.bar import Fragment
from encchat.client.text import printable, printable_lines
from encchat.limits import MAX_HISTORY

_SECRETS: Final = ("/admin ", "-a ", "/recover ", "/keys ")
"""Lines that begin so hold a password or a phrase: they are not remembered."""

_IN_EMOJI: Final = "\u200d\ufe0f"


class Left(Exception):
    """The person pressed Ctrl+C or Ctrl+D, or the terminal is gone."""


class History(InMemoryHistory):
    """The last `MAX_HISTORY` lines of this run, passwords not among them."""

    def append_string(self, string: str) -> None:
        """Remember a line that was entered."""
        if not string.startswith(_SECRETS):
            super().append_string(string)
            del self._loaded_strings[MAX_HISTORY:]  # the newest stands first


class Words(Completer):
    """Completes the word under the cursor from whatever `Complete` function is the present one."""

    def __init__(self) -> None:
        self.words: Complete = lambda typed: ()

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The fitting words; one that holds something unprintable cannot be meant."""
        typed = document.text_before_cursor
        begun = len(typed) - (typed.rfind(" ") + 1)
        for fitting in self.words(typed):
            if printable(fitting.word) == fitting.word:
                yield Completion(fitting.word, -begun, display_meta=printable(fitting.help))


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


@frozen
class Moves:
    """What keys do to change the conversation: ``to`` one by its number, ``by`` so many places."""

    to: Callable[[int], None]
    by: Callable[[int], None]


def _moves(bindings: KeyBindings, moves: Moves) -> None:
    """Alt+1 to Alt+9, Alt+Left and Alt+Right; a terminal says Alt by an escape before the key."""

    def to(number: int) -> None:
        bindings.add("escape", str(number))(lambda event: moves.to(number))

    for number in range(1, 10):
        to(number)
    bindings.add("escape", "left")(lambda event: moves.by(-1))
    bindings.add("escape", "right")(lambda event: moves.by(1))


def _bindings(words: Words) -> KeyBindings:
    """Tab asks for the words there and then: prompt_toolkit's own drops it while a menu is still being made."""
    bindings = KeyBindings()

    @bindings.add("tab")
    def complete(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        fitting = list(words.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
        if len(fitting) == 1 and (buffer.complete_state is None or buffer.complete_state.current_completion is None):
            buffer.delete_before_cursor(-fitting[0].start_position)
            buffer.insert_text(f"{fitting[0].text} ")
        elif more := get_common_complete_suffix(buffer.document, fitting):
            buffer.insert_text(more)
        elif buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion()

    return bindings


def line_session(
    words: Words, conversation: Callable[[], str], bar: Callable[[], Sequence[Fragment]], moves: Moves, style: BaseStyle
) -> PromptSession[str]:
    """The prompt for lines: the conversation before it, ``bar`` below; ``moves`` are for the keys that change it."""
    bindings = _bindings(words)
    _moves(bindings, moves)
    return PromptSession(
        message=lambda: f"{printable(conversation())}> ",
        bottom_toolbar=lambda: [*bar()],
        completer=words,
        key_bindings=bindings,
        style=style,
        # Without a condition prompt_toolkit keeps rows free for a menu that a plain message never shows.
        complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
        input_processors=[Seen()],
        history=History(),
        enable_suspend=True,
        interrupt_exception=Left,
        eof_exception=Left,
    )


def question_session(prompt: str, secret: bool) -> PromptSession[str]:
    """The prompt for one question; what is typed does not show if it is ``secret``."""
    return PromptSession(
        message="\n".join(printable_lines(prompt)),
        input_processors=[Hidden() if secret else Seen()],
        history=DummyHistory(),
        interrupt_exception=Left,
        eof_exception=Left,
    )
