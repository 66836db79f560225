"""The keys of the line: what Tab, Enter, a paste, Ctrl+X Ctrl+E and the keys that change the conversation do.

Enter sends; Alt+Enter breaks the line. Several pasted lines wait for one Enter with a question above the line
(`encchat.client.terminal.paste`), unless the person wants them sent at once. ``/edit`` never goes out as a line: Enter
opens the editor in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field, frozen
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.buffer import Buffer, CompletionState
from prompt_toolkit.completion import CompleteEvent, Completer, get_common_complete_suffix
from prompt_toolkit.enums import DEFAULT_BUFFER, EditingMode
from prompt_toolkit.filters import Condition, has_focus, vi_navigation_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from encchat.client.preferences import Preferences
from encchat.client.terminal.editor import draft_of
from encchat.client.terminal.paste import Paste, answer_pasted, asked, dropped, pasted
from encchat.client.text import printable

_ESCAPE_SECONDS: Final = 0.05
"""In vi keys, how long an escape waits for what makes it an Alt key: a terminal sends both at once."""
_SEQUENCE_SECONDS: Final = 1.0
_FLUSH_SECONDS: Final = 0.5
"""prompt_toolkit's own, for all other keys."""


@frozen
class Moves:
    """What keys do to change the conversation: ``to`` one by its number, ``by`` so many places."""

    to: Callable[[int], None]
    by: Callable[[int], None]


@define(eq=False)
class Typing:
    """What the keys need to know, and the paste that waits for Enter.

    ``edit`` opens the editor with a text.
    """

    words: Completer
    preferences: Callable[[], Preferences]
    moves: Moves
    edit: Callable[[str], None]
    _paste: Paste = field(init=False, factory=Paste)

    def hint(self, text: str) -> str:
        """What stands above the line, which is ``text`` now; empty if nothing does."""
        if self._paste.refusal:
            return self._paste.refusal
        return asked(text, escaped=self._paste.escaped) if self.waits(text) else ""

    def waits(self, text: str) -> bool:
        """Whether ``text`` has lines that were pasted and not sent yet."""
        return "\n" in self._paste.text and "\n" in text

    def take(self, paste: Paste) -> None:
        """There was a paste."""
        self._paste = paste

    def drop(self, text: str) -> str:
        """``text`` without what was pasted."""
        paste, self._paste = self._paste, Paste()
        return dropped(text, paste)

    def done(self) -> None:
        """The line has gone."""
        self._paste = Paste()

    def changed(self) -> None:
        """The person types on: a refusal was read."""
        if self._paste.refusal:
            self._paste = Paste()


def line_keys(typing: Typing) -> KeyBindings:
    """The keys of the line, beside those of prompt_toolkit."""
    bindings = KeyBindings()
    _enter_keys(bindings, typing)
    _paste_keys(bindings, typing)
    _move_keys(bindings, typing.moves)

    @bindings.add("tab", filter=has_focus(DEFAULT_BUFFER))
    def complete(event: KeyPressEvent) -> None:
        complete_word(event.current_buffer, typing.words)

    return bindings


def _enter_keys(bindings: KeyBindings, typing: Typing) -> None:
    line = has_focus(DEFAULT_BUFFER)

    @bindings.add("enter", filter=line)
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        draft = draft_of(buffer.text)
        typing.done()
        if draft is None:
            buffer.validate_and_handle()
        else:
            buffer.text = draft
            typing.edit(draft)

    @bindings.add("escape", "enter", filter=line)
    def break_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("c-x", "c-e", filter=line)
    @bindings.add("v", filter=line & vi_navigation_mode)
    def edit(event: KeyPressEvent) -> None:
        typing.done()  # what comes back from the editor is no paste
        typing.edit(event.current_buffer.text)


def _paste_keys(bindings: KeyBindings, typing: Typing) -> None:
    line = has_focus(DEFAULT_BUFFER)
    waits = Condition(lambda: typing.waits(get_app().current_buffer.text))

    @bindings.add(Keys.BracketedPaste)
    def paste(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.name != DEFAULT_BUFFER:
            buffer.insert_text(printable(answer_pasted(event.data)))
            return
        taken = pasted(event.data, buffer.document.text_before_cursor)
        typing.take(taken)
        buffer.insert_text(taken.text)
        if taken.lines > 1 and typing.preferences().paste == "send":
            typing.done()
            buffer.validate_and_handle()

    @bindings.add("c-c", filter=line & waits)
    def drop(event: KeyPressEvent) -> None:
        event.current_buffer.text = typing.drop(event.current_buffer.text)


def _move_keys(bindings: KeyBindings, moves: Moves) -> None:
    """Alt+1 to Alt+9, Alt+Left and Alt+Right; a terminal says Alt by an escape before the key."""

    def to(number: int) -> None:
        bindings.add("escape", str(number))(lambda event: moves.to(number))

    for number in range(1, 10):
        to(number)
    bindings.add("escape", "left")(lambda event: moves.by(-1))
    bindings.add("escape", "right")(lambda event: moves.by(1))


def question_keys() -> KeyBindings:
    """The keys of a question: what is pasted is one line."""
    bindings = KeyBindings()

    @bindings.add(Keys.BracketedPaste)
    def paste(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(answer_pasted(event.data))

    return bindings


def complete_word(buffer: Buffer, words: Completer) -> None:
    """Ask for the words there and then: prompt_toolkit's own drops the key while a menu is still being made."""
    fitting = list(words.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
    chosen = None if buffer.complete_state is None else buffer.complete_state.current_completion
    if len(fitting) == 1 and chosen is None:
        buffer.delete_before_cursor(-fitting[0].start_position)
        buffer.insert_text(fitting[0].text if fitting[0].text.endswith("/") else f"{fitting[0].text} ")
    elif more := get_common_complete_suffix(buffer.document, fitting):
        buffer.insert_text(more)
    elif buffer.complete_state is not None:
        buffer.complete_next()
    elif fitting:
        begun = buffer.document.text_before_cursor[fitting[0].start_position :] if fitting[0].start_position else ""
        buffer.complete_state = CompletionState(buffer.document, fitting)
        if not fitting[0].text.startswith(begun):  # what replaces the begun word, as an emoji its name, does so at once
            buffer.go_to_completion(0)


# Which keys ---------------------------------------------------------------------------------------
def follow(app: Application[Any], keys: str) -> None:
    """Edit the line by ``keys`` (emacs or vi) from now on."""
    mode = EditingMode.VI if keys == "vi" else EditingMode.EMACS
    if app.editing_mode is not mode:
        app.editing_mode = mode
        app.vi_state.reset()
        app.ttimeoutlen = _ESCAPE_SECONDS if mode is EditingMode.VI else _FLUSH_SECONDS
        app.timeoutlen = _SEQUENCE_SECONDS


def hurry_escape(app: Application[Any]) -> None:
    """In vi keys a lone escape is a command, not the begin of one; called after each key."""
    if app.editing_mode is EditingMode.VI:
        pressed = app.key_processor.key_buffer
        alone = len(pressed) == 1 and pressed[0].key == Keys.Escape
        app.timeoutlen = _ESCAPE_SECONDS if alone else _SEQUENCE_SECONDS
