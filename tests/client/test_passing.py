"""What is said off the record, by itself: in which order it is shown, and how much of it waits for keys."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from encchat.client.passing import Passing
from encchat.client.store.interface import StoredMessage
from encchat.errors import UndecryptableError
from encchat.limits import MAX_PASSING


def said(ulid: str, session: str = "", room: str = "#aside") -> StoredMessage:
    """A message under the key of that session."""
    return StoredMessage(room, "room", 0, "bob", ulid, 0, session, scheme="megolm")


class PassingMessages(SynchronousTestCase):
    """`Passing`."""

    def setUp(self) -> None:
        """Nobody has said anything."""
        self.keys = {""}
        self.reason = "no-key"
        self.shown: list[tuple[str, str]] = []
        self.passing = Passing(self.open, lambda message: self.shown.append((message.ulid, message.content)))

    def open(self, message: StoredMessage) -> StoredMessage:
        """With the keys that are here."""
        if message.body not in self.keys:
            raise UndecryptableError(self.reason, message.body)
        return msgspec.structs.replace(message, reason="")

    def arrive(self, session: str) -> None:
        """That key comes."""
        self.keys.add(session)
        self.passing.arrived(session)

    def test_what_can_be_opened_is_shown_at_once(self) -> None:
        """In the order in which it came."""
        for ulid in "AB":
            self.passing.hear(said(ulid))
        self.assertEqual(self.shown, [("A", "text"), ("B", "text")])

    def test_what_waits_for_its_key_is_shown_before_what_was_said_after_it(self) -> None:
        """As unreadable, once; in that room, not in another."""
        self.passing.hear(said("A", "key"))
        self.passing.hear(said("B", room="#other"))
        self.passing.hear(said("C"))
        self.passing.give_up()
        self.assertEqual(self.shown, [("B", "text"), ("A", "sealed"), ("C", "text")])

    def test_a_key_that_comes_soon_lets_nobody_see_that_it_was_missing(self) -> None:
        """What waits for the same key comes in its order; what waits for another, said before, is told of first."""
        for ulid, session in (("A", "other"), ("B", "key"), ("C", "key")):
            self.passing.hear(said(ulid, session))
        self.arrive("key")
        self.assertEqual(self.shown, [("A", "sealed"), ("B", "text"), ("C", "text")])
        self.arrive("other")
        self.assertEqual(self.shown[3:], [("A", "text")])
        self.assertIsNone(self.passing.find(""))

    def test_what_no_key_would_open_is_told_at_once(self) -> None:
        """And by its ULID it is told why."""
        self.reason = "replayed"
        self.passing.hear(said("A", "key"))
        self.assertEqual(self.shown, [("A", "sealed")])
        self.assertEqual((self.passing.find("a"), self.passing.find("B")), (("A", "replayed", "key"), None))

    def test_so_many_wait_and_no_more(self) -> None:
        """The first are forgotten, also when their key comes."""
        for count, kept in ((MAX_PASSING - 1, True), (MAX_PASSING, True), (MAX_PASSING + 1, False)):
            with self.subTest(count):
                self.setUp()
                for number in range(count):
                    self.passing.hear(said(f"{number:03}", f"key {number}"))
                self.arrive("key 0")
                self.assertEqual(("000", "text") in self.shown, kept)
                self.arrive(f"key {count - 1}")
                self.assertIn((f"{count - 1:03}", "text"), self.shown)
