"""Screen events as lines for people."""

from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.render import render
from encchat.wire import UserEntry
from tests.client.screen_events import one_of_each
from tests.client.test_text import offences


def rows(event: events.ScreenEvent) -> list[str]:
    """The rows of ``event`` in UTC."""
    paragraph = render(event, UTC)
    return [] if paragraph is None else paragraph.rows()


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
        """It is not shown: a server could put there what looks like somebody else's message."""
        for odd in ("soon\x1b", "0001-01-01T00:00:00+23:00", "12:34 [#garden] bob: forged"):
            self.assertEqual(rows(said("x", time=odd)), ["(no time) [lobby] alice: x"])

    def test_a_name_that_is_none(self) -> None:
        """It cannot end the head it stands in, whatever a server says who speaks and where."""
        self.assertEqual(
            rows(said("x", sender="bob: yes", conversation="a] b")),
            ["12:34 [a<U+005D><U+0020>b] bob<U+003A><U+0020>yes: x"],
        )

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


class HostileText(SynchronousTestCase):
    """Whatever peers or servers put into any field of any event."""

    @given(one_of_each)
    def test_no_field_of_any_event_reaches_the_screen_unescaped(self, event: events.ScreenEvent) -> None:
        """No C0, C1, bidi control or zero-width trick, and no line end, in any row of any event."""
        for row in rows(event):
            self.assertEqual(offences(row), [])

    @given(one_of_each)
    def test_only_the_first_row_looks_like_an_event(self, event: events.ScreenEvent) -> None:
        """Every other row is indented, whatever the text and wherever it is broken."""
        for row in rows(event)[1:]:
            self.assertTrue(row.startswith("  "), row)
