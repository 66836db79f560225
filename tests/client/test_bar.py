"""The bottom bar of the tty face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.terminal.bar import Fragment, Transfers, bar
from encchat.client.terminal.views import View

VIEWS = (View("lobby", 1), View("#garden", 2, 3, 1), View("@bob", 3, 2), View("#kitchen", 4))


def text(fragments: Sequence[Fragment]) -> str:
    """What it says."""
    return "".join(part for _, part in fragments)


def transfer(name: str = "photo.png", done: int = 45, **more: Any) -> events.Transfer:
    """How far a file has come."""
    given: dict[str, Any] = {"direction": "out", "state": "going", "size": 100} | more
    return events.Transfer(ulid=name, conversation="@bob", name=name, done=done, **given)


class Bar(SynchronousTestCase):
    """What it says, and what it leaves out."""

    def bar(self, width: int = 100, here: str = "lobby", views: Sequence[View] = VIEWS, **more: Any) -> str:
        lock, states = more.get("lock", "not end to end"), more.get("states", ("FREE", "connected", ""))
        return text(bar(here, lock, states, more.get("transfers", ()), views, width))

    def test_everything(self) -> None:
        """Where one is with its lock, presence, connection; then the others by number, unread, and with the name."""
        self.assertEqual(
            self.bar(), " lobby (not end to end)   FREE   connected   2:#garden 3 @1  3:@bob 2  4:#kitchen"
        )

    def test_what_waits(self) -> None:
        """While there is no connection."""
        self.assertIn(
            "OFFLINE   reconnecting   2 waiting", self.bar(states=("OFFLINE", "reconnecting", "2 waiting"), width=200)
        )

    def test_mentions_stand_apart(self) -> None:
        """In a style of their own."""
        styles = {part: style for style, part in bar("lobby", "", (), (), VIEWS, 100)}
        self.assertEqual(styles[" @1"], "class:bar.mention")
        self.assertEqual(styles["4:#kitchen"], "class:bar.quiet")

    def test_a_changed_key_is_loud(self) -> None:
        """It looks like nothing else in the bar."""
        self.assertIn(("class:bar.warning", " (KEY CHANGED)"), bar("@bob", "KEY CHANGED", (), (), (), 80))

    def test_where_room_is_short_the_quiet_ones_go_first(self) -> None:
        """Then the last ones, and it says that there is more."""
        full = len(self.bar())
        self.assertTrue(self.bar(full).endswith("4:#kitchen"))
        self.assertTrue(self.bar(full - 1).endswith("3:@bob 2"))
        without = len(self.bar(full - 1))
        self.assertTrue(self.bar(without).endswith("3:@bob 2"))
        self.assertTrue(self.bar(without - 1).endswith("2:#garden 3 @1  ..."))
        self.assertEqual(self.bar(48), " lobby (not end to end)   FREE   connected   ...")
        self.assertEqual(self.bar(47), " lobby (not end to end)   FREE   connected")

    def test_names_are_spelled_out(self) -> None:
        """They come from others."""
        self.assertNotIn("\u202e", self.bar(views=[View("#\u202egarden", 2)]))

    @given(st.integers(45, 200), st.lists(st.tuples(st.text(max_size=40), st.integers(0, 5)), max_size=12))
    def test_it_fits(self, width: int, rows: list[tuple[str, int]]) -> None:
        """Whoever writes, and however much."""
        views = [View(f"#{name}", number, unread) for number, (name, unread) in enumerate(rows, 2)]
        self.assertLessEqual(len(self.bar(width, views=views)), width)


class Progress(SynchronousTestCase):
    """Files on their way."""

    def test_how_far_they_are(self) -> None:
        """Name, direction and share."""
        transfers = Transfers()
        transfers.take(transfer())
        transfers.take(transfer("report.pdf", 10, direction="in", state="waiting"))
        self.assertEqual([part for _, part in transfers.fragments()], ["> photo.png 45%", "< report.pdf 10% waits"])

    def test_what_is_over_goes(self) -> None:
        """Done or failed."""
        transfers = Transfers()
        for state in ("done", "failed"):
            transfers.take(transfer())
            transfers.take(transfer(state=state))
            self.assertEqual(transfers.fragments(), [])

    def test_many(self) -> None:
        """Two are named, and of the others how many there are."""
        transfers = Transfers()
        for number in range(5):
            transfers.take(transfer(f"{number}.png"))
        self.assertEqual([part for _, part in transfers.fragments()], ["> 3.png 45%", "> 4.png 45%", "+3 files"])

    def test_names_and_sizes_of_others(self) -> None:
        """However long, and whatever is claimed."""
        transfers = Transfers()
        transfers.take(transfer("x" * 300 + "\x1b", 500, size=100))
        self.assertEqual(text(transfers.fragments()), f"> {'x' * 17}... 100%")
        transfers.take(transfer("empty", 0, size=0))
        self.assertIn("empty 0%", text(transfers.fragments()))
