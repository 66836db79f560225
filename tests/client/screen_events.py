"""Every class of screen events with hostile text in every field that holds text."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from encchat.client import events
from tests.client.test_text import any_text, tricky

FORGED = "12:34 bob: forged"
"""A row that only bob's client may bring about."""

_marked = st.text(
    st.sampled_from(
        "a b*_~`[]()<>#-1.|:/\\\n\r\t\x1b\x9b\x00\u202e\u200b\u200d\ufe0f\u20e3\u0301\u2764\u6f22\u05d0\U0001f468"
    ),
    max_size=60,
)
_forged = st.lists(
    st.sampled_from(
        [
            FORGED,
            "* forged",
            "! forged",
            "--- new ---",
            "\n",
            "\r\n",
            " ",
            "x" * 30,
            " " * 90,
            "\u6f22" * 20,
            "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 5,
            "```python\ndef f():",
            "\n```\n",
            "> ",
            "- ",
            "**",
            "https://example.org/" + "x" * 90,
            "[name](https://example.org/)",
            "e" + "\u0301" * 30,
            "\x1b]8;;http://evil\x07",
        ]
    ),
    max_size=8,
).map("".join)
hostile = st.one_of(any_text, tricky, _marked, _forged)
"""Text as nobody means well writes it."""


def of_type(kind: Any, text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Values of a field's type, with ``text`` wherever it is text."""
    origin = get_origin(kind)
    if kind is str:
        return text
    if origin is Literal:
        return st.sampled_from(get_args(kind))
    if origin is list:
        return st.lists(of_type(get_args(kind)[0], text), max_size=3)
    if origin in (Union, UnionType):
        return st.one_of(*(of_type(one, text) for one in get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = get_type_hints(kind)
        return st.builds(kind, **{name: of_type(fields[name], text) for name in kind.__struct_fields__})
    return {
        int: st.integers(0, 2**40),
        float: st.floats(0, 1e6),
        bool: st.booleans(),
        NoneType: st.none(),
    }[kind]


def event_classes() -> list[type[events.ScreenEvent]]:
    """Every class of events there is."""
    return sorted(events.ScreenEvent.__subclasses__(), key=lambda kind: kind.__name__)


one_of_each = st.one_of(*(of_type(kind, hostile) for kind in event_classes()))
"""Events of all classes, hostile throughout."""
