"""Themes of the tty face: who is seen in which colour, and how well."""

import re
from itertools import combinations
from math import dist

from prompt_toolkit.styles import Style
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.preferences import OPTIONS, Preferences
from encchat.client.terminal.themes import Theme, theme

THEMES = OPTIONS["theme"].choices
_HEX = re.compile("#([0-9a-f]{6})")
_LEVELS = (0, 95, 135, 175, 215, 255)

# Viénot, Brettel and Mollon 1999, "Digital video colourmaps for checking the legibility of displays by dichromats",
# in linear RGB.
_PROTANOPE = ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0))
_DEUTERANOPE = ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0))


def of(name: str) -> Theme:
    """The theme called so, in colours."""
    return theme(Preferences(theme=name), {})


def rgb(style: str) -> tuple[int, ...]:
    """The colour of the letters in a style."""
    found = re.search("(?<!bg:)#([0-9a-f]{6})", style)
    assert found is not None
    return tuple(bytes.fromhex(found[1]))


def linear(colour: tuple[int, ...]) -> list[float]:
    """Light, 0 to 1 (IEC 61966-2-1)."""
    return [level / 255 / 12.92 if level <= 10 else ((level / 255 + 0.055) / 1.055) ** 2.4 for level in colour]


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """How much two colours differ in light (WCAG 2, "contrast ratio")."""
    lights = [
        sum(part * of for part, of in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))
        for colour in (one, other)
    ]
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def letters(name: str) -> list[tuple[int, ...]]:
    """The colours that letters have on the terminal's own ground."""
    styles = of(name).style()
    return [rgb(style) for kind, style in styles.items() if "#" in style and not kind.startswith(("bar", "bottom"))]


class People(SynchronousTestCase):
    """A person's colour."""

    def test_it_stays_the_same_however_the_name_is_written(self) -> None:
        """On every machine and in every run; people differ."""
        self.assertEqual(of("auto").person("Alice"), of("auto").person("aLICE"))
        self.assertEqual(of("auto").person("alice"), "class:person-11")
        self.assertGreater(len({of("auto").person(f"user{number}") for number in range(200)}), 10)

    def test_any_text_is_a_name(self) -> None:
        """A server may put anything there."""
        self.assertIn(of("dark").person("\ud800\x1b"), {f"class:person-{number}" for number in range(12)})

    def test_every_person_has_a_style(self) -> None:
        """In every theme."""
        for name in THEMES:
            styles = of(name).style()
            self.assertTrue(all(of(name).person(f"u{number}").removeprefix("class:") in styles for number in range(99)))


class Readable(SynchronousTestCase):
    """Contrast, as WCAG 2 reckons it."""

    def test_on_dark_and_on_light(self) -> None:
        """The themes for any ground on both, the others on theirs."""
        black, white = (0, 0, 0), (255, 255, 255)
        for name, ground, least in (
            ("auto", black, 3.3),
            ("auto", white, 3.3),
            ("colour-blind", black, 3.3),
            ("colour-blind", white, 3.3),
            ("dark", black, 4.5),
            ("light", white, 4.5),
        ):
            for colour in letters(name):
                self.assertGreaterEqual(contrast(colour, ground), least, f"{name} {colour} on {ground}")

    def test_the_bar_on_its_own_ground(self) -> None:
        """Its letters, and those of counts within it."""
        for name in set(THEMES) - {"plain"}:
            styles = of(name).style()
            found = re.search("bg:#([0-9a-f]{6})", styles["bottom-toolbar"])
            assert found is not None
            ground = tuple(bytes.fromhex(found[1]))
            for kind in ("bottom-toolbar", "bar.mention", "bar.warning"):
                self.assertGreaterEqual(contrast(rgb(styles[kind]), ground), 3.0, f"{name} {kind}")

    def test_colours_are_those_that_terminals_of_256_have(self) -> None:
        """So that they are not moved to others, which nobody has looked at."""
        for name in THEMES:
            for style in of(name).style().values():
                for found in _HEX.findall(style):
                    levels = tuple(bytes.fromhex(found))
                    grey = len(set(levels)) == 1 and (levels[0] - 8) % 10 == 0
                    self.assertTrue(grey or all(level in _LEVELS for level in levels), f"{name} #{found}")

    def test_the_colour_blind_can_tell_its_colours(self) -> None:
        """Blue, orange and grey differ for those who lack red or green."""
        colours = {rgb(style) for style in of("colour-blind").people}
        self.assertEqual(len(colours), 3)
        for kind in (_PROTANOPE, _DEUTERANOPE):
            seen = [
                [sum(part * light for part, light in zip(row, linear(colour), strict=True)) for row in kind]
                for colour in colours
            ]
            for one, other in combinations(seen, 2):
                self.assertGreater(dist(one, other), 0.15)


class Styles(SynchronousTestCase):
    """`Theme.style`."""

    def test_all_of_them_are_styles(self) -> None:
        """prompt_toolkit takes every one, in every theme."""
        for name in THEMES:
            self.assertTrue(Style.from_dict(of(name).style()).style_rules)

    def test_all_themes_know_the_same_classes(self) -> None:
        """But for the number of people; the plain one has shapes only."""
        known = {name: {kind for kind in of(name).style() if not kind.startswith("person-")} for name in THEMES}
        for name in set(THEMES) - {"plain"}:
            self.assertEqual(known[name], known["auto"])
        self.assertLessEqual(known["plain"], known["auto"])
        self.assertNotIn("#", " ".join(of("plain").style().values()))

    def test_without_colours_there_is_the_plain_theme(self) -> None:
        """Whatever was chosen for colours."""
        self.assertIs(theme(Preferences(theme="dark"), {"NO_COLOR": "1"}), of("plain"))
        self.assertIs(theme(Preferences(theme="dark", colour="never"), {}), of("plain"))
        self.assertIs(theme(Preferences(theme="dark", colour="always"), {"NO_COLOR": "1"}), of("dark"))
