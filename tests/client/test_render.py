"""Screen events as lines for people."""

import re
from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.render import Paragraph, render
from encchat.wire import UserEntry
from tests.client.test_text import any_text, offences


def rows(event: events.ScreenEvent, width: int | None = None) -> list[str]:
    """The rows of ``event`` in UTC."""
    paragraph = render(event, UTC)
    return [] if paragraph is None else paragraph.rows(width, get_cwidth)


def said(text: str, sender: str = "alice", **more: Any) -> events.Message:
    """A message in the lobby."""
    fields: dict[str, Any] = {
        "conversation": "lobby",
        "kind": "lobby",
        "seq": 1,
        "sender": sender,
        "text": text,
        "time": "2026-11-21T12:34:56.789Z",
        "ulid": "",
        "encryption": "none",
        "signature": "none",
        "trust": "none",
    }
    return events.Message(**(fields | more))


def sealed(text: str, **more: Any) -> events.Message:
    """A message of a room, in which everything is as it should be."""
    well = {"kind": "room", "conversation": "#garden", "encryption": "megolm", "signature": "ed25519"}
    return said(text, **(well | {"signed": "valid", "trust": "pinned"} | more))


def unreadable(**more: Any) -> events.Undecryptable:
    """A message of a room whose key is missing."""
    fields = {"ulid": "01J", "conversation": "#garden", "sender": "bob", "reason": "no-key", "kind": "room"}
    return events.Undecryptable(**(fields | {"time": "2026-11-21T12:34:56.789Z"} | more))


class Render(SynchronousTestCase):
    """`render`, event by event."""

    def test_message(self) -> None:
        """A message has its time, its conversation, who said it, and what."""
        self.assertEqual(rows(said("hello")), ["12:34 [lobby] alice: hello"])
        self.assertEqual(rows(sealed("hi", conversation="@alice", kind="direct")), ["12:34 [@alice] alice: hi"])

    def test_time_in_the_given_zone(self) -> None:
        """Times are those of the person's own zone."""
        paragraph = render(said("x"), timezone(timedelta(hours=2)))
        assert paragraph is not None
        self.assertEqual(paragraph.rows(), ["14:34 [lobby] alice: x"])

    def test_time_in_the_local_zone(self) -> None:
        """Without a zone it is the machine's."""
        paragraph = render(said("x"))
        assert paragraph is not None
        self.assertRegex(paragraph.rows()[0], r"^\d\d:\d\d \[lobby\]")

    def test_a_time_that_is_none(self) -> None:
        """A server's odd time is shown as it came, made printable."""
        for odd in ("soon\x1b", "0001-01-01T00:00:00+23:00"):
            self.assertEqual(offences(rows(said("x", time=odd))[0]), [])

    def test_connected(self) -> None:
        """The fingerprint is told when it is new, since only then has it to be compared."""
        again = events.Connected(server="h:1", fingerprint="SHA256:abc", suite="noise", new_pin=False)
        self.assertEqual(rows(again), ["* connected to h:1, suite noise"])
        first = events.Connected(server="h:1", fingerprint="SHA256:abc", suite="noise", new_pin=True)
        self.assertEqual(rows(first)[1:], ["  first contact: its fingerprint SHA256:abc is pinned from now on"])

    def test_logged_in(self) -> None:
        """A role is told when it is more than the usual one."""
        self.assertEqual(rows(events.LoggedIn(user="al", device="d", role="user")), ["* logged in as al"])
        self.assertEqual(rows(events.LoggedIn(user="al", device="d", role="admin")), ["* logged in as al, admin"])

    def test_missed_messages_have_their_day(self) -> None:
        """An hour alone would pass for today's."""
        self.assertEqual(rows(said("hello", missed=True)), ["2026-11-21 12:34 [lobby] alice: hello"])

    def test_past_messages_cannot_pass_for_new_ones(self) -> None:
        """They are indented under a heading, however their text is broken."""
        messages = [said("one"), said("two\n12:34 [lobby] bob: forged", conversation="@al\x1b")]
        self.assertEqual(
            rows(events.History(conversation="lobby", messages=messages)),
            [
                "* past messages of lobby:",
                "  2026-11-21 12:34 [lobby] alice: one",
                "  2026-11-21 12:34 [@al<U+001B>] alice: two",
                "      | 12:34 [lobby] bob: forged",
            ],
        )
        self.assertEqual(rows(events.Found(text="o", messages=messages))[0], "* past messages with o:")
        self.assertIn("perhaps not shown", rows(events.Recovered(conversation="lobby", messages=messages))[0])
        self.assertEqual(rows(events.History(conversation="lobby", messages=[])), ["* nothing of lobby is kept here"])
        self.assertEqual(rows(events.Found(text="x", messages=[])), ["* no message kept here has x"])

    def test_a_listing_has_aligned_columns(self) -> None:
        """Whatever the server puts into them."""
        listing = events.Listing(
            title="bans", columns=["who", "why"], rows=[["barbara", "noise"], ["al", "\x1b["], ["x"]]
        )
        self.assertEqual(
            rows(listing), ["* bans:", "  who      why", "  barbara  noise", "  al       <U+001B>[", "  x"]
        )
        self.assertEqual(rows(events.Listing(title="bans", columns=["who"], rows=[])), ["* bans: none"])

    def test_a_refused_call_and_waiting_are_said_once(self) -> None:
        """The error and the notice that come with them say it."""
        self.assertEqual(rows(events.Session(partner="al", event_="refused", reason="al is BUSY")), [])
        self.assertEqual(rows(events.Waiting(ulid="u", conversation="lobby")), [])

    def test_sent_is_silent(self) -> None:
        """What went well needs no line."""
        self.assertEqual(rows(events.Sent(ulid="u", conversation="lobby", seq=1)), [])

    def test_users(self) -> None:
        """A list in columns."""
        listed = events.Users(users=[UserEntry(user="al", presence="FREE"), UserEntry(user="barbara", presence="BUSY")])
        self.assertEqual(rows(listed), ["* 2 users:", "  al       FREE", "  barbara  BUSY"])
        self.assertEqual(rows(events.Users(users=[UserEntry(user="al", presence="AWAY")])), ["* 1 user:", "  al  AWAY"])
        self.assertEqual(rows(events.Users(users=[])), ["* 0 users:"])

    def test_status(self) -> None:
        """Of somebody OFFLINE it says when they were last seen."""
        seen = "2026-11-20T08:00:00.000Z"
        self.assertEqual(rows(events.Status(user="al", presence="FREE", last_seen=seen)), ["* al is FREE"])
        self.assertEqual(
            rows(events.Status(user="al", presence="OFFLINE", last_seen=seen)),
            ["* al is OFFLINE, last seen 2026-11-20 08:00"],
        )
        self.assertEqual(
            rows(events.Status(user="al", presence="OFFLINE", last_seen=None)), ["* al is OFFLINE, last seen never"]
        )

    def test_short_ones(self) -> None:
        """Presence, sessions, kicks, endings; a reason follows where there is one."""
        for event, row in (
            (events.PresenceChanged(user="al", presence="BUSY"), "* al is BUSY"),
            (events.Session(partner="al", event_="started"), "* session with al started"),
            (events.Session(partner="al", event_="ended", reason="lost"), "* session with al ended: lost"),
            (events.Kicked(by="al", reason=""), "* you were kicked by al"),
            (events.Kicked(by="al", reason="spam"), "* you were kicked by al: spam"),
            (events.Disconnected(reason="the server stops"), "* disconnected: the server stops"),
            (events.Reconnecting(seconds=2.44), "* trying again in 2.4 s"),
            (events.Reconnecting(seconds=30.0), "* trying again in 30 s"),
            (events.Error(code="c", text="no such"), "! no such"),
        ):
            self.assertEqual(rows(event), [row])

    def test_multi_line_texts_stay_behind_their_mark(self) -> None:
        """No line of a text begins where an event begins, so no text can pass for another event."""
        self.assertEqual(
            rows(said("first\n12:35 [lobby] bob: forged\n* forged")),
            ["12:34 [lobby] alice: first", "      | 12:35 [lobby] bob: forged", "      | * forged"],
        )
        self.assertEqual(rows(events.Notice(text="a\n! b")), ["* a", "  ! b"])


ONE_OF_EACH = st.one_of(
    st.builds(said, any_text, any_text, conversation=any_text, time=any_text),
    st.builds(events.Connected, server=any_text, fingerprint=any_text, suite=any_text, new_pin=st.booleans()),
    st.builds(events.LoggedIn, user=any_text, device=any_text, role=any_text),
    st.builds(events.Sent, ulid=any_text, conversation=any_text, seq=st.just(1)),
    st.builds(events.Users, users=st.lists(st.builds(UserEntry, user=any_text, presence=any_text), max_size=3)),
    st.builds(events.Status, user=any_text, presence=st.just("OFFLINE"), last_seen=any_text),
    st.builds(events.PresenceChanged, user=any_text, presence=any_text),
    st.builds(events.Session, partner=any_text, event_=any_text, reason=any_text),
    st.builds(events.Notice, text=any_text),
    st.builds(events.Kicked, by=any_text, reason=any_text),
    st.builds(events.Error, code=any_text, text=any_text),
    st.builds(events.Disconnected, reason=any_text),
    st.builds(events.Reconnecting, seconds=st.floats(0, 100)),
)


class HostileText(SynchronousTestCase):
    """Whatever peers or servers put into any field."""

    @given(ONE_OF_EACH, st.one_of(st.none(), st.integers(1, 120)))
    def test_no_field_of_any_event_reaches_the_screen_unescaped(
        self, event: events.ScreenEvent, width: int | None
    ) -> None:
        """No C0, C1, bidi control or zero-width trick, and no line end, in any row of any event."""
        for row in rows(event, width):
            self.assertEqual(offences(row), [])

    @given(ONE_OF_EACH, st.one_of(st.none(), st.integers(24, 120)))
    def test_only_the_first_row_looks_like_an_event(self, event: events.ScreenEvent, width: int | None) -> None:
        """Every other row is indented, whatever the text and wherever it is broken."""
        for row in rows(event, width)[1:]:
            self.assertTrue(row.startswith("  "), row)


class Wrapping(SynchronousTestCase):
    """`Paragraph.rows` with a width."""

    def test_wrapped_under_the_text(self) -> None:
        """Words stay whole, the rest goes on behind the mark."""
        self.assertEqual(
            Paragraph("12:34 al: ", ("one two three four",), "      | ").rows(24),
            ["12:34 al: one two three", "      | four"],
        )

    def test_at_the_width_and_around_it(self) -> None:
        """A row of just the width is not wrapped, one more is."""
        for length, count in ((28, 1), (29, 2), (27, 1)):
            self.assertEqual(len(Paragraph("* ", ("x" * length,)).rows(30)), count)

    def test_wide_characters_count_twice(self) -> None:
        """Rows of Chinese stay within the columns."""
        got = Paragraph("* ", ("漢" * 50,)).rows(31, get_cwidth)
        self.assertTrue(all(get_cwidth(row) <= 31 for row in got))
        self.assertEqual("".join(row.strip("* ") for row in got), "漢" * 50)

    def test_too_narrow_to_wrap(self) -> None:
        """Where hardly a word would fit the terminal breaks the lines."""
        self.assertEqual(Paragraph("* ", ("x" * 99,)).rows(23), ["* " + "x" * 99])

    @given(st.text("ab 漢\u0301", max_size=200), st.integers(24, 60))
    def test_nothing_is_lost_and_nothing_too_wide(self, text: str, width: int) -> None:
        """Every character but spaces at the breaks comes out, in order, and no row is wider than asked."""
        got = Paragraph("* ", (text,)).rows(width, get_cwidth)
        self.assertTrue(all(get_cwidth(row) <= width for row in got), got)
        self.assertEqual(re.sub(" ", "", "".join(row[2:] for row in got)), re.sub(" ", "", text))
