"""The bottom bar: where one is and how safe that is, the connection, transfers, and what is unread elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field

from encchat.client import events
from encchat.client.terminal.views import View
from encchat.client.text import printable

Fragment = tuple[str, str]
"""A style and a text, as prompt_toolkit has them."""
Measure = Callable[[str], int]
"""Columns a string takes on the terminal."""

_GAP: Final = "   "
_ARROWS: Final = {"in": "<", "out": ">"}
_LOUD: Final = ("KEY CHANGED", "no keys", "not in it")
_MOST_TRANSFERS: Final = 2
"""Transfers the bar has room for; of more it says how many."""


@define(eq=False)
class Transfers:
    """The transfers under way, by their ULIDs."""

    _under_way: dict[str, events.Transfer] = field(init=False, factory=dict)

    def take(self, event: events.Transfer) -> None:
        """One of them has got further, or is over."""
        self._under_way.pop(event.ulid, None)
        if event.state in ("going", "waiting"):
            self._under_way[event.ulid] = event

    def fragments(self) -> list[Fragment]:
        """Each with its share that is through."""
        shown = list(self._under_way.values())[-_MOST_TRANSFERS:]
        more = len(self._under_way) - len(shown)
        parts: list[Fragment] = [("class:bar.transfer", _progress(transfer)) for transfer in shown]
        return [*parts, ("class:bar.transfer", f"+{more} files")] if more else parts


def _progress(transfer: events.Transfer) -> str:
    share = min(100, 100 * transfer.done // transfer.size) if transfer.size else 0
    waits = " waits" if transfer.state == "waiting" else ""
    return f"{_ARROWS[transfer.direction]} {_short(printable(transfer.name))} {share}%{waits}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


_LONGEST_NAME: Final = 20
"""Characters of a file's name in the bar."""


def bar(
    here: str,
    lock: str,
    states: Sequence[str],
    transfers: Sequence[Fragment],
    views: Sequence[View],
    width: int,
    measure: Measure = len,
) -> list[Fragment]:
    """The bar in ``width`` columns.

    ``states`` are presence, connection and what waits. Where there is not room for all conversations, those with
    nothing unread go first, then the last ones; of what is unread then the bar still says that there is more.
    """
    begin = [("class:bar.current", printable(here)), *_lock(lock)]
    parts = [begin, *([("class:bar.state", printable(state))] for state in states if state)]
    parts += [[fragment] for fragment in transfers]
    row = [("class:bar", " "), *_joined(parts)]
    room = width - _width(row, measure) - len(_GAP)
    others = _others([view for view in views if view.name != here], room, measure)
    return [*row, ("class:bar", _GAP), *others] if others else row


def _lock(lock: str) -> list[Fragment]:
    style = "class:bar.warning" if lock in _LOUD else "class:bar.lock"
    return [(style, f" ({printable(lock)})")] if lock else []


def _joined(parts: Sequence[Sequence[Fragment]]) -> list[Fragment]:
    row: list[Fragment] = []
    for part in parts:
        row += [("class:bar", _GAP), *part] if row else part
    return row


def _others(views: Sequence[View], room: int, measure: Measure) -> list[Fragment]:
    shown, more = list(views), False
    while shown:
        row = _listed(shown, more)
        if _width(row, measure) <= room:
            return row
        quiet = [view for view in shown if not view.unread]
        dropped = quiet[-1] if quiet else shown[-1]
        shown.remove(dropped)
        more = more or bool(dropped.unread)
    return [("class:bar.unread", "...")] if more and room >= len("...") else []


def _listed(views: Sequence[View], more: bool) -> list[Fragment]:
    row: list[Fragment] = []
    for view in views:
        row += [("class:bar", "  ")] if row else []
        row += _entry(view)
    return [*row, ("class:bar.unread", "  ...")] if more else row


def _entry(view: View) -> list[Fragment]:
    name = f"{view.number}:{printable(view.name)}"
    if not view.unread:
        return [("class:bar.quiet", name)]
    entry = [("class:bar.unread", f"{name} {view.unread}")]
    return [*entry, ("class:bar.mention", f" @{view.mentions}")] if view.mentions else entry


def _width(row: Sequence[Fragment], measure: Measure) -> int:
    return sum(measure(text) for _, text in row)
