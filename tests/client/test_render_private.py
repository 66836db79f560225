"""Encryption, rooms and keys as lines for people."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.wire import RoomEntry
from tests.client.test_render import rows, said, sealed, unreadable
from tests.client.test_text import any_text, offences


def who(**more: Any) -> events.Who:
    """A room of two, and one who is invited."""
    members = [
        events.WhoMember(user="alice", role="owner", state="joined", presence="FREE", trust="verified"),
        events.WhoMember(user="bob", role="member", state="joined", presence="OFFLINE", trust="pinned"),
        events.WhoMember(user="carol", role="member", state="invited", presence="AWAY", trust="changed"),
    ]
    fields: dict[str, Any] = {
        "room": "#garden",
        "scheme": "megolm",
        "policy": "signed",
        "history": "none",
        "open": False,
        "owner": "alice",
        "topic": "",
        "members": members,
    }
    return events.Who(**(fields | more))


def entry(room: str, state: Any, **more: Any) -> RoomEntry:
    """A row of the list of rooms."""
    return RoomEntry(room=room, id="", state=state, policy="signed", **({"scheme": "megolm", "members": 3} | more))


class Marks(SynchronousTestCase):
    """What stands beside a sender's name."""

    def test_what_is_as_it_should_be_has_no_mark(self) -> None:
        """Encrypted end to end, signed, by a known key: one glance at a full screen shows the exceptions."""
        for well in (sealed("hi"), sealed("hi", trust="verified"), sealed("hi", encryption="olm", kind="direct")):
            self.assertEqual(["12:34 [#garden] alice: hi"], rows(well))

    def test_what_is_not_is_marked(self) -> None:
        """Each exception with words of its own."""
        for more, mark in (
            ({"encryption": "server-key"}, "server-key"),
            ({"encryption": "teaching-rc4"}, "teaching-rc4"),
            ({"signed": "absent", "signature": "none"}, "unsigned"),
            ({"signed": "invalid"}, "BAD SIGNATURE"),
            ({"trust": "changed"}, "KEY CHANGED"),
            ({"encryption": "none", "signed": "absent"}, "NOT ENCRYPTED"),
            ({"encryption": "server-key", "signed": "absent", "trust": "changed"}, "server-key, unsigned, KEY CHANGED"),
        ):
            self.assertEqual([f"12:34 [#garden] alice [{mark}]: hi"], rows(sealed("hi", **more)))

    def test_the_lobby_has_no_marks(self) -> None:
        """What is said there is for everybody, and the bar says so."""
        self.assertEqual(["12:34 [lobby] alice: hi"], rows(said("hi")))

    def test_past_messages_keep_their_marks(self) -> None:
        """A server-key room does not become private by waiting."""
        past = events.History(conversation="#garden", messages=[sealed("hi", encryption="server-key"), unreadable()])
        self.assertEqual(
            [
                "  2026-11-21 12:34 [#garden] alice [server-key]: hi",
                "  2026-11-21 12:34 [#garden] a message of bob cannot be read: its key has not come here yet; /why 01J",
            ],
            rows(past)[1:],
        )


class Unreadable(SynchronousTestCase):
    """Messages without their key."""

    def test_it_says_why_and_what_to_type(self) -> None:
        """As a remark of the client, which no text of somebody can pass for."""
        [row] = rows(unreadable())
        self.assertEqual(
            "* 12:34 [#garden] a message of bob cannot be read: its key has not come here yet; /why 01J", row
        )
        self.assertIn("2026-11-21 12:34", rows(unreadable(missed=True))[0])
        self.assertTrue(rows(unreadable(time=""))[0].startswith("* [#garden] a message"))

    def test_a_new_reason_is_shown_as_it_is(self) -> None:
        """It may come from a scheme that is not ours."""
        self.assertIn("cannot be read: moon; /why", rows(unreadable(reason="moon"))[0])


class Rooms(SynchronousTestCase):
    """Rooms and calls."""

    def test_changes(self) -> None:
        """Who did what to whom."""
        for event, line in (
            ("opened", "bob opened #garden"),
            ("invited", "alice invites bob to #garden"),
            ("joined", "bob joined #garden"),
            ("declined", "bob does not come to #garden"),
            ("left", "bob left #garden"),
            ("expelled", "alice removed bob from #garden"),
            ("topic", "alice says #garden is about: tulips"),
        ):
            shown = events.Room(room="#garden", event_=event, user="bob", by="alice", text="tulips")  # type: ignore[arg-type]
            self.assertEqual([f"* {line}"], rows(shown))

    def test_who(self) -> None:
        """How the room is protected, then everybody in columns; a key is remarked on where that is of use."""
        self.assertEqual(
            [
                "* #garden: encrypted end to end, signed; by invitation; new members can read nothing of before",
                "  alice  owner    FREE     verified",
                "  bob    member   OFFLINE",
                "  carol  invited  AWAY     KEY CHANGED",
            ],
            rows(who()),
        )

    def test_who_of_another_kind_of_room(self) -> None:
        """Topic, history, openness and a server that could read are said."""
        shown = rows(who(scheme="server-key", policy="deniable", open=True, history="all", topic="tulips", members=[]))
        self.assertEqual(
            [
                "* #garden: encrypted with server-key, which the server could read, deniable; everybody may join;"
                " new members can read everything",
                "  about: tulips",
            ],
            shown,
        )
        self.assertIn("since the invitation", rows(who(history="since-invite"))[0])
        self.assertIn("encrypted with pair-rc4,", rows(who(scheme="pair-rc4"))[0])

    def test_the_list_says_what_to_type(self) -> None:
        """Where one is in, what one is invited to, what is open."""
        listed = events.Rooms(
            rooms=[
                entry("#garden", "joined"),
                entry("#tea", "invited", by="bob", members=1),
                entry("#yard", "open", scheme="server-key"),
            ]
        )
        self.assertEqual(
            [
                "* 3 rooms:",
                "  #garden  3 members  megolm      signed",
                "  #tea     1 member   megolm      signed  bob invites you: /join #tea",
                "  #yard    3 members  server-key  signed  open: /join #yard",
            ],
            rows(listed),
        )
        self.assertEqual("* 1 room:", rows(events.Rooms(rooms=[entry("#tea", "joined")]))[0])
        self.assertEqual(["* no rooms: /chat NAME... opens one"], rows(events.Rooms(rooms=[])))

    def test_a_call_says_how_it_is_answered(self) -> None:
        """And when it is over."""
        self.assertEqual(
            ["* bob calls you: /answer takes the call, /refuse refuses it"], rows(events.Ringing(sender="bob"))
        )
        self.assertEqual(["* the call of bob is over"], rows(events.Ringing(sender="bob", over=True)))


class Keys(SynchronousTestCase):
    """Keys and whose they are."""

    def test_a_changed_key_is_loud_and_says_what_to_do(self) -> None:
        """It cannot be overlooked, and names the ways on."""
        shown = " ".join(rows(events.KeyChanged(user="bob")))
        self.assertTrue(shown.startswith("! WARNING: THE KEY OF bob HAS CHANGED."))
        for word in ("/verify bob", "/trust bob", "another way than this chat", "Nothing is sent to bob"):
            self.assertIn(word, shown)

    def test_a_change_signed_by_the_old_key_is_told_quietly(self) -> None:
        """Its owner made it, so nothing is held back."""
        self.assertEqual(
            ["* bob has a new key; the old one has signed it, so it is as good as the old one"],
            rows(events.KeyChanged(user="bob", announced=True)),
        )

    def test_what_is_compared_stands_alone(self) -> None:
        """On lines of its own, to be read out; then what to type."""
        number = rows(events.Verification(user="bob", step="number", number="12345 67890"))
        self.assertEqual("  12345 67890", number[1])
        emoji, decimals = ["Dog", "Thumbs Up", "Neither"], [1000, 2000, 3000]
        compared = rows(events.Verification(user="bob", step="compare", emoji=emoji, decimals=decimals))
        self.assertEqual("  \U0001f436 Dog, \U0001f44d Thumbs Up, Neither", compared[1])
        self.assertIn("1000 2000 3000", compared[2])
        self.assertIn("/verified bob", compared[3])
        self.assertIn("/verify bob stop", compared[3])

    def test_steps_of_a_comparison(self) -> None:
        """What is to be done, or why it ended."""
        for step, reason, words in (
            ("asked", "", "/verify bob agrees"),
            ("waiting", "", "waiting for the other side"),
            ("done", "", "this is the right key"),
            ("cancelled", "different-keys", "do not trust this key"),
            ("cancelled", "moon", "ended: moon"),
        ):
            [shown] = rows(events.Verification(user="bob", step=step, reason=reason))
            self.assertIn(words, shown)

    def test_the_recovery_phrase_stands_alone(self) -> None:
        """With what it is good for before it."""
        shown = rows(events.Recovery(phrase="one two three"))
        self.assertEqual("  one two three", shown[-1])
        self.assertIn("write it down", shown[0])

    def test_a_warning_is_one(self) -> None:
        """It begins like a refusal."""
        self.assertEqual(["! beware", "  twice"], rows(events.Warned(code="x", text="beware\ntwice")))


_texts = st.lists(any_text, max_size=3)
_hostile = st.one_of(
    st.builds(sealed, any_text, sender=any_text, conversation=any_text, encryption=any_text, time=any_text),
    st.builds(unreadable, ulid=any_text, conversation=any_text, sender=any_text, reason=any_text, time=any_text),
    st.builds(events.Room, room=any_text, event_=st.sampled_from(["invited", "topic"]), user=any_text, by=any_text),
    st.builds(events.Room, room=any_text, event_=st.just("topic"), user=any_text, by=any_text, text=any_text),
    st.builds(who, room=any_text, scheme=any_text, owner=any_text, topic=any_text),
    st.builds(
        lambda user: who(
            members=[events.WhoMember(user=user, role="owner", state="joined", presence="FREE", trust="none")]
        ),
        any_text,
    ),
    st.builds(
        lambda room, by, scheme: events.Rooms(rooms=[entry(room, "invited", by=by, scheme=scheme)]),
        any_text,
        any_text,
        any_text,
    ),
    st.builds(events.Ringing, sender=any_text, over=st.booleans()),
    st.builds(events.KeyChanged, user=any_text, announced=st.booleans()),
    st.builds(
        events.Verification,
        user=any_text,
        step=st.one_of(any_text, st.sampled_from(["number", "compare", "done"])),
        emoji=_texts,
        number=any_text,
        reason=any_text,
    ),
    st.builds(events.Recovery, phrase=any_text),
    st.builds(events.Warned, code=any_text, text=any_text),
)


class HostileText(SynchronousTestCase):
    """Whatever others or the server put into these events."""

    @given(_hostile)
    def test_nothing_unprintable_reaches_a_terminal(self, event: events.ScreenEvent) -> None:
        """No control, no invisible character, no line that passes for another event."""
        first, *more = rows(event)
        self.assertEqual([], [bad for row in (first, *more) for bad in offences(row)])
        self.assertTrue(all(row.startswith("  ") for row in more), (first, more))
