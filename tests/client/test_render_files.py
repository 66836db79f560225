"""Lines about files: the plain face's, and what of them the tty face shows."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.render import render, size_text
from encchat.client.text import printable

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def file(**changes: Any) -> events.File:
    """Bob's garden."""
    fields: dict[str, Any] = {
        "conversation": "#garden", "kind": "room", "seq": 7, "sender": "bob", "name": "garden.png", "size": 23_400,
        "media": "image/png", "time": "2026-11-21T12:34:56.789Z", "ulid": ULID, "encryption": "megolm",
        "signature": "ed25519", "signed": "valid", "trust": "pinned",
    }  # fmt: skip
    return events.File(**{**fields, **changes})


def transfer(**changes: Any) -> events.Transfer:
    """Of the same."""
    fields: dict[str, Any] = {"direction": "in", "done": 0, "size": 23_400, "state": "going"}
    return events.Transfer(**{**fields, "ulid": ULID, "conversation": "@bob", "name": "garden.png", **changes})


def line(event: events.ScreenEvent) -> str:
    """How it is shown, in UTC; nothing if it is not."""
    paragraph = render(event, UTC)
    return "" if paragraph is None else "\n".join(paragraph.rows())


class Lines(SynchronousTestCase):
    """`render`."""

    def test_a_file_says_how_it_is_fetched(self) -> None:
        """By whom, what and how much, and its marks as a message's."""
        self.assertIn(f"bob sends garden.png (23 KB): /accept {ULID}", line(file()))
        self.assertIn("[#garden]", line(file()))
        self.assertIn("bob [unsigned] sends", line(file(signed="absent")))
        self.assertIn("bob [server-key, BAD SIGNATURE] sends", line(file(encryption="server-key", signed="invalid")))
        self.assertIn("2026-11-21 12:34", line(file(missed=True)))

    def test_the_past_shows_files_too(self) -> None:
        """As a line among the others."""
        past = events.History(conversation="#garden", messages=[file()])
        self.assertIn(f"sends garden.png (23 KB): /accept {ULID}", line(past))

    def test_a_transfer_is_told_at_its_beginning_and_end(self) -> None:
        """How far it is in between is nothing a screen reader wants to hear four times a second."""
        self.assertEqual("* fetching garden.png (23 KB)", line(transfer()))
        self.assertEqual("* sending garden.png (23 KB)", line(transfer(direction="out")))
        self.assertEqual("", line(transfer(done=1)))
        done = transfer(state="done", done=23_400)
        self.assertEqual(
            "* garden.png (23 KB) is in /x/garden.png",
            line(events.Transfer(**{**_fields(done), "path": "/x/garden.png"})),
        )
        self.assertEqual(
            "* garden.png (23 KB) is sent to @bob", line(events.Transfer(**{**_fields(done), "direction": "out"}))
        )
        self.assertEqual("! garden.png was not fetched: stopped", line(transfer(state="failed", reason="stopped")))
        self.assertEqual("! garden.png was not sent: no", line(transfer(state="failed", reason="no", direction="out")))
        waits = transfer(state="waiting", done=11_000, reason="no connection")
        self.assertEqual("* garden.png waits, 11 KB of 23 KB are through: no connection", line(waits))

    def test_sizes_are_as_people_say_them(self) -> None:
        """Three digits at most."""
        said = {0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1_000: "1.0 KB", 9_949: "9.9 KB", 9_950: "10 KB"}
        said |= {999_499: "999 KB", 999_500: "1.0 MB", 25 * 2**20: "26 MB", 2**32 - 1: "4.3 GB", 10**13: "10000 GB"}
        for size, text in said.items():
            self.assertEqual(text, size_text(size))

    @given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
    def test_nothing_in_it_reaches_the_terminal_as_it_is(self, name: str, conversation: str, text: str) -> None:
        """Neither of what a peer says, nor a server, nor a path."""
        shown = [line(file(name=name, conversation=conversation, sender=text, ulid=text, encryption=text, time=text))]
        for state in ("waiting", "failed", "done"):
            for direction in ("in", "out"):
                shown.append(
                    line(
                        transfer(
                            name=name,
                            conversation=conversation,
                            reason=text,
                            path=text,
                            state=state,
                            direction=direction,
                        )
                    )
                )
        for row in shown:
            self.assertEqual(row, printable(row))


def _fields(event: events.Transfer) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
