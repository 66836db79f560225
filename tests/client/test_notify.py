"""When the bell rings and what a desktop notification says."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.preferences import Preferences
from encchat.client.terminal.notify import Notifier
from encchat.limits import BELL_SECONDS, MAX_NOTIFIED
from tests.client.test_views import said

INVITED = events.Room(room="#garden", event_="invited", user="alice", by="bob")
FOR_ME = (said("psst", "@bob"), said("hello @Alice!", "#garden"), events.Ringing(sender="bob"), INVITED)
FOR_ALL = (said("hello"), said("hello", "#garden"))
FOR_NOBODY = (
    said("alice here", "#garden", sender="alice"),
    events.Ringing(sender="bob", over=True),
    events.Notice(text="alice"),
)


class Ringing(SynchronousTestCase):
    """The bell."""

    def rings(self, event: events.ScreenEvent, bell: Any) -> bool:
        notifier = Notifier(lambda: Preferences(bell=bell), lambda: "alice", lambda: 0.0)
        notifier.take(event)
        return notifier.rings()

    def test_mentions(self) -> None:
        """For the own name, what is said to oneself alone, a call and an invitation."""
        self.assertTrue(all(self.rings(event, "mentions") for event in FOR_ME))
        self.assertFalse(any(self.rings(event, "mentions") for event in (*FOR_ALL, *FOR_NOBODY)))

    def test_always(self) -> None:
        """For everything that others say."""
        self.assertTrue(all(self.rings(event, "always") for event in (*FOR_ME, *FOR_ALL)))
        self.assertFalse(any(self.rings(event, "always") for event in FOR_NOBODY))

    def test_never(self) -> None:
        """Not at all."""
        self.assertFalse(any(self.rings(event, "never") for event in (*FOR_ME, *FOR_ALL)))

    def test_once_a_second(self) -> None:
        """However many come."""
        now = [100.0]
        notifier = Notifier(Preferences, lambda: "alice", lambda: now[0])
        rings = []
        for moment in (100.0, 100.0 + BELL_SECONDS - 0.01, 100.0 + BELL_SECONDS):
            now[0] = moment
            notifier.take(FOR_ME[0])
            rings.append(notifier.rings())
        self.assertEqual(rings, [True, False, True])
        self.assertFalse(notifier.rings())


class Notifications(SynchronousTestCase):
    """The command."""

    def command(self, event: events.ScreenEvent, **preferences: Any) -> list[str] | None:
        preferences.setdefault("notify", "notify-send --app-name='en chat'")
        notifier = Notifier(lambda: Preferences(**preferences), lambda: "alice", lambda: 0.0)
        notifier.take(event)
        return notifier.command()

    def test_who_and_where(self) -> None:
        """The person's words, a title and no text unless it is wanted; nothing for what is said to all."""
        begin = ["notify-send", "--app-name=en chat"]
        self.assertEqual(self.command(FOR_ME[0]), [*begin, "encchat: bob sends you a message", ""])
        self.assertEqual(self.command(FOR_ME[1]), [*begin, "encchat: bob names you in #garden", ""])
        self.assertEqual(self.command(FOR_ME[2]), [*begin, "encchat: bob calls you", ""])
        self.assertEqual(self.command(INVITED), [*begin, "encchat: bob invites you to #garden", ""])
        self.assertIsNone(self.command(FOR_ALL[0]))

    def test_none_is_set(self) -> None:
        """Then nothing is run."""
        self.assertIsNone(self.command(FOR_ME[0], notify=""))

    def test_with_the_text(self) -> None:
        """Where the person wants it on the desktop."""
        command = self.command(said("one\ntwo", "@bob"), notify_text=True)
        self.assertEqual(command and command[-1], "one two")

    def test_hostile_text_is_harmless_in_a_notification(self) -> None:
        """Neither an option, nor HTML that loads an image, nor a control, nor without end."""
        for text, shown in (
            ("--icon=/etc/passwd", " --icon=/etc/passwd"),
            ("<img src='http://x/'>&", "&lt;img src='http://x/'&gt;&amp;"),
            ("a\x1b\u202eb", "a&lt;U+001B&gt;&lt;U+202E&gt;b"),
            ("x" * (MAX_NOTIFIED + 1), "x" * (MAX_NOTIFIED - 3) + "..."),
            ("x" * MAX_NOTIFIED, "x" * MAX_NOTIFIED),
        ):
            command = self.command(said(text, "@bob"), notify_text=True)
            self.assertEqual(command and command[-1], shown)

    def test_the_latest_counts(self) -> None:
        """One notification for all that came since the last."""
        notifier = Notifier(lambda: Preferences(notify="n"), lambda: "alice", lambda: 0.0)
        for event in FOR_ME:
            notifier.take(event)
        self.assertEqual(notifier.command(), ["n", "encchat: bob invites you to #garden", ""])
        self.assertIsNone(notifier.command())
