"""What the bots of a demo answer to what a newcomer does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from encchat.client import events
from encchat.client.commands import BY_VERB
from encchat.client.demo.script import ADA, BOB, LESSONS, ROOM, Line, Play

GUEST = "guest"


def said(conversation: str, text: str) -> events.Message:
    """Something the newcomer says, as a bot sees it."""
    kind: Any = {"l": "lobby", "@": "direct", "#": "room"}[conversation[0]]
    return events.Message(
        conversation=conversation,
        kind=kind,
        seq=1,
        sender=GUEST,
        text=text,
        time="2026-11-21T12:00:00.000Z",
        ulid="01HZZZZZZZZZZZZZZZZZZZZZZZ",
        encryption="megolm",
        signature="ed25519",
        signed="valid",
        trust="pinned",
    )


def session(event: Any) -> events.Session:
    """A call between the newcomer and a bot."""
    return events.Session(partner=GUEST, event_=event)


def room(event: Any, user: str) -> events.Room:
    """A change of the room."""
    return events.Room(room=ROOM, event_=event, user=user, by=ADA)


def step(name: str, *emoji: str) -> events.Verification:
    """A step of comparing keys with the newcomer."""
    return events.Verification(user=GUEST, step=name, emoji=list(emoji))


def texts(lines: list[Line]) -> str:
    """All that was typed, one line each."""
    return "\n".join(f"{line.bot} {line.text}" for line in lines)


class ThePlay(SynchronousTestCase):
    """`encchat.client.demo.script.Play`."""

    def setUp(self) -> None:
        self.play = Play(GUEST)
        self.began = self.play.began()

    def test_it_begins_in_the_lobby_and_by_direct_message(self) -> None:
        """The newcomer is greeted by name, and told what to try first."""
        begun = texts(self.began)
        self.assertIn("ada /all hello guest", begun)
        self.assertIn("bob /msg guest psst", begun)
        self.assertTrue(self.began[-1].text.endswith(LESSONS[0].said))

    def test_all_that_a_bot_types_is_a_command_there_is(self) -> None:
        """Also what the lessons tell to type, and whatever the play says when everything is skipped."""
        lines = [*self.began, *(line for _ in LESSONS for line in self.play.heard(BOB, said("@guest", "next")))]
        for line in lines:
            self.assertIn(line.text.split(" ")[0].removeprefix("/"), BY_VERB)
        for lesson in LESSONS:
            for word in lesson.said.split("  "):
                if word.startswith("/") and lesson.name != "file":
                    self.assertIn(word.split(" ")[0].removeprefix("/"), BY_VERB, lesson.said)

    def test_each_thing_that_is_tried_leads_to_the_next(self) -> None:
        """From the lobby to the end of the tour, said where the newcomer is."""
        hear = self.play.heard
        self.assertIn("ada /all now something for one of us alone", texts(hear(ADA, said("lobby", "hello"))))
        self.assertIn("bob /msg guest who is it really", texts(hear(BOB, said("@guest", "can you hear me?"))))
        self.assertEqual(texts(hear(BOB, step("asked"))), "bob /verify guest")
        compared = texts(hear(BOB, step("compare", "Dog", "Cat")))
        self.assertIn("\N{DOG FACE} Dog, \N{CAT FACE} Cat", compared)
        self.assertIn("bob /verified guest", compared)
        self.assertIn("/connect bob", texts(hear(BOB, step("done"))))
        self.assertIn("/goodbye", texts(hear(BOB, session("started"))))
        self.assertIn("ada /chat #garden guest bob", texts(hear(BOB, session("ended"))))
        self.assertEqual(texts(hear(BOB, room("invited", BOB))), "bob /join #garden")
        self.assertIn("ada /msg #garden text can be", texts(hear(ADA, room("joined", GUEST))))
        self.assertIn("ada /msg #garden what was said", texts(hear(ADA, said("#garden", ":wave:"))))
        self.assertIn("ada /msg #garden /set", texts(self.play.waited()))
        self.assertIn("ada /msg #garden that was the tour", texts(self.play.waited()))
        self.assertEqual(self.play.waited(), [])

    def test_what_both_bots_hear_is_answered_once(self) -> None:
        """In the lobby and in a room."""
        self.assertEqual(self.play.heard(BOB, said("lobby", "hello")), [])
        self.assertEqual(self.play.heard(BOB, said(ROOM, "hello")), [])
        self.assertEqual(self.play.heard(BOB, room("joined", GUEST)), [])

    def test_what_is_done_before_its_turn_is_not_asked_for_again(self) -> None:
        """A direct message first: then nobody says how to write one."""
        texts(self.play.heard(ADA, said("@guest", "hi")))
        self.assertNotIn("one of us alone", texts(self.play.heard(ADA, said("lobby", "hello"))))

    def test_who_asks_to_be_called_is_called(self) -> None:
        """By the bot that was asked."""
        self.assertIn("bob /connect guest", texts(self.play.heard(BOB, said("@guest", "please call me"))))
        self.assertIn("ada /connect guest", texts(self.play.heard(ADA, said("lobby", "call me"))))

    def test_who_asks_for_a_room_is_invited(self) -> None:
        """It is opened once."""
        self.assertIn("ada /chat #garden guest bob", texts(self.play.heard(ADA, said("lobby", "a room please"))))
        self.assertIn("ada /invite #garden guest", texts(self.play.heard(ADA, said("lobby", "invite me again"))))

    def test_who_does_nothing_is_reminded_once(self) -> None:
        """Then the bots are quiet, until something is done."""
        self.assertIn(LESSONS[0].said, texts(self.play.waited()))
        self.assertEqual(self.play.waited(), [])
        self.play.heard(ADA, said("lobby", "hello"))
        self.assertIn("one of us alone", texts(self.play.waited()))

    def test_a_call_is_not_talked_over(self) -> None:
        """What is said in it is answered as in a call; who forgets it is reminded how to end it."""
        self.play.heard(BOB, session("started"))
        self.assertIn("/goodbye", texts(self.play.heard(BOB, said("@guest", "call me"))))
        self.assertIn("/goodbye", texts(self.play.waited()))
        self.assertEqual(self.play.waited(), [])

    def test_a_call_that_was_refused_is_nothing(self) -> None:
        """It was none."""
        self.assertEqual(self.play.heard(BOB, session("refused")), [])

    def test_a_file_is_sent_where_files_can_be(self) -> None:
        """And not spoken of elsewhere."""
        giving = Play(GUEST, Path("letter.txt"))
        self.assertIn("bob /send @guest letter.txt", texts(giving.heard(BOB, said("@guest", "a file please"))))
        self.assertNotIn("/send", texts(self.play.heard(BOB, said("@guest", "a file please"))))

    def test_what_is_to_be_read_of_a_line_is_its_text(self) -> None:
        """So that the pause after it fits."""
        self.assertEqual(Line(ADA, "/all hello there").spoken, "hello there")
        self.assertEqual(Line(ADA, "/msg guest hello there").spoken, "hello there")
        self.assertEqual(Line(ADA, "/connect guest").spoken, "")
