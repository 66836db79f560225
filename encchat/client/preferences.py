"""What a person can set: one typed field for each option, with its help and the values that are right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import attrs
from attrs import field, frozen

from encchat.errors import UsageError
from encchat.limits import DEFAULT_BACKLOG, MAX_PAST, MAX_SETTING

Value = bool | int | str

Keys = Literal["emacs", "vi"]
Theme = Literal["auto", "dark", "light", "colour-blind", "plain"]
Colour = Literal["auto", "always", "never"]
Bell = Literal["never", "mentions", "always"]
Images = Literal["auto", "kitty", "sixel", "never"]
Paste = Literal["ask", "send"]

_YES: Final = ("on", "true", "yes")
_NO: Final = ("off", "false", "no")
_TIMES: Final = re.compile(r"(?:[^%]|%[-_]?[aAbBcdDeFHIjklmMpPrRSTuUVwWxXyYzZ%])*")
"""strftime(3) without what breaks a line."""


def _one_line(text: str) -> bool:
    return len(text) <= MAX_SETTING and text.isprintable()


def _is_times(text: str) -> bool:
    return _one_line(text) and 0 < len(text) <= 64 and _TIMES.fullmatch(text) is not None


def _is_command(text: str) -> bool:
    try:
        return _one_line(text) and bool(text == "" or shlex.split(text))
    except ValueError:  # a quotation mark without its fellow
        return False


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]])


def option(
    default: Value,
    help: str,
    choices: tuple[str, ...] = (),
    *,
    up_to: int = 0,
    right: Callable[[str], bool] = _one_line,
    words: str = f"at most {MAX_SETTING:,} characters on one line",
) -> Any:
    """A field of `Preferences`: a switch, a whole number from 0 to ``up_to``, one of ``choices``, or a text.

    A text must be ``right``, which ``words`` say.
    """
    if isinstance(default, bool):
        words = "on or off"
    elif isinstance(default, int):
        words = f"a whole number from 0 to {up_to:,}"
    elif choices:
        words = _either(choices)
    return field(
        default=default, metadata={"help": help, "choices": choices, "up_to": up_to, "right": right, "words": words}
    )


@frozen
class Preferences:
    """The options of ``/set`` and ``client.toml``; a row here is all that an option needs."""

    keys: Keys = option("emacs", "keys that edit the line", get_args(Keys))
    theme: Theme = option("auto", "colours that fit the background of your terminal", get_args(Theme))
    colour: Colour = option("auto", "whether there are colours; auto means unless NO_COLOR is set", get_args(Colour))
    times: str = option(
        "%H:%M", "how a time is written, as in strftime(3)", right=_is_times, words="a pattern such as %H:%M"
    )
    backlog: int = option(DEFAULT_BACKLOG, "messages shown when you go to a conversation", up_to=MAX_PAST)
    markdown: bool = option(True, "show *emphasis*, `code` and lists as such")
    bell: Bell = option(
        "mentions", "what rings the bell; mentions means your name, and what is said to you alone", get_args(Bell)
    )
    notify: str = option(
        "",
        "command for a desktop notification such as notify-send, run with a title and a text; empty means none",
        right=_is_command,
        words="a command, its quotation marks in pairs",
    )
    notify_text: bool = option(False, "whether that command is given what was said, or only by whom")
    images: Images = option("auto", "how images are shown", get_args(Images))
    downloads: str = option("~/Downloads", "folder where received files go")
    paste: Paste = option("ask", "what becomes of several pasted lines", get_args(Paste))
    preview: bool = option(True, "show what is said to you in other conversations as one dim line")
    history: bool = option(True, "keep typed lines, sealed, for the next start")


@frozen
class Option:
    """One field of `Preferences`."""

    name: str
    default: Value
    help: str
    choices: tuple[str, ...]
    words: str
    """Which values are right."""
    up_to: int
    right: Callable[[str], bool]

    @property
    def typed(self) -> str:
        """The name as people type it: with dashes."""
        return self.name.replace("_", "-")

    @property
    def words_in_file(self) -> str:
        """Which values are right, as TOML writes them."""
        if isinstance(self.default, bool):
            return "true or false"
        return _either([f'"{choice}"' for choice in self.choices]) if self.choices else self.words

    @property
    def suggested(self) -> tuple[str, ...]:
        """Values to complete with."""
        return ("on", "off") if isinstance(self.default, bool) else self.choices

    def parse(self, text: str) -> Value:
        """The value typed as ``text``; raise `UsageError` that says what would be right."""
        word = text.strip()
        value: object = _unquoted(word)
        if isinstance(self.default, bool):
            value = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}.get(word.casefold())
        elif isinstance(self.default, int):
            value = int(word) if re.fullmatch("[0-9]{1,9}", word) else None
        elif self.choices:
            value = word.casefold()
        return self.check(value, f"{shown_text(word)} is not right for {self.typed}: it takes {self.words}")

    def check(self, value: object, wrong: str) -> Value:
        """``value`` if it is right; raise `UsageError` with ``wrong`` if not."""
        if isinstance(value, bool | int | str) and type(value) is type(self.default) and self._fits(value):
            return value
        raise UsageError(wrong)

    def _fits(self, value: Value) -> bool:
        if isinstance(value, str):
            return value in self.choices if self.choices else self.right(value)
        return isinstance(value, bool) or 0 <= value <= self.up_to

    def shown(self, value: Value) -> str:
        """``value`` as it is typed."""
        if isinstance(value, bool):
            return "on" if value else "off"
        return str(value) if value != "" else '""'


def _unquoted(word: str) -> str:
    quoted = len(word) >= 2 and word[0] == word[-1] and word[0] in "\"'"
    return word[1:-1] if quoted and word[0] not in word[1:-1] else word


def shown_text(text: str) -> str:
    """``text`` for an error: short, and nothing a terminal would obey."""
    return "".join(one if one.isprintable() else "?" for one in text[:40]) or "nothing"


def _of(made: Any) -> Option:
    found = made.metadata
    return Option(
        name=made.name,
        default=made.default,
        help=found["help"],
        choices=found["choices"],
        words=found["words"],
        up_to=found["up_to"],
        right=found["right"],
    )


OPTIONS: Final[Mapping[str, Option]] = {made.name: _of(made) for made in attrs.fields(Preferences)}
"""Every option by its name, in the order they are listed."""
