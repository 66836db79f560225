"""Which of all that happens is on the screen of the tty face."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from typing import Any

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.preferences import Preferences
from encchat.client.terminal.views import Day, Heading, Item, New, Shown, Views
from encchat.limits import MAX_UNREAD_SHOWN, MAX_VIEWS

KINDS = {"@": "direct", "#": "room", "l": "lobby"}


def said(text: str, conversation: str = "lobby", sender: str = "bob", seq: int = 1, **more: Any) -> events.Message:
    """Something that ``sender`` has said."""
    more.setdefault("time", "2026-11-21T12:00:00.000Z")
    kind: Any = KINDS[conversation[0]]
    return events.Message(
        conversation=conversation,
        kind=kind,
        seq=seq,
        sender=sender,
        text=text,
        ulid=f"{conversation}/{seq}",
        encryption="none",
        signature="none",
        trust="none",
        **more,
    )


def shut(conversation: str, seq: int = 1) -> events.Undecryptable:
    """Something that cannot be read."""
    kind: Any = KINDS[conversation[0]]
    return events.Undecryptable(
        ulid=f"{conversation}/{seq}", conversation=conversation, sender="bob", reason="no-key", kind=kind, seq=seq
    )


@define
class Screen:
    """A person called alice before some views; ``kept`` is what is in the store."""

    kept: list[events.Said] = field(factory=list)
    preferences: Preferences = field(factory=Preferences)
    views: Views = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.views = Views(self.past, lambda: "alice", lambda: self.preferences, UTC)

    def past(self, conversation: str, count: int) -> Sequence[events.Said]:
        there = [message for message in self.kept if message.conversation == conversation]
        return there[-count:] if count else []

    def hear(self, message: events.Said) -> list[Item]:
        """It comes, and is kept before it is shown."""
        self.kept.append(message)
        return self.take(message)

    def take(self, event: events.ScreenEvent) -> list[Item]:
        self.views.take(event)
        return self.items()

    def go(self, conversation: str, rooms: Sequence[str] = ()) -> list[Item]:
        self.views.turn(conversation, "encrypted", "roses", rooms)
        return self.items()

    def items(self) -> list[Item]:
        return self.views.items(1_000_000)

    def counts(self) -> dict[str, tuple[int, int]]:
        return {one.conversation: (one.unread, one.mentions) for one in self.views.unread()}


def texts(items: Sequence[Item]) -> list[str]:
    """What is shown, in short; the separators by their names."""
    names = {Heading: "heading", Day: "day", New: "new"}
    return [getattr(item.event, "text", "?") if isinstance(item, Shown) else names[type(item)] for item in items]


class CurrentView(SynchronousTestCase):
    """The conversation that is on the screen."""

    def test_nothing_is_lost_before_the_first_view(self) -> None:
        """What is said before counts as unread and stands in the backlog, behind the mark; all else is shown."""
        screen = Screen()
        self.assertEqual(screen.hear(said("early")), [])
        self.assertEqual(texts(screen.take(events.Notice(text="hello"))), ["hello"])
        self.assertEqual(texts(screen.go("lobby")), ["heading", "day", "new", "early"])

    def test_a_view_begins_with_its_heading_and_backlog(self) -> None:
        """Name, lock and topic, then as many of the last messages as the person wants."""
        screen = Screen(preferences=Preferences(backlog=2))
        screen.kept = [said(f"old {seq}", seq=seq) for seq in range(5)]
        items = screen.go("lobby")
        self.assertEqual(items[0], Heading("lobby", "encrypted", "roses"))
        self.assertEqual(texts(items), ["heading", "day", "old 3", "old 4"])

    def test_no_backlog(self) -> None:
        """Who wants none gets none, but what is unread."""
        screen = Screen(preferences=Preferences(backlog=0))
        screen.kept = [said("old", "@bob", seq=1)]
        screen.go("lobby")
        screen.hear(said("unread", "@bob", seq=2))
        self.assertEqual(texts(screen.go("@bob")), ["heading", "day", "new", "unread"])

    def test_messages_of_the_current_view_are_shown_at_once(self) -> None:
        """Without the name of the conversation, and they are read by that."""
        screen = Screen()
        screen.go("lobby")
        self.assertEqual(screen.hear(said("now"))[-1], Shown(said("now"), tagged=False, dim=False))
        self.assertEqual(screen.counts(), {})

    def test_conversations_are_the_same_in_upper_and_lower_case(self) -> None:
        """As everywhere."""
        screen = Screen()
        screen.go("@Bob")
        self.assertEqual(texts(screen.hear(said("now", "@bob"))), ["day", "now"])
        self.assertEqual(screen.go("@bob"), [])

    def test_days(self) -> None:
        """A line stands before the first message of each day, in the zone of the person."""
        screen = Screen()
        screen.go("lobby")
        items = screen.hear(said("late", seq=1, time="2026-11-21T23:59:59.999Z"))
        items += screen.hear(said("later", seq=2, time="2026-11-22T00:00:00.000Z"))
        items += screen.hear(said("too", seq=3, time="2026-11-22T00:00:00.001Z"))
        self.assertEqual(texts(items), ["day", "late", "day", "later", "too"])
        self.assertEqual(
            [item.day for item in items if isinstance(item, Day)], [date(2026, 11, 21), date(2026, 11, 22)]
        )

    def test_what_has_no_time_has_no_day(self) -> None:
        """A server may say anything."""
        screen = Screen()
        screen.go("lobby")
        self.assertEqual(texts(screen.hear(said("odd", time="unknown"))), ["odd"])

    def test_going_where_one_is(self) -> None:
        """It is said in words, as there is no new heading."""
        screen = Screen()
        screen.go("lobby")
        self.assertEqual(len(screen.take(events.Went(conversation="lobby"))), 1)
        self.assertEqual(screen.take(events.Went(conversation="@bob")), [])

    def test_missed_messages_stand_behind_a_mark(self) -> None:
        """Those said while this device was away, once for all of them, and again after the next time away."""
        screen = Screen()
        screen.go("lobby")
        items = screen.hear(said("a", seq=1, missed=True)) + screen.hear(said("b", seq=2, missed=True))
        items += screen.hear(said("live", seq=3)) + screen.hear(said("c", seq=4, missed=True))
        self.assertEqual(texts(items), ["day", "new", "a", "b", "live", "new", "c"])

    def test_own_words_are_not_new(self) -> None:
        """Neither those of another device, nor what the server gives again."""
        screen = Screen()
        screen.go("lobby")
        self.assertEqual(texts(screen.hear(said("mine", sender="alice", missed=True))), ["day", "mine"])


class OtherViews(SynchronousTestCase):
    """The conversations that are not on the screen."""

    def test_a_room_only_counts(self) -> None:
        """What is said there to everybody is not shown."""
        screen = Screen()
        screen.go("lobby")
        self.assertEqual(screen.hear(said("hello all", "#garden")), [])
        self.assertEqual(screen.counts(), {"#garden": (1, 0)})

    def test_who_is_spoken_to_sees_it_at_once(self) -> None:
        """A direct message, or one with the own name: a dim row that names the conversation, and it stays unread."""
        screen = Screen()
        screen.go("lobby")
        for message in (said("psst", "@bob"), said("where is Alice?", "#garden")):
            self.assertEqual(screen.hear(message), [Shown(message, tagged=True, dim=True)])
        self.assertEqual(screen.counts(), {"@bob": (1, 0), "#garden": (1, 1)})

    def test_previews_can_be_turned_off(self) -> None:
        """Then they only count."""
        screen = Screen(preferences=Preferences(preview=False))
        screen.go("lobby")
        self.assertEqual(screen.hear(said("psst", "@bob")), [])
        self.assertEqual(screen.counts(), {"@bob": (1, 0)})

    def test_of_what_was_missed_one_row_is_enough(self) -> None:
        """Whoever comes back after a week is not shown a week."""
        screen = Screen()
        screen.go("lobby")
        for seq in range(1, 50):
            screen.kept.append(said("psst", "@bob", seq=seq, missed=True))
            screen.views.take(screen.kept[-1])
        self.assertEqual(len(screen.items()), 1)
        self.assertEqual(screen.counts(), {"@bob": (49, 0)})

    def test_going_there_reads_it(self) -> None:
        """The first unread message stands behind the mark, and nothing is unread any more."""
        screen = Screen()
        screen.kept = [said("old", "@bob", seq=1)]
        screen.go("lobby")
        for seq in (2, 3):
            screen.hear(said(f"new {seq}", "@bob", seq=seq))
        self.assertEqual(texts(screen.go("@bob")), ["heading", "day", "old", "new", "new 2", "new 3"])
        self.assertEqual(screen.counts(), {})
        screen.go("lobby")
        self.assertEqual(texts(screen.go("@bob")), ["heading", "day", "old", "new 2", "new 3"])

    def test_what_comes_behind_the_mark_has_no_second_one(self) -> None:
        """The mark is where the person has read to."""
        screen = Screen()
        screen.go("lobby")
        screen.hear(said("unread", "@bob", seq=1))
        screen.go("@bob")
        self.assertEqual(texts(screen.hear(said("live", "@bob", seq=2))), ["live"])

    def test_more_unread_than_fits(self) -> None:
        """The newest are shown, all of them as new."""
        screen = Screen(preferences=Preferences(backlog=1))
        screen.go("lobby")
        for seq in range(MAX_UNREAD_SHOWN + 1):
            screen.hear(said(str(seq), "#garden", seq=seq))
        shown = texts(screen.go("#garden"))
        self.assertEqual(shown[:4], ["heading", "day", "new", "1"])
        self.assertEqual(len(shown), 3 + MAX_UNREAD_SHOWN)

    def test_as_much_unread_as_fits(self) -> None:
        """Up to the limit nothing is missing."""
        for count in (MAX_UNREAD_SHOWN - 1, MAX_UNREAD_SHOWN):
            screen = Screen(preferences=Preferences(backlog=1))
            screen.go("lobby")
            for seq in range(count):
                screen.hear(said(str(seq), "#garden", seq=seq))
            self.assertEqual(texts(screen.go("#garden"))[2:], ["new", *map(str, range(count))])

    def test_own_words_from_elsewhere(self) -> None:
        """Who has answered at another device has read there what came before."""
        screen = Screen()
        screen.go("lobby")
        screen.hear(said("are you there?", "@bob", seq=1))
        self.assertEqual(screen.hear(said("yes", "@bob", sender="Alice", seq=2)), [])
        self.assertEqual(screen.counts(), {})

    def test_who_answers_has_read(self) -> None:
        """What this device says elsewhere makes a view of it, too."""
        screen = Screen()
        screen.go("lobby")
        screen.hear(said("are you there?", "@bob"))
        screen.take(events.Sent(ulid="1", conversation="@bob", seq=2))
        screen.take(events.Waiting(ulid="2", conversation="@carol"))
        self.assertEqual(screen.counts(), {})
        self.assertEqual([view.name for view in screen.views.order], ["lobby", "@bob", "@carol"])

    def test_what_could_not_be_read_at_first_counts_once(self) -> None:
        """It comes again when its key is there."""
        screen = Screen()
        screen.go("lobby")
        self.assertEqual(len(screen.hear(shut("@bob"))), 1)
        self.assertEqual(screen.hear(said("now open", "@bob")), [])
        self.assertEqual(screen.counts(), {"@bob": (1, 0)})

    def test_what_a_client_that_died_left(self) -> None:
        """Counts as unread when the next one starts."""
        screen = Screen()
        screen.take(events.Recovered(conversation="@bob", messages=[said("perhaps", "@bob")]))
        self.assertEqual(screen.counts(), {"@bob": (1, 0)})


class Rooms(SynchronousTestCase):
    """What changes in rooms."""

    def room(self, room: str, user: str = "carol", by: str = "bob", event: Any = "joined") -> events.Room:
        return events.Room(room=room, event_=event, user=user, by=by)

    def test_changes_are_shown_where_they_are(self) -> None:
        """Those of other rooms are not."""
        screen = Screen()
        screen.go("#garden")
        self.assertEqual(len(screen.take(self.room("#Garden"))), 1)
        self.assertEqual(screen.take(self.room("#kitchen")), [])

    def test_what_concerns_oneself_is_shown(self) -> None:
        """An invitation, being expelled, and what one has done oneself."""
        screen = Screen()
        screen.go("lobby")
        for event in ("invited", "expelled"):
            self.assertEqual(len(screen.take(self.room("#kitchen", "alice", event=event))), 1)
        self.assertEqual(len(screen.take(self.room("#kitchen", by="alice", event="expelled"))), 1)


class Order(SynchronousTestCase):
    """The numbers in the bar."""

    def names(self, screen: Screen) -> list[str]:
        return [f"{view.number} {view.name}" for view in screen.views.order]

    def test_the_lobby_is_the_first(self) -> None:
        """Then rooms and people as they come; nobody changes place."""
        screen = Screen()
        screen.go("lobby", ["#garden"])
        screen.hear(said("psst", "@bob"))
        screen.go("@carol", ["#garden", "#kitchen"])
        self.assertEqual(self.names(screen), ["1 lobby", "2 #garden", "3 @bob", "4 @carol", "5 #kitchen"])
        self.assertEqual(screen.views.numbered(3), "@bob")
        self.assertEqual(screen.views.numbered(6), "")

    def test_a_room_that_is_left_goes(self) -> None:
        """The numbers close up."""
        screen = Screen()
        screen.go("lobby", ["#garden", "#kitchen"])
        screen.go("lobby", ["#kitchen"])
        self.assertEqual(self.names(screen), ["1 lobby", "2 #kitchen"])
        screen.go("#kitchen", ["#kitchen"])
        screen.go("lobby", [])
        self.assertEqual(self.names(screen), ["1 lobby"])

    def test_neighbours(self) -> None:
        """Round at both ends."""
        screen = Screen()
        screen.go("lobby", ["#garden", "#kitchen"])
        self.assertEqual(screen.views.neighbour("lobby", -1), "#kitchen")
        self.assertEqual(screen.views.neighbour("#Kitchen", -1), "#garden")

    def test_names_without_end_are_forgotten(self) -> None:
        """A server that makes up conversations fills no memory; the lobby and the current one stay."""
        for count in (MAX_VIEWS - 1, MAX_VIEWS, MAX_VIEWS + 1):
            screen = Screen()
            screen.go("@carol")
            for number in range(count - 2):
                screen.take(said("hello", f"#{number}"))
            names = [view.name for view in screen.views.order]
            self.assertEqual(len(names), min(count, MAX_VIEWS))
            self.assertEqual(names[:2], ["lobby", "@carol"])


class Everything(SynchronousTestCase):
    """Whatever happens in whatever order."""

    @given(
        st.lists(st.tuples(st.sampled_from(["hear", "go"]), st.sampled_from(["lobby", "@bob", "#garden"])), max_size=30)
    )
    def test_every_message_is_shown_or_unread(self, steps: list[tuple[str, str]]) -> None:
        """Each is shown in its own view once it is gone to, and counted until then."""
        screen = Screen()
        screen.go("lobby")
        unread: dict[str, int] = {}
        for seq, (step, conversation) in enumerate(steps, 1):
            if step == "go":
                shown = [item for item in screen.go(conversation) if isinstance(item, Shown)]
                unread.pop(conversation, None)
                if shown:
                    self.assertEqual([item.event for item in shown], screen.past(conversation, 50))
            else:
                here = screen.views.current == conversation
                items = screen.hear(said("hello", conversation, seq=seq))
                self.assertEqual(any(isinstance(item, Shown) and not item.dim for item in items), here)
                if not here:
                    unread[conversation] = unread.get(conversation, 0) + 1
            self.assertEqual({name: count for name, (count, _) in screen.counts().items()}, unread)
