"""Themes: what the class names of the painter, the bar and the prompt look like, and a person's colour.

The colours are of the 256 every terminal of today has. Those of ``auto`` stand out (3.3 : 1 or more, WCAG 2) from black
and from white, those of ``dark`` and ``light`` (4.5 : 1 or more) from the one. ``colour-blind`` keeps to blue, orange
and grey, which nobody takes for each other, and tells more people apart by bold and underlined names. No colour says
anything that is not also said in letters.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from encchat.client.preferences import Preferences
from encchat.names import folded

_AUTO: Final = (
    "#d75f5f",
    "#d75f00",
    "#878700",
    "#008700",
    "#00875f",
    "#008787",
    "#0087d7",
    "#5f5fff",
    "#875fd7",
    "#af5fd7",
    "#d700af",
    "#d70087",
)
_DARK: Final = (
    "#ff8787",
    "#ffaf5f",
    "#d7d75f",
    "#87d75f",
    "#5fd7af",
    "#5fd7ff",
    "#87afff",
    "#af87ff",
    "#d787ff",
    "#ff87d7",
    "#d7af87",
    "#87d7d7",
)
_LIGHT: Final = (
    "#af0000",
    "#af5f00",
    "#5f5f00",
    "#005f00",
    "#00875f",
    "#005f87",
    "#005faf",
    "#5f00d7",
    "#8700af",
    "#af0087",
    "#875f00",
    "#af005f",
)
_COLOUR_BLIND: Final = (
    "#0087d7",
    "#d75f00",
    "#808080",
    "#0087d7 bold",
    "#d75f00 bold",
    "#808080 bold",
    "#0087d7 underline",
    "#d75f00 underline",
    "#808080 underline",
)
_PLAIN: Final = ("bold",)

_SHAPES: Final = {
    "heading": "bold",
    "day": "bold",
    "new": "bold",
    "mark": "bold",
    "error": "bold",
    "warning": "bold",
    "mention": "bold",
    "bold": "bold",
    "italic": "italic",
    "strike": "strike",
    "link": "underline",
    "code.keyword": "bold",
    "prompt": "bold",
    "bar.current": "bold",
    "bar.unread": "bold",
    "bar.mention": "bold",
    "bar.warning": "bold",
}
"""What stays of a theme where there are no colours."""


@frozen
class Theme:
    """``people``: styles of names, ``colours``: of the classes that have one."""

    people: tuple[str, ...]
    colours: Mapping[str, str] = field(factory=dict)

    def person(self, name: str) -> str:
        """The style of ``name``: the same however it is written and on every machine."""
        return f"class:person-{zlib.crc32(folded(name).encode('utf-8', 'surrogatepass')) % len(self.people)}"

    def style(self) -> dict[str, str]:
        """The styles of all classes, as `prompt_toolkit.styles.Style.from_dict` takes them."""
        classes = {name: f"{shape} {self.colours.get(name, '')}".strip() for name, shape in _SHAPES.items()}
        people = {f"person-{number}": style for number, style in enumerate(self.people)}
        return {**self.colours, **classes, **people}


def _colours(*, grey: str, green: str, red: str, amber: str, blue: str, bar: tuple[str, str, str]) -> dict[str, str]:
    """``bar``: ground and letters of the bar, the colour of mentions in it, that of warnings."""
    return {
        "time": grey,
        "tag": grey,
        "dim": grey,
        "change": grey,
        "quote": grey,
        "fence": grey,
        "hint": grey,
        "day": grey,
        "heading": blue,
        "new": red,
        "mark": red,
        "error": red,
        "warning": red,
        "mention": amber,
        "link": blue,
        "code": green,
        "code.keyword": blue,
        "code.string": amber,
        "code.comment": grey,
        "code.number": red,
        "code.name": green,
        "bottom-toolbar": f"noreverse {bar[0]}",
        "bar.mention": bar[1],
        "bar.warning": bar[2],
    }


_DARK_BAR: Final = ("bg:#303030 #dadada", "#ffaf5f", "#ff8787")
_LIGHT_BAR: Final = ("bg:#d0d0d0 #262626", "#875f00", "#af0000")
_BLIND_BAR: Final = ("bg:#303030 #dadada", "#5fafff", "#ff875f")

_THEMES: Final[Mapping[str, Theme]] = {
    "auto": Theme(
        _AUTO,
        _colours(grey="#808080", green="#008787", red="#d75f5f", amber="#af5f00", blue="#0087d7", bar=_DARK_BAR),
    ),
    "dark": Theme(
        _DARK,
        _colours(grey="#949494", green="#87d7af", red="#ff8787", amber="#ffaf5f", blue="#87afff", bar=_DARK_BAR),
    ),
    "light": Theme(
        _LIGHT,
        _colours(grey="#626262", green="#00875f", red="#af0000", amber="#875f00", blue="#005faf", bar=_LIGHT_BAR),
    ),
    "colour-blind": Theme(
        _COLOUR_BLIND,
        _colours(grey="#808080", green="#808080", red="#d75f00", amber="#d75f00", blue="#0087d7", bar=_BLIND_BAR),
    ),
    "plain": Theme(_PLAIN, {"dim": "italic", "hint": "italic"}),
}


def is_colourful(preferences: Preferences, environ: Mapping[str, str]) -> bool:
    """Whether there are to be colours: what the person chose counts for more than ``NO_COLOR`` (no-color.org)."""
    if preferences.colour == "auto":
        return not environ.get("NO_COLOR")
    return preferences.colour == "always"


def theme(preferences: Preferences, environ: Mapping[str, str]) -> Theme:
    """The theme in force; without colours the plain one."""
    return _THEMES[preferences.theme if is_colourful(preferences, environ) else "plain"]
