"""Fenced code in colours, by Pygments.

Who writes the code chooses how long that takes, so it is done for languages whose lexers were tried out with ugly text
only (tests/client/test_highlight.py), for code of a bounded size, and only so much of it in a while. All
other code is shown as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, field

from encchat.client.terminal.columns import Row
from encchat.limits import HIGHLIGHT_RATE, MAX_HIGHLIGHTED

_LANGUAGES: Final = {
    "py": "python",
    "python": "python",
    "python3": "python",
    "pycon": "pycon",
    "sh": "bash",
    "bash": "bash",
    "shell": "bash",
    "c": "c",
    "h": "c",
    "cpp": "cpp",
    "c++": "cpp",
    "go": "go",
    "rust": "rust",
    "rs": "rust",
    "js": "javascript",
    "javascript": "javascript",
    "json": "json",
    "toml": "toml",
    "yaml": "yaml",
    "yml": "yaml",
    "ini": "ini",
    "sql": "sql",
    "html": "html",
    "xml": "xml",
    "css": "css",
    "diff": "diff",
}
"""What people call a language, and what Pygments does."""

_STYLES: Final = (
    ("Comment", "class:code.comment"),
    ("Keyword", "class:code.keyword"),
    ("Operator.Word", "class:code.keyword"),
    ("Name.Tag", "class:code.keyword"),
    ("Literal.String", "class:code.string"),
    ("Literal.Number", "class:code.number"),
    ("Name.Function", "class:code.name"),
    ("Name.Class", "class:code.name"),
    ("Name.Attribute", "class:code.name"),
    ("Generic.Inserted", "class:code.string"),
    ("Generic.Deleted", "class:code.number"),
    ("Generic.Subheading", "class:code.comment"),
)
"""Kinds of tokens by the beginning of their name, and their style."""

_OTHER: Final = "class:code"
_LONGEST: Final = 400
"""Characters of a line that people write; lexers take their time with longer ones."""


@define(eq=False)
class Highlighter:
    """Styles lines of code; ``clock`` tells seconds."""

    _clock: Callable[[], float]
    _left: float = field(init=False, default=MAX_HIGHLIGHTED)
    """Characters that may be looked at now."""
    _at: float = field(init=False, default=0.0)
    _lexers: dict[str, Any] = field(init=False, factory=dict)

    def rows(self, lines: Sequence[str], language: str) -> list[Row]:
        """Printable ``lines``, styled; a row each."""
        called = _LANGUAGES.get(language.casefold())
        code = "\n".join(lines)
        if called is None or max(map(len, lines), default=0) > _LONGEST or not self._affords(len(code)):
            return [[(_OTHER, line)] for line in lines]
        rows = _rows(self._lexer(called).get_tokens(f"{code}\n"))[:-1]  # most look for the end of the line
        same = ["".join(text for _, text in row) for row in rows] == list(lines)
        return rows if same else [[(_OTHER, line)] for line in lines]

    def _affords(self, size: int) -> bool:
        now = self._clock()
        self._left = min(self._left + (now - self._at) * HIGHLIGHT_RATE, MAX_HIGHLIGHTED)
        self._at = now
        if size > self._left:
            return False
        self._left -= size
        return True

    def _lexer(self, called: str) -> Any:
        if called not in self._lexers:
            from pygments.lexers import get_lexer_by_name  # some 30 ms, which a client that sees no code saves

            self._lexers[called] = get_lexer_by_name(called, stripnl=False, ensurenl=False)
        return self._lexers[called]


def _rows(tokens: Any) -> list[Row]:
    rows: list[Row] = [[]]
    for kind, text in tokens:
        style = _style(str(kind).removeprefix("Token."))
        first, *more = text.split("\n")
        rows[-1].append((style, first))
        rows += [[(style, line)] for line in more]
    return [[(style, text) for style, text in row if text] for row in rows]


def _style(kind: str) -> str:
    return next((style for begin, style in _STYLES if kind.startswith(begin)), _OTHER)
